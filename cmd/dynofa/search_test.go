package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/reftest"
)

// TestSearchCommands searches the authors' tables on both processors with constraints and objectives.
func TestSearchCommands(t *testing.T) {
	db := filepath.Join(t.TempDir(), "s.db")
	for _, processor := range []string{"cpu", "gpu"} {
		succeed(t, "lut", "import", "--db", db, "--format", "ofa-json", "--device", "xavier-nx", "--processor", processor,
			reftest.Path(t, "xavier-nx", processor))
	}
	run := []string{"search", "run", "--db", db, "--table", "1", "--also-table", "2", "--accuracy", reftest.Path(t, "ofa", "acc_predictor.pth"), "--evaluations", "2000"}
	with := func(flags ...string) []string { return append(append([]string(nil), run...), flags...) }

	out := succeed(t, with("--constraint", "latency(gpu) <= 25ms", "--constraint", "accuracy >= 80%")...)
	if !strings.Contains(out, "latency(gpu)") || !strings.Contains(out, "constraint: accuracy >= 0.8") {
		t.Errorf("constraints:\n%s", out)
	}
	out = succeed(t, with("--objective", "accuracy", "--objective", "latency(cpu)", "--objective", "latency(gpu)", "--method", "nsga2")...)
	if !strings.Contains(out, "objective: latency(gpu)") || !strings.Contains(out, "nsga2") {
		t.Errorf("objectives:\n%s", out)
	}
	if out := succeed(t, "search", "compare", "--db", db, "1", "2"); !strings.Contains(out, "hypervolume") {
		t.Errorf("comparison:\n%s", out)
	}
	for _, c := range []struct {
		code    int
		message string
		args    []string
	}{
		// The table's least latency is 728.519 ms.
		{command.ExitFailure, "no network of the space keeps latency(cpu) <= 700ms; nearest is latency(cpu) 728.519ms", with("--constraint", "latency(cpu) <= 700ms")},
		{command.ExitFailure, `no operating point "dla", only "cpu", "gpu"`, with("--constraint", "latency(dla) <= 700ms")},
		{command.ExitFailure, "no sum over", with("--method", "exact", "--evaluations", "9000")},
		{command.ExitUsage, "column 14: want <= or >=", with("--constraint", "latency(cpu) = 700ms")},
		{command.ExitUsage, `unknown quantity "joules"`, with("--objective", "joules")},
		{command.ExitUsage, "none of memetic, nsga2", with("--method", "magic")},
		{command.ExitUsage, "compare wants A B", []string{"search", "compare", "--db", db, "1"}},
		{command.ExitUsage, "not a size", []string{"family", "choose", "--db", db, "--levels", "3", "--memory", "20M"}},
		{command.ExitUsage, "--joint takes", []string{"family", "choose", "--db", db, "--share", "0.5", "--joint"}},
	} {
		code, _, stderr := dynofa(t, c.args...)
		if code != c.code || !strings.Contains(stderr, c.message) {
			t.Errorf("%q: exit code %d, want %d with %q in:\n%s", c.args, code, c.code, c.message, stderr)
		}
	}
	if out := succeed(t, "family", "choose", "--db", db, "--search", "1", "--levels", "4", "--memory", "26MiB"); !strings.Contains(out, "shared weights of") {
		t.Errorf("family under a budget:\n%s", out)
	}
	if out := succeed(t, "family", "choose", "--db", db, "--search", "2", "--levels", "4", "--joint", "--also-table", "2"); !strings.Contains(out, "that serve cpu") {
		t.Errorf("joint family:\n%s", out)
	}
}
