package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/search/family"
)

// twoProcessors returns the published family with made-up latencies on a CPU beside those on the GPU.
func twoProcessors(t *testing.T) *family.Family {
	t.Helper()
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Levels {
		cpu := f.Levels[i].Latencies[0]
		cpu.Processor, cpu.Latency = "cpu", 10*cpu.Latency
		f.Levels[i].Latencies = append(f.Levels[i].Latencies, cpu)
	}
	return f
}

func TestNewModel(t *testing.T) {
	f := twoProcessors(t)
	for _, c := range []struct {
		processors, want []string
		first            []time.Duration // of level 0, whose GPU latency is 41.15893814086914 ms
	}{
		{nil, []string{"gpu", "cpu"}, []time.Duration{41158938, 411589381}},
		{[]string{"cpu"}, []string{"cpu"}, []time.Duration{411589381}},
		{[]string{"cpu", "gpu"}, []string{"cpu", "gpu"}, []time.Duration{411589381, 41158938}},
	} {
		m, err := policy.NewModel(f, c.processors...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, m.Processors); diff != "" {
			t.Errorf("%v: %s", c.processors, diff)
		}
		if diff := cmp.Diff(c.first, m.Levels[0].Latency); diff != "" {
			t.Errorf("%v: %s", c.processors, diff)
		}
		if len(m.Levels) != 6 || m.Levels[5].Accuracy.String() != "79.03%" {
			t.Errorf("%v: levels %+v", c.processors, m.Levels)
		}
	}
	if _, err := policy.NewModel(f, "dla"); err == nil || !strings.Contains(err.Error(), `no latencies on processor "dla"`) {
		t.Errorf("error %v", err)
	}
	if _, err := policy.NewModel(f, "gpu", "gpu"); err == nil || !strings.Contains(err.Error(), "repeated") {
		t.Errorf("error %v", err)
	}
	f.Levels[2].Accuracy = 7
	if _, err := policy.NewModel(f); err == nil {
		t.Error("an invalid family is accepted")
	}
}

func TestModelValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*policy.Model)
		message string
	}{
		"no processors":    {func(m *policy.Model) { m.Processors = nil }, "0 processors"},
		"no levels":        {func(m *policy.Model) { m.Levels = nil }, "0 levels"},
		"too many levels":  {func(m *policy.Model) { m.Levels = make([]policy.LevelModel, 65) }, "65 levels"},
		"unnamed":          {func(m *policy.Model) { m.Processors[0] = "" }, "empty or repeated"},
		"accuracy":         {func(m *policy.Model) { m.Levels[1].Accuracy = 71 }, "level 1"},
		"order":            {func(m *policy.Model) { m.Levels[1].Accuracy = 0.5 }, "less accurate"},
		"latency":          {func(m *policy.Model) { m.Levels[1].Latency[0] = 0 }, "not positive"},
		"latency missing":  {func(m *policy.Model) { m.Levels[1].Latency = nil }, "0 latencies"},
		"latency too many": {func(m *policy.Model) { m.Levels[1].Latency = make([]time.Duration, 2) }, "2 latencies"},
	} {
		m := model(10, 20)
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		c.change(m)
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.message)
		}
		if _, err := policy.New("slack", nil, m); err == nil {
			t.Errorf("%s: New accepts it", name)
		}
	}
	if _, err := policy.New("slack", nil, nil); err == nil {
		t.Error("New accepts no model")
	}
}

func TestDecisionCheck(t *testing.T) {
	m := model(10, 20)
	for _, d := range []policy.Decision{
		{Action: policy.Serve, Level: 1},
		{Action: policy.Drop},
		{Action: policy.Exit},
	} {
		if err := d.Check(m); err != nil {
			t.Errorf("%v: %v", d, err)
		}
	}
	for _, d := range []policy.Decision{
		{},
		{Action: "Serve"},
		{Action: policy.Serve, Level: 2},
		{Action: policy.Serve, Level: -1},
		{Action: policy.Serve, Processor: 1},
		{Action: policy.Serve, Processor: -1},
		{Action: policy.Drop, Level: 1},
		{Action: policy.Exit, Processor: 1},
	} {
		if err := d.Check(m); err == nil {
			t.Errorf("%v is accepted", d)
		}
	}
}
