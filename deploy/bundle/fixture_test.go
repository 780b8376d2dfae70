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
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// fixture returns the spec of a bundle with three levels of the tiny space. The models are random
// bytes, a different set per seed: the package never looks into them.
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
	return bundle.Spec{
		CreatedBy: "dynofa test", Family: f, Weights: fmt.Sprintf("none: random bytes, seed %d", seed),
		Model: func(_ context.Context, level int) ([]byte, error) {
			rng := rand.New(rand.NewPCG(seed, uint64(level)))
			b := make([]byte, 3000*(level+1))
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			return b, nil
		},
		Policy:  bundle.Policy{Spec: "slack", Params: map[string]string{"margin": "5%"}},
		Runtime: bundle.Runtime{Name: "onnxruntime", MinVersion: "1.24.0", Provider: "cpu"},
		Table:   table, Labels: labels, Notes: []string{"weights are random"},
	}, nil
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
