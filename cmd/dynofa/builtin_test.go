package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint/fashion"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/search/accuracy"
)

// TestBuiltinMeasurements measures sub-networks of the built-in supernet, fits and searches.
func TestBuiltinMeasurements(t *testing.T) {
	needRuntime(t)
	dir := t.TempDir()
	db, file := filepath.Join(dir, "s.db"), filepath.Join(dir, "measured.csv")
	list := records(t, succeed(t, "eval", "--db", db, "--checkpoint", "demo", "--random", "24", "--resolutions", "16", "--images", "fashion-mnist:selection",
		"--pictures", "60", "--calibration-pictures", "60", "--format", "csv"))
	for _, r := range list {
		if r["top1"] < "0.6" || r["top5"] < "0.9" { // chance is 0.1 and 0.5; the smallest has far more
			t.Errorf("a trained sub-network has top-1 %s, top-5 %s: %s", r["top1"], r["top5"], r["arch"])
		}
	}
	fit := records(t, succeed(t, "eval", "fit", "--db", db, "--space", demoSpace, "--held-out", "4", "--format", "csv", "-o", file))
	if fit[0]["networks"] != "4" || fit[1]["networks"] != "24" || fit[0]["tau"] == "" {
		t.Errorf("fit: %v", fit)
	}
	succeed(t, "lut", "profile", "--db", db, "--space", demoSpace, "--resolutions", "16", "--rounds", "3")
	for source, want := range map[string]string{"measured": "measured on Fashion-MNIST, selection", file: "measured.csv", builtin: "measured by this program"} {
		out := succeed(t, "search", "run", "--db", db, "--device", "host", "--processor", "cpu", "--resolutions", "16", "--evaluations", "2000", "--accuracy", source)
		if !strings.Contains(out, "PREDICTED") || !strings.Contains(out, want) {
			t.Errorf("search with %s: %s", source, out)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), "\n") != 25 {
		t.Errorf("%d lines, %v", strings.Count(string(text), "\n"), err)
	}
}

// The built-in predictor says so when it was fitted to other weights than the built-in ones.
func TestBuiltinPredictorTellsItsWeights(t *testing.T) {
	c, err := accuracy.Fashion()
	if err != nil {
		t.Fatal(err)
	}
	w, err := fashion.Weights()
	if err != nil {
		t.Fatal(err)
	}
	warning, err := builtinWarning(supernet.FashionMobileNetV3())
	if err != nil {
		t.Fatal(err)
	}
	if same := c.Weights == "checkpoint sha256:"+w.SHA256(); same != (warning == "") {
		t.Errorf("the predictor is of %s, the weights are %s, the warning is %q", c.Weights, w.SHA256(), warning)
	}
	if warning, err := builtinWarning(supernet.FashionMobileNetV3().WithResolutions(16)); err != nil || (warning == "") != (c.Weights == "checkpoint sha256:"+w.SHA256()) {
		t.Errorf("%q, %v", warning, err)
	}
	other, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		t.Fatal(err)
	}
	if warning, err := builtinWarning(other); err != nil || warning != "" {
		t.Errorf("%q, %v", warning, err)
	}
}
