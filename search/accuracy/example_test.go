package accuracy_test

import (
	"fmt"
	"path/filepath"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

func ExampleLoadMLP() {
	m, err := accuracy.LoadMLP(filepath.Join("testdata", "mlp.pth")) // seeded random weights
	if err != nil {
		fmt.Println(err)
		return
	}
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	out := make([]unit.Accuracy, 2)
	if err := m.Predict([]supernet.Arch{space.Smallest(), space.Largest()}, out); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out, m.Describe().Origin, m.Describe().Source)
	// Output:
	// [47.11% 49.84%] predicted mlp.pth
}

func ExampleNewStandIn() {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := accuracy.NewStandIn(space)
	if err != nil {
		fmt.Println(err)
		return
	}
	out := make([]unit.Accuracy, 2)
	if err := p.Predict([]supernet.Arch{space.Smallest(), space.Largest()}, out); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out, p.Describe().Origin)
	// Output:
	// [50.00% 76.44%] stand-in
}
