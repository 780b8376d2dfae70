//go:build cgo

package ort_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/profile"
)

func tinySpace(t *testing.T) *supernet.Space {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestMeterMeasuresATable profiles the tiny space for real. What the times are is the machine's
// business; that every block and network can be prepared, run and summed is the meter's.
func TestMeterMeasuresATable(t *testing.T) {
	rt, s := load(t), tinySpace(t)
	m := ort.NewMeter(rt, s, ort.Options{}, 1)
	result, err := profile.Run(t.Context(), profile.Config{
		Space: s, Resolutions: []int{128}, Rounds: 6, Warmup: 1, Networks: 2, Seed: 1,
		Point: lut.OperatingPoint{Device: "test", Processor: "cpu", Threads: 1},
	}, m)
	if err != nil {
		t.Fatal(err)
	}
	table := result.Table
	if len(table.Entries) != 96 || len(table.Networks) != 2 || table.Origin != lut.Measured {
		t.Errorf("%d entries, %d networks, origin %q", len(table.Entries), len(table.Networks), table.Origin)
	}
	for _, f := range table.Provenance {
		if f.Name == "profile: timed region" && f.Value != m.TimedRegion() {
			t.Errorf("timed region %q", f.Value)
		}
	}
	p, err := lut.NewPredictor(table, s.WithResolutions(128))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Latency(s.Uniform(7, 6, 4, 128)); err != nil {
		t.Error(err)
	}
}

func TestMeterRefuses(t *testing.T) {
	rt, s := load(t), tinySpace(t)
	ctx := context.Background()
	m := ort.NewMeter(rt, s, ort.Options{}, 1)
	if _, err := m.Prepare(ctx, supernet.Block{Op: "teapot"}); err == nil {
		t.Error("an unknown block is prepared")
	}
	if _, err := m.PrepareNetwork(ctx, supernet.Arch{R: 128}); err == nil {
		t.Error("a network without layers is prepared")
	}
	blocks, err := s.DistinctBlocks(128)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ort.NewMeter(rt, s, ort.Options{Provider: "abacus"}, 1).Prepare(ctx, blocks[0]); !errors.Is(err, ort.ErrProvider) {
		t.Errorf("error %v", err)
	}
	p, err := m.Prepare(ctx, blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	if s, err := p.Run(); err != nil || s.Wall <= 0 || runtime.GOOS == "linux" && (s.CPU <= 0 || s.CPU > s.Wall) {
		t.Errorf("%v, %v", s, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(); !errors.Is(err, ort.ErrClosed) {
		t.Errorf("a closed probe: %v", err)
	}
}
