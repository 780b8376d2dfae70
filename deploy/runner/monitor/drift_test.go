package monitor_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// three is a family of three levels of 10, 20 and 30 ms that differ in kernel size.
func three(t *testing.T) *family.Family {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	f := &family.Family{Name: "three", Space: s.Name, Source: "made up"}
	for i, k := range []int{3, 5, 7} {
		a, err := s.Canonical(s.Uniform(k, 4, 2, 64))
		if err != nil {
			t.Fatal(err)
		}
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(0.7 + 0.01*float64(i)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{{Processor: "cpu", Latency: unit.Milliseconds(float64(10 * (i + 1))), Origin: lut.Modelled}}})
	}
	return f
}

// TestDrift slows one level down: it leaves the band once the median has, whatever single inferences do, comes back only within half
// of it, and the blocks that are named are its own and not those that a level within the band has as well.
func TestDrift(t *testing.T) {
	var log bytes.Buffer
	kept := &kept{}
	d, err := monitor.NewDrift(monitor.DriftConfig{Family: three(t), Processor: "cpu", Window: 32, Next: kept, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	serve := func(level int, ratio float64, times int) monitor.LevelDrift {
		for range times {
			took := time.Duration(ratio * float64(level+1) * 10e6)
			if n++; n%10 == 0 {
				took *= 20 // an outlier
			}
			r := trace.Record{Decision: policy.Decision{Action: policy.Serve, Level: level}, Start: time.Second, End: time.Second + took, Outcome: trace.Late}
			if err := d.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		return d.Levels()[level]
	}
	if l := serve(1, 1, 31); l.Out || l.Ratio != 0 {
		t.Errorf("before a window is full: %+v", l)
	}
	if l := serve(1, 1, 64); l.Out || l.Left != 0 {
		t.Errorf("as predicted: %+v", l)
	}
	serve(0, 1, 64)
	if l := serve(1, 1.2, 64); l.Out {
		t.Errorf("within the band: %+v", l)
	}
	l := serve(1, 1.4, 64)
	if !l.Out || l.Ratio < 1.39 || l.Ratio > 1.41 || l.Left != 1 {
		t.Errorf("out of the band: %+v", l)
	}
	text := log.String()
	if strings.Count(text, "has left") != 1 || !strings.Contains(text, "levels=1") || !strings.Contains(text, "lut profile --only") || !strings.Contains(text, "k=5") || strings.Contains(text, "op=stem") {
		t.Errorf("the log says %s", text)
	}
	blocks := d.Blocks()
	for _, b := range blocks {
		if k, err := lut.ParseKey(b); err != nil || k.Block.Op != supernet.OpMBConv || k.Block.Kernel != 5 {
			t.Errorf("block %q, %v: level 0, which is as predicted, has everything else", b, err)
		}
	}
	if len(blocks) == 0 {
		t.Error("no block is named")
	}
	if l := serve(1, 1.2, 64); !l.Out {
		t.Errorf("within the band, but not within half of it: %+v", l)
	}
	if l := serve(1, 1.1, 64); l.Out || l.Left != 1 {
		t.Errorf("within half of the band: %+v", l)
	}
	if l := serve(2, 0.7, 64); !l.Out {
		t.Errorf("faster than predicted: %+v", l)
	}
	if kept.n != n {
		t.Errorf("%d of %d records were handed on", kept.n, n)
	}
	if _, err := monitor.NewDrift(monitor.DriftConfig{Family: three(t), Processor: "gpu"}); err == nil {
		t.Error("an unknown processor is accepted")
	}
}

type kept struct{ n int }

func (k *kept) Write(trace.Record) error { k.n++; return nil }
func (k *kept) Flush() error             { return nil }

// TestDriftIsToldOnceAMinute lets a level leave its band and come back once a second for two minutes and a half.
func TestDriftIsToldOnceAMinute(t *testing.T) {
	var log bytes.Buffer
	d, err := monitor.NewDrift(monitor.DriftConfig{Family: three(t), Processor: "cpu", Window: 8, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for second := range 150 {
		for i := range 16 {
			took := 10 * time.Millisecond
			if i < 8 {
				took *= 2
			}
			start := time.Duration(second) * time.Second
			r := trace.Record{Decision: policy.Decision{Action: policy.Serve}, Start: start, End: start + took, Outcome: trace.Late}
			if err := d.Write(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if l := d.Levels()[0]; l.Left != 150 {
		t.Errorf("it left %d times", l.Left)
	}
	if out, back := strings.Count(log.String(), "has left"), strings.Count(log.String(), "predicts again"); out != 3 || back != 3 {
		t.Errorf("told %d times, and %d times that it is back", out, back)
	}
}
