// Package runtime_test measures the runner's store and sessions on this machine: memory, starts,
// switches and overhead. `make study-runtime` runs it and writes the tables of README.md.
package runtime_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/studytest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

var update = flag.Bool("update", false, "measure and rewrite README.md's tables")

// childVariable asks a re-executed test binary for one measurement; its value is MODE:BUNDLE:CACHE.
const childVariable = "DYNOFA_RUNTIME_STUDY"

func TestMain(m *testing.M) {
	if arg := os.Getenv(childVariable); arg != "" {
		if err := child(arg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		return
	}
	os.Exit(m.Run())
}

// sixLevels is a family of six sub-networks of w1.2 from the smallest to the largest.
func sixLevels() (*supernet.Space, *family.Family, []map[string]onnx.Moments, error) {
	s, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		return nil, nil, nil, err
	}
	f := &family.Family{Name: "six-w1.2", Space: s.Name, Source: "uniform sub-networks, chosen for a spread of sizes"}
	var all []map[string]onnx.Moments
	for i, a := range []supernet.Arch{s.Uniform(3, 3, 2, 160), s.Uniform(3, 4, 2, 176), s.Uniform(5, 4, 3, 192), s.Uniform(5, 6, 3, 208), s.Uniform(7, 4, 4, 224), s.Uniform(7, 6, 4, 224)} {
		if a, err = s.Canonical(a); err != nil {
			return nil, nil, nil, err
		}
		m, err := moments(s, a, i)
		if err != nil {
			return nil, nil, nil, err
		}
		all = append(all, m)
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(.70 + .01*float64(i)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{{Processor: "cpu", Latency: unit.Milliseconds(float64(4 + 6*i)), Origin: lut.Modelled, Source: "made up"}}})
	}
	return s, f, all, nil
}

// moments gives each level statistics of its own, as recalibration does: folded weights differ then.
func moments(s *supernet.Space, a supernet.Arch, level int) (map[string]onnx.Moments, error) {
	norms, err := onnx.BatchNorms(s, a)
	if err != nil {
		return nil, err
	}
	all := map[string]onnx.Moments{}
	for _, n := range norms {
		m := onnx.Moments{Mean: make([]float32, n.Channels), Var: make([]float32, n.Channels)}
		for i := range m.Mean {
			m.Mean[i], m.Var[i] = float32((i*7+level)%11-5)/100, 1+float32((i*3+level*5)%13)/50
		}
		all[n.Name] = m
	}
	return all, nil
}

// writeBundle writes the six levels with random weights.
func writeBundle(t *testing.T, dir string) string {
	t.Helper()
	s, f, statistics, err := sixLevels()
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.RandomWeights(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bundle")
	if _, err := bundle.Write(t.Context(), path, bundle.Spec{
		CreatedBy: "study", Family: f, Supernet: w, Statistics: statistics, Weights: w.Source(), Policy: bundle.Policy{Spec: "static:0"},
		Runtime: bundle.Runtime{Name: "onnxruntime", MinVersion: "1.24.0", Provider: "cpu"},
	}); err != nil {
		t.Fatal(err)
	}
	return path
}

// library returns the runtime's path, or skips.
func library(t *testing.T) string {
	t.Helper()
	path, err := ort.FindLibrary("")
	if err != nil {
		if os.Getenv("DYNOFA_REQUIRE_RUNTIME") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

// ask runs one measurement in a process of its own and decodes what it prints.
func ask(t *testing.T, result any, mode, dir, cache string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childVariable+"="+strings.Join([]string{mode, dir, cache, library(t)}, "|"))
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v", mode, err)
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("%s: %v in %q", mode, err, out)
	}
}

// TestStudy holds the bars that do not depend on how busy the machine is, and with -update measures all
// and writes it down.
func TestStudy(t *testing.T) {
	if testing.Short() {
		t.Skip("makes sessions of six networks")
	}
	if reftest.RaceDetector {
		t.Skip("the race detector needs memory of its own")
	}
	library(t)
	dir := t.TempDir()
	path, cache := writeBundle(t, dir), filepath.Join(dir, "cache")
	var r results
	ask(t, &r.Prepare, "prepare", path, cache)
	ask(t, &r.Mapped, "mapped", path, cache)
	const mb = 1e6
	t.Logf("six mapped sessions: %.1f MB anonymous, PSS %.1f MB, unique bytes %.1f MB", r.Mapped.Anonymous/mb, r.Mapped.PSS/mb, r.Prepare.Unique/mb)
	if r.Mapped.Anonymous > 45*mb {
		t.Errorf("%.1f MB anonymous, want at most 45", r.Mapped.Anonymous/mb)
	}
	if most := 1.3*r.Prepare.Unique + 45*mb; r.Mapped.PSS > most {
		t.Errorf("PSS %.1f MB, want at most %.1f", r.Mapped.PSS/mb, most/mb)
	}
	for i, d := range r.Mapped.Differences {
		if !(d <= 1e-5) {
			t.Errorf("level %d: prepared and plain sessions differ by %g of the largest logit", i, d)
		}
	}
	if !*update {
		return
	}
	ask(t, &r.Plain, "plain", path, cache)
	for range 5 {
		var s start
		ask(t, &s, "start", path, cache)
		r.Starts = append(r.Starts, s)
	}
	ask(t, &r.Switches, "switch", path, cache)
	r.Overhead = measureOverhead(t)
	r.Load, r.Machine = studytest.LoadAverage(), studytest.Machine()
	writeTables(t, r)
}

// median returns the middle of values.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
