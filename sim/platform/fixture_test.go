package platform_test

import (
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim/des"
	"github.com/dynofa/dynofa/sim/platform"
)

const ms = time.Millisecond

func builtin(t testing.TB, name string) *board.Board {
	t.Helper()
	b, err := board.Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lab is a board without surprises: two cores and a GPU of three clocks each, 10 GB/s, no stalls and effects at once
// unless a test says otherwise, latency inverse to the clock, 1 W fixed, 0.1 W a processor idle, 2 W each when busy at the top.
func lab(t testing.TB) *board.Board {
	t.Helper()
	b, err := board.Parse("lab.yaml", []byte(`
title: a laboratory board
sources:
  made: {kind: primary, text: made up}
processors:
  cpu:
    kind: cpu
    model: two cores
    source: made
    cores: 2
    clusters: 1
    clocks: {values: [500 MHz, 1000 MHz, 2000 MHz], source: made}
  gpu:
    kind: gpu
    model: a gpu
    source: made
    cores: 64
    clocks: {values: [250 MHz, 500 MHz, 1000 MHz], source: made}
memory:
  kind: RAM
  size: {value: 1 GiB, source: made}
  clocks: {values: [500 MHz, 1000 MHz], source: made}
  bytes_per_clock: {value: 10, source: made}
default_mode: full
modes:
  full: {source: made, id: 0, cores: 2, max: {cpu: 2000 MHz, gpu: 1000 MHz}, memory: 1000 MHz}
  half: {source: made, id: 1, cores: 1, max: {cpu: 1000 MHz, gpu: 500 MHz}, memory: 500 MHz}
power:
  source: made
  fixed:
    rest: 1 W
  energy: 100 pJ/B
  leakage: 0.01
  parts:
    cpu: {idle: 0.1 W, full: 2 W, exponent: 2}
    gpu: {idle: 0.1 W, full: 2 W, exponent: 2}
  input_rail: IN
  input: 5 V
  rails:
    CORES: {feeds: [cpu, gpu]}
thermal:
  source: made
  ambient: 25 C
  die_resistance: 1 K/W
  die_capacity: 1 J/K
  sink_resistance: 4 K/W
  sink_capacity: 10 J/K
  trips:
    soft: {kind: throttle, at: 150 C, hysteresis: 5 C}
`))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bench runs work on a platform and keeps when it ended.
type bench struct {
	*platform.Platform
	k     *des.Kernel
	ended map[uint64]time.Duration
	down  string
	next  func(tag uint64)
}

func (b *bench) Ended(tag uint64) {
	b.ended[tag] = b.k.Now()
	if b.next != nil {
		b.next(tag)
	}
}

func (b *bench) Down(reason string) { b.down = reason }

func start(t testing.TB, c platform.Config) *bench {
	t.Helper()
	b := &bench{k: des.New(), ended: map[uint64]time.Duration{}}
	p, err := platform.New(c, b.k, b)
	if err != nil {
		t.Fatal(err)
	}
	b.Platform = p
	return b
}

// work is ms milliseconds of it at the reference clock.
func work(tag uint64, processor int, millis, threads, bytes float64) platform.Work {
	return platform.Work{Tag: tag, Processor: processor, Nanoseconds: millis * 1e6, Threads: threads, Bytes: bytes}
}

func event(at time.Duration, kind platform.EventKind) platform.Event {
	return platform.Event{At: at, Kind: kind}
}

func onProcessor(at time.Duration, kind platform.EventKind, processor string) platform.Event {
	return platform.Event{At: at, Kind: kind, Processor: processor}
}

func atClock(at time.Duration, processor string, clock unit.Hertz) platform.Event {
	return platform.Event{At: at, Kind: platform.ClockSet, Processor: processor, Clock: clock}
}
