package serve_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
	"github.com/dynofa/dynofa/deploy/runner/serve"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// network answers the class that the first value of its input says, and remembers its input.
type network struct {
	in, out []float32
	takes   time.Duration
	fails   bool
	mu      sync.Mutex
	seen    []float32
}

func (n *network) Input() []float32  { return n.in }
func (n *network) Output() []float32 { return n.out }

func (n *network) Run() error {
	time.Sleep(n.takes)
	if n.fails {
		return fmt.Errorf("no memory")
	}
	clear(n.out)
	n.out[min(max(int(n.in[0]), 0), 9)] = 2.5
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = slices.Clone(n.in)
	return nil
}

// fixture is a server of two levels, at 32 and 48 pixels.
type fixture struct {
	url      string
	server   *serve.Server
	networks []*network
	stop     func() (*runner.Report, error)
}

func start(t testing.TB, change func(*serve.Config)) *fixture {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	fx := &fixture{}
	f := &family.Family{Name: "tiny", Space: s.Name, Source: "made up"}
	var sessions []runner.Session
	for i, a := range []supernet.Arch{s.Uniform(3, 3, 2, 32), s.Uniform(7, 6, 4, 48)} {
		if a, err = s.Canonical(a); err != nil {
			t.Fatal(err)
		}
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(0.70 + 0.05*float64(i)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{{Processor: "cpu", Latency: unit.Milliseconds(float64(i + 1)), Origin: lut.Modelled}}})
		n := &network{in: make([]float32, 3*a.R*a.R), out: make([]float32, 10)}
		fx.networks = append(fx.networks, n)
		sessions = append(sessions, n)
	}
	cfg := serve.Config{Name: "tiny", Version: "7", Program: "dynofa test", Run: runner.Config{
		Family: f, Sessions: sessions, Policy: bundle.Policy{Spec: "static:1"}, Warmup: -1, Limit: 30 * time.Millisecond, Notes: []string{"made up"},
	}}
	if change != nil {
		change(&cfg)
	}
	if fx.server, err = serve.New(cfg); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fx.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var report *runner.Report
	var runErr error
	done := make(chan struct{})
	go func() { defer close(done); report, runErr = fx.server.Serve(ctx, l) }()
	fx.stop = sync.OnceValues(func() (*runner.Report, error) { cancel(); <-done; return report, runErr })
	t.Cleanup(func() {
		if _, err := fx.stop(); err != nil {
			t.Error(err)
		}
	})
	return fx
}

// do sends a request and returns status, headers and body.
func (fx *fixture) do(t testing.TB, method, path, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(method, fx.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(data)
}

const inferPath = "/v2/models/tiny/infer"

// tensorJSON is a request with a plain tensor of resolution r whose first value is v.
func tensorJSON(r int, v float32, rest string) string {
	data := make([]float32, 3*r*r)
	data[0] = v
	text, _ := json.Marshal(data)
	return fmt.Sprintf(`{"id":"a","inputs":[{"name":"input","datatype":"FP32","shape":[1,3,%d,%d],"data":%s}]%s}`, r, r, text, rest)
}

// reply is a response as a client reads it.
type reply struct {
	Model      string         `json:"model_name"`
	Version    string         `json:"model_version"`
	ID         string         `json:"id"`
	Parameters map[string]any `json:"parameters"`
	Outputs    []struct {
		Name       string         `json:"name"`
		Datatype   string         `json:"datatype"`
		Shape      []int          `json:"shape"`
		Parameters map[string]any `json:"parameters"`
		Data       []float64      `json:"data"`
	} `json:"outputs"`
	Error string `json:"error"`
}

func parse(t testing.TB, body string) (r reply) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	return r
}

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

