// Package soak_test keeps a server at full load and looks whether it grows: make soak MINUTES=30.
package soak_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/checkpoint/fashion"
	pictures "github.com/dynofa/dynofa/datasets/images/fashion"
	"github.com/dynofa/dynofa/datasets/studytest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

var (
	minutes = flag.Float64("minutes", 0, "how long to keep the server at full load")
	program = flag.String("program", "../../../bin/dynofa-run", "the server")
)

const (
	clients = 8                // that ask at a time; the server refuses none
	warmUp  = 30 * time.Second // that counts for no slope
)

// sample is the server at one moment.
type sample struct {
	at         time.Duration
	rss, anon  float64 // bytes
	goroutines float64
	files      int
}

// writeBundle writes six levels of the built-in supernet.
func writeBundle(t *testing.T) string {
	t.Helper()
	w, err := fashion.Weights()
	if err != nil {
		t.Fatal(err)
	}
	s := supernet.FashionMobileNetV3()
	f := &family.Family{Name: "soak", Space: s.Name, Source: "uniform sub-networks, chosen for a spread of sizes"}
	for i, a := range []supernet.Arch{s.Uniform(3, 2, 1, 16), s.Uniform(3, 4, 2, 24), s.Uniform(5, 4, 2, 32), s.Uniform(5, 4, 3, 32), s.Uniform(5, 6, 3, 32), s.Uniform(7, 6, 4, 32)} {
		if a, err = s.Canonical(a); err != nil {
			t.Fatal(err)
		}
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(0.867 + 0.007*float64(i)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{{Processor: "cpu", Latency: unit.Milliseconds(0.4 + 1.2*float64(i)), Origin: lut.Modelled, Source: "made up: limits make the policy switch"}}})
	}
	dir, transform := filepath.Join(t.TempDir(), "bundle"), pictures.Transform()
	if _, err := bundle.Write(t.Context(), dir, bundle.Spec{CreatedBy: "soak", Family: f, Supernet: w, Weights: "fashion-mbv3", Policy: bundle.Policy{Spec: "slackfit"}, Transform: &transform,
		Runtime: bundle.Runtime{Name: "onnxruntime", MinVersion: "1.24.0", Provider: "cpu"}}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// server is a running server.
type server struct {
	cmd *exec.Cmd
	url string
}

func start(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{cmd: exec.Command(*program, "run", dir, "--listen", "127.0.0.1:0", "--limit", "4ms", "--prepared", filepath.Join(t.TempDir(), "cache"))}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for s.url == "" && lines.Scan() {
		if m := regexp.MustCompile(`at (http://\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			s.url = m[1]
		}
	}
	go func() {
		for lines.Scan() { // so that the server is not held by its log
		}
	}()
	if s.url == "" {
		t.Fatal("the server does not say where it is")
	}
	return s
}

// get returns a page, empty if there is none.
func (s *server) get(path string) string {
	resp, err := http.Get(s.url + path)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// look samples the server.
func (s *server) look(at time.Duration) sample {
	x := sample{at: at}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[2] == "kB" {
			n, _ := strconv.ParseFloat(fields[1], 64)
			switch fields[0] {
			case "VmRSS:":
				x.rss = n * 1024
			case "RssAnon:":
				x.anon = n * 1024
			}
		}
	}
	if m := regexp.MustCompile(`(?m)^go_goroutines (\d+)`).FindStringSubmatch(s.get("/metrics")); m != nil {
		x.goroutines, _ = strconv.ParseFloat(m[1], 64)
	}
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	x.files = len(entries)
	return x
}

// counts are what the clients got.
type counts struct {
	mu    sync.Mutex
	codes map[int]int64
	fails atomic.Int64 // requests without an answer
}

func (c *counts) add(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.codes[code]++
}

// ask keeps a client busy until ctx ends: pictures of several sizes and tensors; one in fifty is malformed, and one in fifty is given
// up by the client.
func ask(ctx context.Context, url string, client int, c *counts) {
	var bodies [][]byte
	for _, size := range []int{28, 64, 200} {
		var b bytes.Buffer
		_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, size, size))) // memory does not fail
		bodies = append(bodies, b.Bytes())
	}
	tensor := []byte(`{"inputs":[{"name":"input","datatype":"FP32","shape":[3,1,1],"data":[0.1,0.2,0.3]}]}`)
	for i := client; ctx.Err() == nil; i++ {
		var request *http.Request
		var err error
		one, cancel := context.WithTimeout(ctx, 20*time.Second)
		switch {
		case i%50 == 0:
			request, err = http.NewRequestWithContext(one, "POST", url, strings.NewReader(`{"inputs":[{"name":"image"`))
		case i%2 == 0:
			request, err = http.NewRequestWithContext(one, "POST", url, bytes.NewReader(tensor))
		default:
			picture := bodies[i%len(bodies)]
			head := fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":%d}}]}`, 4+len(picture))
			body := append([]byte(head), byte(len(picture)), byte(len(picture)>>8), byte(len(picture)>>16), 0)
			if request, err = http.NewRequestWithContext(one, "POST", url, bytes.NewReader(append(body, picture...))); err == nil {
				request.Header.Set("Inference-Header-Content-Length", strconv.Itoa(len(head)))
			}
		}
		if err != nil {
			panic(err) // the URL is the server's
		}
		if i%50 == 25 {
			time.AfterFunc(time.Millisecond, cancel)
		}
		resp, err := http.DefaultClient.Do(request)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		if err == nil {
			c.add(resp.StatusCode)
		} else {
			c.fails.Add(1)
		}
		cancel()
	}
}

// TestSoak keeps the server at full load for -minutes, with limits that change every two seconds, and writes README.md's table.
func TestSoak(t *testing.T) {
	if *minutes == 0 {
		t.Skip("a soak, not a test: make soak MINUTES=30")
	}
	s := start(t, writeBundle(t))
	defer func() { _ = s.cmd.Process.Kill() }()
	length := time.Duration(*minutes * float64(time.Minute))
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = clients
	loadBefore := studytest.LoadAverage()
	time.Sleep(2 * time.Second) // levels load behind
	before := s.look(0)
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	c := &counts{codes: map[int]int64{}}
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() { ask(ctx, s.url+"/v2/models/family/infer", i, c) })
	}
	began := time.Now()
	var samples []sample
	for i := 0; ctx.Err() == nil; i++ {
		samples = append(samples, s.look(time.Since(began)))
		if i%2 == 0 {
			limit := []string{"5ms", "200ms", "20ms", "80ms"}[i/2%4]
			request, _ := http.NewRequest("PUT", s.url+"/control", strings.NewReader(`{"limit":"`+limit+`","deadline":"`+limit+`"}`))
			request.Header.Set("Content-Type", "application/json")
			if resp, err := http.DefaultClient.Do(request); err == nil {
				_ = resp.Body.Close()
			}
			s.get("/status.json")
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	group.Wait()
	http.DefaultClient.CloseIdleConnections()
	var after sample
	for range 20 { // connections that the server has not noticed to be closed yet
		time.Sleep(500 * time.Millisecond)
		if after = s.look(time.Since(began)); after.goroutines <= before.goroutines {
			break
		}
	}
	metrics := s.get("/metrics")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	report(t, result{length: length, before: before, after: after, samples: samples, counts: c, metrics: metrics, load: loadBefore + " before, " + studytest.LoadAverage() + " after"})
}

// slope returns the Theil-Sen slope of a quantity in units per minute, with the 95% interval of the median of the slopes of pairs of
// halves: sample i of the first half and sample i of the second, which share no sample.
func slope(samples []sample, of func(sample) float64) (median, low, high float64) {
	half := len(samples) / 2
	var slopes []float64
	for i := range half {
		a, b := samples[i], samples[i+half]
		slopes = append(slopes, (of(b)-of(a))/(b.at-a.at).Minutes())
	}
	slices.Sort(slopes)
	n := float64(len(slopes))
	if n < 10 {
		return 0, 0, 0
	}
	// Order statistics of the median, normal approximation; neighbouring samples are not independent, so the interval is narrower than the truth.
	d := 0.98 * sqrt(n)
	return slopes[int(n/2)], slopes[max(0, int(n/2-d))], slopes[min(len(slopes)-1, int(n/2+d))]
}
