package accuracy_test

import (
	"fmt"
	"path/filepath"
	"strings"

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

func ExampleBuiltin() {
	space, err := supernet.OFAMobileNetV3(1.0, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := accuracy.Builtin(space)
	if err != nil {
		fmt.Println(err)
		return
	}
	archs := []supernet.Arch{space.Uniform(3, 3, 2, 224), space.Uniform(5, 4, 3, 208), space.Uniform(7, 6, 4, 224)}
	out := make([]unit.Accuracy, len(archs))
	if err := p.Predict(archs, out); err != nil {
		fmt.Println(err)
		return
	}
	for i, a := range archs {
		bar, err := p.ErrorBar(a.R)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(a.R, out[i], "+-", bar.StdDev)
	}
	// Output:
	// 224 70.66% +- 0.06%
	// 208 75.47% +- 0.19%
	// 224 77.58% +- 0.06%
}

// A file of measurements, here made up: 40 networks whose accuracy depends on two depths.
func ExampleFitCSV() {
	space, err := supernet.OFAMobileNetV3(1.0, 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	var file strings.Builder
	file.WriteString("r,ks,e,d,top1\n")
	for i := range 40 {
		a := space.Uniform(3, 4, 2, 128)
		a.D[0], a.D[4], a.KS[0] = 2+i%3, 2+i/3%3, 3+2*(i%2)
		a.E[16+i%2] = []float64{3, 4, 6}[i/9%3]
		fmt.Fprintln(&file, strings.Join([]string{"128", spaced(a.KS), spaced(a.E), spaced(a.D), fmt.Sprintf("%.1f%%", 88+0.5*float64(a.D[0])+float64(a.D[4]))}, ","))
	}
	p, err := accuracy.FitCSV("mine.csv", strings.NewReader(file.String()), space)
	if err != nil {
		fmt.Println(err)
		return
	}
	deep := space.Uniform(3, 4, 2, 128)
	deep.D[4] = 4
	out := make([]unit.Accuracy, 2)
	if err := p.Predict([]supernet.Arch{space.Uniform(3, 4, 2, 128), deep}, out); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.0f%% %.0f%%\n", out[0].Percent(), out[1].Percent())
	fmt.Println(p.Validation().Networks, "networks,", p.Validation().All.Tau > 0.9)
	// Output:
	// 91% 93%
	// 40 networks, true
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
