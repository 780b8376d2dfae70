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
// rewrites quiet.csv with every median. It measures what else the machine does as well, so its numbers
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
	for i := range quietRuns {
		quiet = append(quiet, measure(t, rt, uint64(i), ""))
		writeOutcomes(t, "quiet.csv", quiet)
	}
	for i := range loadedRuns {
		loaded = append(loaded, measure(t, rt, uint64(i), burners))
		writeOutcomes(t, "quiet.csv", slices.Concat(quiet, loaded))
		report(t, quiet, loaded)
	}
}

// measure profiles once, for the blocks alone: no seams are taken off and no networks measured, which
// makes 25 profiles affordable and changes no block's time.
func measure(t *testing.T, rt *ort.Runtime, seed uint64, co string) outcome {
	t.Helper()
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cfg := profile.Config{
		Space: space, Resolutions: []int{160}, Networks: -1, Seams: -1, MaxRounds: 120, Seed: seed, Host: host.FS(),
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

// report prints what came out against the bar.
func report(t *testing.T, quiet, loaded []outcome) {
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
	good := 0
	for _, o := range quiet {
		if !o.table.Grade.Worse(lut.GradeB) {
			good++
		}
	}
	t.Logf("quiet: %d of %d tables are graded A or B", good, len(quiet))
	t.Logf("%d blocks have a quiet median in %v..%v", len(medians), shortest, longest)
	for _, c := range []struct {
		name string
		runs []outcome
	}{{"quiet", quiet}, {"beside " + burners, loaded}} {
		var off []float64
		silent, graded := 0, 0
		for _, o := range c.runs {
			for _, e := range o.table.Entries {
				m, ok := medians[e.Key]
				if !ok {
					continue
				}
				d := math.Abs(float64(e.Latency.P50/m) - 1)
				off = append(off, d)
				down := e.Latency.Grade.Worse(lut.GradeB)
				if down {
					graded++
				}
				if d > tolerance && !down {
					silent++
				}
			}
		}
		slices.Sort(off)
		at := func(p float64) float64 { return 100 * off[int(p*float64(len(off)-1))] }
		within := 0
		for _, d := range off {
			if d <= tolerance {
				within++
			}
		}
		t.Log(strings.Join([]string{
			fmt.Sprintf("%s: %d medians of these blocks, off their quiet median by %.2f%% (median), %.2f%% (90%%), %.2f%% (most)", c.name, len(off), at(0.5), at(0.9), at(1)),
			fmt.Sprintf("%d within %.0f%%, %d graded C or D, %d beyond %.0f%% and graded A or B", within, 100*tolerance, graded, silent, 100*tolerance),
		}, "; "))
	}
}
