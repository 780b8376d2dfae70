package lut

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dynofa/dynofa/datasets/unit"
)

// identical reports whether two distributions have the same statistics to the last bit, and enough
// of them that chance is no explanation: two beside the count.
func identical(a, b Latency) bool {
	known := 0
	for _, pair := range [][2]unit.Nanoseconds{
		{a.Min, b.Min}, {a.P50, b.P50}, {a.P90, b.P90}, {a.P99, b.P99}, {a.Mean, b.Mean}, {a.Std, b.Std}, {a.CILow, b.CILow}, {a.CIHigh, b.CIHigh},
	} {
		x, y := float64(pair[0]), float64(pair[1])
		switch {
		case math.IsNaN(x) && math.IsNaN(y):
		case x != y:
			return false
		case x > 0:
			known++
		}
	}
	return a.N == b.N && known >= 2
}

// copied compares with other tables.
func (a *auditor) copied() error {
	if len(a.o.Others) == 0 {
		a.skip(CodeCopied, "no other table was given to compare with")
	}
	for _, other := range a.o.Others {
		theirs := make(map[Key]Latency, len(other.Entries))
		for _, e := range other.Entries {
			theirs[e.Key] = e.Latency
		}
		of := 0
		perResolution := map[int]int{}
		var evidence []Evidence
		for _, e := range a.entries {
			l, ok := theirs[e.Key]
			if !ok {
				continue
			}
			of++
			perResolution[e.Key.Resolution] += 0 // shared, though perhaps without a copy
			if identical(e.Latency, l) {
				perResolution[e.Key.Resolution]++
				evidence = append(evidence, Evidence{e.Key.String(), fmt.Sprintf("%v, %d samples in both", l.Central(), l.N)})
			}
		}
		name := other.Point.Device + "/" + other.Point.Processor
		switch count := len(evidence); {
		case of == 0:
			a.skip(CodeCopied, "the table of %s has no key in common with this one", name)
		case count == 0:
			a.pass(CodeCopied, "none of the %d entries that the table of %s has too is identical to it", of, name)
		default:
			a.find(Finding{Code: CodeCopied, Severity: Fault, Count: count, Of: of, Evidence: evidence,
				Message: fmt.Sprintf("%d of the %d entries that the table of %s has too are identical to it: %s", count, of, name, spreadText(perResolution))})
		}
	}
	return nil
}

// spreadText says how counts spread over resolutions.
func spreadText(counts map[int]int) string {
	var resolutions []int
	for r := range counts {
		resolutions = append(resolutions, r)
	}
	slices.Sort(resolutions)
	same := true
	var words []string
	for _, r := range resolutions {
		same = same && counts[r] == counts[resolutions[0]]
		words = append(words, fmt.Sprintf("%d at r=%d", counts[r], r))
	}
	if same && len(resolutions) > 1 {
		return fmt.Sprintf("%d at each of r=%s", counts[resolutions[0]], list(resolutions))
	}
	return strings.Join(words, ", ")
}

// repeated looks for different blocks with the same statistics. The same block at several
// resolutions may well have one measurement.
func (a *auditor) repeated() error {
	type stamp struct {
		n            int
		central, std unit.Nanoseconds
	}
	first := map[stamp]Entry{}
	var evidence []Evidence
	for _, e := range a.entries {
		s := stamp{e.Latency.N, e.Latency.Central(), e.Latency.Std}
		if math.IsNaN(float64(s.std)) || a.t.Origin == Modelled {
			continue
		}
		f, ok := first[s]
		if !ok {
			first[s] = e
		} else if f.Key.Block != e.Key.Block && identical(f.Latency, e.Latency) {
			evidence = append(evidence, Evidence{e.Key.String(), fmt.Sprintf("%v, %d samples, as %v", e.Latency.Central(), e.Latency.N, f.Key)})
		}
	}
	if len(first) == 0 {
		a.skip(CodeRepeated, "entries have too few statistics to recognise a copy")
		return nil
	}
	if len(evidence) == 0 {
		a.pass(CodeRepeated, "no two blocks have identical statistics")
		return nil
	}
	a.find(Finding{Code: CodeRepeated, Severity: Fault, Count: len(evidence), Of: len(a.entries), Evidence: evidence,
		Message: fmt.Sprintf("%d entries are identical to the entry of another block", len(evidence))})
	return nil
}
