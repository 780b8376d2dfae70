package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// tinyBundle writes a bundle of three levels with random weights.
func tinyBundle(t *testing.T) string {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.RandomWeights(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	f := &family.Family{Name: "tiny", Space: s.Name, Source: "made up for a test"}
	for i, a := range []supernet.Arch{s.Uniform(3, 3, 2, 64), s.Uniform(5, 4, 3, 64), s.Uniform(7, 6, 4, 96)} {
		if a, err = s.Canonical(a); err != nil {
			t.Fatal(err)
		}
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(0.5 + 0.1*float64(i)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{{Processor: "cpu", Latency: unit.Milliseconds(float64(i + 1)), Origin: lut.Modelled}}})
	}
	dir := filepath.Join(t.TempDir(), "bundle")
	if _, err := bundle.Write(t.Context(), dir, bundle.Spec{CreatedBy: "test", Family: f, Weights: w.Source(), Supernet: w,
		Policy: bundle.Policy{Spec: "static:2"}, Runtime: bundle.Runtime{Name: "onnxruntime", MinVersion: "1.24.0", Provider: "cpu"}}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// output is a writer that a server and a test share.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// serviceManager makes this process the service of a manager with a watchdog of 30 ms. The function that it returns gives
// what the manager was told.
func serviceManager(t *testing.T) func() string {
	t.Helper()
	name := fmt.Sprintf("@dynofa-command-%d", os.Getpid())
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Skip(err)
	}
	var said output
	var group sync.WaitGroup
	group.Go(func() {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			fmt.Fprintf(&said, "%s\n", b[:n])
		}
	})
	stop := sync.OnceFunc(func() { _ = conn.Close(); group.Wait() })
	t.Cleanup(stop)
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "30000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	return func() string {
		time.Sleep(50 * time.Millisecond) // what was sent is in the socket; the reader takes it out
		stop()
		return said.String()
	}
}

// TestRunListen serves real inference over HTTP: level 0 at once, the others when they are there, and ends
// with a report and a trace that replays.
func TestRunListen(t *testing.T) {
	needRuntime(t)
	dir, record := tinyBundle(t), filepath.Join(t.TempDir(), "run.csv")
	var stdout, stderr output
	manager := serviceManager(t)
	app := Prepare(&cli.App{Name: "dynofa-run", Commands: []*cli.Command{Run("test")}}, &stdout, &stderr)
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- Main(ctx, app, []string{"dynofa-run", "run", dir, "--listen", ":0", "--limit", "1s", "--trace", record, "--prepared", filepath.Join(t.TempDir(), "cache")})
	}()
	var url string
	for range 3000 {
		if m := regexp.MustCompile(`at (http://127\.0\.0\.1:\d+)`).FindStringSubmatch(stderr.String()); m != nil {
			url = m[1]
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if url == "" {
		cancel()
		t.Fatalf("no address: %s", stderr.String())
	}
	levels := map[float64]bool{}
	n := 0
	for ; n < 2000 && !levels[2]; n++ {
		resp, err := http.Post(url+"/v2/models/family/infer", "application/json", strings.NewReader(`{"inputs":[{"name":"input","datatype":"FP32","shape":[3,1,1],"data":[0.1,0.2,0.3]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		var r struct {
			Parameters map[string]any
			Outputs    []struct{ Data []float64 }
		}
		if err != nil || resp.StatusCode != 200 || json.Unmarshal(body, &r) != nil || len(r.Outputs) != 2 || len(r.Outputs[1].Data) != 10 {
			t.Fatalf("%d %s, %v", resp.StatusCode, body, err)
		}
		levels[r.Parameters["level"].(float64)] = true
		time.Sleep(5 * time.Millisecond)
	}
	if !levels[2] {
		t.Errorf("level 2 never came: %v", levels)
	}
	cancel()
	if c := <-code; c != ExitOK || !strings.Contains(stdout.String(), "ended: drained") {
		t.Errorf("exit code %d\n%s\n%s", c, stdout.String(), stderr.String())
	}
	said := manager()
	for _, want := range []string{"READY=1", "WATCHDOG=1", "STATUS=no requests yet", "STOPPING=1"} {
		if !strings.Contains(said, want) {
			t.Errorf("the service manager was not told %s: %q", want, said)
		}
	}
	if strings.Index(said, "READY=1") > strings.Index(said, "WATCHDOG=1") {
		t.Errorf("the watchdog was fed before the server was ready: %q", said)
	}
	file, err := os.Open(record)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	tr, err := trace.Read(record, file)
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.Records) != n {
		t.Errorf("%d records of %d", len(tr.Records), n)
	}
	if rep, err := trace.Replay(tr); err != nil || rep.Equal != rep.N || rep.First != nil {
		t.Errorf("replay %+v, %v", rep, err)
	}
}

func TestRunListenUsage(t *testing.T) {
	for line, message := range map[string]string{
		"run . --listen :0 --images builtin": "one of --images, --frames and --listen",
		"run .":                              "--images is required",
	} {
		var out bytes.Buffer
		app := Prepare(&cli.App{Name: "dynofa-run", Commands: []*cli.Command{Run("test")}}, &out, &out)
		if code := Main(t.Context(), app, append([]string{"dynofa-run"}, strings.Fields(line)...)); code != ExitUsage || !strings.Contains(out.String(), message) {
			t.Errorf("%s: exit code %d: %s", line, code, out.String())
		}
	}
}
