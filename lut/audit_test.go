package lut_test

import (
	"bytes"
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

func TestAuditOfCleanTables(t *testing.T) {
	s := space(t)
	for seed := range uint64(20) {
		tab := synthetic(t, s, seed, 160, 192, 224)
		r := audit(t, tab, lut.AuditOptions{Space: s, Others: []*lut.Table{synthetic(t, s, seed+1000, 160, 192, 224)},
			Known: wholeNetworks(t, s, rand.New(rand.NewPCG(seed, 9)), 6, 0.02, 160, 224), PeakMACs: 8e9, PeakBytes: 1e11})
		if r.Count(lut.Fault)+r.Count(lut.Doubt) != 0 {
			t.Errorf("seed %d: %+v", seed, r.Findings)
		}
		if len(r.Skipped) != 0 {
			t.Errorf("seed %d: skipped %+v", seed, r.Skipped)
		}
	}
	// The same for entries that serve every resolution.
	tab := synthetic(t, s, 1, 160, 192, 224)
	seen := map[supernet.Block]bool{}
	tab.Entries = slices.DeleteFunc(tab.Entries, func(e lut.Entry) bool { twice := seen[e.Key.Block]; seen[e.Key.Block] = true; return twice })
	for i := range tab.Entries {
		tab.Entries[i].Key.Resolution = 0
	}
	r := audit(t, tab, lut.AuditOptions{Space: s})
	if r.Count(lut.Fault)+r.Count(lut.Doubt) != 0 {
		t.Errorf("entries for every resolution: %+v", r.Findings)
	}
	if !slices.ContainsFunc(r.Passed, func(c lut.Check) bool {
		return c.Code == lut.CodeResolutionOrder && strings.Contains(c.Text, "2 steps")
	}) {
		t.Errorf("entries for every resolution: passed %+v", r.Passed)
	}
}

// scale multiplies every statistic.
func scale(l lut.Latency, f float64) lut.Latency {
	for _, v := range []*unit.Nanoseconds{&l.Min, &l.P50, &l.P90, &l.P99, &l.Mean, &l.Std, &l.CILow, &l.CIHigh} {
		*v = unit.Nanoseconds(float64(*v) * f)
	}
	return l
}

// each changes the entries that a test picks.
func each(tab *lut.Table, pick func(lut.Key) bool, change func(*lut.Latency)) {
	for i := range tab.Entries {
		if pick(tab.Entries[i].Key) {
			change(&tab.Entries[i].Latency)
		}
	}
}

func all(lut.Key) bool { return true }

func at(r int) func(lut.Key) bool { return func(k lut.Key) bool { return k.Resolution == r } }

// Every planted fault gives its own finding and no other.
func TestAuditOfPlantedFaults(t *testing.T) {
	s := space(t)
	none := lut.AuditOptions{}
	isOp := func(op supernet.Op) func(lut.Key) bool { return func(k lut.Key) bool { return k.Block.Op == op } }
	for name, c := range map[string]struct {
		plant    func(*lut.Table) lut.AuditOptions
		code     lut.Code
		severity lut.Severity
		count    int
		words    string
	}{
		"missing keys": {func(tab *lut.Table) lut.AuditOptions {
			tab.Entries = slices.Delete(tab.Entries, 10, 13)
			return lut.AuditOptions{Space: s}
		}, lut.CodeMissing, lut.Fault, 3, "3 of 288 blocks"},
		"foreign keys": {func(tab *lut.Table) lut.AuditOptions {
			for i := range tab.Entries[:4] {
				e := tab.Entries[90+i] // blocks of 160 pixels
				e.Key.Resolution = 164
				tab.Entries = append(tab.Entries, e)
			}
			tab.Entries = slices.DeleteFunc(tab.Entries, func(e lut.Entry) bool { return e.Key.Resolution == 164 && e.Key.Block.Op != supernet.OpMBConv })
			return lut.AuditOptions{Space: s.WithResolutions(160, 192, 224)}
		}, lut.CodeForeign, lut.Doubt, 2, ""},
		"copied entries": {func(tab *lut.Table) lut.AuditOptions {
			other := synthetic(t, s, 77, 160, 192, 224)
			other.Point.Device = "phone"
			pick := func(k lut.Key) bool { return k.Block.Op == supernet.OpStem && k.Resolution != 192 }
			for i, e := range other.Entries {
				if pick(e.Key) {
					tab.Entries[i].Latency = e.Latency
				}
			}
			return lut.AuditOptions{Others: []*lut.Table{other}}
		}, lut.CodeCopied, lut.Fault, 2, "phone/cpu"},
		"repeated entries": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, isOp(supernet.OpMix), func(l *lut.Latency) { *l = tab.Entries[95].Latency }) // 95: classifier
			return none
		}, lut.CodeRepeated, lut.Fault, 3, "3 entries"},
		"kernels inverted": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, func(k lut.Key) bool { return k.Block.Kernel == 7 && k.Block.Stride == 2 && k.Resolution == 192 }, func(l *lut.Latency) { *l = scale(*l, 0.6) })
			return none
		}, lut.CodeKernelOrder, lut.Fault, 12, "in 12 of 180 pairs"}, // 4 stages with stride 2, 3 expand ratios
		"one kernel inverted": {func(tab *lut.Table) lut.AuditOptions {
			first := true
			each(tab, func(k lut.Key) bool {
				hit := first && k.Block.Kernel == 7 && k.Block.SE
				first = first && !hit
				return hit
			}, func(l *lut.Latency) { *l = scale(*l, 0.85) })
			return none
		}, lut.CodeKernelOrder, lut.Doubt, 1, "in 1 of 180 pairs"},
		"column out of order": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, at(160), func(l *lut.Latency) { *l = scale(*l, 1.6) }) // 192 has 1.4 times the pixels
			return none
		}, lut.CodeResolutionOrder, lut.Fault, 1, "r=160 is the most out of order"},
		"column too low": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, at(192), func(l *lut.Latency) { *l = scale(*l, 0.5) })
			return none
		}, lut.CodeResolutionOrder, lut.Fault, 1, "r=192 is the most out of order"},
		"last column too low": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, at(224), func(l *lut.Latency) { *l = scale(*l, 0.6) }) // 224 has 1.4 times the pixels of 192
			return none
		}, lut.CodeResolutionOrder, lut.Fault, 1, "r=224 is the most out of order"},
		"useless spread": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, all, func(l *lut.Latency) { l.Std = l.Mean * 0.34 })
			return none
		}, lut.CodeSpread, lut.Fault, 288, "34% of the mean"},
		"wide spread": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, all, func(l *lut.Latency) { l.Std = l.Mean * 0.12 })
			return none
		}, lut.CodeSpread, lut.Doubt, 288, "12% of the mean"},
		"few samples": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, all, func(l *lut.Latency) { *l = lut.MeanOnly(10, l.Mean, l.Std) })
			return none
		}, lut.CodeSamples, lut.Doubt, 288, "288 of 288 entries have fewer than 30 samples"},
		"wide intervals": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, at(192), func(l *lut.Latency) { l.CILow, l.CIHigh = l.P50*0.9, l.P50*1.1 })
			return none
		}, lut.CodeSamples, lut.Doubt, 96, "96 an interval wider than"},
		"unsupported tail": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, all, func(l *lut.Latency) { l.N = 298 })
			return none
		}, lut.CodeTail, lut.Doubt, 288, "fewer than the 299 samples"},
		"mixed samples": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, all, func(l *lut.Latency) { *l = lut.MeanOnly(100, l.Mean, l.Std) })
			each(tab, isOp(supernet.OpExpand), func(l *lut.Latency) { l.N = 500 })
			return none
		}, lut.CodeMixed, lut.Doubt, 3, "100 to 500 samples per entry; most frequent are 100, in 285 of 288"},
		"stands out": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, isOp(supernet.OpExpand), func(l *lut.Latency) { *l = scale(*l, 0.1) })
			return none
		}, lut.CodeRoofline, lut.Doubt, 3, "3 of 288 entries are faster than 4 times the rate"},
		"stands out, by what memory allows": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, isOp(supernet.OpExpand), func(l *lut.Latency) { *l = scale(*l, 0.1) })
			return lut.AuditOptions{PeakBytes: 1e13}
		}, lut.CodeRoofline, lut.Doubt, 3, "4 times the rate"},
		"below the stated peak": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, isOp(supernet.OpExpand), func(l *lut.Latency) { *l = scale(*l, 0.5) })
			return lut.AuditOptions{PeakMACs: 6e9}
		}, lut.CodeRoofline, lut.Fault, 3, "stated peak of 6e+09 multiply-accumulates"},
		"below the memory peak": {func(tab *lut.Table) lut.AuditOptions {
			return lut.AuditOptions{PeakBytes: 1.5e10} // pooling of 5x5x1152 float32: 120 kB in 5 us
		}, lut.CodeRoofline, lut.Fault, 3, "stated peak of 1.5e+10 bytes"},
		"no time at all": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, func(k lut.Key) bool { return k.Block.Op == supernet.OpStem && k.Resolution == 224 }, func(l *lut.Latency) { *l = lut.MeanOnly(400, 0, 0) })
			return none
		}, lut.CodeRoofline, lut.Fault, 1, ""},
		"seconds as milliseconds": {func(tab *lut.Table) lut.AuditOptions {
			tab.Networks = nil
			each(tab, all, func(l *lut.Latency) { *l = scale(*l, 1e-3) })
			return none
		}, lut.CodeUnit, lut.Fault, 288, "were seconds taken"},
		"microseconds as milliseconds": {func(tab *lut.Table) lut.AuditOptions {
			tab.Networks = nil
			each(tab, all, func(l *lut.Latency) { *l = scale(*l, 1e3) })
			return none
		}, lut.CodeUnit, lut.Fault, 288, "were microseconds"},
		"unit against known networks": {func(tab *lut.Table) lut.AuditOptions {
			known := wholeNetworks(t, s, rand.New(rand.NewPCG(3, 3)), 6, 0, 160, 224)
			for i := range known {
				known[i].Latency = scale(known[i].Latency, 1.0/900)
			}
			return lut.AuditOptions{Space: s, Known: known}
		}, lut.CodeUnit, lut.Fault, 6, "a factor of about 1000"},
		"half of the known networks": {func(tab *lut.Table) lut.AuditOptions {
			known := wholeNetworks(t, s, rand.New(rand.NewPCG(3, 3)), 6, 0, 160, 224)
			for i := range known {
				known[i].Latency = scale(known[i].Latency, 2)
			}
			return lut.AuditOptions{Space: s, Known: known}
		}, lut.CodeSum, lut.Fault, 6, "0.50 to 0.50 of the measured latency of 6 whole networks (known)"},
		"hot against own networks": {func(tab *lut.Table) lut.AuditOptions {
			for i := range tab.Networks {
				tab.Networks[i].Latency = scale(tab.Networks[i].Latency, 1.2)
			}
			return lut.AuditOptions{Space: s}
		}, lut.CodeSum, lut.Doubt, 12, "(the table's own)"},
		"graded down": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, isOp(supernet.OpStem), func(l *lut.Latency) { l.Grade = lut.GradeC })
			return none
		}, lut.CodeGrade, lut.Doubt, 3, "3 of 288 entries were graded C, 0 D"},
		"not to be used": {func(tab *lut.Table) lut.AuditOptions {
			each(tab, isOp(supernet.OpStem), func(l *lut.Latency) { l.Grade = lut.GradeD })
			return none
		}, lut.CodeGrade, lut.Fault, 3, "3 D"},
		"not to be used as a whole": {func(tab *lut.Table) lut.AuditOptions {
			tab.Grade = lut.GradeD
			return none
		}, lut.CodeGrade, lut.Fault, 0, `was graded "D"`},
	} {
		tab := synthetic(t, s, 5, 160, 192, 224)
		o := c.plant(tab)
		r := audit(t, tab, o)
		bad := append(codes(r, lut.Fault), codes(r, lut.Doubt)...)
		if diff := cmp.Diff([]lut.Code{c.code}, bad); diff != "" {
			t.Errorf("%s: findings (-want +got):\n%s%+v", name, diff, r.Findings)
			continue
		}
		f := finding(t, r, c.code)
		if f.Severity != c.severity || f.Count != c.count || !strings.Contains(f.Message, c.words) {
			t.Errorf("%s: %s, %d of %d, %q; want %s, %d, %q", name, f.Severity, f.Count, f.Of, f.Message, c.severity, c.count, c.words)
		}
	}
}

