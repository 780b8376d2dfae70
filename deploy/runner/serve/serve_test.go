package serve_test

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
	"github.com/dynofa/dynofa/deploy/runner/serve"
)

func TestHealthAndMetadata(t *testing.T) {
	fx := start(t, nil)
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/v2":                                   {200, `"name":"dynofa"`},
		"/v2/health/live":                       {200, ""},
		"/v2/health/ready":                      {200, ""},
		"/v2/models/tiny":                       {200, `"shape":[1,3,48,48]`},
		"/v2/models/tiny/versions/7":            {200, `"versions":["7"]`},
		"/v2/models/tiny/ready":                 {200, ""},
		"/v2/models/tiny/versions/7/ready":      {200, ""},
		"/v2/models/tiny/versions/8":            {404, `"error"`},
		"/v2/models/large":                      {404, `"error"`},
		"/v2/models/tiny/infer":                 {405, ""},
		"/v2/repository/index":                  {404, ""},
		"/v2/models/tiny/../../../metrics/%2e.": {404, ""},
	} {
		status, _, body := fx.do(t, "GET", path, "")
		if status != want.status || !strings.Contains(body, want.text) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// A page of another site that leads its own name here gets nothing.
func TestForeignHostIsRefused(t *testing.T) {
	fx := start(t, nil)
	for name, want := range map[string]int{"evil.example": 403, "evil.example:80": 403, "10.0.0.1": 403, "localhost:1": 200, "127.0.0.1": 200, "[::1]:80": 200} {
		if status, _, _ := fx.do(t, "GET", "/v2", "", "Host", name); status != want {
			t.Errorf("%s: %d, want %d", name, status, want)
		}
	}
}

func TestFailuresAndLimits(t *testing.T) {
	fx := start(t, nil)
	fx.networks[0].fails, fx.networks[1].fails = true, true
	if status, _, body := fx.do(t, "POST", inferPath, tensorJSON(4, 1, "")); status != 500 || !strings.Contains(body, "no memory") {
		t.Errorf("a failing network: %d %s", status, body)
	}
	busy := start(t, func(c *serve.Config) { c.MaxAtOnce = 1 })
	busy.networks[1].takes = 300 * time.Millisecond
	var wait sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for range 5 {
		wait.Go(func() {
			status, header, _ := busy.do(t, "POST", inferPath, tensorJSON(4, 1, ""))
			mu.Lock()
			defer mu.Unlock()
			codes[status]++
			if status == 503 && header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
		})
	}
	wait.Wait()
	if codes[200] < 1 || codes[503] < 1 || codes[200]+codes[503] != 5 {
		t.Errorf("answers %v", codes)
	}
	slow := start(t, func(c *serve.Config) { c.Timeout = 200 * time.Millisecond }) // twice as long for writing, which a busy machine may need
	slow.networks[1].takes = 500 * time.Millisecond
	if status, _, body := slow.do(t, "POST", inferPath, tensorJSON(4, 1, "")); status != 504 {
		t.Errorf("a slow network: %d %s", status, body)
	}
}

// A server that ends answers what is under way, and is not ready any more.
func TestDrain(t *testing.T) {
	fx := start(t, nil)
	fx.networks[1].takes = 300 * time.Millisecond
	codes := make(chan int, 3)
	for range 3 {
		go func() {
			status, _, _ := fx.do(t, "POST", inferPath, tensorJSON(4, 1, ""))
			codes <- status
		}()
	}
	for range 200 { // until they wait
		if _, _, body := fx.do(t, "GET", "/metrics", ""); strings.Contains(body, "dynofa_http_responses_total") && len(codes) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		if fx.server.Waiting() == 3 {
			break
		}
	}
	report, err := fx.stop()
	if err != nil || report.OnTime+report.Late != 3 || report.Ended != "drained" {
		t.Errorf("report %+v, %v", report, err)
	}
	for range 3 {
		if status := <-codes; status != 200 {
			t.Errorf("a request under way got %d", status)
		}
	}
}

func TestControl(t *testing.T) {
	fx := start(t, nil)
	put := func(body string) (int, string) {
		status, _, answer := fx.do(t, "PUT", "/control", body, "Content-Type", "application/json")
		return status, answer
	}
	if status, body := put(`{"limit":"12.5ms","min_accuracy":"72%"}`); status != 200 || body != `{"limit":"12.5ms","deadline":"0s","min_accuracy":"72.00%"}` {
		t.Errorf("%d %s", status, body)
	}
	for _, bad := range []string{`{"limit":"-1ms"}`, `{"limit":12}`, `{"deadline":"soon"}`, `{"min_accuracy":"720%"}`, `{"clock":"1GHz"}`, ``, `{"limit":"1ms","deadline":"x"}`} {
		if status, body := put(bad); status != 400 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	for kind, want := range map[string]int{"application/json; charset=utf-8": 200, "Application/JSON": 200, "text/plain": 415, "application/jsonp": 415, "": 415} {
		if status, _, body := fx.do(t, "PUT", "/control", `{}`, "Content-Type", kind); status != want {
			t.Errorf("content type %q: %d %s", kind, status, body)
		}
	}
	if _, _, body := fx.do(t, "GET", "/control", ""); body != `{"limit":"12.5ms","deadline":"0s","min_accuracy":"72.00%"}` {
		t.Errorf("control is %s", body)
	}
	if fx.server.Control().Limit() != 12500*time.Microsecond {
		t.Error("the run does not know")
	}
}

// Metrics are in the text format, with base units, and add up.
func TestMetrics(t *testing.T) {
	fx := start(t, nil)
	for range 3 {
		fx.do(t, "POST", inferPath, tensorJSON(4, 1, ""))
	}
	fx.do(t, "POST", inferPath, "{")
	_, header, body := fx.do(t, "GET", "/metrics", "")
	if !strings.HasPrefix(header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("content type %q", header.Get("Content-Type"))
	}
	samples, types := map[string]float64{}, map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSuffix(body, "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if types[name] != "" {
				t.Errorf("two types of %s", name)
			}
			types[name] = kind
			if kind == "counter" && !strings.HasSuffix(name, "_total") && !strings.HasSuffix(name, "_sum") {
				t.Errorf("counter %s does not end in _total", name)
			}
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		at := strings.LastIndex(line, " ")
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if _, twice := samples[line[:at]]; err != nil || twice {
			t.Errorf("line %q: %v", line, err)
		}
		samples[line[:at]] = v
	}
	for name, want := range map[string]float64{
		`dynofa_requests_total{outcome="on-time"}`:                                      3,
		`dynofa_requests_total{outcome="failed"}`:                                       0,
		`dynofa_inference_duration_seconds_count{processor="cpu",level="1"}`:            3,
		`dynofa_inference_duration_seconds_bucket{processor="cpu",level="1",le="+Inf"}`: 3,
		`dynofa_inference_duration_seconds_count{processor="cpu",level="0"}`:            0,
		`dynofa_request_duration_seconds_count`:                                         3,
		`dynofa_inference_predicted_seconds_total{processor="cpu",level="1"}`:           0.006,
		`dynofa_accuracy_served_sum`:                                                    2.25,
		`dynofa_level{processor="cpu"}`:                                                 1,
		`dynofa_level_resident{processor="cpu",level="0"}`:                              1,
		`dynofa_limit_seconds`:                                                          0.03,
		`dynofa_http_responses_total{code="200"}`:                                       3,
		`dynofa_http_responses_total{code="400"}`:                                       1,
	} {
		if got, ok := samples[name]; !ok || math.Abs(got-want) > 1e-12 {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
	if !strings.Contains(body, `dynofa_build_info{version="dynofa test",goversion="go1.`) {
		t.Error("no build info")
	}
}

func TestStatus(t *testing.T) {
	fx := start(t, func(c *serve.Config) {
		c.State = func() host.State {
			return host.State{Temperatures: []host.Temperature{{Zone: "cpu", Celsius: 51.5}}}
		}
	})
	for range 300 { // more than are shown
		fx.do(t, "POST", inferPath, `{"inputs":[{"name":"input","datatype":"FP32","shape":[3,1,1],"data":[1,2,3]}]}`)
	}
	_, _, body := fx.do(t, "GET", "/status.json", "")
	var s struct {
		Level    int
		Limit    float64 `json:"limit_s"`
		Outcomes map[string]int
		Mean     float64 `json:"mean_accuracy"`
		Recent   []struct {
			End float64 `json:"end_s"`
		}
		Temperatures []struct{ Celsius float64 }
	}
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatal(err)
	}
	if s.Level != 1 || s.Limit != 0.03 || s.Outcomes["on-time"] != 300 || math.Abs(s.Mean-.75) > 1e-9 || len(s.Recent) != 240 || s.Temperatures[0].Celsius != 51.5 {
		t.Errorf("status %.600s", body)
	}
	for i := 1; i < len(s.Recent); i++ {
		if s.Recent[i].End <= s.Recent[i-1].End {
			t.Fatal("the last requests are out of order")
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*serve.Config){
		"name":      func(c *serve.Config) { c.Name = "a/b" },
		"no name":   func(c *serve.Config) { c.Name = "" },
		"version":   func(c *serve.Config) { c.Version = "1 2" },
		"negative":  func(c *serve.Config) { c.MaxBody = -1 },
		"transform": func(c *serve.Config) { c.Run.Transform.Crop = 7 },
		"run":       func(c *serve.Config) { c.Run.Family = nil },
	} {
		cfg := serve.Config{Name: "a", Run: runner.Config{}}
		change(&cfg)
		if _, err := serve.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A power mode that the device refuses is a conflict; the other limits are in force.
func TestControlPowerMode(t *testing.T) {
	control := runner.NewControl(0, 0, 0)
	control.OnPowerMode(func(mode string) error {
		if mode == "20W" {
			return errors.New("refused by nvpmodel")
		}
		return nil
	})
	fx := start(t, func(c *serve.Config) { c.Run.Control = control })
	for body, want := range map[string]int{`{"power_mode":"20W","limit":"7ms"}`: 409, `{"power_mode":"15W"}`: 200} {
		if status, _, answer := fx.do(t, "PUT", "/control", body, "Content-Type", "application/json"); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if control.PowerMode() != "15W" || control.Limit() != 7*time.Millisecond {
		t.Errorf("power mode %q, limit %v", control.PowerMode(), control.Limit())
	}
}

// The device's and the drift's metrics are there where somebody measures them.
func TestDeviceMetrics(t *testing.T) {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"sys/class/thermal/thermal_zone0/type": "CPU-therm", "sys/class/thermal/thermal_zone0/temp": "41500",
		"sys/class/hwmon/hwmon4/name": "ina3221", "sys/class/hwmon/hwmon4/in1_label": "VDD_IN", "sys/class/hwmon/hwmon4/in1_input": "5000", "sys/class/hwmon/hwmon4/curr1_input": "1000",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	health := runner.NewHealth()
	var drift *monitor.Drift
	var m *monitor.Monitor
	fx := start(t, func(c *serve.Config) {
		var err error
		if m, err = monitor.New(monitor.Config{FS: files, Health: health}); err != nil {
			t.Fatal(err)
		}
		if drift, err = monitor.NewDrift(monitor.DriftConfig{Family: c.Run.Family, Processor: c.Run.Family.Processors()[0], Window: 8}); err != nil {
			t.Fatal(err)
		}
		c.Run.Health, c.Run.Trace, c.Monitor, c.Drift = health, drift, m, drift
	})
	m.Sample()
	health.Raise(runner.Alarm{Reason: runner.ReasonSensorLost, Detail: "a test"})
	for range 10 {
		fx.do(t, "POST", inferPath, tensorJSON(4, 1, ""))
	}
	_, _, body := fx.do(t, "GET", "/metrics", "")
	for _, want := range []string{`dynofa_alarms_total{reason="runner-sensor-lost"} 1`, `dynofa_temperature_celsius{zone="CPU-therm"} 41.5`, `dynofa_rail_watts{rail="VDD_IN"} 5`,
		`dynofa_rail_joules_total{rail="VDD_IN"} 0`, `dynofa_drift{processor="cpu",level="0"}`, `dynofa_drift_ratio{processor="cpu",level="`, `dynofa_sensors_lost 0`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}
