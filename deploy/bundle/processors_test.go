package bundle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// pairOf returns the fixture for a CPU and a GPU.
func pairOf(t testing.TB) bundle.Spec {
	t.Helper()
	spec := mustFixture(t, 1)
	for i := range spec.Family.Levels {
		l := &spec.Family.Levels[i]
		l.Latencies = append(l.Latencies, family.Latency{Processor: "gpu", Latency: l.Latencies[0].Latency / 3, Origin: lut.Modelled, Source: "made up"})
	}
	spec.Policy = bundle.Policy{Spec: "qdp"}
	spec.Runtime.Processors = []bundle.Processor{{Name: "cpu", Provider: "cpu"}, {Name: "gpu", Provider: "cuda"}}
	return spec
}

func TestBundleOfTwoProcessors(t *testing.T) {
	alone, pair := filepath.Join(t.TempDir(), "alone"), filepath.Join(t.TempDir(), "pair")
	if _, err := bundle.Write(t.Context(), alone, mustFixture(t, 1)); err != nil {
		t.Fatal(err)
	}
	first, err := bundle.Write(t.Context(), pair, pairOf(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(pair)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	want := []bundle.Processor{{Name: "cpu", Provider: "cpu"}, {Name: "gpu", Provider: "cuda"}}
	if d := cmp.Diff(want, b.Manifest().Serving()); d != "" || b.Manifest().Schema != 3 {
		t.Errorf("schema %d, processors: %s", b.Manifest().Schema, d)
	}
	one, err := bundle.Open(alone)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if d := cmp.Diff([]bundle.Processor{{Name: "cpu", Provider: "cpu"}}, one.Manifest().Serving()); d != "" || one.Manifest().Schema != 2 {
		t.Errorf("schema %d of a bundle for one, processors: %s", one.Manifest().Schema, d)
	}
	// All but the manifest is the same: tensors are there once, whoever runs them.
	if d := cmp.Diff(one.Manifest().Files, b.Manifest().Files); d != "" {
		t.Error(d)
	}
	if again, err := bundle.Write(t.Context(), filepath.Join(t.TempDir(), "again"), pairOf(t)); err != nil || again != first {
		t.Errorf("digest %s, then %s, %v", first, again, err)
	}
}

// badProcessors are edits of the manifest of two processors.
var badProcessors = []struct{ name, old, new, want string }{
	{"unknown processor", `"name": "gpu"`, `"name": "dsp"`, `no latencies on "dsp"`},
	{"twice", `"name": "gpu"`, `"name": "cpu"`, `"cpu" stands twice`},
	{"no provider", `"provider": "cuda"`, `"provider": ""`, "has no execution provider"},
	{"provider of two lines", `"provider": "cuda"`, `"provider": "cu\nda"`, "printable"},
	{"another first", `"provider": "cpu",`, `"provider": "xnnpack",`, "is not the first processor's"},
	{"older schema", `"schema": 3,`, `"schema": 2,`, "schema 2 is not"},
	{"unknown key", `"name": "gpu",`, `"name": "gpu", "clock": 1,`, `unknown field "clock"`},
}

func TestBadProcessors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bundle")
	if _, err := bundle.Write(t.Context(), dir, pairOf(t)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	for _, c := range badProcessors {
		bad := strings.Replace(good, c.old, c.new, 1)
		if bad == good {
			t.Fatalf("%s: the manifest has no %q", c.name, c.old)
		}
		edit(t, dir, bad)
		if _, err := bundle.Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	many := pairOf(t)
	for range 16 {
		many.Runtime.Processors = append(many.Runtime.Processors, many.Runtime.Processors[1])
	}
	if _, err := bundle.Write(t.Context(), dir, many); err == nil || !strings.Contains(err.Error(), "18 processors are more than 16") {
		t.Errorf("error %v", err)
	}
}
