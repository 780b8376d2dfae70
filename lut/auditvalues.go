package lut

import (
	"fmt"
	"math"
	"slices"
)

// Limits of the checks of single entries.
const (
	// wideSpread and uselessSpread are medians of std/mean. Tables of phones and GPUs have 2.5 to
	// 3.5%, an unlocked phone 8.5%; at 25% the next sample says nothing.
	wideSpread, uselessSpread = 0.10, 0.25
	// fewSamples is below how many samples an entry without an interval is doubted: the standard
	// error of a mean is then above a fifth of the standard deviation.
	fewSamples = 30
	// wideInterval is half the interval of the median, relative to it, that is doubted.
	wideInterval = 0.05
	// mixedSamples is how many times the smallest sample count the largest may be.
	mixedSamples = 2
)

// spread looks at the standard deviation relative to the mean.
func (a *auditor) spread() error {
	var ratios []float64
	var evidence []ranked
	count := 0
	for _, e := range a.measured {
		ratio := float64(e.Latency.Std / e.Latency.Mean)
		if math.IsNaN(ratio) {
			continue
		}
		ratios = append(ratios, ratio)
		if ratio > wideSpread {
			count++
			evidence = append(evidence, ranked{ratio, Evidence{e.Key.String(), fmt.Sprintf("mean %v, standard deviation %v, %d samples", e.Latency.Mean, e.Latency.Std, e.Latency.N)}})
		}
	}
	if len(ratios) == 0 {
		a.skip(CodeSpread, "no entry has mean and standard deviation")
		return nil
	}
	middle := median(ratios)
	text := fmt.Sprintf("the standard deviation is %s of the mean in the median of %d entries, %s at most", percent(middle), len(ratios), percent(ratios[len(ratios)-1]))
	switch {
	case middle > uselessSpread:
		a.find(Finding{Code: CodeSpread, Severity: Fault, Message: text, Count: count, Of: len(ratios), Evidence: worst(evidence)})
	case middle > wideSpread:
		a.find(Finding{Code: CodeSpread, Severity: Doubt, Message: text, Count: count, Of: len(ratios), Evidence: worst(evidence)})
	case count > 0:
		text += fmt.Sprintf("; %d entries are above %s", count, percent(wideSpread))
		a.find(Finding{Code: CodeSpread, Severity: Note, Message: text, Count: count, Of: len(ratios), Evidence: worst(evidence)})
	default:
		a.pass(CodeSpread, "%s", text)
	}
	return nil
}

// samples looks for entries that too little is known of.
func (a *auditor) samples() error {
	var evidence []ranked
	unknown, few, wide := 0, 0, 0
	for _, e := range a.measured {
		l := e.Latency
		half := float64(l.CIHigh-l.CILow) / 2 / float64(l.P50)
		switch {
		case half > wideInterval:
			wide++
			evidence = append(evidence, ranked{half, Evidence{e.Key.String(), fmt.Sprintf("median %v +-%s from %d samples", l.P50, percent(half), l.N)}})
		case !math.IsNaN(half):
		case l.N == 0:
			unknown++
		case l.N < fewSamples:
			few++
			evidence = append(evidence, ranked{1 + 1/float64(l.N), Evidence{e.Key.String(), fmt.Sprintf("%d samples and no interval", l.N)}})
		}
	}
	switch of := len(a.measured); {
	case of == 0:
		a.skip(CodeSamples, "no entry was measured")
	case unknown == of:
		a.skip(CodeSamples, "the table gives no sample counts")
	case few+wide == 0:
		a.pass(CodeSamples, "of %d entries none has fewer than %d samples without an interval, or one wider than +-%s", of-unknown, fewSamples, percent(wideInterval))
	default:
		a.find(Finding{Code: CodeSamples, Severity: Doubt, Count: few + wide, Of: of, Evidence: worst(evidence),
			Message: fmt.Sprintf("%d of %d entries have fewer than %d samples and no interval, %d an interval wider than +-%s", few, of, fewSamples, wide, percent(wideInterval))})
	}
	return nil
}

// tail looks for 99th percentiles that their samples cannot support.
func (a *auditor) tail() error {
	var evidence []ranked
	of := 0
	for _, e := range a.measured {
		if math.IsNaN(float64(e.Latency.P99)) || e.Latency.N == 0 {
			continue
		}
		of++
		if e.Latency.N < MinP99 {
			evidence = append(evidence, ranked{-float64(e.Latency.N), Evidence{e.Key.String(), fmt.Sprintf("%d samples", e.Latency.N)}})
		}
	}
	switch count := len(evidence); {
	case of == 0:
		a.skip(CodeTail, "no entry has a 99th percentile")
	case count == 0:
		a.pass(CodeTail, "%d 99th percentiles from at least %d samples each", of, MinP99)
	default:
		a.find(Finding{Code: CodeTail, Severity: Doubt, Count: count, Of: of, Evidence: worst(evidence),
			Message: fmt.Sprintf("%d of %d 99th percentiles come from fewer than the %d samples that one needs", count, of, MinP99)})
	}
	return nil
}

