package soak_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/studytest"
)

func sqrt(v float64) float64 { return math.Sqrt(v) }

// result is everything that a soak found.
type result struct {
	length        time.Duration
	before, after sample // idle
	samples       []sample
	counts        *counts
	metrics, load string
}

// report logs and writes the table, and fails for growth: more goroutines or open files when the load is gone than before it, or
// anonymous memory that grows by more than a megabyte in half an hour.
func report(t *testing.T, r result) {
	t.Helper()
	var steady []sample
	for _, s := range r.samples {
		if s.at >= warmUp && s.anon > 0 {
			steady = append(steady, s)
		}
	}
	const mb = 1e6
	anon, low, high := slope(steady, func(s sample) float64 { return s.anon / mb })
	rss, rssLow, rssHigh := slope(steady, func(s sample) float64 { return s.rss / mb })
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Machine: %s. Load average of one minute: %s. Measured on %s.\n", studytest.Machine(), r.load, time.Now().UTC().Format("2006-01-02"))
	bar := ""
	if r.length < 30*time.Minute {
		bar = " The bar is 30 minutes: **this run was shorter**."
	}
	line("Length: **%v** at full load.%s\n", r.length.Round(time.Second), bar)
	var total int64
	var codes []int
	for code, n := range r.counts.codes {
		codes = append(codes, code)
		total += n
	}
	slices.Sort(codes)
	line("| | |\n|---|---|")
	line("| requests answered | %d, %.0f a second |", total, float64(total)/r.length.Seconds())
	for _, code := range codes {
		line("| of these with status %d | %d |", code, r.counts.codes[code])
	}
	line("| given up by the client | %d |", r.counts.fails.Load())
	line("| level switches | %s |", metric(r.metrics, "dynofa_level_switches_total"))
	if len(steady) == 0 {
		t.Fatal("no sample after the warm-up: longer, please")
	}
	first, last := steady[0], steady[len(steady)-1]
	line("| anonymous memory at %v, and at the end | %.1f MB, %.1f MB |", first.at.Round(time.Second), first.anon/mb, last.anon/mb)
	line("| slope of anonymous memory | **%+.3f MB a minute** (95%%: %+.3f to %+.3f) |", anon, low, high)
	line("| resident memory at %v, and at the end | %.1f MB, %.1f MB |", first.at.Round(time.Second), first.rss/mb, last.rss/mb)
	line("| slope of resident memory | %+.3f MB a minute (95%%: %+.3f to %+.3f) |", rss, rssLow, rssHigh)
	most := 0.
	for _, s := range steady {
		most = max(most, s.goroutines)
	}
	line("| goroutines before the load, at most, after it | %.0f, %.0f, **%.0f** |", r.before.goroutines, most, r.after.goroutines)
	line("| open files before the load, after it | %d, %d |", r.before.files, r.after.files)
	t.Log("\n" + b.String())
	studytest.Rewrite(t, "soak", b.String())
	if r.after.goroutines > r.before.goroutines || r.after.files > r.before.files {
		t.Errorf("goroutines %v, then %v; open files %d, then %d", r.before.goroutines, r.after.goroutines, r.before.files, r.after.files)
	}
	if low > 1./30 {
		t.Errorf("anonymous memory grows by %+.3f MB a minute, at least %+.3f", anon, low)
	}
	for _, code := range codes {
		if code != 200 && code != 400 {
			t.Errorf("status %d", code)
		}
	}
}

// metric returns the sum of a metric's series, whatever their labels.
func metric(text, name string) string {
	sum, found := 0., false
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)`).FindAllStringSubmatch(text, -1) {
		if v, err := strconv.ParseFloat(m[1], 64); err == nil {
			sum, found = sum+v, true
		}
	}
	if !found {
		return "unknown"
	}
	return strconv.FormatFloat(sum, 'f', -1, 64)
}

// TestSlope: a line has its slope, noise around a constant has none.
func TestSlope(t *testing.T) {
	var line, flat []sample
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		at := time.Duration(i) * time.Second
		line = append(line, sample{at: at, anon: 50 + at.Minutes()*3})
		flat = append(flat, sample{at: at, anon: 50 + rng.NormFloat64()})
	}
	of := func(s sample) float64 { return s.anon }
	if m, low, high := slope(line, of); math.Abs(m-3) > 1e-9 || math.Abs(low-3) > 1e-9 || math.Abs(high-3) > 1e-9 {
		t.Errorf("slope of a line: %g, %g to %g", m, low, high)
	}
	if m, low, high := slope(flat, of); low > 0 || high < 0 || math.Abs(m) > 2 {
		t.Errorf("slope of noise: %g, %g to %g", m, low, high)
	}
}
