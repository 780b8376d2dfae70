// Package luttest checks implementations of lut.Store. A test calls TestStore with a function that
// opens empty stores. The package keeps no tables itself.
package luttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// TestStore runs the conformance suite. open returns a new empty store every time and leaves closing
// it to t.Cleanup. Stores must be safe for concurrent use.
func TestStore(t *testing.T, open func(t *testing.T) lut.Store) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s lut.Store)
	}{
		{"Empty", testEmpty},
		{"RoundTrip", testRoundTrip},
		{"OwnSpace", testOwnSpace},
		{"Query", testQuery},
		{"Invalid", testInvalid},
		{"Isolation", testIsolation},
		{"Cancelled", testCancelled},
		{"Concurrent", testConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func put(t *testing.T, s lut.Store, tab *lut.Table) int64 {
	t.Helper()
	id, err := s.PutTable(context.Background(), tab)
	if err != nil {
		t.Fatalf("PutTable: %v", err)
	}
	return id
}

// expect compares the table that a query selects with want under an ID.
func expect(t *testing.T, s lut.Store, q lut.Query, id int64, want *lut.Table) {
	t.Helper()
	got, err := s.Table(context.Background(), q)
	if err != nil {
		t.Errorf("Table(%+v): %v", q, err)
		return
	}
	w := *want
	w.ID = id
	if d := Differences(&w, got); d != nil {
		t.Errorf("Table(%+v):\n%s", q, strings.Join(d[:min(len(d), 10)], "\n"))
	}
}

func testEmpty(t *testing.T, s lut.Store) {
	ctx := context.Background()
	if _, err := s.Table(ctx, lut.Query{}); !errors.Is(err, lut.ErrNoTable) {
		t.Errorf("Table: error %v, want one that wraps ErrNoTable", err)
	}
	infos, err := s.Tables(ctx, lut.Query{})
	if err != nil || len(infos) != 0 {
		t.Errorf("Tables: %v, error %v; want none", infos, err)
	}
}

func testRoundTrip(t *testing.T, s lut.Store) {
	minimal := Table(2, 1)
	minimal.Point = lut.OperatingPoint{Device: "board", Processor: "gpu"}
	minimal.Created, minimal.Provenance, minimal.Warnings, minimal.Networks, minimal.Calibration = time.Time{}, nil, nil, nil, lut.Calibration{}
	minimal.Entries[0].Key.Resolution = 0 // serves every resolution
	ids := make([]int64, 0, 3)
	tables := []*lut.Table{Table(1, 100), minimal, Table(3, 1)}
	for _, tab := range tables {
		ids = append(ids, put(t, s, tab))
	}
	if ids[0] < 1 || !slices.IsSorted(ids) || ids[0] == ids[1] || ids[1] == ids[2] {
		t.Errorf("IDs %v are not ascending from at least 1", ids)
	}
	for i, tab := range tables {
		expect(t, s, lut.Query{ID: ids[i]}, ids[i], tab)
	}
	// Another time zone is the same time; entries come back in key order whatever order they had.
	shuffled := Table(4, 60)
	slices.Reverse(shuffled.Entries)
	shuffled.Created = shuffled.Created.In(time.FixedZone("east", 3600))
	id := put(t, s, shuffled)
	expect(t, s, lut.Query{ID: id}, id, Table(4, 60))
}

// ownSpace returns the description of a space of the user's own.
func ownSpace(classes int) string {
	s := supernet.Space{
		Name: "own", InChannels: 1, Classes: classes, Resolutions: []int{16}, Kernels: []int{3}, Expands: []float64{2}, Depths: []int{1},
		StemWidth: 8, StemStride: 1, StemAct: supernet.ReLU, Stages: []supernet.Stage{{Width: 8, Stride: 2, Act: supernet.ReLU}}, BNEps: 1e-5,
	}
	return s.Description()
}

// A space of the user's own comes back with its description, and two of them cannot share a name.
func testOwnSpace(t *testing.T, s lut.Store) {
	own := Table(1, 5)
	own.Space, own.SpaceDescription = "own", ownSpace(10)
	id := put(t, s, own)
	expect(t, s, lut.Query{Space: "own"}, id, own)
	again := Table(2, 5)
	again.Space, again.SpaceDescription = own.Space, own.SpaceDescription
	put(t, s, again)
	other := Table(3, 5)
	other.Space, other.SpaceDescription = "own", ownSpace(11)
	if _, err := s.PutTable(context.Background(), other); err == nil || !strings.Contains(err.Error(), "another space") {
		t.Errorf("another space of the same name: error %v", err)
	}
}

func testQuery(t *testing.T, s lut.Store) {
	ctx := context.Background()
	ids := map[int]int64{}
	tables := map[int]*lut.Table{}
	for i, c := range []struct{ device, processor, space string }{
		{"nx", "cpu", "a"}, {"nx", "gpu", "a"}, {"nx", "cpu", "b"}, {"pi", "cpu", "a"}, {"nx", "cpu", "a"},
	} {
		tab := Table(i, 3)
		tab.Point.Device, tab.Point.Processor, tab.Space = c.device, c.processor, c.space
		tables[i], ids[i] = tab, put(t, s, tab)
	}
	for _, c := range []struct {
		query lut.Query
		want  []int // ascending; Table gives the last
	}{
		{lut.Query{}, []int{0, 1, 2, 3, 4}},
		{lut.Query{Device: "nx"}, []int{0, 1, 2, 4}},
		{lut.Query{Processor: "cpu"}, []int{0, 2, 3, 4}},
		{lut.Query{Space: "b"}, []int{2}},
		{lut.Query{Device: "nx", Processor: "cpu", Space: "a"}, []int{0, 4}},
		{lut.Query{ID: ids[1]}, []int{1}},
		{lut.Query{ID: ids[0], Device: "nx"}, []int{0}},
		{lut.Query{ID: ids[1], Device: "pi"}, nil},
		{lut.Query{Device: "NX"}, nil},
		{lut.Query{Device: "n%"}, nil},
		{lut.Query{ID: ids[4] + 1000}, nil},
		{lut.Query{ID: -1}, nil},
	} {
		infos, err := s.Tables(ctx, c.query)
		if err != nil {
			t.Errorf("Tables(%+v): %v", c.query, err)
			continue
		}
		var got, want []lut.Info
		for _, i := range c.want {
			tab := tables[i]
			want = append(want, lut.Info{ID: ids[i], Space: tab.Space, Point: tab.Point, Origin: tab.Origin, Source: tab.Source, Created: tab.Created, Entries: len(tab.Entries), Grade: tab.Grade, Warnings: tab.Warnings})
		}
		for _, info := range infos {
			info.Created = info.Created.UTC()
			got = append(got, info)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("Tables(%+v):\n%+v, want\n%+v", c.query, got, want)
		}
		if len(c.want) > 0 {
			last := c.want[len(c.want)-1]
			expect(t, s, c.query, ids[last], tables[last])
			continue
		}
		_, err = s.Table(ctx, c.query)
		if !errors.Is(err, lut.ErrNoTable) {
			t.Errorf("Table(%+v): error %v, want one that wraps ErrNoTable", c.query, err)
		} else if !strings.Contains(err.Error(), "nx") || !strings.Contains(err.Error(), "gpu") {
			t.Errorf("Table(%+v): error %v does not say what is there", c.query, err)
		}
	}
}

func testInvalid(t *testing.T, s lut.Store) {
	ctx := context.Background()
	for name, change := range map[string]func(*lut.Table){
		"no device":    func(t *lut.Table) { t.Point.Device = "" },
		"no entries":   func(t *lut.Table) { t.Entries = nil },
		"repeated key": func(t *lut.Table) { t.Entries = append(t.Entries, t.Entries[0]) },
		"no number":    func(t *lut.Table) { t.Entries[3].Latency = lut.Unknown() },
		"negative":     func(t *lut.Table) { t.Entries[3].Latency.Mean = -1 },
		"block":        func(t *lut.Table) { t.Entries[3].Key.Block.Op = "conv" },
		"origin":       func(t *lut.Table) { t.Origin = "" },
		"space":        func(t *lut.Table) { t.SpaceDescription = ownSpace(10) },
		"fact twice":   func(t *lut.Table) { t.Provenance = append(t.Provenance, t.Provenance[0]) },
	} {
		tab := Table(1, 5)
		change(tab)
		if id, err := s.PutTable(ctx, tab); err == nil {
			t.Errorf("%s: stored as table %d", name, id)
		}
	}
	if infos, err := s.Tables(ctx, lut.Query{}); err != nil || len(infos) != 0 {
		t.Errorf("refused tables left %v, error %v", infos, err)
	}
	id := put(t, s, Table(1, 5))
	expect(t, s, lut.Query{}, id, Table(1, 5))
}

// testIsolation checks that the store and its callers share no memory.
func testIsolation(t *testing.T, s lut.Store) {
	tab := Table(1, 9)
	slices.Reverse(tab.Entries)
	first := tab.Entries[0].Key
	id := put(t, s, tab)
	if tab.ID != 0 || tab.Entries[0].Key != first {
		t.Error("PutTable changed its argument")
	}
	spoil := func(tab *lut.Table) {
		tab.Entries[0].Latency.Mean = 1
		tab.Entries[0].Latency.Warnings = append(tab.Entries[0].Latency.Warnings, "spoilt")
		for i := range tab.Entries {
			if w := tab.Entries[i].Latency.Warnings; len(w) > 0 {
				w[0] = "spoilt"
			}
		}
		tab.Provenance[0].Value = "spoilt"
		tab.Warnings[0] = "spoilt"
		tab.Networks[0].Arch = "spoilt"
	}
	spoil(tab)
	expect(t, s, lut.Query{}, id, Table(1, 9))
	got, err := s.Table(context.Background(), lut.Query{})
	if err != nil {
		t.Fatal(err)
	}
	spoil(got)
	expect(t, s, lut.Query{}, id, Table(1, 9))
}

func testCancelled(t *testing.T, s lut.Store) {
	id := put(t, s, Table(1, 3))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.PutTable(ctx, Table(2, 3)); !errors.Is(err, context.Canceled) {
		t.Errorf("PutTable: error %v, want context.Canceled", err)
	}
	if _, err := s.Table(ctx, lut.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Table: error %v, want context.Canceled", err)
	}
	if _, err := s.Tables(ctx, lut.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Tables: error %v, want context.Canceled", err)
	}
	expect(t, s, lut.Query{}, id, Table(1, 3))
}

func testConcurrent(t *testing.T, s lut.Store) {
	const writers, each = 4, 5
	ctx := context.Background()
	var wg sync.WaitGroup
	ids := make([][]int64, writers)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id, err := s.PutTable(ctx, Table(w*each+i, 30))
				if err != nil {
					t.Errorf("PutTable: %v", err)
					return
				}
				ids[w] = append(ids[w], id)
				// A table is there as soon as PutTable returns.
				if _, err := s.Table(ctx, lut.Query{ID: id}); err != nil {
					t.Errorf("Table: %v", err)
				}
			}
		})
		wg.Go(func() {
			for range each {
				infos, err := s.Tables(ctx, lut.Query{})
				if err != nil {
					t.Errorf("Tables: %v", err)
				}
				for _, info := range infos {
					if info.Entries != 30 {
						t.Errorf("table %d is visible with %d of 30 entries", info.ID, info.Entries)
					}
				}
			}
		})
	}
	wg.Wait()
	all := slices.Concat(ids...)
	slices.Sort(all)
	if len(slices.Compact(all)) != writers*each {
		t.Errorf("%d tables have distinct IDs, want %d", len(slices.Compact(all)), writers*each)
	}
	for w := range writers {
		if !slices.IsSorted(ids[w]) {
			t.Errorf("IDs %v of one writer are not ascending", ids[w])
		}
		for i, id := range ids[w] {
			expect(t, s, lut.Query{ID: id}, id, Table(w*each+i, 30))
		}
	}
}
