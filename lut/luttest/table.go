package luttest

import (
	"fmt"
	"math"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// Table returns a valid table of n entries, at least 1, in which every field is set. Tables of
// different seeds differ in every number. The entries are in key order.
func Table(seed, n int) *lut.Table {
	x := unit.Nanoseconds(seed)
	t := &lut.Table{
		Space: "ofa-mbv3-w1.2",
		Point: lut.OperatingPoint{
			Device: "board", Processor: "cpu", CPUClock: 1.9e9 + unit.Hertz(seed), GPUClock: 1.109e9, MemoryClock: 1.6e9,
			PowerMode: "15W 6 cores", Threads: 1 + seed%8, Runtime: "onnxruntime", RuntimeVersion: "1.27.0", Provider: "CPU",
			Precision: "fp32", Batch: 1, CoRunner: "none", Period: 33*time.Millisecond + time.Duration(seed),
		},
		Origin:  lut.Measured,
		Source:  fmt.Sprintf("invented, seed %d", seed),
		Created: time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC).Add(time.Duration(seed) * time.Hour),
		// Not in alphabetical order: the order is part of the value.
		Provenance:  []lut.Fact{{Name: "seed", Value: fmt.Sprint(seed)}, {Name: "kernel", Value: "6.1 'quoted' \"twice\"; --"}, {Name: "empty"}},
		Calibration: lut.Calibration{Offset: -5 - x, Scale: 1.0625},
		Power:       7.25,
		Grade:       lut.GradeC,
		Warnings:    []string{"clocks were not locked", "\u00fcber"},
	}
	for i := range n {
		e := lut.Entry{Key: lut.Key{Resolution: 128 + 4*(i%25), Block: block(i / 25)}}
		v := 1e6 + x + unit.Nanoseconds(i)/3
		switch i % 3 {
		case 0: // everything known
			e.Latency = lut.Latency{N: 300 + i, Min: v, P50: v + 2, P90: v + 3, P99: v + 4, Mean: v + 2.5, Std: 0.1, CILow: v + 1.5, CIHigh: v + 2.5, Preempted: i, Grade: lut.GradeB, Warnings: []string{"drift", "a, \"b\""}}
		case 1: // as in published tables
			e.Latency = lut.MeanOnly(79, v, 0)
		case 2: // little known
			e.Latency = lut.Unknown()
			e.Latency.P50 = v
			e.Latency.N, e.Latency.Samples = 1, &lut.Samples{Times: []time.Duration{time.Duration(v)}}
		}
		t.Entries = append(t.Entries, e)
	}
	t.Sort()
	for i := range 3 {
		arch := fmt.Sprintf(`{"ks":[3],"e":[%d],"d":[1],"r":128}`, 3+i)
		l := lut.MeanOnly(3, 4e7+x, 2e5)
		l.Samples = &lut.Samples{Times: []time.Duration{4e7 + time.Duration(seed), 0, 41 * time.Second}}
		t.Networks = append(t.Networks, lut.NetworkLatency{Arch: arch, Latency: l})
	}
	return t
}

// block returns the i-th of 65536 different blocks.
func block(i int) supernet.Block {
	return supernet.Block{Op: supernet.OpMix, In: supernet.Shape{Size: 1, Channels: 64}, Out: supernet.Shape{Size: 1, Channels: 1 + i%65536}, Act: supernet.HSwish}
}

// Differences returns how two tables differ, one line each, or nothing. IDs are compared too;
// statistics that are unknown in both are equal; nil and empty lists are equal.
func Differences(want, got *lut.Table) []string {
	var d []string
	check := func(what string, want, got any) {
		if want != got {
			d = append(d, fmt.Sprintf("%s is %v, want %v", what, got, want))
		}
	}
	check("ID", want.ID, got.ID)
	check("space", want.Space, got.Space)
	check("description of the space", want.SpaceDescription, got.SpaceDescription)
	check("operating point", want.Point, got.Point)
	check("origin", want.Origin, got.Origin)
	check("source", want.Source, got.Source)
	if !want.Created.Equal(got.Created) {
		check("creation time", want.Created, got.Created)
	}
	check("provenance", fmt.Sprintf("%q", want.Provenance), fmt.Sprintf("%q", got.Provenance))
	check("power", want.Power, got.Power)
	check("calibration", want.Calibration, got.Calibration)
	check("grade", want.Grade, got.Grade)
	check("warnings", fmt.Sprintf("%q", want.Warnings), fmt.Sprintf("%q", got.Warnings))
	check("number of entries", len(want.Entries), len(got.Entries))
	for i := range min(len(want.Entries), len(got.Entries)) {
		check(fmt.Sprintf("key of entry %d", i), want.Entries[i].Key, got.Entries[i].Key)
		check(fmt.Sprintf("entry %d", i), latencyText(want.Entries[i].Latency), latencyText(got.Entries[i].Latency))
	}
	check("number of networks", len(want.Networks), len(got.Networks))
	for i := range min(len(want.Networks), len(got.Networks)) {
		check(fmt.Sprintf("network %d", i), want.Networks[i].Arch, got.Networks[i].Arch)
		check(fmt.Sprintf("latency of network %d", i), latencyText(want.Networks[i].Latency), latencyText(got.Networks[i].Latency))
	}
	return d
}

// latencyText prints every bit of a latency.
func latencyText(l lut.Latency) string {
	s := fmt.Sprint(l.N)
	for _, v := range []unit.Nanoseconds{l.Min, l.P50, l.P90, l.P99, l.Mean, l.Std, l.CILow, l.CIHigh} {
		if math.IsNaN(float64(v)) {
			s += " -"
		} else {
			s += fmt.Sprintf(" %v", float64(v))
		}
	}
	s += fmt.Sprintf(" %d %q %q", l.Preempted, l.Grade, l.Warnings)
	if l.Samples != nil {
		s += fmt.Sprintf(" %d", l.Samples.Times)
	}
	return s
}
