package bundle

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// Excerpt returns the part of a table that a family's levels are predicted from: the entries of
// their blocks, and the whole-network measurements. It returns an error that wraps a
// *lut.MissingError if a level's block has no entry.
func Excerpt(t *lut.Table, f *family.Family) (*lut.Table, error) {
	if t.Space != f.Space {
		return nil, fmt.Errorf("bundle: the table is for space %q, the family for %q", t.Space, f.Space)
	}
	s, err := f.Supernet()
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	index := make(map[lut.Key]int, len(t.Entries))
	for i, e := range t.Entries {
		index[e.Key] = i
	}
	used := map[int]bool{}
	for i, l := range f.Levels {
		blocks, err := s.Blocks(l.Arch)
		if err != nil {
			return nil, fmt.Errorf("bundle: level %d: %w", i, err)
		}
		for _, b := range blocks {
			at, ok := index[lut.Key{Resolution: l.Arch.R, Block: b}]
			if !ok {
				at, ok = index[lut.Key{Block: b}]
			}
			if !ok {
				return nil, fmt.Errorf("bundle: level %d: %w", i, &lut.MissingError{Key: lut.Key{Resolution: l.Arch.R, Block: b}})
			}
			used[at] = true
		}
	}
	excerpt := *t
	excerpt.Entries = nil
	for i, e := range t.Entries {
		if used[i] {
			excerpt.Entries = append(excerpt.Entries, e)
		}
	}
	excerpt.Sort()
	return &excerpt, nil
}

// The JSON form of a table. Statistics that are not known are left out.
type (
	tableJSON struct {
		Space       string        `json:"space"`
		Point       pointJSON     `json:"operating_point"`
		Origin      lut.Origin    `json:"origin"`
		Source      string        `json:"source"`
		Created     *time.Time    `json:"created,omitempty"`
		Provenance  []factJSON    `json:"provenance,omitempty"`
		Calibration *calibration  `json:"calibration,omitempty"`
		Warnings    []string      `json:"warnings,omitempty"`
		Networks    []networkJSON `json:"networks,omitempty"`
		Entries     []entryJSON   `json:"entries"`
	}
	pointJSON struct {
		Device         string        `json:"device"`
		Processor      string        `json:"processor"`
		CPUClock       unit.Hertz    `json:"cpu_clock_hz,omitempty"`
		GPUClock       unit.Hertz    `json:"gpu_clock_hz,omitempty"`
		MemoryClock    unit.Hertz    `json:"memory_clock_hz,omitempty"`
		PowerMode      string        `json:"power_mode,omitempty"`
		Threads        int           `json:"threads,omitempty"`
		Runtime        string        `json:"runtime,omitempty"`
		RuntimeVersion string        `json:"runtime_version,omitempty"`
		Provider       string        `json:"provider,omitempty"`
		Precision      string        `json:"precision,omitempty"`
		Batch          int           `json:"batch,omitempty"`
		CoRunner       string        `json:"co_runner,omitempty"`
		Period         time.Duration `json:"period_ns,omitempty"`
	}
	factJSON struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	calibration struct {
		Offset unit.Nanoseconds `json:"offset_ns"`
		Scale  float64          `json:"scale"`
	}
	networkJSON struct {
		Arch    string      `json:"arch"`
		Latency latencyJSON `json:"latency"`
	}
	entryJSON struct {
		Resolution int         `json:"resolution"`
		Block      string      `json:"block"`
		Latency    latencyJSON `json:"latency"`
	}
	latencyJSON struct {
		N        int               `json:"n"`
		Min      *unit.Nanoseconds `json:"min_ns,omitempty"`
		P50      *unit.Nanoseconds `json:"p50_ns,omitempty"`
		P90      *unit.Nanoseconds `json:"p90_ns,omitempty"`
		P99      *unit.Nanoseconds `json:"p99_ns,omitempty"`
		Mean     *unit.Nanoseconds `json:"mean_ns,omitempty"`
		Std      *unit.Nanoseconds `json:"std_ns,omitempty"`
		CILow    *unit.Nanoseconds `json:"ci_low_ns,omitempty"`
		CIHigh   *unit.Nanoseconds `json:"ci_high_ns,omitempty"`
		Warnings []string          `json:"warnings,omitempty"`
	}
)