// A meter that returns before the work is done: every block takes what a launch takes.
func TestAuditCatchesAMissingSynchronisation(t *testing.T) {
	s := space(t)
	tab := synthetic(t, s, 5, 160, 192, 224)
	rng := rand.New(rand.NewPCG(8, 8))
	each(tab, all, func(l *lut.Latency) { *l = noisy(rng, 15e3, 0.03, 400) })
	r := audit(t, tab, lut.AuditOptions{Space: s, PeakMACs: 2e10})
	for code, severity := range map[lut.Code]lut.Severity{
		lut.CodeRoofline: lut.Fault, lut.CodeSum: lut.Fault, lut.CodeKernelFlat: lut.Doubt, lut.CodeExpandFlat: lut.Doubt, lut.CodeResolutionFlat: lut.Doubt,
	} {
		if f := finding(t, r, code); f.Severity != severity {
			t.Errorf("%s is a %s, want a %s: %s", code, f.Severity, severity, f.Message)
		}
	}
}

// Inversions within both intervals are counted and excused.
func TestAuditExcusesOverlappingIntervals(t *testing.T) {
	s := space(t)
	tab := synthetic(t, s, 5, 160)
	each(tab, func(k lut.Key) bool { return k.Block.Kernel == 7 }, func(l *lut.Latency) { *l = scale(*l, 0.6); l.CIHigh = l.P50 * 2; l.CILow = l.P50 / 2 })
	f := finding(t, audit(t, tab, lut.AuditOptions{}), lut.CodeKernelOrder)
	if f.Severity != lut.Note || f.Count != 0 || f.Raw != 30 || f.Of != 60 { // 5 stages, 2 kinds of block, 3 ratios: 30 pairs of 5 and 7
		t.Errorf("%+v", f)
	}
	// Without intervals the same inversions count.
	each(tab, all, func(l *lut.Latency) { l.CILow, l.CIHigh = unit.Nanoseconds(math.NaN()), unit.Nanoseconds(math.NaN()) })
	f = finding(t, audit(t, tab, lut.AuditOptions{}), lut.CodeKernelOrder)
	if f.Severity != lut.Fault || f.Count != 30 || f.Raw != 30 {
		t.Errorf("without intervals: %+v", f)
	}
}

