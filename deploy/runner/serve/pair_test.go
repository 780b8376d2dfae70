package serve_test

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
	"github.com/dynofa/dynofa/deploy/runner/serve"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// freeOne serves level 0 on the CPU and level 1 on the GPU, whichever is free, the GPU first.
type freeOne struct{}

func (freeOne) Spec() string              { return "free-one" }
func (freeOne) Observe(policy.Completion) {}

func (freeOne) Decide(o *policy.Observation) policy.Decision {
	if o.Busy>>1&1 == 0 {
		return policy.Decision{Action: policy.Serve, Level: 1, Processor: 1, Reason: "gpu"}
	}
	return policy.Decision{Action: policy.Serve, Reason: "cpu"}
}

// startPair starts a server of a CPU and a GPU with two levels each.
func startPair(t *testing.T, change func(*serve.Config)) *fixture {
	t.Helper()
	return start(t, func(c *serve.Config) {
		run := &c.Run
		gpu := runner.Processor{Name: "gpu"}
		for i := range run.Family.Levels {
			l := &run.Family.Levels[i]
			l.Latencies = append(l.Latencies, family.Latency{Processor: "gpu", Latency: unit.Milliseconds(float64(i+1) / 2), Origin: lut.Modelled})
			gpu.Sessions = append(gpu.Sessions, &network{in: make([]float32, 3*l.Arch.R*l.Arch.R), out: make([]float32, 10), takes: 3 * time.Millisecond})
		}
		for _, s := range run.Sessions {
			s.(*network).takes = 8 * time.Millisecond
		}
		run.Processors, run.Sessions = []runner.Processor{{Name: "cpu", Sessions: run.Sessions}, gpu}, nil
		run.Policy.Spec = "free-one"
		run.NewPolicy = func(string, map[string]string, *policy.Model) (policy.Policy, error) { return freeOne{}, nil }
		if change != nil {
			change(c)
		}
	})
}

// flood sends requests from several clients at once and returns how many each processor answered.
func (fx *fixture) flood(t *testing.T, n int) map[string]int {
	t.Helper()
	var mu sync.Mutex
	answered := map[string]int{}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range n / 4 {
				status, _, body := fx.do(t, "POST", inferPath, `{"inputs":[{"name":"input","datatype":"FP32","shape":[3,1,1],"data":[1,2,3]}]}`)
				var r struct{ Parameters map[string]any }
				if status != http.StatusOK || json.Unmarshal([]byte(body), &r) != nil {
					t.Errorf("%d %s", status, body)
					return
				}
				name, _ := r.Parameters["processor"].(string)
				if level, predicted := r.Parameters["level"].(float64), r.Parameters["predicted_latency_ns"].(float64); name == "gpu" && (level != 1 || predicted != 1e6) || name == "cpu" && (level != 0 || predicted != 1e6) {
					t.Errorf("%s", body)
				}
				mu.Lock()
				answered[name]++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return answered
}

func TestTwoProcessors(t *testing.T) {
	var drift *monitor.Drift
	fx := startPair(t, func(c *serve.Config) {
		var err error
		if drift, err = monitor.NewDrift(monitor.DriftConfig{Family: c.Run.Family, Processors: []string{"cpu", "gpu"}, Window: 8}); err != nil {
			t.Fatal(err)
		}
		c.Run.Trace, c.Drift, c.Run.Health = drift, drift, runner.NewHealth()
	})
	answered := fx.flood(t, 80)
	if answered["cpu"] < 5 || answered["gpu"] < 5 || answered["cpu"]+answered["gpu"] != 80 {
		t.Fatalf("answered %v", answered)
	}
	_, _, metrics := fx.do(t, "GET", "/metrics", "")
	value := func(name string) float64 {
		for line := range strings.SplitSeq(metrics, "\n") {
			if rest, ok := strings.CutPrefix(line, name+" "); ok {
				v, err := strconv.ParseFloat(rest, 64)
				if err != nil {
					t.Error(err)
				}
				return v
			}
		}
		t.Errorf("no %s", name)
		return math.NaN()
	}
	for name, level := range map[string]string{"cpu": "0", "gpu": "1"} {
		labels := `{processor="` + name + `",level="` + level + `"}`
		if n := value("dynofa_inference_duration_seconds_count" + labels); n != float64(answered[name]) {
			t.Errorf("%s: %g inferences, %d answered", name, n, answered[name])
		}
		if p := value("dynofa_inference_predicted_seconds_total" + labels); math.Abs(p-0.001*float64(answered[name])) > 1e-9 {
			t.Errorf("%s: predicted %g", name, p)
		}
		if value("dynofa_level_resident"+labels) != 1 || value(`dynofa_level{processor="`+name+`"}`) < 0 || value(`dynofa_level_switches_total{processor="`+name+`"}`) != 0 {
			t.Errorf("%s: not resident, or its level is not told", name)
		}
		// The CPU takes 8 ms of a predicted one, the GPU 3 of one.
		if value("dynofa_drift"+labels) != 1 || value("dynofa_drift_ratio"+labels) < 2.5 {
			t.Errorf("%s has no drift", name)
		}
	}
	value(`dynofa_alarms_total{reason="runner-processor-lost"}`)
	_, _, body := fx.do(t, "GET", "/status.json", "")
	var s struct {
		Processors []struct {
			Name    string
			Level   int
			Answers int
			Busy    float64 `json:"busy_s"`
			Levels  []struct{ Answers int }
		}
		Levels []struct{ Answers int }
		Recent []struct{ Level, Processor int }
	}
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Processors) != 2 || s.Processors[1].Name != "gpu" || s.Processors[1].Level != 1 || s.Processors[1].Answers != answered["gpu"] || s.Processors[1].Levels[1].Answers != answered["gpu"] ||
		s.Processors[0].Busy < 0.008*float64(answered["cpu"]) || s.Levels[0].Answers != answered["cpu"] || len(s.Recent) != 80 {
		t.Errorf("status %s", body)
	}
	for _, r := range s.Recent {
		if r.Level != r.Processor {
			t.Errorf("level %d on processor %d", r.Level, r.Processor)
		}
	}
	report, err := fx.stop()
	if err != nil || report.Processors[0].Answered != int64(answered["cpu"]) || report.Ended != "drained" {
		t.Errorf("report %+v, %v", report, err)
	}
}

// TestStatusPageOfTwo opens the page of two processors in a browser. With DYNOFA_SCREENSHOT=FILE.png it keeps a picture.
func TestStatusPageOfTwo(t *testing.T) {
	path := browser(t)
	fx := startPair(t, nil)
	fx.flood(t, 120)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir(), "--virtual-time-budget=4000"}
	if file := os.Getenv("DYNOFA_SCREENSHOT"); file != "" {
		abs, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(ctx, path, append(args, "--window-size=1000,1100", "--screenshot="+abs, fx.url)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	out, err := exec.CommandContext(ctx, path, append(args, "--dump-dom", fx.url)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	dom := string(out)
	for _, want := range []string{"gpu, 1</td>", "cpu, 0</td>", "gpu: a square on time", "<th>time at work</th>", "<td>gpu</td>", `<p id="lost" role="status"></p>`} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}
