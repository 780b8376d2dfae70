package lut_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// sampled returns a table of 96 entries from n samples each: the true latency times factor, with 3%
// lognormal noise, one sample in fifty half as long again, rounded to nanoseconds.
func sampled(t testing.TB, s *supernet.Space, rng *rand.Rand, n int, factor func(i int) float64) *lut.Table {
	t.Helper()
	tab := withSamples(t, s, rng, n, factor)
	for i := range tab.Entries {
		tab.Entries[i].Latency.Samples = nil
	}
	return tab
}

// withSamples is sampled with the samples kept.
func withSamples(t testing.TB, s *supernet.Space, rng *rand.Rand, n int, factor func(i int) float64) *lut.Table {
	t.Helper()
	tab := table(t, s, 160)
	samples := make([]unit.Nanoseconds, n)
	for i := range tab.Entries {
		median := trueLatency(tab.Entries[i].Key.Block) * factor(i)
		for j := range samples {
			v := median * math.Exp(0.03*rng.NormFloat64())
			if rng.IntN(50) == 0 {
				v *= 1.5
			}
			samples[j] = unit.Nanoseconds(math.Round(v))
		}
		l := lut.Summarize(samples)
		l.Samples = &lut.Samples{}
		for _, v := range samples {
			l.Samples.Times = append(l.Samples.Times, time.Duration(v))
		}
		tab.Entries[i].Latency = l
	}
	return tab
}

func unchanged(int) float64 { return 1 }

