package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/runner"
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
