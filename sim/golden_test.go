package sim_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/noise"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// TestGoldenDecisions plays every built-in scenario with every policy and compares the fingerprint of all
// events and the digest of the trace, so of every observation and decision, with those that are
// committed. The file was written on x86-64; arm64 must agree (cmd/dynofa-run runs this test there). A
// change that is meant to change decisions rewrites it with -update.
func TestGoldenDecisions(t *testing.T) {
	if reftest.RaceDetector {
		t.Skip("starts no goroutines, and takes the detector long")
	}
	var b strings.Builder
	for _, name := range append(traffic.Builtins(), bursts) {
		for _, spec := range policy.Names() {
			if slices.Contains([]string{"static", "schedutil+static"}, spec) {
				spec += ":2"
			}
			for _, r := range together(t, sim.Config{Scenario: beginning(t, name), Policy: spec}) {
				fmt.Fprintf(&b, "%s %s %d %016x %x\n", name, spec, len(r.Trace.Records), r.Fingerprint, sha256.Sum256(bytesOf(t, r.Trace)))
			}
		}
	}
	path := filepath.Join("testdata", "decisions.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(text), "\n")
	for i, line := range strings.Split(b.String(), "\n") {
		if i >= len(want) || line != want[i] {
			t.Errorf("line %d: %s", i+1, line)
		}
	}
}

// bursts is the scenario poisson with noise in bursts, which no built-in one has.
const bursts = "poisson-with-bursts"

// beginning returns the first half minute of a built-in scenario, or its first 500 requests, or all of it where an
// event comes later.
func beginning(t *testing.T, name string) *traffic.Scenario {
	t.Helper()
	if name == bursts {
		s := beginning(t, "poisson")
		s.Noise = traffic.Noise{Kind: traffic.Burst, Bursts: noise.Model{Mu: -0.02, Sigma: 0.05, Threshold: 1.15, Enter: 0.02, Stay: 0.8, Scale: 0.1, Shape: 0.3, Persist: 0.4}}
		return s
	}
	s := builtin(t, name)
	if s.Requests > 0 {
		s.Requests = min(s.Requests, 500)
	}
	s.Duration = min(s.Duration, 30*time.Second)
	if s.Validate() != nil {
		return builtin(t, name)
	}
	return s
}

// together runs the applications of a scenario with the paper's family on the scenario's board.
func together(t *testing.T, base sim.Config) []*sim.Result {
	t.Helper()
	base.Family = paper(t)
	configs, err := sim.Applications(base, func(string) (*family.Family, error) { return paper(t), nil })
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range configs {
		if configs[i], err = c.OnBoard(); err != nil {
			t.Fatal(err)
		}
	}
	if len(configs) == 1 {
		return []*sim.Result{run(t, configs[0])}
	}
	results, err := sim.RunTogether(context.Background(), configs)
	if err != nil {
		t.Fatal(err)
	}
	return results
}
