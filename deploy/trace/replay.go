package trace

import (
	"cmp"
	"container/heap"
	"fmt"

	"github.com/dynofa/dynofa/deploy/policy"
)

// ReplayReport says how far a policy repeats its recorded decisions.
type ReplayReport struct {
	N          int         // decisions compared
	Equal      int         // of them, how many are equal in every field
	Overridden int         // decisions not compared, because the policy's caller took another in their place
	NotAsked   int         // records about which the policy was not asked, all but the first of a batch among them
	First      *Difference // the first one that differs, nil if none does
}

// Difference is a decision that a replay took differently.
type Difference struct {
	Record             int // 1 is the first
	Line               int // of the file
	Request            int64
	Recorded, Replayed policy.Decision
}

// String describes the difference in one line.
func (d *Difference) String() string {
	return fmt.Sprintf("line %d (record %d, request %d): recorded %v, replayed %v", d.Line, d.Record, d.Request, d.Recorded, d.Replayed)
}

// Replay is the replay of observations: it builds the policy that the header names, shows it the
// recorded observations and completions in the order in which it saw them, and compares its
// decisions with the recorded ones. It does not simulate: after a difference the recorded run goes
// on. It stops asking once the recorded manager has ended, since nobody asked then either.
//
// It returns an error if the header's policy cannot be built.
func Replay(t *Trace) (ReplayReport, error) {
	return ReplayWith(t, t.Header.Policy, t.Header.Params)
}

// ReplayWith is Replay with another policy, or the same with other parameters: what would it have
// decided where the recorded one stood?
func ReplayWith(t *Trace, spec string, params map[string]string) (ReplayReport, error) {
	m, err := policy.NewModel(&t.Header.Family)
	if err != nil {
		return ReplayReport{}, fmt.Errorf("trace: %s: replay: %w", t.Name, err)
	}
	p, err := policy.New(spec, params, m)
	if err != nil {
		return ReplayReport{}, fmt.Errorf("trace: %s: replay: %w", t.Name, err)
	}
	var report ReplayReport
	var pending completions
	ended := false
	for i := range t.Records {
		r := &t.Records[i]
		if ended || !r.Asked() {
			report.NotAsked++
			continue
		}
		for len(pending) > 0 && pending[0].End <= r.Observation.Now {
			if c := heap.Pop(&pending).(completion); t.Header.Seen(c.End) {
				p.Observe(c.Completion)
			}
		}
		o := r.Observation
		d := p.Decide(&o)
		if r.Overridden() {
			report.Overridden++
		} else {
			report.compare(i, r, d)
		}
		ended = r.Decision.Action == policy.Exit
		if c, ok := r.Completion(); ok {
			heap.Push(&pending, completion{c, i})
		}
	}
	return report, nil
}

// compare counts one decision.
func (report *ReplayReport) compare(i int, r *Record, d policy.Decision) {
	report.N++
	switch {
	case d == r.Decision:
		report.Equal++
	case report.First == nil:
		report.First = &Difference{Record: i + 1, Line: i + firstRow, Request: r.Request, Recorded: r.Decision, Replayed: d}
	}
}

// completion is an inference that has not ended yet, with the number of its record.
type completion struct {
	policy.Completion
	record int
}

// completions is a heap of inferences by end, then record: the order in which a policy is told about them.
type completions []completion

func (c completions) Len() int { return len(c) }
func (c completions) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(c[i].End, c[j].End), cmp.Compare(c[i].record, c[j].record)) < 0
}
func (c completions) Swap(i, j int) { c[i], c[j] = c[j], c[i] }

// Push implements heap.Interface.
func (c *completions) Push(x any) { *c = append(*c, x.(completion)) }

// Pop implements heap.Interface.
func (c *completions) Pop() any {
	old := *c
	x := old[len(old)-1]
	*c = old[:len(old)-1]
	return x
}
