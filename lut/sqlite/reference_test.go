package sqlite_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
	"github.com/dynofa/dynofa/lut/luttest"
)

// The published tables go through the study unchanged: every entry, and the sums over them, which
// the authors' code gave for 40 networks on both processors.
func TestPublishedTables(t *testing.T) {
	ctx := context.Background()
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		t.Fatal(err)
	}
	s := create(t, filepath.Join(t.TempDir(), "s.db"))
	for _, c := range []struct {
		device, processor string
		path              []string
		format            formats.Format
		entries           int
	}{
		{"xavier-nx", "cpu", []string{"xavier-nx", "cpu"}, formats.OFAJSON, 1632},
		{"xavier-nx", "gpu", []string{"xavier-nx", "gpu"}, formats.OFAJSON, 1632},
		{"note10", "cpu", []string{"note10"}, formats.OFAYAML, 480},
	} {
		want, err := formats.Read(ctx, reftest.Path(t, c.path...), c.format, formats.Meta{Space: space, Point: lut.OperatingPoint{Device: c.device, Processor: c.processor}})
		if err != nil {
			t.Fatal(err)
		}
		if len(want.Entries) != c.entries {
			t.Errorf("%v: %d entries, want %d", c.path, len(want.Entries), c.entries)
		}
		if want.ID, err = s.PutTable(ctx, want); err != nil {
			t.Fatal(err)
		}
		got, err := s.Table(ctx, lut.Query{Device: c.device, Processor: c.processor})
		if err != nil {
			t.Fatal(err)
		}
		if d := luttest.Differences(want, got); d != nil {
			t.Errorf("%v: %q", c.path, d[:min(5, len(d))])
		}
	}
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
	for _, processor := range []string{"cpu", "gpu"} {
		tab, err := s.Table(ctx, lut.Query{Device: "xavier-nx", Processor: processor})
		if err != nil {
			t.Fatal(err)
		}
		p, err := lut.NewPredictor(tab, space)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			want := map[string]float64{"cpu": row.CPU, "gpu": row.GPU}[processor]
			if got, err := p.Latency(row.Arch); err != nil || !(math.Abs(got.Milliseconds()/want-1) <= 1e-9) {
				t.Errorf("%s %d: %v ms, error %v; want %v", processor, i, got.Milliseconds(), err, want)
			}
		}
	}
}
