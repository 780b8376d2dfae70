// Package profile_test is the study of how far latency tables can be trusted: make study-quiet.
package profile_test

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/studytest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/load"
	"github.com/dynofa/dynofa/lut/profile"
)

func TestMain(m *testing.M) {
	load.Main() // the burners are copies of this program
	os.Exit(m.Run())
}

// The bar: beside two CPU burners a block of about 0.3 ms stays within 2% of its quiet median, or the
// entry is graded below B; of 20 quiet runs at least 18 are graded A or B.
const (
	quietRuns  = 20
	loadedRuns = 5
	burners    = "cpu:2"
	tolerance  = 0.02
	// Blocks of about 0.3 ms: those whose quiet medians are in this range.
	shortest, longest = unit.Nanoseconds(200e3), unit.Nanoseconds(450e3)
)

// outcome is one profile of the space.
type outcome struct {
	co     string
	load   float64 // average of the last minute, before the run
	took   time.Duration
	rounds string
	table  *lut.Table
}

// TestQuiet profiles one resolution of a space again and again, alone and beside the burners, and
// rewrites quiet.csv with every median and the table in the README. It measures what else the machine does as well, so its numbers
// are the study's, and nothing here fails for them.
func TestQuiet(t *testing.T) {
	if os.Getenv("DYNOFA_STUDY") == "" {
		t.Skip("a study, not a test: make study-quiet")
	}
	library, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	rt, err := ort.Load(library)
	if err != nil {
		t.Fatal(err)
	}
	var quiet, loaded []outcome
	quietRuns, loadedRuns := quietRuns, loadedRuns
	if os.Getenv("DYNOFA_STUDY") == "short" {
		quietRuns, loadedRuns = 8, 3
	}
	settle(t)
	for i := range quietRuns {
		quiet = append(quiet, measure(t, rt, uint64(i), ""))
		writeOutcomes(t, "quiet.csv", quiet)
	}
	for i := range loadedRuns {
		loaded = append(loaded, measure(t, rt, uint64(i), burners))
		writeOutcomes(t, "quiet.csv", slices.Concat(quiet, loaded))
	}
	text := report(quiet, loaded)
	t.Log("\n" + text)
	studytest.Rewrite(t, "study-quiet", text)
}

// settle waits until what built this program has left the load average, at most five minutes.
func settle(t *testing.T) {
	for range 60 {
		l := host.Read(host.FS()).State.LoadAverage
		if len(l) == 0 || l[0] < 1 {
			return
		}
		time.Sleep(5 * time.Second)
	}
	t.Log("the machine does not become quiet: the numbers will say so")
}

// measure profiles once, for the blocks alone: no seams are taken off and no networks measured, which
// makes 25 profiles affordable and changes no block's time. Grades are those that the samples alone
// give, on a virtual machine too.
func measure(t *testing.T, rt *ort.Runtime, seed uint64, co string) outcome {
	t.Helper()
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cfg := profile.Config{
		Space: space, Resolutions: []int{160}, Networks: -1, Seams: -1, MaxRounds: 120, Seed: seed, Host: host.FS(), Neighbours: profile.NoNeighbours,
		Point: lut.OperatingPoint{Device: "host", Processor: "cpu", Threads: 1, CoRunner: "none"},
		Now:   func() time.Duration { return time.Since(began) },
	}
	o := outcome{co: "none"}
	if l := host.Read(host.FS()).State.LoadAverage; len(l) > 0 {
		o.load = l[0]
	}
	if co != "" {
		spec, err := load.ParseSpec(co)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Load, cfg.Point.CoRunner, o.co = &spec, spec.String(), spec.String()
	}
	result, err := profile.Run(t.Context(), cfg, ort.NewMeter(rt, space, ort.Options{Threads: 1}, 1))
	if err != nil {
		t.Fatal(err)
	}
	o.table, o.took = result.Table, time.Since(began)
	for _, f := range o.table.Provenance {
		if f.Name == "profile: rounds kept" {
			o.rounds = f.Value
		}
	}
	t.Logf("beside %s: load %.2f before, grade %s, %s rounds in %v", o.co, o.load, o.table.Grade, o.rounds, o.took.Round(time.Second))
	return o
}

func writeOutcomes(t *testing.T, path string, all []outcome) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := csv.NewWriter(f)
	number := func(n unit.Nanoseconds) string { return strconv.FormatFloat(math.Round(float64(n)), 'f', 0, 64) }
	rows := [][]string{{"run", "co_runner", "load_before", "rounds", "table_grade", "block", "n", "preempted", "p50_ns", "ci_low_ns", "ci_high_ns", "grade"}}
	for i, o := range all {
		for _, e := range o.table.Entries {
			l := e.Latency
			rows = append(rows, []string{strconv.Itoa(i + 1), o.co, fmt.Sprintf("%.2f", o.load), o.rounds, string(o.table.Grade), e.Key.Block.String(),
				strconv.Itoa(l.N), strconv.Itoa(l.Preempted), number(l.P50), number(l.CILow), number(l.CIHigh), string(l.Grade)})
		}
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
}