func TestInferJSON(t *testing.T) {
	fx := start(t, nil)
	status, header, body := fx.do(t, "POST", "/v2/models/tiny/versions/7/infer", tensorJSON(48, 3, ""), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r := parse(t, body)
	if status != 200 || r.Model != "tiny" || r.Version != "7" || r.ID != "a" || len(r.Outputs) != 2 {
		t.Fatalf("%d %s", status, body)
	}
	if o := r.Outputs[0]; o.Name != "class" || o.Datatype != "INT64" || !slices.Equal(o.Data, []float64{3}) {
		t.Errorf("class %+v", o)
	}
	if o := r.Outputs[1]; o.Name != "logits" || o.Datatype != "FP32" || !slices.Equal(o.Shape, []int{1, 10}) || o.Data[3] != 2.5 {
		t.Errorf("logits %+v", o)
	}
	p := r.Parameters
	if p["level"] != 1. || p["accuracy"] != 0.75 || p["predicted_latency_ns"] != 2e6 || p["outcome"] != "on-time" || !(p["observed_latency_ns"].(float64) > 0) {
		t.Errorf("parameters %v", p)
	}
	if trace := header.Get("traceparent"); !strings.HasPrefix(trace, "00-0af7651916cd43dd8448eb211c80319c-") || strings.Contains(trace, "b7ad6b7169203331") {
		t.Errorf("traceparent %q", trace)
	}
	// Nested data is the same; an output that is not asked for is not sent.
	one := `{"inputs":[{"name":"input","datatype":"FP32","shape":[3,1,1],"data":[[[5]],[[ 0.5 ]],[[-1e-3]]]}],"outputs":[{"name":"class"}]}`
	status, _, body = fx.do(t, "POST", inferPath, one)
	if r := parse(t, body); status != 200 || len(r.Outputs) != 1 || r.Outputs[0].Data[0] != 5 {
		t.Errorf("%d %s", status, body)
	}
	in := fx.networks[1].seen // a constant plane stays constant at another resolution
	if in[0] != 5 || in[48*48-1] != 5 || in[48*48] != 0.5 || in[3*48*48-1] != -1e-3 {
		t.Errorf("resampled to %v, %v, %v", in[0], in[48*48], in[3*48*48-1])
	}
}

func TestInferBinary(t *testing.T) {
	fx := start(t, nil)
	const r = 48
	var tail []byte
	for i := range 3 * r * r {
		v := float32(0)
		if i == 0 {
			v = 7
		}
		tail = binary.LittleEndian.AppendUint32(tail, math.Float32bits(v))
	}
	head := fmt.Sprintf(`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,48,48],"parameters":{"binary_data_size":%d}}],"parameters":{"binary_data_output":true},"outputs":[{"name":"logits"},{"name":"class","parameters":{"binary_data":false}}]}`, len(tail))
	status, header, body := fx.do(t, "POST", inferPath, head+string(tail), "Inference-Header-Content-Length", strconv.Itoa(len(head)))
	n, err := strconv.Atoi(header.Get("Inference-Header-Content-Length"))
	if status != 200 || err != nil {
		t.Fatalf("%d %v %s", status, err, body)
	}
	a := parse(t, body[:n])
	logits := []byte(body[n:])
	if len(a.Outputs) != 2 || a.Outputs[0].Data[0] != 7 || a.Outputs[1].Parameters["binary_data_size"] != 40. || len(logits) != 40 {
		t.Fatalf("%s and %d bytes", body[:n], len(logits))
	}
	if got := math.Float32frombits(binary.LittleEndian.Uint32(logits[4*7:])); got != 2.5 {
		t.Errorf("logit 7 is %g", got)
	}
}

// A picture reaches the network as the preprocessing makes it, whichever way it was sent.
func TestInferPicture(t *testing.T) {
	fx := start(t, nil)
	img, err := images.Pattern(1, 2, 60)
	if err != nil {
		t.Fatal(err)
	}
	pre, err := images.NewPreprocessor(images.Preprocess{Resolution: 48})
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float32, pre.Len())
	if err := pre.Into(want, img); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		t.Fatal(err)
	}
	var pixels []byte
	var numbers []string
	for i := 0; i < len(img.Pix); i += 4 {
		pixels = append(pixels, img.Pix[i:i+3]...)
	}
	for _, p := range pixels {
		numbers = append(numbers, strconv.Itoa(int(p)))
	}
	size := img.Bounds().Dx()
	withLength := string(binary.LittleEndian.AppendUint32(nil, uint32(file.Len()))) + file.String()
	for name, c := range map[string]struct{ head, tail string }{
		"PNG in base64":    {fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["%s"]}]}`, base64.StdEncoding.EncodeToString(file.Bytes())), ""},
		"PNG in binary":    {fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1,1],"parameters":{"binary_data_size":%d}}]}`, len(withLength)), withLength},
		"pixels in JSON":   {fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"UINT8","shape":[%d,%d,3],"data":[%s]}]}`, size, size, strings.Join(numbers, ",")), ""},
		"pixels in binary": {fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,%d,%d,3],"parameters":{"binary_data_size":%d}}]}`, size, size, len(pixels)), string(pixels)},
	} {
		header := []string{}
		if c.tail != "" {
			header = []string{"Inference-Header-Content-Length", strconv.Itoa(len(c.head))}
		}
		if status, _, body := fx.do(t, "POST", inferPath, c.head+c.tail, header...); status != 200 {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if !slices.Equal(fx.networks[1].seen, want) {
			t.Errorf("%s: the network saw something else", name)
		}
	}
}

