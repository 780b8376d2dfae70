package serve_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner/serve"
)

// TestAnswersLeaveNothingBehind: what a server keeps does not depend on how many requests it has answered, refused as malformed
// or finished for clients that had gone, nor on how often it was asked for metrics and status. Three bytes for each request
// would be 6 KB here.
func TestAnswersLeaveNothingBehind(t *testing.T) {
	fx := start(t, func(c *serve.Config) {
		c.Run.NewPolicy = func(string, map[string]string, *policy.Model) (policy.Policy, error) { return &turns{}, nil }
	})
	handler := fx.server.Handler(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	ask := func(ctx context.Context, method, path, body string) int {
		r := httptest.NewRequestWithContext(ctx, method, "http://localhost"+path, strings.NewReader(body))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	const tensor = `{"inputs":[{"name":"input","datatype":"FP32","shape":[3,1,1],"data":[0.1,0.2,0.3]}]}`
	serveMany := func(n int) {
		for i := range n {
			ctx, body, want := t.Context(), tensor, http.StatusOK
			switch i % 25 {
			case 0:
				body, want = `{"inputs":[{"name":"image"`, http.StatusBadRequest
			case 1:
				ctx = gone
			case 2:
				ask(ctx, "GET", "/metrics", "")
				ask(ctx, "GET", "/status.json", "")
			}
			if got := ask(ctx, "POST", inferPath, body); got != want && !(ctx == gone && got == 499) { // unless the answer was faster
				t.Fatalf("request %d: status %d, want %d", i, got, want)
			}
		}
	}
	live := func() int64 {
		runtime.GC()
		runtime.GC() // pools are emptied in two steps
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	serveMany(500)
	before := live()
	const n = 2_000
	serveMany(n)
	grown := live() - before
	t.Logf("%d bytes alive, %d more after %d requests", before, grown, n)
	if grown > 4<<10 {
		t.Error("they leave something behind")
	}
}

// turns serves the two levels in turn.
type turns struct{ n int }

func (p *turns) Spec() string { return "turns" }

func (p *turns) Decide(*policy.Observation) policy.Decision {
	p.n++
	return policy.Decision{Action: policy.Serve, Level: p.n % 2, Reason: "turn"}
}

func (p *turns) Observe(policy.Completion) {}
