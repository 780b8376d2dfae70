package bundle_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// fixture returns the spec of a bundle with three levels of the tiny space, with random weights that
// differ from seed to seed; levels 1 and 2 have statistics of their own.
func fixture(seed uint64) (bundle.Spec, error) {
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		return bundle.Spec{}, err
	}
	f := &family.Family{Name: "tiny", Space: s.Name, Source: "made up <for> a test & nothing else", Notes: []string{"accuracies are stand-ins"}}
	var table = &lut.Table{Space: s.Name, Origin: lut.Modelled, Source: "made up", Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Point:      lut.OperatingPoint{Device: "none", Processor: "cpu", Threads: 1, CPUClock: 2.5e9, Period: 33 * time.Millisecond},
		Provenance: []lut.Fact{{Name: "b", Value: "first"}, {Name: "a", Value: "second"}}, Warnings: []string{"not real"}}
	for i, a := range []supernet.Arch{s.Uniform(3, 3, 2, 128), s.Uniform(5, 4, 3, 144), s.Uniform(7, 6, 4, 160)} {
		if a, err = s.Canonical(a); err != nil {
			return bundle.Spec{}, err
		}
		macs, err := s.MACs(a)
		if err != nil {
			return bundle.Spec{}, err
		}
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(0.7 + 0.01*float64(i)), AccuracyOrigin: family.AccuracyStandIn, MACs: macs,
			Latencies: []family.Latency{{Processor: "cpu", Latency: unit.Nanoseconds(float64(macs) / 7), Origin: lut.Modelled, Source: "made up"}}})
		blocks, err := s.DistinctBlocks(a.R)
		if err != nil {
			return bundle.Spec{}, err
		}
		for j, b := range blocks {
			l := lut.MeanOnly(100, unit.Nanoseconds(1000+float64(b.MACs())/7), 10)
			if j == 0 {
				l.Warnings = []string{"the first"}
			}
			table.Entries = append(table.Entries, lut.Entry{Key: lut.Key{Resolution: a.R, Block: b}, Latency: l})
		}
		table.Networks = append(table.Networks, lut.NetworkLatency{Arch: a.String(), Latency: lut.MeanOnly(5, 1e6, 3)})
	}
	labels := make([]string, s.Classes)
	for i := range labels {
		labels[i] = fmt.Sprintf("class %d, né", i)
	}
	w, err := onnx.RandomWeights(s, seed)
	if err != nil {
		return bundle.Spec{}, err
	}
	statistics := make([]map[string]onnx.Moments, len(f.Levels))
	for i := range statistics {
		if i > 0 {
			if statistics[i], err = moments(s, f.Levels[i].Arch, seed+uint64(i)); err != nil {
				return bundle.Spec{}, err
			}
		}
	}
	return bundle.Spec{
		CreatedBy: "dynofa test", Family: f, Weights: w.Source(), Supernet: w, Statistics: statistics,
		Policy:  bundle.Policy{Spec: "slack", Params: map[string]string{"margin": "5%"}},
		Runtime: bundle.Runtime{Name: "onnxruntime", MinVersion: "1.24.0", Provider: "cpu"},
		Table:   table, Labels: labels, Service: "[Service]\nType=notify\n", Notes: []string{"weights are random"},
	}, nil
}

// moments makes statistics up.
func moments(s *supernet.Space, a supernet.Arch, seed uint64) (map[string]onnx.Moments, error) {
	norms, err := onnx.BatchNorms(s, a)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	all := map[string]onnx.Moments{}
	for _, n := range norms {
		m := onnx.Moments{Mean: make([]float32, n.Channels), Var: make([]float32, n.Channels)}
		for i := range m.Mean {
			m.Mean[i], m.Var[i] = rng.Float32()-.5, rng.Float32()+.5
		}
		all[n.Name] = m
	}
	return all, nil
}

func mustFixture(t testing.TB, seed uint64) bundle.Spec {
	t.Helper()
	spec, err := fixture(seed)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// written writes the fixture to a new folder and returns its path.
func written(t testing.TB, seed uint64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bundle")
	if _, err := bundle.Write(t.Context(), dir, mustFixture(t, seed)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// readAll returns every file below dir by path.
func readAll(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// check opens a bundle and reads all of it.
func check(dir string) error {
	b, err := bundle.Open(dir)
	if err != nil {
		return err
	}
	defer b.Close()
	return b.Verify(context.Background())
}

// edit replaces the manifest and makes its digest fit.
func edit(t testing.TB, dir, manifest string) {
	t.Helper()
	put(t, filepath.Join(dir, "manifest.json"), manifest)
	put(t, filepath.Join(dir, "manifest.sha256"), fmt.Sprintf("%x  manifest.json\n", sha256.Sum256([]byte(manifest))))
}

func put(t testing.TB, name, data string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// patch writes one byte of a file.
func patch(t testing.TB, name string, at int64, v byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{v}, at); err != nil {
		t.Fatal(err)
	}
}