// mixed compares sample counts.
func (a *auditor) mixed() error {
	counts := map[int]int{}
	of, intervals := 0, 0
	low, high := math.MaxInt, 0
	for _, e := range a.measured {
		if n := e.Latency.N; n > 0 {
			counts[n]++
			of++
			low, high = min(low, n), max(high, n)
		}
		if e.Latency.CIHigh >= e.Latency.CILow {
			intervals++
		}
	}
	switch {
	case of == 0:
		a.skip(CodeMixed, "the table gives no sample counts")
		return nil
	case high <= mixedSamples*low:
		a.pass(CodeMixed, "%d to %d samples per entry", low, high)
		return nil
	}
	common := 0 // the most frequent count, the larger of equals
	for n, times := range counts {
		if times > counts[common] || times == counts[common] && n > common {
			common = n
		}
	}
	f := Finding{Code: CodeMixed, Severity: Doubt, Of: of,
		Message: fmt.Sprintf("%d to %d samples per entry; most frequent are %d, in %d of %d entries", low, high, common, counts[common], of)}
	if intervals == len(a.measured) { // counts chosen by the interval differ by design
		f.Severity = Note
	}
	var evidence []ranked
	for _, e := range a.measured {
		n := e.Latency.N
		if n > 0 && (n > mixedSamples*common || common > mixedSamples*n) {
			f.Count++
			far := math.Abs(math.Log(float64(n) / float64(common)))
			evidence = append(evidence, ranked{far, Evidence{e.Key.String(), fmt.Sprintf("%d samples", n)}})
		}
	}
	f.Evidence = worst(evidence)
	a.find(f)
	return nil
}

// grades looks for entries that were graded down when they were measured.
func (a *auditor) grades() error {
	of := 0
	var evidence []ranked
	for _, e := range a.entries {
		switch e.Latency.Grade {
		case Ungraded:
			continue
		case GradeC:
			evidence = append(evidence, ranked{1, Evidence{e.Key.String(), "graded C"}})
		case GradeD:
			evidence = append(evidence, ranked{2, Evidence{e.Key.String(), "graded D"}})
		}
		of++
	}
	table := a.t.Grade
	bad := 0
	for _, r := range evidence {
		if r.badness == 2 {
			bad++
		}
	}
	switch {
	case of == 0 && table == Ungraded:
		a.skip(CodeGrade, "nothing was graded when it was measured")
	case len(evidence) == 0 && !table.Worse(GradeB):
		a.pass(CodeGrade, "all %d graded entries have A or B", of)
	default:
		f := Finding{Code: CodeGrade, Severity: Doubt, Count: len(evidence), Of: of, Evidence: worst(evidence),
			Message: fmt.Sprintf("when they were measured %d of %d entries were graded C, %d D; the table as a whole was graded %q", len(evidence)-bad, of, bad, table)}
		if bad > 0 || table == GradeD {
			f.Severity = Fault
		}
		a.find(f)
	}
	return nil
}

// warnings repeats what the table says of itself.
func (a *auditor) warnings() error {
	texts := map[string]int{}
	count := 0
	for _, e := range a.entries {
		if len(e.Latency.Warnings) > 0 {
			count++
		}
		for _, w := range e.Latency.Warnings {
			texts[w]++
		}
	}
	var evidence []ranked
	for _, w := range a.t.Warnings {
		evidence = append(evidence, ranked{math.Inf(1), Evidence{"table", w}})
	}
	var sorted []string
	for w := range texts {
		sorted = append(sorted, w)
	}
	slices.Sort(sorted)
	for _, w := range sorted {
		evidence = append(evidence, ranked{float64(texts[w]), Evidence{fmt.Sprintf("%d entries", texts[w]), w}})
	}
	if len(evidence) == 0 {
		a.pass(CodeWarnings, "neither the table nor an entry carries a warning")
		return nil
	}
	a.find(Finding{Code: CodeWarnings, Severity: Note, Count: count, Of: len(a.entries), Evidence: worst(evidence),
		Message: fmt.Sprintf("the table carries %d warnings, and %d of its %d entries do", len(a.t.Warnings), count, len(a.entries))})
	return nil
}
