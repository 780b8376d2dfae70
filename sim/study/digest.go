package study

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/sim"
)

// revision is raised when the simulator or this package changes so that the same inputs give other outcomes, which
// TestRevision notices. 2: noise without the architecture's logarithm. 3: proteus forgets that it waited.
const revision = 4

// digest returns the SHA-256, in hexadecimal, of everything that decides the outcomes of a simulation, and the first
// scenario's file.
func digest(configs []sim.Config, cut int) (key, document string, err error) {
	h := sha256.New()
	fmt.Fprintf(h, "revision %d, cut %d\n", revision, cut)
	for i := range configs {
		c := &configs[i]
		if c.Scenario == nil || c.Family == nil {
			return "", "", fmt.Errorf("application %d has no scenario or no family", i+1)
		}
		text, err := c.Scenario.Marshal()
		if err != nil {
			return "", "", err
		}
		if i == 0 {
			document = string(text)
		}
		family, err := json.Marshal(c.Family)
		if err != nil {
			return "", "", err
		}
		spec, err := json.Marshal(Spec{c.Policy, c.Params})
		if err != nil {
			return "", "", err
		}
		fmt.Fprintf(h, "app %q scenario %q\n%s\n%s\n%s\nseed %d replication %d processors %q\n",
			c.App, c.Scenario.Name, text, family, spec, c.Seed, c.Replication, c.Processors)
		for _, a := range c.Scenario.Applications() {
			digestRows(h, a.Arrivals)
		}
		if err := digestBoard(h, c); err != nil {
			return "", "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), document, nil
}

// digestRows adds what stands in trace files, which the scenario's file only names.
func digestRows(h hash.Hash, a traffic.Arrivals) {
	switch t := a.(type) {
	case traffic.Recorded:
		for _, r := range t.Rows {
			fmt.Fprintf(h, "%d %d %q\n", r.At, r.Limit, r.Class)
		}
	case traffic.Counted:
		fmt.Fprintf(h, "%d %d\n", t.Bin, t.Counts)
	case traffic.Superposition:
		for _, b := range t.Of {
			digestRows(h, b)
		}
	}
}
