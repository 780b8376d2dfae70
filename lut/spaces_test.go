package lut_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// What holds for one kind of supernet holds for the others: a clean table passes the audit, gaps in
// resolution are filled, tables come out of whole networks, and networks calibrate tables.
func TestEveryKindOfSpace(t *testing.T) {
	for _, name := range []string{"ofa-mbv3-w1.0", "ofa-proxyless-w1.3", "ofa-resnet50"} {
		s, err := supernet.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		full := synthetic(t, s, 2, 160, 192, 224)
		if r := audit(t, full, lut.AuditOptions{Space: s, PeakMACs: 8e9}); r.Count(lut.Fault)+r.Count(lut.Doubt) != 0 {
			t.Errorf("%s: %+v", name, r.Findings)
		}
		filled, err := lut.Interpolate(only(full, 160, 224), s, []int{192})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(filled.Entries) != len(full.Entries) {
			t.Errorf("%s: %d entries interpolated, want %d", name, len(filled.Entries), len(full.Entries))
		}
		others := wholeNetworks(t, s, rand.New(rand.NewPCG(1, 2)), 200, 0, 192)
		if e := meanError(t, filled, s, others); e > 0.01 {
			t.Errorf("%s: interpolated sums are off by %.2f%%", name, 100*e)
		}
		fitted, err := lut.FitBlocks(s, sums(t, s, 1, 600, 0.01, trueLatency, 160, 176, 208, 224), lut.FitOptions{
			Point: full.Point, Source: "synthetic", Resolutions: []int{192, 224},
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		e := meanError(t, fitted, s, others)
		t.Logf("%s: sums of fitted costs are off by %.2f%%", name, 100*e)
		if e > 0.02 {
			t.Errorf("%s: sums of fitted costs are off by %.2f%%", name, 100*e)
		}
		blocks, err := s.DistinctBlocks(192)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(only(fitted, 192).Entries); n != len(blocks) {
			t.Errorf("%s: %d fitted entries, want %d", name, n, len(blocks))
		}
		r := calibrate(t, full, s, lut.CalibrateOptions{})
		if f, ok := r.Fit("scale"); !ok || f.MAPE > 0.02 || len(r.Fits) != 5 {
			t.Errorf("%s: %+v", name, r.Fits)
		}
		if q := predict(t, predictor(t, full, s), s.Uniform(s.Kernels[0], s.Expands[0], 2, 160)); len(q.Warnings) != 0 || !(q.Low < q.High) {
			t.Errorf("%s: %+v", name, q)
		}
		if !slices.IsSortedFunc(fitted.Entries, func(a, b lut.Entry) int { return a.Key.Compare(b.Key) }) {
			t.Errorf("%s: fitted entries are not in order", name)
		}
	}
}
