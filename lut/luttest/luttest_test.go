package luttest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/luttest"
)

// memory is the simplest correct store: it proves that the suite asks for nothing impossible.
type memory struct {
	mu     sync.Mutex
	tables []*lut.Table
}

var _ lut.Store = (*memory)(nil)

func (m *memory) PutTable(ctx context.Context, t *lut.Table) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := t.Validate(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.tables {
		if other.Space == t.Space && other.SpaceDescription != t.SpaceDescription {
			return 0, errors.New("another space of the name")
		}
	}
	c := clone(t)
	c.Sort()
	c.ID = int64(len(m.tables) + 1)
	m.tables = append(m.tables, c)
	return c.ID, nil
}

func (m *memory) Table(ctx context.Context, q lut.Query) (*lut.Table, error) {
	infos, err := m.Tables(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(infos) == 0 {
		all, err := m.Tables(ctx, lut.Query{})
		return nil, fmt.Errorf("%w: %+v; there are %+v, %v", lut.ErrNoTable, q, all, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return clone(m.tables[infos[len(infos)-1].ID-1]), nil
}

func (m *memory) Tables(ctx context.Context, q lut.Query) ([]lut.Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var infos []lut.Info
	for _, t := range m.tables {
		if (q.ID == 0 || q.ID == t.ID) && (q.Device == "" || q.Device == t.Point.Device) &&
			(q.Processor == "" || q.Processor == t.Point.Processor) && (q.Space == "" || q.Space == t.Space) {
			infos = append(infos, lut.Info{ID: t.ID, Space: t.Space, Point: t.Point, Origin: t.Origin, Source: t.Source, Created: t.Created, Entries: len(t.Entries), Grade: t.Grade, Warnings: t.Warnings})
		}
	}
	return infos, nil
}

func clone(t *lut.Table) *lut.Table {
	c := *t
	c.Provenance, c.Warnings = slices.Clone(t.Provenance), slices.Clone(t.Warnings)
	c.Entries, c.Networks = slices.Clone(t.Entries), slices.Clone(t.Networks)
	for i := range c.Entries {
		c.Entries[i].Latency.Warnings = slices.Clone(c.Entries[i].Latency.Warnings)
	}
	for i := range c.Networks {
		c.Networks[i].Latency.Warnings = slices.Clone(c.Networks[i].Latency.Warnings)
	}
	return &c
}

func TestMemory(t *testing.T) {
	luttest.TestStore(t, func(*testing.T) lut.Store { return new(memory) })
}

// Every field matters to Differences, or the suite would not see a store that forgets it.
func TestDifferencesSeesEveryField(t *testing.T) {
	if d := luttest.Differences(luttest.Table(1, 4), luttest.Table(1, 4)); d != nil {
		t.Errorf("equal tables differ: %q", d)
	}
	for name, change := range map[string]func(*lut.Table){
		"id":          func(t *lut.Table) { t.ID++ },
		"space":       func(t *lut.Table) { t.Space += "x" },
		"threads":     func(t *lut.Table) { t.Point.Threads++ },
		"period":      func(t *lut.Table) { t.Point.Period++ },
		"origin":      func(t *lut.Table) { t.Origin = lut.Modelled },
		"source":      func(t *lut.Table) { t.Source += "x" },
		"created":     func(t *lut.Table) { t.Created = t.Created.Add(1) },
		"fact":        func(t *lut.Table) { t.Provenance[1].Value += "x" },
		"fact order":  func(t *lut.Table) { slices.Reverse(t.Provenance) },
		"offset":      func(t *lut.Table) { t.Calibration.Offset++ },
		"scale":       func(t *lut.Table) { t.Calibration.Scale++ },
		"warning":     func(t *lut.Table) { t.Warnings = t.Warnings[:1] },
		"entry":       func(t *lut.Table) { t.Entries = t.Entries[:3] },
		"key":         func(t *lut.Table) { t.Entries[2].Key.Resolution++ },
		"count":       func(t *lut.Table) { t.Entries[2].Latency.N++ },
		"unknown":     func(t *lut.Table) { t.Entries[0].Latency = lut.Unknown() },
		"interval":    func(t *lut.Table) { t.Entries[0].Latency.CIHigh += 1e-9 },
		"entry words": func(t *lut.Table) { t.Entries[0].Latency.Warnings = nil },
		"network":     func(t *lut.Table) { t.Networks[0].Arch += " " },
		"networks":    func(t *lut.Table) { t.Networks = nil },
		"std":         func(t *lut.Table) { t.Networks[2].Latency.Std++ },
		"sample":      func(t *lut.Table) { t.Networks[2].Latency.Samples.Times[1]++ },
		"no samples":  func(t *lut.Table) { t.Networks[2].Latency.Samples = nil },
	} {
		tab := luttest.Table(1, 4)
		change(tab)
		if luttest.Differences(luttest.Table(1, 4), tab) == nil {
			t.Errorf("%s: not seen", name)
		}
	}
}
