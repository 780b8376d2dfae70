package profile

import (
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/lut"
)

// conditions are the states of the machine before and after measuring; zero if unknown.
type conditions struct {
	known         bool
	processors    int
	before, after host.State
}

// unseen is the doubt about every latency of a virtual machine.
const unseen = "a virtual machine: what its neighbours do to caches and memory shows in no counter, and equal runs differ by more than their intervals say"

// hasNeighbours reports whether programs that nothing here can see may slow the machine down.
func (c Config) hasNeighbours() bool {
	return c.Host != nil && c.Neighbours == DetectNeighbours && host.Read(c.Host).Machine.CPU.Hypervisor
}

func readBefore(fsys fs.FS) conditions {
	if fsys == nil {
		return conditions{}
	}
	info := host.Read(fsys)
	return conditions{known: true, processors: max(1, info.Machine.CPU.Online), before: info.State}
}

func (c *conditions) readAfter(fsys fs.FS) {
	if c.known {
		c.after = host.ReadState(fsys)
	}
}

// facts returns both states, as JSON.
func (c conditions) facts() []lut.Fact {
	if !c.known {
		return nil
	}
	var facts []lut.Fact
	for _, s := range []struct {
		name  string
		state host.State
	}{{"state before", c.before}, {"state after", c.after}} {
		text, err := json.Marshal(s.state)
		if err != nil {
			panic("profile: a state has a JSON form: " + err.Error())
		}
		facts = append(facts, lut.Fact{Name: factPrefix + s.name, Value: string(text)})
	}
	return facts
}

// busy is the load average per processor above which a machine was not quiet before measuring. A
// profile that has just ended leaves one thread's worth.
const busy = 0.75

// doubts says what about the conditions makes the numbers doubtful.
func (c conditions) doubts() []string {
	var doubts []string
	if l := c.before.LoadAverage; len(l) > 0 && l[0] > busy*float64(c.processors) {
		doubts = append(doubts, fmt.Sprintf("the machine was busy before measuring: load average %.2f on %d processors", l[0], c.processors))
	}
	doubts = append(doubts, c.changes()...)
	before := map[string]int64{}
	for _, t := range c.before.Throttling {
		before[t.Name] = t.Value
	}
	for _, t := range c.after.Throttling {
		if old, ok := before[t.Name]; ok && t.Value != old {
			doubts = append(doubts, fmt.Sprintf("the clocks were held down while measuring: %s went from %d to %d", t.Name, old, t.Value))
		}
	}
	return doubts
}

// changes says which settings of clocks and modes were not the same before and after, or not kept to.
func (c conditions) changes() (doubts []string) {
	if before, after := c.before.PowerMode, c.after.PowerMode; before != after {
		doubts = append(doubts, fmt.Sprintf("the power mode changed while measuring: from %q to %q", before.Name, after.Name))
	}
	if len(c.before.Policies) != len(c.after.Policies) {
		doubts = append(doubts, "processors went on or off line while measuring")
		return doubts
	}
	for i, before := range c.before.Policies {
		after := c.after.Policies[i]
		if before.Min != after.Min || before.Max != after.Max || before.Governor != after.Governor {
			doubts = append(doubts, fmt.Sprintf("the clocks' limits changed while measuring: %s from %v..%v (%s) to %v..%v (%s)",
				before.Name, before.Min, before.Max, before.Governor, after.Min, after.Max, after.Governor))
		} else if after.Min == after.Max && after.Current > 0 && float64(after.Current) < 0.98*float64(after.Max) {
			doubts = append(doubts, fmt.Sprintf("the clocks were held down while measuring: %s runs at %v, not at the %v it is set to", after.Name, after.Current, after.Max))
		}
	}
	return doubts
}