// encodeTable returns the text form of a table; its ID is the store's and left out.
func encodeTable(t *lut.Table) ([]byte, error) {
	j := tableJSON{Space: t.Space, Point: pointJSON(t.Point), Origin: t.Origin, Source: t.Source, Warnings: t.Warnings}
	if !t.Created.IsZero() {
		utc := t.Created.UTC()
		j.Created = &utc
	}
	for _, f := range t.Provenance {
		j.Provenance = append(j.Provenance, factJSON(f))
	}
	if t.Calibration != (lut.Calibration{}) {
		j.Calibration = &calibration{t.Calibration.Offset, t.Calibration.Scale}
	}
	for _, n := range t.Networks {
		j.Networks = append(j.Networks, networkJSON{n.Arch, toJSON(n.Latency)})
	}
	for _, e := range t.Entries {
		j.Entries = append(j.Entries, entryJSON{e.Key.Resolution, e.Key.Block.String(), toJSON(e.Latency)})
	}
	return encode(j)
}

// parseTable reads what encodeTable wrote. Errors name the line or the entry.
func parseTable(data []byte) (*lut.Table, error) {
	var j tableJSON
	if err := decode(data, &j); err != nil {
		return nil, err
	}
	t := &lut.Table{Space: j.Space, Point: lut.OperatingPoint(j.Point), Origin: j.Origin, Source: j.Source, Warnings: j.Warnings}
	if j.Created != nil {
		t.Created = *j.Created
	}
	for _, f := range j.Provenance {
		t.Provenance = append(t.Provenance, lut.Fact(f))
	}
	if j.Calibration != nil {
		t.Calibration = lut.Calibration{Offset: j.Calibration.Offset, Scale: j.Calibration.Scale}
	}
	var errs []error
	for i, n := range j.Networks {
		if _, err := supernet.ParseArch([]byte(n.Arch)); err != nil {
			errs = append(errs, fmt.Errorf("network %d: %w", i, err))
		}
		t.Networks = append(t.Networks, lut.NetworkLatency{Arch: n.Arch, Latency: n.Latency.latency()})
	}
	for i, e := range j.Entries {
		b, err := supernet.ParseBlock(e.Block)
		if err != nil {
			errs = append(errs, fmt.Errorf("entry %d: %w", i, err))
			break
		}
		t.Entries = append(t.Entries, lut.Entry{Key: lut.Key{Resolution: e.Resolution, Block: b}, Latency: e.Latency.latency()})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, t.Validate()
}

func toJSON(l lut.Latency) latencyJSON {
	known := func(v unit.Nanoseconds) *unit.Nanoseconds {
		if math.IsNaN(float64(v)) {
			return nil
		}
		return &v
	}
	return latencyJSON{N: l.N, Min: known(l.Min), P50: known(l.P50), P90: known(l.P90), P99: known(l.P99),
		Mean: known(l.Mean), Std: known(l.Std), CILow: known(l.CILow), CIHigh: known(l.CIHigh), Warnings: l.Warnings}
}

func (j latencyJSON) latency() lut.Latency {
	value := func(p *unit.Nanoseconds) unit.Nanoseconds {
		if p == nil {
			return unit.Nanoseconds(math.NaN())
		}
		return *p
	}
	return lut.Latency{N: j.N, Min: value(j.Min), P50: value(j.P50), P90: value(j.P90), P99: value(j.P99),
		Mean: value(j.Mean), Std: value(j.Std), CILow: value(j.CILow), CIHigh: value(j.CIHigh), Warnings: j.Warnings}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
