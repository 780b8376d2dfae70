package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
)

func TestBoardShow(t *testing.T) {
	out := succeed(t, "board", "show", "jetson-xavier-nx", "--set", "thermal.ambient=35C", "--set", "power.parts.gpu.full=6 W")
	for _, want := range []string{"35 C", "6 W", "ASSUMED: set on the command line", "nvpmodel"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out := succeed(t, "board", "show", "host"); !strings.Contains(out, "ASSUMED: ") {
		t.Errorf("this machine has no assumptions:\n%s", out)
	}
	for set, code := range map[string]int{
		"thermal.ambient": command.ExitUsage, "processors.cpu.cores=7": command.ExitFailure, "nonsense=1": command.ExitFailure, "thermal.ambient=900C": command.ExitFailure,
	} {
		if got, _, stderr := dynofa(t, "board", "show", "jetson-xavier-nx", "--set", set); got != code || stderr == "" {
			t.Errorf("--set %s: exit code %d, want %d: %s", set, got, code, stderr)
		}
	}
}

// The noise of a simulated trace is fitted, and the scenario that it is for takes it.
func TestSimNoise(t *testing.T) {
	dir := t.TempDir()
	scenario := filepath.Join(dir, "bursts.yaml")
	base := "family: paper-gpu6\nprocessor: gpu\narrivals: {kind: periodic, period: 100ms}\nlimit: 90ms\nrequests: 5000\n"
	write := func(noise string) {
		if err := os.WriteFile(scenario, []byte(base+noise+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("noise: {kind: burst, sigma: 0.03, threshold: 1.3, enter: 0.02, stay: 0.7, scale: 0.2, shape: 0.1}")
	succeed(t, "sim", "compare", "--db", filepath.Join(dir, "s.db"), "--scenario", scenario, "--policy", "static:2", "--traces", dir)
	trace := filepath.Join(dir, "static-2.csv")
	out := succeed(t, "sim", "noise", trace)
	_, line, ok := strings.Cut(out, "[1] ")
	line, _, _ = strings.Cut(line, "\n")
	if !ok || !strings.HasPrefix(line, "noise: {kind: burst, ") {
		t.Fatalf("no noise in\n%s", out)
	}
	write(line)
	succeed(t, "sim", "compare", "--db", filepath.Join(dir, "s.db"), "--scenario", scenario, "--policy", "static:2")
	if code, _, stderr := dynofa(t, "sim", "noise", trace, "--quantile", "2"); code != command.ExitUsage || !strings.Contains(stderr, "quantile") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
