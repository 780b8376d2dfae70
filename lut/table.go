// Package lut holds latency tables: what every block of a supernet costs on one device at one
// operating point, and the prediction of a sub-network's latency as a sum over its blocks.
//
// A table is plain data; package lut/sqlite stores it, lut/formats reads and writes other
// projects' files, lut/profile measures one. This package measures nothing and opens no file.
package lut

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// OperatingPoint is what must be equal for two measurements to be comparable. Zero values mean
// unknown.
type OperatingPoint struct {
	Device         string // for example "xavier-nx"
	Processor      string // "cpu", "gpu"
	CPUClock       unit.Hertz
	GPUClock       unit.Hertz
	MemoryClock    unit.Hertz
	PowerMode      string
	Threads        int
	Runtime        string // for example "onnxruntime"
	RuntimeVersion string
	Provider       string // execution provider
	Precision      string // "fp32"
	Batch          int
	CoRunner       string        // class of the load beside it; empty: unknown, "none": alone
	Period         time.Duration // between starts of inferences; 0: back to back
}

// Origin says how a table's numbers came about. Every result derived from the table repeats it.
type Origin string

// The origins of numbers.
const (
	Measured Origin = "measured" // by this program, on the device
	Imported Origin = "imported" // from a file of somebody else
	Modelled Origin = "modelled" // by a model, not by a measurement
)

// Table holds latencies of blocks at one operating point.
type Table struct {
	ID    int64  // given by the store; 0 before
	Space string // name of the supernet space whose blocks it holds
	// SpaceDescription describes a space of the user's own, as supernet.Space.Description does; it is empty
	// where the name says everything. Supernet reads both.
	SpaceDescription string
	Point            OperatingPoint
	Origin           Origin
	Source           string // one line: where the numbers come from
	Created          time.Time
	// Provenance is everything else that is known about how the numbers came about, in the order
	// given; names are unique.
	Provenance []Fact
	Entries    []Entry // unique keys, any order; Sort orders them
	// Networks are whole-network measurements taken with the same protocol; they calibrate and
	// judge sums over Entries.
	Networks    []NetworkLatency
	Calibration Calibration
	// Power is what the device draws while it runs these networks, averaged over their time: measured or
	// given, as Provenance says. 0: unknown. With it latencies become energies.
	Power    unit.Watts
	Grade    Grade // of the table as a whole
	Warnings []string
}

// Fact is one named item of provenance.
type Fact struct{ Name, Value string }

// Entry is one row of a table.
type Entry struct {
	Key     Key
	Latency Latency
}

// NetworkLatency is a whole sub-network's measured latency.
type NetworkLatency struct {
	Arch    string // text form of the canonical architecture
	Latency Latency
}

// Supernet returns the space whose blocks the table holds.
func (t *Table) Supernet() (*supernet.Space, error) {
	return supernet.Resolve(t.Space, t.SpaceDescription)
}

// Sort orders the entries by key, so that equal tables are equal values.
func (t *Table) Sort() {
	if !slices.IsSortedFunc(t.Entries, byKey) {
		slices.SortFunc(t.Entries, byKey)
	}
}

// Validate returns every problem that makes the table unusable: missing device, processor, space or
// source, an unknown origin, an impossible operating point or calibration, no entries, repeated keys
// or facts, invalid blocks or latencies.
func (t *Table) Validate() error {
	var errs []error
	for _, f := range []struct{ name, value string }{
		{"device", t.Point.Device}, {"processor", t.Point.Processor}, {"space", t.Space}, {"source", t.Source},
	} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("%s is empty", f.name))
		}
	}
	if t.Origin != Measured && t.Origin != Imported && t.Origin != Modelled {
		errs = append(errs, fmt.Errorf("origin %q is none of measured, imported, modelled", t.Origin))
	}
	if err := t.Point.validate(); err != nil {
		errs = append(errs, err)
	}
	if w := float64(t.Power); !(w >= 0 && w <= maxPower) {
		errs = append(errs, fmt.Errorf("power %g W is outside [0, %g]", w, float64(maxPower)))
	}
	if err := errors.Join(t.Calibration.validate(), t.Grade.Validate()); err != nil {
		errs = append(errs, err)
	}
	if t.SpaceDescription != "" {
		if _, err := t.Supernet(); err != nil {
			errs = append(errs, err)
		}
	}
	facts := make(map[string]bool, len(t.Provenance))
	for _, f := range t.Provenance {
		if f.Name == "" || facts[f.Name] {
			errs = append(errs, fmt.Errorf("provenance: name %q is empty or repeated", f.Name))
		}
		facts[f.Name] = true
	}
	for i, n := range t.Networks {
		if n.Arch == "" {
			errs = append(errs, fmt.Errorf("network %d has no architecture", i))
		}
		if err := n.Latency.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("network %d: %w", i, err))
		}
	}
	if len(t.Entries) == 0 {
		errs = append(errs, errors.New("it has no entries"))
	}
	repeated := t.repeated()
	for i := range t.Entries {
		e := &t.Entries[i]
		if repeated(i) {
			errs = append(errs, fmt.Errorf("key %v is repeated", e.Key))
		}
		if e.Key.Resolution < 0 {
			errs = append(errs, fmt.Errorf("key %v: resolution is negative", e.Key))
		}
		if err := e.Key.Block.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("key %v: %w", e.Key, err))
		}
		if err := e.Latency.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("key %v: %w", e.Key, err))
		}
		if len(errs) > maxErrors {
			errs = append(errs, errors.New("more problems follow"))
			break
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("lut: table of %s/%s: %w", t.Point.Device, t.Point.Processor, errors.Join(errs...))
	}
	return nil
}

// repeated returns a function that reports, asked for 0, 1, 2 and so on, whether an entry's key has
// occurred before. For sorted entries it needs no memory.
func (t *Table) repeated() func(i int) bool {
	if slices.IsSortedFunc(t.Entries, byKey) {
		return func(i int) bool { return i > 0 && t.Entries[i].Key == t.Entries[i-1].Key }
	}
	seen := make(map[Key]bool, len(t.Entries))
	return func(i int) bool {
		k := t.Entries[i].Key
		if seen[k] {
			return true
		}
		seen[k] = true
		return false
	}
}

func byKey(a, b Entry) int { return a.Key.Compare(b.Key) }

// validate returns an error for a clock, count or period that no device can have.
func (p OperatingPoint) validate() error {
	for _, c := range []struct {
		name  string
		value unit.Hertz
	}{{"cpu", p.CPUClock}, {"gpu", p.GPUClock}, {"memory", p.MemoryClock}} {
		if !(c.value >= 0 && c.value < 1e15) {
			return fmt.Errorf("%s clock is %g Hz", c.name, float64(c.value))
		}
	}
	if p.Threads < 0 || p.Batch < 0 || p.Period < 0 {
		return fmt.Errorf("threads %d, batch %d or period %v is negative", p.Threads, p.Batch, p.Period)
	}
	return nil
}

// maxPower bounds what an embedded device may draw, in watts.
const maxPower = 1e4

// maxErrors bounds the list that Validate joins.
const maxErrors = 10

// Resolutions returns the distinct resolutions of the entries, ascending; 0 stands for entries that
// serve every resolution.
func (t *Table) Resolutions() []int {
	var rs []int
	last := -1
	for i := range t.Entries {
		if r := t.Entries[i].Key.Resolution; r != last { // runs are long in sorted tables
			last = r
			rs = append(rs, r)
		}
	}
	slices.Sort(rs)
	return slices.Compact(rs)
}