// malformed are requests that must be refused with 400.
var malformed = []string{
	``, `{`, `[]`, `null`, `{"inputs":[]}`, `{"inputs":{}}`, `{"inputs":[{}]}`, `{"inputs":[{},{}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,2,2],"data":[1,2]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3,4]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[2,3,1,1],"data":[1,2,3,4,5,6]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,"2",3]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,null,3]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,1e999,3]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":"1,2,3"}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,-1,-1],"data":[]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[3,9223372036854775807,9223372036854775807],"data":[1]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP64","shape":[1,3,1,1],"data":[1,2,3]}]}`,
	`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3]}]}`,
	`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["not base64!"]}]}`,
	`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["aGVsbG8="]}]}`,
	`{"inputs":[{"name":"image","datatype":"BYTES","shape":[2],"data":["aGVsbG8=","aGVsbG8="]}]}`,
	`{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,1,3],"data":[1,2,256]}]}`,
	`{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,1,3],"data":[1,2,-1]}]}`,
	`{"inputs":[{"name":"image","datatype":"UINT8","shape":[99999,99999,3],"data":[1]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3],"parameters":{"binary_data_size":12}}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3]}],"outputs":[{"name":"x"}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3]}],"parameters":{"timeout":-1}}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3]}],"parameters":{"timeout":"soon"}}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3]}]} {}`,
	strings.Repeat(`[`, 20000),
}

func TestMalformedRequests(t *testing.T) {
	fx := start(t, func(c *serve.Config) { c.MaxBody = 1 << 20 })
	for _, body := range malformed {
		status, _, answer := fx.do(t, "POST", inferPath, body)
		if r := parse(t, answer); status != 400 || r.Error == "" {
			t.Errorf("%.100s: %d %s", body, status, answer)
		}
	}
	good := tensorJSON(48, 1, "")
	for _, length := range []string{"-1", "x", "99999999", "10", strconv.Itoa(len(good) - 1), "9223372036854775807"} {
		if status, _, answer := fx.do(t, "POST", inferPath, good, "Inference-Header-Content-Length", length); status != 400 {
			t.Errorf("header length %s: %d %s", length, status, answer)
		}
	}
	if status, _, answer := fx.do(t, "POST", inferPath, strings.Repeat(" ", 1<<20+1)); status != 413 {
		t.Errorf("too large: %d %s", status, answer)
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{{"DELETE", inferPath, 405}, {"POST", "/metrics", 405}, {"POST", "/v2/models/other/infer", 404}, {"GET", "/etc/passwd", 404}, {"PUT", "/control", 415}} {
		if status, _, _ := fx.do(t, c.method, c.path, "{}"); status != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, status, c.status)
		}
	}
	if status, _, answer := fx.do(t, "POST", inferPath, good); status != 200 {
		t.Errorf("a good one afterwards: %d %s", status, answer)
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
	slow := start(t, func(c *serve.Config) { c.Timeout = 50 * time.Millisecond })
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
