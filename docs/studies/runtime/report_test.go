package runtime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/studytest"
)

// writeTables puts the measured numbers between README.md's marks.
func writeTables(t *testing.T, r results) {
	t.Helper()
	studytest.Rewrite(t, "study-runtime", tables(r))
}

func tables(r results) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	mb := func(v float64) string { return fmt.Sprintf("%.1f MB", v/1e6) }
	line("Machine: %s. Load average of one minute at the end: %s.\n", r.Machine, r.Load)
	line("| memory of the whole process, six levels resident and run | six mapped sessions | six plain sessions | bar |\n|---|---|---|---|")
	line("| anonymous | **%s** | %s | 45 MB |", mb(r.Mapped.Anonymous), mb(r.Plain.Anonymous))
	line("| anonymous before memory is given back | %s | %s | |", mb(r.Mapped.BeforeTrim), mb(r.Plain.BeforeTrim))
	line("| anonymous with the library loaded and no session | | %s | |", mb(r.Plain.Empty))
	line("| PSS | **%s** | %s | %s |", mb(r.Mapped.PSS), mb(r.Plain.PSS), mb(1.3*r.Prepare.Unique+45e6))
	line("| levels' tensors, shared parts once | %s | | |", mb(r.Prepare.Unique))
	line("| levels' tensors, each level's own | | %s | |", mb(r.Prepare.Total))
	worst := 0.
	for _, d := range r.Mapped.Differences {
		worst = max(worst, d)
	}
	line("\nPrepared and plain sessions differ by at most %.1e of the largest logit. Preparing took %.0f ms of CPU time (%.0f ms wall).\n", worst, r.Prepare.CPU, r.Prepare.Wall)
	line("| prepared start, CPU time, medians of %d starts | | bar |\n|---|---|---|", len(r.Starts))
	part := func(f func(start) float64) float64 {
		var v []float64
		for _, s := range r.Starts {
			v = append(v, f(s))
		}
		return median(v)
	}
	line("| process and library | %.0f ms | |", part(func(s start) float64 { return s.Library }))
	line("| level 0: session and first result | %.0f ms | |", part(func(s start) float64 { return s.Level0 }))
	line("| start to level 0's first result without digests | **%.0f ms** | 150 ms |", part(func(s start) float64 { return s.Library + s.Level0 }))
	line("| digests of library, bundle and prepared files | %.0f ms | stated apart |", part(func(s start) float64 { return s.Digests }))
	line("| wall time to level 0's first result, digests included | %.0f ms | |", part(func(s start) float64 { return s.Wall }))
	line("| the other five levels, behind it | %.0f ms | |", part(func(s start) float64 { return s.All }))
	line("\n| switching | | bar |\n|---|---|---|")
	line("| taking another session, p50 / p99 of %d, wall, clock reading included | %.0f / **%.0f ns** | p99 10 µs |", r.Switches.Swaps, r.Switches.SwapP50, r.Switches.SwapP99)
	line("| first inference after a switch over the steady ones that follow, CPU time, median of %d pairs | **%+.1f%%** (95%%: %+.1f to %+.1f%%) | +3%% |",
		r.Switches.Pairs, 100*(r.Switches.Ratio-1), 100*(r.Switches.Low-1), 100*(r.Switches.High-1))
	line("| the same per level, smallest first | %s | |", percents(r.Switches.Levels))
	var steady []string
	for _, v := range r.Switches.Steady {
		steady = append(steady, fmt.Sprintf("%.2f", v))
	}
	line("| the steady inferences, CPU time per level, medians | %s ms | |", strings.Join(steady, ", "))
	line("| levels' tensors in large pages | %s of %s | |", mb(r.Switches.Large), mb(r.Prepare.Unique))
	line("| requests lost of %d that all switched | **%d** | 0 |", r.Switches.Requests, r.Switches.Lost)
	line("\n| runner's loop around a null model, CPU time, medians of %d times %d inferences | | bar |\n|---|---|---|", r.Overhead.Repeats, r.Overhead.N)
	line("| the call of ONNX Runtime alone | %.2f µs | |", r.Overhead.Call/1e3)
	line("| through the loop | %.2f µs | |", r.Overhead.Loop/1e3)
	line("| difference, with the range over repetitions | **%.2f µs** (%.2f to %.2f) | 5 µs |", (r.Overhead.Loop-r.Overhead.Call)/1e3, r.Overhead.Low/1e3, r.Overhead.High/1e3)
	line("| allocations per inference | **%.4f** | 0 |", r.Overhead.Allocs)
	return b.String()
}

// percents prints what ratios are above one.
func percents(ratios []float64) string {
	var list []string
	for _, r := range ratios {
		list = append(list, fmt.Sprintf("%+.1f%%", 100*(r-1)))
	}
	return strings.Join(list, ", ")
}
