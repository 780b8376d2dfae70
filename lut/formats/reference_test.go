package formats_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
)

// publishedTables are the folders of published tables and how many files of 96 entries they hold.
var publishedTables = []struct {
	path      []string
	format    formats.Format
	processor string
	files     int
}{
	{[]string{"xavier-nx", "cpu"}, formats.OFAJSON, "cpu", 17},
	{[]string{"xavier-nx", "gpu"}, formats.OFAJSON, "gpu", 17},
	{[]string{"note10"}, formats.OFAYAML, "cpu", 5},
}

func TestPublishedTables(t *testing.T) {
	for _, c := range publishedTables {
		dir := reftest.Path(t, c.path...)
		m := meta(t)
		m.Point.Processor = c.processor
		tab, err := formats.Read(context.Background(), dir, c.format, m)
		if err != nil {
			t.Fatal(err)
		}
		if len(tab.Entries) != 96*c.files || len(tab.Warnings) != 0 {
			t.Errorf("%v: %d entries, want %d; warnings %q", c.path, len(tab.Entries), 96*c.files, tab.Warnings)
		}
		if len(tab.Provenance) != 2+c.files {
			t.Errorf("%v: %d facts, want format, entries and %d files", c.path, len(tab.Provenance), c.files)
		}
		// Every number of every file, read the plain way, is in the table under the right block.
		for _, r := range tab.Resolutions() {
			want := plainFile(t, dir, r)
			blocks, err := m.Space.DistinctBlocks(r)
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, b := range blocks {
				keys = append(keys, formats.OFAKey(b))
			}
			slices.Sort(keys)
			if diff := cmp.Diff(sortedKeys(want), keys); diff != "" {
				t.Errorf("%v r=%d: the file's keys against the space's blocks:\n%s", c.path, r, diff)
			}
			for _, e := range tab.Entries {
				if e.Key.Resolution != r {
					continue
				}
				w := want[formats.OFAKey(e.Key.Block)]
				if e.Latency.N != w.Count || float64(e.Latency.Mean) != w.Mean*1e6 || float64(e.Latency.Std) != w.Std*1e6 {
					t.Errorf("%v r=%d %v: %+v, the file has %+v ms", c.path, r, e.Key.Block, e.Latency, w)
				}
			}
		}
	}
}

type plainRecord struct {
	Count     int
	Mean, Std float64
}

// plainFile reads one published file into a map.
func plainFile(t *testing.T, dir string, r int) map[string]plainRecord {
	t.Helper()
	base := filepath.Join(dir, strconv.Itoa(r))
	var m map[string]plainRecord
	data, err := os.ReadFile(base + ".json")
	if err == nil {
		err = json.Unmarshal(data, &m)
	} else if data, err = os.ReadFile(base + ".yaml"); err == nil {
		err = yaml.Unmarshal(data, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func sortedKeys(m map[string]plainRecord) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// The expected sums were computed with the authors' code.
func TestPublishedPredictions(t *testing.T) {
	data, err := os.ReadFile(reftest.Path(t, "xavier-nx", "predictions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Arch supernet.Arch
		CPU  float64 `json:"cpu_ms"`
		GPU  float64 `json:"gpu_ms"`
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 40 {
		t.Fatalf("%d rows, want 40", len(rows))
	}
	s := space(t)
	worst := 0.0
	for _, processor := range []string{"cpu", "gpu"} {
		m := meta(t)
		m.Point.Processor = processor
		tab, err := formats.Read(context.Background(), reftest.Path(t, "xavier-nx", processor), formats.OFAJSON, m)
		if err != nil {
			t.Fatal(err)
		}
		p, err := lut.NewPredictor(tab, s)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			want := row.CPU
			if processor == "gpu" {
				want = row.GPU
			}
			got, err := p.Latency(row.Arch)
			if err != nil {
				t.Fatal(err)
			}
			e := math.Abs(got.Milliseconds()/want - 1)
			worst = max(worst, e)
			if !(e <= 1e-9) {
				t.Errorf("%s %d: %v ms, want %v", processor, i, got.Milliseconds(), want)
			}
		}
	}
	t.Logf("largest relative difference of 80: %.2g", worst)
}
