package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/reftest"
)

// TestReadme runs every dynofa command of the README, in order, in an empty folder. What the README
// leaves to the reader is filled in: the authors' tables, OFA's predictor, random weights for a
// checkpoint (the published ones are not at hand) and a folder of drawn pictures.
func TestReadme(t *testing.T) {
	needRuntime(t)
	text, err := os.ReadFile(filepath.Join(reftest.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	tables, predictor := reftest.Path(t, "xavier-nx", "cpu"), reftest.Path(t, "ofa", "acc_predictor.pth")
	library, err := filepath.Abs(filepath.Join(reftest.Root(t), ".cache", "onnxruntime", "lib", "libonnxruntime.so.1"))
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("DYNOFA_ONNXRUNTIME") == "" {
		t.Setenv("DYNOFA_ONNXRUNTIME", library)
	}
	t.Chdir(t.TempDir())
	if _, err := images.WritePatterns("pictures", 1, 12, 256); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("cpu DIR", "cpu "+tables, "--images DIR", "--images pictures", "PREDICTOR.pth", predictor, "SUPERNET.pth", "random:1", "TRAIN", "pictures --calibration-pictures 2",
		`'{"ks":[...],"e":[...],"d":[...],"r":224}'`,
		`{"ks":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"d":[2,2,2,2,2],"r":224}`)
	ran := 0
	for line := range strings.Lines(string(text)) {
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    dynofa ")
		if !ok {
			continue
		}
		ran++
		succeed(t, strings.Fields(fill.Replace(line))...)
	}
	if ran < 8 {
		t.Errorf("the README has %d commands, want the 8 steps of the path", ran)
	}
	for _, path := range []string{"s.db", "front.svg", "bundle/manifest.json"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// TestTablesPage runs every command of docs/tables.md in order, on the published tables. An audit may
// find faults: that is its business.
func TestTablesPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(reftest.Root(t), "docs", "tables.md"))
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("XAVIER_CPU", reftest.Path(t, "xavier-nx", "cpu"), "XAVIER_GPU", reftest.Path(t, "xavier-nx", "gpu"), "NOTE10", reftest.Path(t, "note10"))
	t.Chdir(t.TempDir())
	ran := 0
	for line := range strings.Lines(string(text)) {
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    dynofa ")
		if !ok {
			continue
		}
		ran++
		args := strings.Fields(fill.Replace(line))
		if code, _, stderr := dynofa(t, args...); code != command.ExitOK && !(args[1] == "audit" && code == command.ExitFailure) {
			t.Errorf("dynofa %s: exit code %d\n%s", line, code, stderr)
		}
	}
	if ran < 10 {
		t.Errorf("%d commands", ran)
	}
	for _, path := range []string{"note10.svg", "note10-curves.svg", "note10.csv", "note10.txt", "note10-json/160.json"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}