func diff(t testing.TB, a, b *lut.Table, o lut.DiffOptions) *lut.DiffReport {
	t.Helper()
	r, err := lut.Diff(a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The bars: at most 3 false alarms in 100 comparisons of 97 rows at the default alpha of 1%, and a
// slow-down of 2% found with a power of 0.9 at least, in one block of 96 or in all of them: by ranks
// of samples, and where only summaries are known.
func TestDiffAlarms(t *testing.T) {
	if reftest.RaceDetector {
		t.Skip("many comparisons, without goroutines")
	}
	t.Run("samples", func(t *testing.T) { diffAlarms(t, "samples", 300, withSamples, 20, 200) })
	t.Run("medians", func(t *testing.T) { diffAlarms(t, "medians", 100, sampled, 20, 300) })
}

// diffAlarms finds a change in one block by enough samples only.
func diffAlarms(t *testing.T, basis string, runs int, sampled func(testing.TB, *supernet.Space, *rand.Rand, int, func(int) float64) *lut.Table, few, enough int) {
	s := space(t)
	const planted, trials = 37, 50
	for _, n := range []int{few, enough} {
		alarms, found, foundAll := 0, 0, 0
		for run := range runs {
			rng := rand.New(rand.NewPCG(uint64(run), uint64(n)))
			a := sampled(t, s, rng, n, unchanged)
			if r := diff(t, a, sampled(t, s, rng, n, unchanged), lut.DiffOptions{}); r.Slower+r.Faster > 0 {
				alarms++
			}
			slow := func(i int) float64 {
				if i == planted {
					return 1.02
				}
				return 1
			}
			if run >= trials { // power on some of the runs
				continue
			}
			r := diff(t, a, sampled(t, s, rng, n, slow), lut.DiffOptions{})
			if i := slices.IndexFunc(r.Rows, func(r lut.DiffRow) bool { return r.Name == a.Entries[planted].Key.String() }); r.Rows[i].Verdict == lut.Slower {
				found++
			}
			r = diff(t, a, sampled(t, s, rng, n, func(int) float64 { return 1.02 }), lut.DiffOptions{})
			for _, row := range r.Rows {
				if row.Basis != basis {
					t.Fatalf("%+v rests on %q", row, row.Basis)
				}
			}
			if r.Rows[len(r.Rows)-1].Kind == lut.DiffColumn && r.Rows[len(r.Rows)-1].Verdict == lut.Slower {
				foundAll++
			}
		}
		t.Logf("n=%d: %d false alarms in %d comparisons; 2%% found in one block %d, in all of them %d times in %d", n, alarms, runs, found, foundAll, trials)
		if alarms > 3*runs/100 {
			t.Errorf("n=%d: %d false alarms in %d comparisons, want at most 3 in 100", n, alarms, runs)
		}
		if n >= enough && found < trials*9/10 {
			t.Errorf("n=%d: 2%% in one block found %d times in %d, want 9 in 10", n, found, trials)
		}
		if foundAll < trials*9/10 {
			t.Errorf("n=%d: 2%% everywhere found %d times in %d, want 9 in 10", n, foundAll, trials)
		}
	}
}

func TestDiff(t *testing.T) {
	s := space(t)
	rng := rand.New(rand.NewPCG(1, 1))
	a := sampled(t, s, rng, 300, unchanged)
	b := sampled(t, s, rng, 300, func(i int) float64 { return []float64{1.1, 1, 0.9, 1}[i%4] })
	arch := s.Uniform(3, 3, 2, 160)
	a.Networks = []lut.NetworkLatency{{Arch: "x", Latency: a.Entries[0].Latency}, {Arch: "y", Latency: a.Entries[1].Latency}}
	b.Networks = []lut.NetworkLatency{{Arch: "y", Latency: b.Entries[1].Latency}}
	const gone = 91 // the last block with a choice, 7x7, which the sub-network below does not use
	b.Entries = slices.Delete(b.Entries, gone, gone+1)
	r := diff(t, a, b, lut.DiffOptions{Space: s, Archs: []supernet.Arch{arch}})
	kinds := map[lut.DiffKind]int{}
	for _, row := range r.Rows {
		kinds[row.Kind]++
		if row.Verdict == lut.Untested || row.Basis != "medians" || !(row.Low <= row.Ratio && row.Ratio <= row.High) || row.Corrected < row.P {
			t.Errorf("%+v", row)
		}
	}
	if want := map[lut.DiffKind]int{lut.DiffBlock: 95, lut.DiffColumn: 1, lut.DiffSum: 1, lut.DiffNetwork: 1}; !cmp.Equal(want, kinds) {
		t.Errorf("rows %v, want %v", kinds, want)
	}
	if len(r.OnlyA) != 1 || r.OnlyA[0] != a.Entries[gone].Key.String() || len(r.OnlyB) != 0 {
		t.Errorf("only in a %q, only in b %q", r.OnlyA, r.OnlyB)
	}
	for i, e := range a.Entries {
		if i == gone {
			continue
		}
		j := slices.IndexFunc(r.Rows, func(r lut.DiffRow) bool { return r.Name == e.Key.String() })
		if want := []lut.Verdict{lut.Slower, lut.Same, lut.Faster, lut.Same}[i%4]; r.Rows[j].Verdict != want {
			t.Errorf("%v: %+v, want %s", e.Key, r.Rows[j], want)
		}
	}
	// A sum counts a block as often as the network has it.
	want, err := predictor(t, a, s).Latency(arch)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range r.Rows {
		if row.Kind == lut.DiffSum && math.Abs(float64(row.A/want)-1) > 1e-12 {
			t.Errorf("sum %v, want %v", row.A, want)
		}
	}
	// The other way round, everything is inverted.
	back := diff(t, b, a, lut.DiffOptions{})
	for i, row := range back.Rows[:95] {
		if forth := r.Rows[i]; math.Abs(row.Ratio*forth.Ratio-1) > 1e-12 || math.Abs(row.P-forth.P) > 1e-12 || row.Verdict == forth.Verdict && row.Verdict != lut.Same {
			t.Errorf("the other way round: %+v, %+v", row, forth)
		}
	}
	// Small changes can be left out, and doubt about whole runs makes all of them vanish.
	if r := diff(t, a, b, lut.DiffOptions{Smallest: 0.2}); r.Slower+r.Faster != 0 {
		t.Errorf("%d changes of 20%% or more", r.Slower+r.Faster)
	}
	if r := diff(t, a, b, lut.DiffOptions{RunToRun: 0.1}); r.Slower+r.Faster != 0 {
		t.Errorf("%d changes beyond a scatter of 10%%", r.Slower+r.Faster)
	}
}

// With means alone the test is Welch's: two tables of 100 samples with means 1 and 1.01 ms and a
// standard deviation of 20 us have t = ln(1.01)/(0.02 sqrt(1+1/1.01^2)/10) = 3.535, and with 198
// degrees of freedom p = 5.1e-4.
func TestDiffOfMeans(t *testing.T) {
	s := space(t)
	one := func(mean float64) *lut.Table {
		tab := table(t, s, 160)
		tab.Entries = tab.Entries[:1]
		tab.Entries[0].Latency = lut.MeanOnly(100, unit.Nanoseconds(mean), 2e4)
		return tab
	}
	r := diff(t, one(1e6), one(1.01e6), lut.DiffOptions{})
	row := r.Rows[0]
	if row.Basis != "means" || math.Abs(row.P/5.1e-4-1) > 0.02 || row.Verdict != lut.Slower || math.Abs(row.Low-1.0044) > 2e-4 || math.Abs(row.High-1.0156) > 2e-4 {
		t.Errorf("%+v", row)
	}
	if !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, "2 rows compare means") }) {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// The sums of a sub-network's samples: a block that stands twice counts twice, and blocks of unequal
// counts give as many sums as the shortest. P of 6 sums against 6 that are all larger is 2/binomial(12, 6).
func TestDiffOfSamples(t *testing.T) {
	s := space(t)
	one := func(first time.Duration) *lut.Table {
		tab := table(t, s, 160)
		for i := range tab.Entries {
			l := lut.Unknown()
			l.N = 6 + i%2
			l.P50, l.CILow, l.CIHigh = unit.Nanoseconds(first+9), unit.Nanoseconds(first), unit.Nanoseconds(first+18)
			l.Samples = &lut.Samples{}
			for j := range l.N {
				l.Samples.Times = append(l.Samples.Times, first+time.Duration(j))
			}
			tab.Entries[i].Latency = l
		}
		return tab
	}
	a, b := one(1000), one(2000)
	r := diff(t, a, b, lut.DiffOptions{Space: s, Archs: []supernet.Arch{s.Uniform(3, 3, 2, 160)}})
	for _, row := range r.Rows {
		want := 2. / 924
		if row.Kind == lut.DiffBlock && row.P < want {
			want = 2. / 3432 // of 7 against 7
		}
		if math.Abs(row.P-want) > 1e-12 || row.Basis != "samples" {
			t.Errorf("%+v", row)
		}
	}
	// A doubt that is in no sample needs the other test.
	if r := diff(t, one(1000), one(1001), lut.DiffOptions{RunToRun: 0.1}); r.Rows[len(r.Rows)-1].Basis == "samples" {
		t.Errorf("%+v", r.Rows[len(r.Rows)-1])
	}
	// So does a table that has them on one side only.
	for i := range b.Entries {
		b.Entries[i].Latency.Samples = nil
	}
	if r := diff(t, a, b, lut.DiffOptions{}); slices.ContainsFunc(r.Rows, func(r lut.DiffRow) bool { return r.Basis == "samples" }) {
		t.Error("samples of one table were compared with nothing")
	}
}

func TestDiffUntested(t *testing.T) {
	s := space(t)
	a, b := table(t, s, 160), table(t, s, 160)
	for i := range a.Entries {
		a.Entries[i].Latency = lut.MeanOnly(0, 1e6, unit.Nanoseconds(math.NaN()))
		b.Entries[i].Latency = lut.MeanOnly(0, 2e6, unit.Nanoseconds(math.NaN()))
	}
	b.Entries[0].Latency = lut.MeanOnly(0, math.MaxFloat64, math.MaxFloat64)
	a.Entries[1].Latency.Mean = 0
	b.Point.GPUClock = 1.109e9
	r := diff(t, a, b, lut.DiffOptions{})
	if r.Tested != 0 || r.Slower != 0 {
		t.Errorf("%d rows tested", r.Tested)
	}
	for _, row := range r.Rows {
		if row.Verdict != lut.Untested || row.P != 0 || row.Low != 0 {
			t.Errorf("%+v", row)
		}
	}
	if r.Rows[50].Ratio != 2 {
		t.Errorf("ratio %g", r.Rows[50].Ratio)
	}
	for _, want := range []string{"gpu clock is unknown, the other is 1109 MHz", "97 of 97 rows are not tested", "modelled"} {
		if !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("warnings %q lack %q", r.Warnings, want)
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

func TestDiffErrors(t *testing.T) {
	s := space(t)
	other, err := supernet.OFAMobileNetV3(1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	good := table(t, s, 160)
	for name, c := range map[string]struct {
		a, b *lut.Table
		o    lut.DiffOptions
		want string
	}{
		"first":         {&lut.Table{}, good, lut.DiffOptions{}, "device is empty"},
		"second":        {good, &lut.Table{}, lut.DiffOptions{}, "device is empty"},
		"spaces":        {good, table(t, other, 160), lut.DiffOptions{}, "different spaces"},
		"space":         {good, good, lut.DiffOptions{Space: other}, "different spaces"},
		"alpha":         {good, good, lut.DiffOptions{Alpha: 1}, "alpha 1"},
		"NaN alpha":     {good, good, lut.DiffOptions{Alpha: math.NaN()}, "alpha NaN"},
		"run to run":    {good, good, lut.DiffOptions{RunToRun: -1}, "run-to-run -1"},
		"smallest":      {good, good, lut.DiffOptions{Smallest: math.NaN()}, "smallest change NaN"},
		"no space":      {good, good, lut.DiffOptions{Archs: []supernet.Arch{s.Smallest()}}, "without a space"},
		"arch":          {good, good, lut.DiffOptions{Space: s, Archs: []supernet.Arch{s.Uniform(9, 3, 2, 160)}}, "sub-network 0"},
		"missing block": {good, good, lut.DiffOptions{Space: s, Archs: []supernet.Arch{s.Uniform(3, 3, 2, 164)}}, "do not both have r=164"},
	} {
		if _, err := lut.Diff(c.a, c.b, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func ExampleDiff() {
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
	measure := func(factor float64) *lut.Table {
		table := &lut.Table{Space: space.Name, Point: lut.OperatingPoint{Device: "example", Processor: "cpu"}, Origin: lut.Measured, Source: "example"}
		for i, b := range blocks[:2] {
			samples := make([]unit.Nanoseconds, 100)
			for j := range samples {
				samples[j] = unit.Nanoseconds(1e6 + 1000*float64(j))
			}
			if i == 1 {
				for j := range samples {
					samples[j] *= unit.Nanoseconds(factor)
				}
			}
			table.Entries = append(table.Entries, lut.Entry{Key: lut.Key{Resolution: 160, Block: b}, Latency: lut.Summarize(samples)})
		}
		return table
	}
	report, err := lut.Diff(measure(1), measure(1.5), lut.DiffOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range report.Rows {
		fmt.Printf("%s %.2f %s\n", row.Kind, row.Ratio, row.Verdict)
	}
	// Output:
	// block 1.50 slower
	// block 1.00 same
	// column 1.25 slower
}