// What was fitted or interpolated is not blamed for having no samples.
func TestAuditOfAModelledTable(t *testing.T) {
	s := space(t)
	tab, err := lut.Interpolate(synthetic(t, s, 5, 160, 224), s, []int{192})
	if err != nil {
		t.Fatal(err)
	}
	r := audit(t, tab, lut.AuditOptions{Space: s})
	if r.Count(lut.Fault)+r.Count(lut.Doubt) != 0 {
		t.Errorf("%+v", r.Findings)
	}
	f := finding(t, r, lut.CodeWarnings)
	if f.Severity != lut.Note || f.Count != 96 || !strings.Contains(f.Evidence[0].What, "interpolated") {
		t.Errorf("%+v", f)
	}
}

func TestAuditErrors(t *testing.T) {
	s := space(t)
	other, err := supernet.OFAMobileNetV3(1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		tab  *lut.Table
		o    lut.AuditOptions
		want string
	}{
		"invalid table":   {&lut.Table{}, lut.AuditOptions{}, "device is empty"},
		"another space":   {table(t, s, 160), lut.AuditOptions{Space: other}, `for space "ofa-mbv3-w1.2"`},
		"peak":            {table(t, s, 160), lut.AuditOptions{PeakMACs: math.NaN()}, "peaks of NaN"},
		"infinite peak":   {table(t, s, 160), lut.AuditOptions{PeakBytes: math.Inf(1)}, "+Inf bytes"},
		"known network":   {table(t, s, 160), lut.AuditOptions{Space: s, Known: []lut.NetworkLatency{{Arch: "{", Latency: lut.MeanOnly(1, 1, 1)}}}, "known network 0"},
		"foreign network": {table(t, s, 160), lut.AuditOptions{Space: s, Known: []lut.NetworkLatency{{Arch: s.Uniform(9, 3, 2, 160).String(), Latency: lut.MeanOnly(1, 1, 1)}}}, "ks[0] is 9"},
		"no latency":      {table(t, s, 160), lut.AuditOptions{Space: s, Known: []lut.NetworkLatency{{Arch: s.Uniform(3, 3, 2, 160).String(), Latency: lut.MeanOnly(1, 0, 1)}}}, "is not positive"},
	} {
		if _, err := lut.Audit(c.tab, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// Whatever valid numbers a table holds, the audit ends, leaves the table alone, has a JSON form and
// says the same again.
func TestAuditOfRandomTables(t *testing.T) {
	s := space(t)
	rng := rand.New(rand.NewPCG(6, 6))
	number := func() unit.Nanoseconds {
		switch rng.IntN(6) {
		case 0:
			return 0
		case 1:
			return unit.Nanoseconds(math.NaN())
		case 2:
			return math.MaxFloat64
		}
		return unit.Nanoseconds(math.Exp(40 * rng.NormFloat64()))
	}
	for i := range 60 {
		tab := table(t, s, [][]int{{160}, {0, 160}, {160, 224}, {164}}[rng.IntN(4)]...)
		tab.Entries[rng.IntN(len(tab.Entries))].Key.Resolution = []int{7, 100000}[rng.IntN(2)]
		rng.Shuffle(len(tab.Entries), func(i, j int) { tab.Entries[i], tab.Entries[j] = tab.Entries[j], tab.Entries[i] })
		tab.Entries = tab.Entries[:1+rng.IntN(len(tab.Entries))]
		for i := range tab.Entries {
			l := lut.Unknown()
			l.N, l.P50, l.Mean, l.Std = rng.IntN(400), number(), number(), number()
			if math.IsNaN(float64(l.Central())) {
				l.Mean = 1
			}
			tab.Entries[i].Latency = l
		}
		if tab.Validate() != nil {
			t.Fatalf("table %d: %v", i, tab.Validate())
		}
		before := slices.Clone(tab.Entries)
		o := lut.AuditOptions{Space: s, Others: []*lut.Table{tab}, Known: []lut.NetworkLatency{{Arch: s.Uniform(3, 3, 2, 160).String(), Latency: lut.MeanOnly(1, 1e6, 0)}}}
		var texts [2][]byte
		for j := range texts {
			var err error
			if texts[j], err = json.Marshal(audit(t, tab, o)); err != nil {
				t.Fatalf("table %d: %v", i, err)
			}
		}
		if !bytes.Equal(texts[0], texts[1]) {
			t.Fatalf("table %d: two reports differ:\n%s\n%s", i, texts[0], texts[1])
		}
		if !cmp.Equal(before, tab.Entries, equalOrNaN) {
			t.Fatalf("table %d changed", i)
		}
	}
}

func ExampleAudit() {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	table := &lut.Table{Space: space.Name, Point: lut.OperatingPoint{Device: "example", Processor: "gpu"}, Origin: lut.Imported, Source: "launches timed without waiting for the device"}
	blocks, err := space.DistinctBlocks(160)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, b := range blocks {
		table.Entries = append(table.Entries, lut.Entry{Key: lut.Key{Resolution: 160, Block: b}, Latency: lut.MeanOnly(500, unit.Nanoseconds(1e6+1000*float64(i%7)), 1e4)})
	}
	report, err := lut.Audit(table, lut.AuditOptions{Space: space})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range report.Findings {
		if f.Code == lut.CodeKernelOrder {
			fmt.Printf("%s: %s\n", f.Severity, f.Message)
		}
	}
	// Output: fault: the larger kernel is cheaper in 9 of 60 pairs of entries that differ in nothing else
}
