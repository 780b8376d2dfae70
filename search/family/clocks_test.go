package family_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/family"
)

func clocked(t *testing.T) *family.Family {
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	f.Clocks = []family.Clocks{{Processor: "gpu", Steps: []unit.Hertz{5e8, 1e9}, Effect: 5 * time.Millisecond, Source: "test"}}
	for i := range f.Levels {
		l := &f.Levels[i].Latencies[0]
		l.Points = []family.Point{{Latency: 2 * l.Latency, Energy: 0.1}, {Latency: l.Latency, Energy: 0.3}}
	}
	return f
}

func TestClocks(t *testing.T) {
	f := clocked(t)
	if err := f.Validate(); err != nil {
		t.Fatal(err)
	}
	if c := f.ClocksOf("gpu"); c == nil || len(c.Steps) != 2 || f.ClocksOf("cpu") != nil {
		t.Errorf("%+v", c)
	}
	alone := clocked(t)
	alone.Clocks = nil
	for i := range alone.Levels {
		l := &alone.Levels[i].Latencies[0]
		l.Points = l.Points[1:]
	}
	if err := alone.Validate(); err != nil {
		t.Errorf("one point without steps: %v", err)
	}
	for want, spoil := range map[string]func(*family.Family){
		`level 2: 1 points on "gpu", want 2`:            func(f *family.Family) { f.Levels[2].Latencies[0].Points = f.Levels[2].Latencies[0].Points[:1] },
		`level 0: 2 points on "gpu", want 0`:            func(f *family.Family) { f.Clocks = nil },
		`clocks of "cpu": the levels have no latencies`: func(f *family.Family) { f.Clocks[0].Processor = "cpu" },
		`clocks of "gpu": they stand twice`:             func(f *family.Family) { f.Clocks = append(f.Clocks, f.Clocks[0]) },
		`step 1 of 5e+08 Hz is not positive and above`:  func(f *family.Family) { f.Clocks[0].Steps[1] = 5e8 },
		`step 0 of NaN Hz`:                              func(f *family.Family) { f.Clocks[0].Steps[0] = unit.Hertz(math.NaN()) },
		`0 steps, want 1 to 64`:                         func(f *family.Family) { f.Clocks[0].Steps = nil },
		`effect after -1ns`:                             func(f *family.Family) { f.Clocks[0].Effect = -1 },
		`level 1: point 0 on "gpu": latency 0 ns`:       func(f *family.Family) { f.Levels[1].Latencies[0].Points[0].Latency = 0 },
		`level 5: point 1 on "gpu"`:                     func(f *family.Family) { f.Levels[5].Latencies[0].Points[1].Energy = -1 },
	} {
		f := clocked(t)
		spoil(f)
		if err := f.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
