package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/search/store"
)

const smallSpace = "fashion-mbv3"

// classFolders makes a folder of n drawn pictures for each of ten classes.
func classFolders(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	for c := range 10 {
		if _, err := images.WritePatterns(filepath.Join(dir, fmt.Sprintf("class%d", c)), uint64(c), n, 40); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func records(t testing.TB, text string) []map[string]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("%v in %q", err, text)
	}
	var out []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			m[name] = row[i]
		}
		out = append(out, m)
	}
	return out
}

// The whole way of measured accuracies with weights that know nothing: measured, fitted, searched with,
// measured again, exported with statistics and run.
func TestMeasuredAccuracy(t *testing.T) {
	needRuntime(t)
	dir := t.TempDir()
	db, pictures := filepath.Join(dir, "s.db"), classFolders(t, 6)
	common := []string{"--db", db, "--checkpoint", "random:5", "--images", pictures, "--calibration", pictures, "--calibration-pictures", "40"}
	eval := append([]string{"eval", "--space", smallSpace, "--resolutions", "16", "--random", "8", "--format", "csv"}, common...)
	first := records(t, succeed(t, eval...))
	if len(first) != 8 {
		t.Fatalf("%d sub-networks", len(first))
	}
	differ := false
	for _, r := range first {
		if r["images"] != "60" || r["skipped"] != "0" || r["weights"] != "random, seed 5" || !strings.Contains(r["recalibration"], "40 of 60, seed 1") {
			t.Errorf("row %v", r)
		}
		differ = differ || r["top1"] != first[0]["top1"]
	}
	if !differ {
		t.Error("all sub-networks are equally good")
	}
	// The same again costs nothing and says the same, though the pictures are gone from where they were read.
	code, again, stderr := dynofa(t, eval...)
	if code != command.ExitOK || len(records(t, again)) != 8 || records(t, again)[7]["id"] != first[7]["id"] {
		t.Errorf("again: %s%s", again, stderr)
	}
	if list := records(t, succeed(t, "eval", "list", "--db", db, "--format", "csv")); len(list) != 8 || list[7]["arch"] != first[7]["arch"] {
		t.Errorf("%d in the list", len(list))
	}
	succeed(t, "lut", "profile", "--db", db, "--space", smallSpace, "--resolutions", "16", "--rounds", "3")
	search := []string{"search", "run", "--db", db, "--device", "host", "--processor", "cpu", "--resolutions", "16", "--evaluations", "2000", "--accuracy"}
	succeed(t, append(search, standIn)...)
	succeed(t, "family", "choose", "--db", db, "--levels", "3")
	measured := records(t, succeed(t, append([]string{"family", "measure", "--format", "csv"}, common...)...))
	shown := succeed(t, "family", "show", "--db", db)
	if len(measured) == 0 || !strings.Contains(shown, "measured") || strings.Contains(shown, "  stand-in  ") || !strings.Contains(shown, "MEASURED top-1 on 60 pictures") {
		t.Errorf("family: %v\n%s", measured, shown)
	}
	// The front has stand-ins for accuracies, its family measured ones: the picture has the front alone, unless
	// the family is asked for.
	front := filepath.Join(dir, "front.svg")
	succeed(t, "plot", "front", "--db", db, "-o", front)
	if svg, err := os.ReadFile(front); err != nil || !strings.Contains(string(svg), "is not drawn: the accuracies of its levels are measured ones") {
		t.Errorf("the picture does not say that the family is missing: %v", err)
	}
	if code, _, stderr := dynofa(t, "plot", "front", "--db", db, "-o", front, "--family", "host-cpu-search1"); code != command.ExitFailure || !strings.Contains(stderr, "one axis") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	b := filepath.Join(dir, "bundle")
	out := succeed(t, "export", "--db", db, "--checkpoint", "random:5", "--calibration", pictures, "--calibration-pictures", "40", "-o", b)
	if !strings.Contains(out, "statistics") {
		t.Errorf("the bundle has no statistics:\n%s", out)
	}
	if code, _, stderr := dynofa(t, "eval", "list", "--db", db, "--space", "nosuch"); code != command.ExitOK || !strings.Contains(stderr, "no measured accuracies of nosuch") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	out = succeed(t, "run", b, "--images", pictures, "--policy", "static:0", "--format", "csv")
	// What was measured for the level is what it does when it runs.
	if r := records(t, out)[0]; r["pictures"] != "60" || r["live top-1"] != measured[0]["top1"] || r["expected top-1"] != measured[0]["top1"] {
		t.Errorf("run: %v, measured %v", r, measured[0])
	}
}

