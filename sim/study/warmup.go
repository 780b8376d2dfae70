package study

import (
	"fmt"
	"strconv"

	"github.com/dynofa/dynofa/datasets/traffic"
)

// CutRule says how the warm-up is cut off.
type CutRule string

// Rules. The zero value is Auto.
const (
	Auto  CutRule = ""      // MSER where nothing but the queue changes over time, None elsewhere
	None  CutRule = "none"  // everything counts
	MSER  CutRule = "mser5" // as sim.MSER5 says, the most over the policies' first replications
	Fixed CutRule = "fixed" // a number of requests
)

// String returns the rule's name.
func (r CutRule) String() string {
	if r == Auto {
		return "auto"
	}
	return string(r)
}

// WarmUp says which requests at the beginning of a run do not count. All policies and replications of a cell are cut
// alike, so that differences stay paired. A cut by MSER5 is by response times; there may be nothing to cut, and a cut
// of half the requests says that the run is too short.
type WarmUp struct {
	Rule     CutRule
	Requests int // of Fixed, not negative
}

// ParseWarmUp reads "auto", "none", "mser5" or a number of requests.
func ParseWarmUp(text string) (WarmUp, error) {
	switch CutRule(text) {
	case "auto":
		return WarmUp{}, nil
	case None, MSER:
		return WarmUp{Rule: CutRule(text)}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return WarmUp{}, fmt.Errorf("study: warm-up %.80q is none of auto, none, mser5 and a number of requests", text)
	}
	return WarmUp{Rule: Fixed, Requests: n}, nil
}

// pilots reports whether runs must be looked at before it is known what is cut.
func (w WarmUp) pilots() bool { return w.Rule == Auto || w.Rule == MSER }

// rule returns the rule for a cell, which is not Auto.
func (w WarmUp) rule(c *Cell) CutRule {
	if w.Rule != Auto {
		return w.Rule
	}
	for i := range c.Apps {
		if !stationary(c.Apps[i].Scenario) {
			return None
		}
	}
	return MSER
}

// stationary reports whether nothing but the queue changes over time.
func stationary(s *traffic.Scenario) bool {
	if len(s.Disturbances) > 0 || len(s.Events) > 0 || s.Board != "" {
		return false
	}
	for _, a := range s.Applications() {
		if !stationaryArrivals(a.Arrivals) {
			return false
		}
	}
	return true
}

func stationaryArrivals(a traffic.Arrivals) bool {
	switch a := a.(type) {
	case traffic.Periodic, traffic.Poisson, traffic.Gamma, traffic.MMPP:
		return true
	case traffic.Superposition:
		for _, b := range a.Of {
			if !stationaryArrivals(b) {
				return false
			}
		}
		return true
	case traffic.LoadGen:
		return a.Scenario == traffic.Server
	}
	return false
}
