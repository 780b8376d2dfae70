package lut_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// sums returns n random networks whose latency is the sum of cost over their blocks, times
// lognormal noise.
func sums(t testing.TB, s *supernet.Space, seed uint64, n int, sigma float64, cost func(supernet.Block) float64, resolutions ...int) []lut.NetworkLatency {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	var networks []lut.NetworkLatency
	for range n {
		a := s.Random(rng, resolutions[rng.IntN(len(resolutions))])
		blocks, err := s.Blocks(a)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, b := range blocks {
			sum += cost(b)
		}
		networks = append(networks, lut.NetworkLatency{Arch: a.String(), Latency: lut.MeanOnly(1, unit.Nanoseconds(sum*math.Exp(sigma*rng.NormFloat64())), 0)})
	}
	return networks
}

// A table from sums must predict sums of other networks.
func TestFitBlocks(t *testing.T) {
	s := space(t)
	point := lut.OperatingPoint{Device: "board", Processor: "cpu"}
	for _, c := range []struct {
		n     int
		sigma float64
		knots []int
		most  float64 // of the mean relative error on other networks
	}{
		{2000, 0, nil, 0.004},   // the layers around the elastic ones follow the resolution in steps of their own
		{2000, 0.03, nil, 0.01}, // 182 unknowns from 2,000 networks: 3% sqrt(182/2000) sqrt(2/pi) = 0.7%
		{300, 0.01, []int{128, 224}, 0.012},
		{10, 0.01, []int{128, 224}, 0.02}, // the prior: multiply-accumulates alone
	} {
		train := sums(t, s, 1, c.n, c.sigma, trueLatency, s.Resolutions...)
		tab, err := lut.FitBlocks(s, train, lut.FitOptions{Point: point, Source: "synthetic", Knots: c.knots})
		if err != nil {
			t.Fatal(err)
		}
		if err := tab.Validate(); err != nil {
			t.Error(err)
		}
		e := meanError(t, tab, s, sums(t, s, 2, 500, 0, trueLatency, s.Resolutions...))
		t.Logf("%d networks, noise %g: mean error %.2f%% on others", c.n, c.sigma, 100*e)
		if !(e <= c.most) {
			t.Errorf("%d networks, noise %g, knots %v: mean error %.3f%%, want at most %.3f%%", c.n, c.sigma, c.knots, 100*e, 100*c.most)
		}
		if tab.Origin != lut.Modelled || len(tab.Networks) != 0 || len(tab.Resolutions()) != 25 {
			t.Errorf("origin %s, %d networks, resolutions %v", tab.Origin, len(tab.Networks), tab.Resolutions())
		}
	}
}

func TestFitBlocksKeepsCostsAboveZero(t *testing.T) {
	s := space(t)
	// A third of the blocks cost nothing: noise would make many of them negative.
	cost := func(b supernet.Block) float64 {
		if b.Kernel == 5 {
			return 0
		}
		return trueLatency(b)
	}
	tab, err := lut.FitBlocks(s, sums(t, s, 1, 400, 0.05, cost, 160, 224), lut.FitOptions{
		Point: lut.OperatingPoint{Device: "board", Processor: "cpu"}, Source: "synthetic", Ridge: 1e-4, Resolutions: []int{160, 192},
	})
	if err != nil {
		t.Fatal(err)
	}
	zero := 0
	for _, e := range tab.Entries {
		if e.Latency.Mean < 0 {
			t.Fatalf("%v costs %v", e.Key, e.Latency.Mean)
		}
		if e.Latency.Mean == 0 && e.Key.Block.Op == supernet.OpMBConv {
			zero++
		}
	}
	if zero == 0 {
		t.Error("no cost is at its bound, so the test proves nothing")
	}
}

func TestFitBlocksMarksUnseenBlocks(t *testing.T) {
	s := space(t)
	networks := sums(t, s, 1, 2000, 0, trueLatency, 224)
	networks = slices.DeleteFunc(networks, func(n lut.NetworkLatency) bool { // no kernel 7 in the first stage
		a, err := supernet.ParseArch([]byte(n.Arch))
		return err != nil || slices.Contains(a.KS[:4], 7)
	})
	tab, err := lut.FitBlocks(s, networks, lut.FitOptions{Point: lut.OperatingPoint{Device: "board", Processor: "cpu"}, Source: "synthetic"})
	if err != nil {
		t.Fatal(err)
	}
	if got := tab.Resolutions(); !slices.Equal(got, []int{224}) {
		t.Errorf("resolutions %v, want the only one of the networks", got)
	}
	for _, e := range tab.Entries {
		b := e.Key.Block
		want := b.Op == supernet.OpMBConv && b.Kernel == 7 && b.Out.Channels == 32
		if got := len(e.Latency.Warnings) > 0; got != want {
			t.Errorf("%v: warnings %q", e.Key, e.Latency.Warnings)
		}
	}
}

