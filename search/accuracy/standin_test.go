package accuracy_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

func standIn(t testing.TB) (*supernet.Space, *accuracy.StandIn) {
	t.Helper()
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	p, err := accuracy.NewStandIn(space)
	if err != nil {
		t.Fatal(err)
	}
	return space, p
}

// By its definition the stand-in is 0.8/1.6 = 0.5 for the smallest sub-network.
func TestStandInSmallest(t *testing.T) {
	space, p := standIn(t)
	got := predict(t, p, []supernet.Arch{space.Smallest()})[0]
	if math.Abs(float64(got)-0.5) > 1e-15 {
		t.Errorf("%v, want 0.5", got)
	}
}

// More multiply-accumulates, larger number; equal ones, equal number; always an accuracy.
func TestStandInIsMonotone(t *testing.T) {
	space, p := standIn(t)
	archs := random(1, 300)
	archs = append(archs, space.Largest(), space.Smallest(), space.Uniform(3, 3, 2, 8), space.Uniform(7, 6, 4, 4096))
	type point struct {
		macs     int64
		accuracy unit.Accuracy
	}
	var points []point
	for i, a := range predict(t, p, archs) {
		macs, err := space.MACs(archs[i])
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, point{macs, a})
	}
	slices.SortFunc(points, func(a, b point) int { return int(a.macs - b.macs) })
	for i, q := range points {
		if !(q.accuracy > 0 && q.accuracy < 0.8) {
			t.Errorf("%v", q)
		}
		if i > 0 && (points[i-1].macs < q.macs) != (points[i-1].accuracy < q.accuracy) {
			t.Errorf("%v and %v", points[i-1], q)
		}
	}
}

func TestStandInDescription(t *testing.T) {
	_, p := standIn(t)
	d := p.Describe()
	if d.Origin != "stand-in" || d.Source != "ofa-mbv3-w1.2" || d.SHA256 != "" || !strings.Contains(d.Note, "no accuracy was measured") {
		t.Errorf("%+v", d)
	}
}

func TestStandInRefuses(t *testing.T) {
	space, p := standIn(t)
	a := space.Largest()
	a.D[3] = 5
	err := p.Predict([]supernet.Arch{space.Smallest(), a}, make([]unit.Accuracy, 2))
	var bad *accuracy.Error
	if !errors.As(err, &bad) || bad.Index != 1 || !strings.Contains(err.Error(), "d[3] is 5") {
		t.Errorf("%v", err)
	}
	if _, err := accuracy.NewStandIn(&supernet.Space{Name: "broken", Kernels: []int{3}, Expands: []float64{3}, Depths: []int{2},
		Resolutions: []int{1}, Stages: make([]supernet.Stage, 1)}); err == nil {
		t.Error("a space whose networks are not valid is accepted")
	}
}
