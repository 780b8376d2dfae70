package lut_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

func calibrate(t testing.TB, tab *lut.Table, s *supernet.Space, o lut.CalibrateOptions) *lut.CalibrationReport {
	t.Helper()
	r, err := lut.Calibrate(tab, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// affine gives tab whole networks of exactly offset + scale times the sum over its blocks.
func affine(t testing.TB, tab *lut.Table, s *supernet.Space, n int, offset, scale float64, resolutions ...int) {
	t.Helper()
	raw := *tab
	raw.Calibration = lut.Calibration{}
	p := predictor(t, &raw, s)
	rng := rand.New(rand.NewPCG(2, 8))
	tab.Networks = nil
	for range n {
		a := randomArch(s, rng, resolutions...)
		sum, err := p.Latency(a)
		if err != nil {
			t.Fatal(err)
		}
		tab.Networks = append(tab.Networks, lut.NetworkLatency{Arch: a.String(), Latency: lut.MeanOnly(9, unit.Nanoseconds(offset+scale*float64(sum)), 0)})
	}
}

func TestCalibrateFindsTheTruth(t *testing.T) {
	s := space(t)
	tab := synthetic(t, s, 3, 160, 224)
	tab.Calibration = lut.Calibration{Offset: 7, Scale: 9} // plays no part
	affine(t, tab, s, 40, 0, 1.15, 160, 224)
	r := calibrate(t, tab, s, lut.CalibrateOptions{Seed: 1})
	if c := r.Calibration; math.Abs(c.Scale-1.15) > 1e-12 || c.Offset != 0 || len(r.Fitted) != 5 || r.Judged != 35 {
		t.Errorf("%+v from %d networks, judged on %d", c, len(r.Fitted), r.Judged)
	}
	raw, _ := r.Fit("raw sum")
	if want := 1/1.15 - 1; math.Abs(raw.Bias-want) > 1e-12 || math.Abs(raw.MAPE+want) > 1e-12 || math.Abs(raw.Largest+want) > 1e-12 || raw.Within10.Count != 0 {
		t.Errorf("raw: %+v, want a bias of %g", raw, want)
	}
	scaled, _ := r.Fit("scale")
	if scaled.MAPE > 1e-12 || scaled.Tau != 1 || scaled.Within5 != (lut.Share{Count: 35, Of: 35, Low: scaled.Within5.Low, High: 1}) || math.Abs(scaled.Within5.Low-0.9011) > 1e-3 { // Wilson for 35 of 35: 35/(35+1.96^2)
		t.Errorf("scaled: %+v", scaled)
	}
	affine(t, tab, s, 40, 2e6, 1.15, 160, 224)
	r = calibrate(t, tab, s, lut.CalibrateOptions{Seed: 1, Form: lut.OffsetAndScale})
	if c := r.Calibration; math.Abs(c.Scale-1.15) > 1e-9 || math.Abs(float64(c.Offset)-2e6) > 1 {
		t.Errorf("%+v, want 2 ms and 1.15", c)
	}
	before, _ := r.Fit("scale")
	after, _ := r.Fit("offset+scale")
	if after.MAPE > 1e-9 || before.MAPE < 0.001 {
		t.Errorf("scale %+v, offset and scale %+v", before, after)
	}
	// The calibration works as a predictor's.
	tab.Calibration = r.Calibration
	if e := meanError(t, tab, s, tab.Networks); e > 1e-9 {
		t.Errorf("mean error %g with the calibration", e)
	}
	names := []string{}
	for _, f := range r.Fits {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"raw sum", "scale", "offset+scale", "MACs", "MACs+depth"}, names); diff != "" {
		t.Errorf("fits (-want +got):\n%s", diff)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// A launch-bound device: the baselines must find that depth decides.
func TestCalibrateBaselines(t *testing.T) {
	s := space(t)
	tab := synthetic(t, s, 3, 160, 224)
	tab.Networks = sums(t, s, 4, 60, 0.001, func(b supernet.Block) float64 { return 1e6 + float64(b.MACs())/1e3 }, 160, 224)
	r := calibrate(t, tab, s, lut.CalibrateOptions{Seed: 2})
	macs, _ := r.Fit("MACs")
	depth, _ := r.Fit("MACs+depth")
	if math.Abs(depth.PerBlock/1e6-1) > 0.01 || depth.MAPE > 0.005 || macs.MAPE < 0.1 {
		t.Errorf("MACs %+v\nMACs+depth %+v", macs, depth)
	}
}

func TestCalibrateDraw(t *testing.T) {
	s := space(t)
	tab := synthetic(t, s, 3, 160, 224)
	one := calibrate(t, tab, s, lut.CalibrateOptions{Seed: 1})
	if diff := cmp.Diff(one, calibrate(t, tab, s, lut.CalibrateOptions{Seed: 1})); diff != "" {
		t.Errorf("the same seed:\n%s", diff)
	}
	if other := calibrate(t, tab, s, lut.CalibrateOptions{Seed: 2}); slices.Equal(one.Fitted, other.Fitted) {
		t.Error("another seed draws the same networks")
	}
	for n, want := range map[int]int{2: 1, 3: 1, 9: 4, 12: 5} {
		few := *tab
		few.Networks = tab.Networks[:n]
		if r := calibrate(t, &few, s, lut.CalibrateOptions{}); len(r.Fitted) != want || r.Judged != n-want {
			t.Errorf("%d networks: fitted on %d, judged on %d", n, len(r.Fitted), r.Judged)
		}
	}
	// With one network only the forms with one unknown are left.
	if r := calibrate(t, tab, s, lut.CalibrateOptions{Networks: 1}); len(r.Fits) != 3 {
		t.Errorf("%d fits on one network", len(r.Fits))
	}
	// A network that the table cannot predict is left out and mentioned.
	more := *tab
	more.Networks = append(slices.Clone(tab.Networks), lut.NetworkLatency{Arch: s.Uniform(3, 3, 2, 192).String(), Latency: lut.MeanOnly(1, 1e6, 0)})
	if r := calibrate(t, &more, s, lut.CalibrateOptions{}); r.Judged != 7 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "1 of the table's 13") {
		t.Errorf("judged on %d, warnings %q", r.Judged, r.Warnings)
	}
}

func TestCalibrateErrors(t *testing.T) {
	s := space(t)
	for name, c := range map[string]struct {
		change func(*lut.Table)
		o      lut.CalibrateOptions
		want   string
	}{
		"none":       {func(tab *lut.Table) { tab.Networks = nil }, lut.CalibrateOptions{}, "0 of 0 predictable networks"},
		"one":        {func(tab *lut.Table) { tab.Networks = tab.Networks[:1] }, lut.CalibrateOptions{}, "0 of 1 predictable"},
		"all":        {func(tab *lut.Table) { tab.Networks = tab.Networks[:5] }, lut.CalibrateOptions{Networks: 5}, "5 of 5 predictable"},
		"too many":   {nil, lut.CalibrateOptions{Networks: 6}, "want 1 to 5"},
		"negative":   {nil, lut.CalibrateOptions{Networks: -1}, "-1 of 12"},
		"form":       {nil, lut.CalibrateOptions{Form: "cubic"}, `form "cubic"`},
		"one affine": {nil, lut.CalibrateOptions{Networks: 1, Form: lut.OffsetAndScale}, "no usable fit"},
		"space":      {func(tab *lut.Table) { tab.Space = "other" }, lut.CalibrateOptions{}, `for space "other"`},
		"arch":       {func(tab *lut.Table) { tab.Networks[3].Arch = "{" }, lut.CalibrateOptions{}, "network 3"},
		"latency":    {func(tab *lut.Table) { tab.Networks[3].Latency = lut.MeanOnly(1, 0, 0) }, lut.CalibrateOptions{}, "network 3: latency 0 ns"},
		"falling": {func(tab *lut.Table) { // the larger, the faster
			for i := range tab.Networks {
				l := &tab.Networks[i].Latency
				*l = lut.MeanOnly(1, 1e15/l.P50, 0)
			}
		}, lut.CalibrateOptions{Form: lut.OffsetAndScale}, "no usable fit"},
	} {
		tab := synthetic(t, s, 3, 160, 224)
		if c.change != nil {
			c.change(tab)
		}
		if _, err := lut.Calibrate(tab, s, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func ExampleCalibrate() {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	blocks, err := space.DistinctBlocks(160)
	if err != nil {
		fmt.Println(err)
		return
	}
	table := &lut.Table{Space: space.Name, Point: lut.OperatingPoint{Device: "example", Processor: "cpu"}, Origin: lut.Measured, Source: "example"}
	for _, b := range blocks {
		table.Entries = append(table.Entries, lut.Entry{Key: lut.Key{Resolution: 160, Block: b}, Latency: lut.MeanOnly(100, 1e6, 1e4)})
	}
	for d := 2; d <= 4; d++ { // 16, 21 and 26 blocks of 1 ms, measured 15% above their sum
		for _, k := range space.Kernels {
			blocks := 6 + 5*d
			table.Networks = append(table.Networks, lut.NetworkLatency{Arch: space.Uniform(k, 3, d, 160).String(), Latency: lut.MeanOnly(100, unit.Nanoseconds(1.15e6*float64(blocks)), 1e4)})
		}
	}
	report, err := lut.Calibrate(table, space, lut.CalibrateOptions{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range report.Fits[:2] {
		fmt.Printf("%s: %.1f%% off, %d of %d within 5%%\n", f.Name, 100*f.MAPE, f.Within5.Count, f.Within5.Of)
	}
	// Output:
	// raw sum: 13.0% off, 0 of 5 within 5%
	// scale: 0.0% off, 5 of 5 within 5%
}