// summary is what came out for the profiles of one kind.
type summary struct {
	loads            string
	good, runs       int // tables graded A or B, of all
	off              []float64
	within           int // of the tolerance
	down, silent     int // entries graded C or D; beyond the tolerance and graded A or B
	median, tail, at float64
}

// summarise compares the blocks of about 0.3 ms with their medians over the profiles taken alone.
func summarise(runs []outcome, medians map[lut.Key]unit.Nanoseconds) summary {
	s := summary{runs: len(runs), loads: "-"}
	least, most := math.Inf(1), 0.0
	for _, o := range runs {
		least, most = min(least, o.load), max(most, o.load)
		s.loads = fmt.Sprintf("%.2f to %.2f", least, most)
		if !o.table.Grade.Worse(lut.GradeB) {
			s.good++
		}
		for _, e := range o.table.Entries {
			m, ok := medians[e.Key]
			if !ok {
				continue
			}
			d := math.Abs(float64(e.Latency.P50/m) - 1)
			s.off = append(s.off, d)
			down := e.Latency.Grade.Worse(lut.GradeB)
			if down {
				s.down++
			}
			if d <= tolerance {
				s.within++
			} else if !down {
				s.silent++
			}
		}
	}
	slices.Sort(s.off)
	if n := len(s.off) - 1; n >= 0 {
		s.median, s.tail, s.at = 100*s.off[n/2], 100*s.off[n*9/10], 100*s.off[n]
	}
	return s
}

// quietMedians returns the median over profiles of each block of about 0.3 ms.
func quietMedians(quiet []outcome) map[lut.Key]unit.Nanoseconds {
	medians := map[lut.Key]unit.Nanoseconds{}
	for i, e := range quiet[0].table.Entries {
		var values []unit.Nanoseconds
		for _, o := range quiet {
			values = append(values, o.table.Entries[i].Latency.P50)
		}
		slices.Sort(values)
		if m := values[len(values)/2]; m >= shortest && m <= longest {
			medians[e.Key] = m
		}
	}
	return medians
}

// report returns the table of the README.
func report(quiet, loaded []outcome) string {
	medians := quietMedians(quiet)
	a, b := summarise(quiet, medians), summarise(loaded, medians)
	var text strings.Builder
	row := func(name, format string, of func(summary) []any) {
		fmt.Fprintf(&text, "| %s | %s | %s |\n", name, fmt.Sprintf(format, of(a)...), fmt.Sprintf(format, of(b)...))
	}
	fmt.Fprintf(&text, "| | alone | beside %s |\n|---|---|---|\n", burners)
	row("profiles", "%d", func(s summary) []any { return []any{s.runs} })
	row("load average before", "%s", func(s summary) []any { return []any{s.loads} })
	row("tables graded A or B", "%d of %d", func(s summary) []any { return []any{s.good, s.runs} })
	row(fmt.Sprintf("medians of the %d blocks of about 0.3 ms", len(medians)), "%d", func(s summary) []any { return []any{len(s.off)} })
	row("off their own median alone: median, 90%, most", "%.2f%%, %.2f%%, %.2f%%", func(s summary) []any { return []any{s.median, s.tail, s.at} })
	row("within 2%", "%d", func(s summary) []any { return []any{s.within} })
	row("graded C or D", "%d", func(s summary) []any { return []any{s.down} })
	row("**more than 2% off and graded A or B**", "%d", func(s summary) []any { return []any{s.silent} })
	return text.String()
}

// TestReport checks the report's arithmetic on made-up profiles: one block of 300 us, which is 1% off
// in the first profile beside the burners, 3% and graded A in the second, 3% and graded D in the third.
func TestReport(t *testing.T) {
	key := lut.Key{Resolution: 160, Block: supernet.Block{Op: supernet.OpPool, In: supernet.Shape{Size: 5, Channels: 8}, Out: supernet.Shape{Size: 1, Channels: 8}}}
	run := func(load float64, median unit.Nanoseconds, g lut.Grade) outcome {
		l := lut.Unknown()
		l.P50, l.Grade = median, g
		return outcome{load: load, table: &lut.Table{Grade: g, Entries: []lut.Entry{{Key: key, Latency: l}}}}
	}
	quiet := []outcome{run(0.1, 300e3, lut.GradeA), run(0.2, 300e3, lut.GradeB), run(0.3, 300e3, lut.GradeC)}
	loaded := []outcome{run(2, 303e3, lut.GradeA), run(3, 309e3, lut.GradeA), run(1, 291e3, lut.GradeD)}
	got := report(quiet, loaded)
	for _, want := range []string{
		"| profiles | 3 | 3 |", "| load average before | 0.10 to 0.30 | 1.00 to 3.00 |", "| tables graded A or B | 2 of 3 | 2 of 3 |",
		"| medians of the 1 blocks of about 0.3 ms | 3 | 3 |", "0.00%, 0.00%, 0.00% | 3.00%, 3.00%, 3.00% |", "| within 2% | 3 | 1 |",
		"| graded C or D | 1 | 1 |", "graded A or B** | 0 | 1 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