func TestEvalRefuses(t *testing.T) {
	needRuntime(t)
	dir := t.TempDir()
	db, pictures := filepath.Join(dir, "s.db"), classFolders(t, 4)
	empty := classFolders(t, 1)
	if err := os.Remove(filepath.Join(empty, "class3", "pattern-00000.png")); err != nil {
		t.Fatal(err)
	}
	nine := classFolders(t, 1)
	if err := os.RemoveAll(filepath.Join(nine, "class9")); err != nil {
		t.Fatal(err)
	}
	broken := classFolders(t, 4)
	for _, name := range []string{"class0/pattern-00001.png", "class5/pattern-00002.png"} {
		if err := os.WriteFile(filepath.Join(broken, name), []byte("no picture"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	weights := filepath.Join(dir, "weights.pth")
	if err := os.WriteFile(weights, []byte("no weights"), 0o644); err != nil {
		t.Fatal(err)
	}
	arch := `{"ks":[3],"e":[3],"d":[2],"r":16}`
	args := func(images, calibration string, more ...string) []string {
		return append([]string{"eval", "--db", db, "--space", smallSpace, "--images", images, "--calibration", calibration}, more...)
	}
	random := []string{"--checkpoint", "random:1", "--random", "1"}
	for _, c := range []struct {
		name, message string
		code          int
		args          []string
	}{
		{"nothing asked for", "one of --arch, --family, --random", command.ExitUsage, args(pictures, "none", "--checkpoint", "random:1")},
		{"two things", "one of --arch, --family, --random", command.ExitUsage, args(pictures, "none", "--checkpoint", "random:1", "--random", "1", "--arch", arch)},
		{"no calibration", "--calibration is required", command.ExitUsage,
			[]string{"eval", "--db", db, "--space", "ofa-mbv3-w1.2", "--images", pictures, "--checkpoint", "random:1", "--random", "1"}},
		{"bad transform", "neither imagenet", command.ExitUsage, args(pictures, "none", append(random, "--transform", "big")...)},
		{"bad crop", "crop 2", command.ExitUsage, args(pictures, "none", append(random, "--transform", `{"crop":2}`)...)},
		{"bad arch", "--arch", command.ExitUsage, args(pictures, "none", "--checkpoint", "random:1", "--arch", "{")},
		{"bad resolution", "resolution", command.ExitUsage, args(pictures, "none", append(random, "--resolutions", "0")...)},
		{"empty class", `class "class3" holds no picture`, command.ExitFailure, args(empty, "none", random...)},
		{"nine classes", "9 classes", command.ExitFailure, args(nine, "none", random...)},
		{"broken pictures", "more than 1%", command.ExitFailure, args(broken, "none", random...)},
		{"broken calibration", "more than 1%", command.ExitFailure, args(pictures, broken, random...)},
		{"drawn pictures", "class is not known", command.ExitFailure, args("builtin", "none", random...)},
		{"bad checkpoint", "weights.pth", command.ExitFailure, args(pictures, "none", "--checkpoint", weights, "--random", "1")},
		{"no such folder", "nowhere", command.ExitFailure, args(filepath.Join(dir, "nowhere"), "none", random...)},
		{"labels of a set", "goes with a folder", command.ExitUsage, args("cifar10:x", "none", append(random, "--labels", "y")...)},
		{"nothing measured", "no measured accuracies", command.ExitFailure, // the commands before made the study
			[]string{"eval", "fit", "--db", db, "--space", smallSpace}},
		{"unknown subcommand", "unknown command", command.ExitUsage, []string{"eval", "frobnicate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := dynofa(t, c.args...)
			if code != c.code || !strings.Contains(stderr, c.message) || stdout != "" {
				t.Errorf("exit code %d, want %d with %q in:\n%s%s", code, c.code, c.message, stderr, stdout)
			}
		})
	}
	if list := succeed(t, "eval", "list", "--db", db, "--format", "csv"); strings.Count(list, "\n") != 1 {
		t.Errorf("something half-done was stored:\n%s", list)
	}
}

// A list of accuracies that were measured under different conditions says which is which.
func TestConditionNotes(t *testing.T) {
	e := func(id int64, recalibration string, skipped int) *store.Evaluation {
		return &store.Evaluation{ID: id, Skipped: skipped, Inputs: store.EvaluationInputs{Space: "s", Runtime: "r", Weights: "w", Data: "d", DataSHA256: "h", Order: "all", Transform: "t", Recalibration: recalibration}}
	}
	same := []string{"measured sub-networks of s with r; weights: w", "pictures: d (sha256:h), all", "inputs: t", "recalibration: none"}
	if diff := cmp.Diff(same, conditionNotes([]*store.Evaluation{e(1, "none", 0), e(2, "none", 0)})); diff != "" {
		t.Errorf("the same conditions (-want +got):\n%s", diff)
	}
	mixed := append(same[:3:3], "2..4, 9: recalibration: none", "7: recalibration: yes", "4: pictures that could not be decoded were passed over")
	got := conditionNotes([]*store.Evaluation{e(2, "none", 0), e(3, "none", 0), e(7, "yes", 0), e(4, "none", 1), e(9, "none", 0)})
	if diff := cmp.Diff(mixed, got); diff != "" {
		t.Errorf("different conditions (-want +got):\n%s", diff)
	}
}