func TestFitBlocksIsRepeatable(t *testing.T) {
	s := space(t)
	networks := sums(t, s, 1, 300, 0.02, trueLatency, 160, 192, 224)
	var texts [2]bytes.Buffer
	for i := range texts {
		tab, err := lut.FitBlocks(s, networks, lut.FitOptions{Point: lut.OperatingPoint{Device: "board", Processor: "cpu"}, Source: "synthetic"})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&texts[i], "%v", tab)
	}
	if !bytes.Equal(texts[0].Bytes(), texts[1].Bytes()) {
		t.Error("two fits of the same networks differ")
	}
}

func TestFitBlocksErrors(t *testing.T) {
	s := space(t)
	good := lut.FitOptions{Point: lut.OperatingPoint{Device: "board", Processor: "cpu"}, Source: "synthetic"}
	networks := sums(t, s, 1, 20, 0, trueLatency, 160, 224)
	for name, c := range map[string]struct {
		networks func() []lut.NetworkLatency
		change   func(*lut.FitOptions)
		want     string
	}{
		"few":        {func() []lut.NetworkLatency { return networks[:9] }, nil, "9 networks are fewer"},
		"no network": {func() []lut.NetworkLatency { n := slices.Clone(networks); n[3].Arch = "x"; return n }, nil, "network 3"},
		"no sub-network": {func() []lut.NetworkLatency {
			n := slices.Clone(networks)
			n[4].Arch = s.Uniform(9, 3, 2, 160).String()
			return n
		}, nil, "network 4"},
		"no latency": {func() []lut.NetworkLatency {
			n := slices.Clone(networks)
			n[5].Latency = lut.MeanOnly(1, 0, 0)
			return n
		}, nil, "network 5"},
		"unknown":       {func() []lut.NetworkLatency { n := slices.Clone(networks); n[6].Latency = lut.Unknown(); return n }, nil, "network 6"},
		"knots":         {nil, func(o *lut.FitOptions) { o.Knots = []int{160, 160, 224} }, "not ascending"},
		"knots inside":  {nil, func(o *lut.FitOptions) { o.Knots = []int{160, 192} }, "enclose"},
		"many knots":    {nil, func(o *lut.FitOptions) { o.Knots = []int{160, 164, 168, 172, 176, 180, 184, 188, 224} }, "at most 8"},
		"ridge":         {nil, func(o *lut.FitOptions) { o.Ridge = -1 }, "ridge -1"},
		"NaN ridge":     {nil, func(o *lut.FitOptions) { o.Ridge = math.NaN() }, "ridge NaN"},
		"device":        {nil, func(o *lut.FitOptions) { o.Point.Device = "" }, "device is empty"},
		"extrapolation": {nil, func(o *lut.FitOptions) { o.Resolutions = []int{128} }, "never extrapolated"},
	} {
		o, n := good, networks
		if c.change != nil {
			c.change(&o)
		}
		if c.networks != nil {
			n = c.networks()
		}
		if _, err := lut.FitBlocks(s, n, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	o := good
	o.Resolutions = []int{128}
	if _, err := lut.FitBlocks(s, networks, o); !errors.Is(err, lut.ErrExtrapolation) {
		t.Errorf("error %v, want ErrExtrapolation", err)
	}
}

func ExampleFitBlocks() {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	var networks []lut.NetworkLatency // here by a formula; measure them
	for _, k := range space.Kernels {
		for _, e := range space.Expands {
			for _, d := range space.Depths {
				a := space.Uniform(k, e, d, 160)
				macs, err := space.MACs(a)
				if err != nil {
					fmt.Println(err)
					return
				}
				networks = append(networks, lut.NetworkLatency{Arch: a.String(), Latency: lut.MeanOnly(100, unit.Nanoseconds(float64(macs)/10), 0)})
			}
		}
	}
	table, err := lut.FitBlocks(space, networks, lut.FitOptions{Point: lut.OperatingPoint{Device: "example", Processor: "cpu"}, Source: "27 uniform networks"})
	if err != nil {
		fmt.Println(err)
		return
	}
	predictor, err := lut.NewPredictor(table, space)
	if err != nil {
		fmt.Println(err)
		return
	}
	latency, err := predictor.Latency(space.Uniform(3, 3, 2, 160)) // 100.3 million multiply-accumulates
	fmt.Println(latency, err)
	// Output: 10.03 ms <nil>
}
