package lut

import (
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Limits of the comparison with whole networks, as the median's distance from 1.
const (
	doubtfulSum = 0.10 // what a hot protocol alone can explain is 12 to 15%
	faultySum   = 0.25
)

// keys compares the table's keys with the blocks of the space.
func (a *auditor) keys() error {
	s := a.o.Space
	if s == nil {
		a.skip(CodeMissing, "no space was given")
		a.skip(CodeForeign, "no space was given")
		return nil
	}
	have := make(map[Key]bool, len(a.entries))
	for _, e := range a.entries {
		have[e.Key] = true
	}
	known := make(map[Key]bool, len(a.entries)) // keys of the table that the space knows
	var missing []Evidence
	of := 0
	resolutions := mergeSorted(a.t.Resolutions(), s.Resolutions)
	for _, r := range resolutions {
		if checkResolution(r) != nil {
			continue
		}
		blocks, err := s.DistinctBlocks(r)
		if err != nil {
			return err
		}
		// A resolution is the table's own if it has entries of that resolution, or the stem, which
		// only that resolution has, among those that serve all.
		own := have[Key{0, blocks[0]}]
		for _, b := range blocks {
			own = own || have[Key{r, b}]
		}
		for _, b := range blocks {
			here, common := Key{r, b}, Key{0, b}
			known[here], known[common] = true, true
			if !own {
				continue
			}
			of++
			if !have[here] && !have[common] {
				missing = append(missing, Evidence{here.String(), "no entry"})
			}
		}
	}
	if len(missing) == 0 {
		a.pass(CodeMissing, "every block of %s is there at %d resolutions", s.Name, len(a.t.Resolutions()))
	} else {
		a.find(Finding{Code: CodeMissing, Severity: Fault, Count: len(missing), Of: of, Evidence: missing,
			Message: fmt.Sprintf("%d of %d blocks of %s have no entry", len(missing), of, s.Name)})
	}
	var foreign []Evidence
	for _, e := range a.entries {
		if !known[e.Key] {
			foreign = append(foreign, Evidence{e.Key.String(), "no block of " + s.Name})
		}
	}
	if len(foreign) == 0 {
		a.pass(CodeForeign, "every entry is a block of %s", s.Name)
		return nil
	}
	a.find(Finding{Code: CodeForeign, Severity: Doubt, Count: len(foreign), Of: len(a.entries), Evidence: foreign,
		Message: fmt.Sprintf("%d of %d entries are no block of %s", len(foreign), len(a.entries), s.Name)})
	return nil
}

// sums compares predictions with whole networks.
func (a *auditor) sums() error {
	if a.o.Space == nil || len(a.o.Known)+len(a.t.Networks) == 0 {
		a.skip(CodeSum, "no measured whole networks, or no space, to compare sums with")
		return nil
	}
	p, err := NewPredictor(a.t, a.o.Space)
	if err != nil {
		a.skip(CodeSum, "%v", err)
		return nil
	}
	for _, l := range []struct {
		whose    string
		networks []NetworkLatency
	}{{"known", a.o.Known}, {"the table's own", a.t.Networks}} {
		if len(l.networks) > 0 {
			if err := a.sum(p, l.whose, l.networks); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *auditor) sum(p *Predictor, whose string, networks []NetworkLatency) error {
	var ratios []float64
	var evidence []ranked
	for i, n := range networks {
		arch, err := supernet.ParseArch([]byte(n.Arch))
		if err == nil {
			arch, err = a.o.Space.Canonical(arch)
		}
		if err != nil {
			return fmt.Errorf("%s network %d: %w", whose, i, err)
		}
		measured := n.Latency.Central()
		if !(measured > 0) {
			return fmt.Errorf("%s network %d: latency %v is not positive", whose, i, float64(measured))
		}
		sum, err := p.Latency(arch)
		if err != nil {
			continue // the table lacks its resolution or a block, which the check of keys says
		}
		ratio := float64(sum / measured)
		ratios = append(ratios, ratio)
		evidence = append(evidence, ranked{math.Abs(math.Log(ratio)), Evidence{fmt.Sprintf("network %d: r=%d d=%v", i, arch.R, arch.D),
			fmt.Sprintf("sum %v, measured %v: %.2f", sum, measured, ratio)}})
	}
	if len(ratios) == 0 {
		a.skip(CodeSum, "no %s network can be predicted", whose)
		return nil
	}
	middle, count := median(ratios), 0
	for _, r := range ratios {
		if math.Abs(r-1) > doubtfulSum {
			count++
		}
	}
	text := fmt.Sprintf("sums over blocks are %.2f to %.2f of the measured latency of %d whole networks (%s), %.2f in the median",
		slices.Min(ratios), slices.Max(ratios), len(ratios), whose, middle)
	f := Finding{Code: CodeSum, Severity: Doubt, Count: count, Of: len(ratios), Message: text, Evidence: worst(evidence)}
	if !(math.Abs(middle-1) <= faultySum) {
		f.Severity = Fault
	}
	if magnitude := math.Abs(math.Log10(middle)); magnitude > 2.5 && magnitude < 3.5 {
		f.Code = CodeUnit
		f.Message += ": a factor of about 1000 is a unit taken for another"
	}
	if math.Abs(middle-1) <= doubtfulSum {
		a.pass(CodeSum, "%s", text)
		return nil
	}
	a.find(f)
	return nil
}
