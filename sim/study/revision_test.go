package study_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/sim/study"
)

// Stored outcomes are found by what decides them, of which the code is a number that somebody has to raise. This test fails where
// the code gives other outcomes than it did at that number.
func TestRevision(t *testing.T) {
	plan := study.Plan{
		Cells:  []study.Cell{cell(t, "a", poisson), cell(t, "b", strings.Replace(poisson, "kind: poisson, rate: 12/s", "kind: gamma, rate: 20/s, cv2: 3", 1))},
		Specs:  []study.Spec{{Policy: "slack"}, {Policy: "slackfit"}, {Policy: "alert"}, {Policy: "qdp"}, {Policy: "static-drop", Params: map[string]string{"level": "2"}}},
		WarmUp: study.WarmUp{Rule: study.Fixed, Requests: 20}, Oracle: study.WithoutOracle,
	}
	results, err := study.Run(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, r := range results {
		for _, p := range r.Apps[0].Policies {
			o := p.Outcomes[0]
			fmt.Fprintf(&got, "%s %d %d %d %d\n", o.Fingerprint, o.Metrics.OnTime, o.Metrics.Late, o.Metrics.Switches, o.MSER5)
		}
	}
	const want = `61006c1ad0c7374e 260 20 38 0
1767a0bcf492d7bd 203 77 91 0
3090216322b39523 243 37 143 0
26b59097414bcda4 265 3 68 0
248812b8414a74f9 255 2 0 5
cfb69a052c9a4df7 137 143 4 0
8cce87924f8a79f9 90 190 69 0
f487d15f097be049 107 173 78 0
7a3b321783024e9c 194 39 14 0
aa4e68d95adebff7 178 4 0 0
`
	if got.String() != want {
		t.Errorf("outcomes are not those of revision 4: raise revision in digest.go, and put these here:\n%s", got.String())
	}
}
