//go:build cgo

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	weights "github.com/dynofa/dynofa/datasets/checkpoint/fashion"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/images/fashion"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/eval"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// emulator returns the command that runs a program for 64-bit Arm, and ONNX Runtime's library for it, or skips.
// DYNOFA_REQUIRE_ARM64=1, which `make test-arm64` sets where compiler and emulator are there, makes a failure of the skip.
func emulator(t *testing.T) (qemu []string, library string) {
	t.Helper()
	if testing.Short() || reftest.RaceDetector {
		t.Skip("builds for another architecture")
	}
	skip := t.Skipf
	if os.Getenv("DYNOFA_REQUIRE_ARM64") == "1" {
		skip = t.Fatalf
	}
	if runtime.GOOS != "linux" || runtime.GOARCH == "arm64" {
		t.Skip("wants Linux on another architecture than arm64")
	}
	program, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		skip("%v", err)
	}
	if _, err := exec.LookPath("aarch64-linux-gnu-gcc"); err != nil {
		skip("%v", err)
	}
	const libraries = "/usr/aarch64-linux-gnu"
	if _, err := os.Stat(libraries + "/lib/ld-linux-aarch64.so.1"); err != nil {
		skip("no C library for arm64: %v", err)
	}
	library = filepath.Join(reftest.Root(t), ".cache", "onnxruntime", "arm64", "lib", "libonnxruntime.so.1")
	if _, err := os.Stat(library); err != nil {
		skip("%v: make runtime-arm64", err)
	}
	watchSources(t)
	return []string{program, "-L", libraries}, library
}

// watchSources looks at every source file, so that a result that go test has kept is not taken for that of sources that have
// changed since: the programs that run under the emulator are built behind its back.
func watchSources(t *testing.T) {
	t.Helper()
	root := reftest.Root(t)
	for _, folder := range []string{"cmd", "datasets", "deploy", "lut", "search", "sim"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestArm64Decisions runs the tests of the pure packages whose expected values are exact on arm64: the fingerprints of
// all built-in scenarios with all policies, the random streams, the event kernel, traces and their replay.
func TestArm64Decisions(t *testing.T) {
	exact := []string{
		"TestGoldenDecisions", "TestDecisionsAreTheSameEverywhere", "TestFingerprintGolden", "TestFingerprintIngredients", "TestOrderAgainstStableSort",
		"TestProcessesGolden", "TestStreamGolden", "TestExpm1", "TestPower", "TestNumeric", "TestPlanAgainstBruteForce", "TestReplay", "TestRoundTrip",
	}
	qemu, _ := emulator(t)
	command := exec.Command("go", "test", "-short", "-count=1", "-v", "-exec", strings.Join(qemu, " "), "-run", "^("+strings.Join(exact, "|")+")$",
		"./sim", "./sim/des", "./sim/platform", "./deploy/policy", "./deploy/trace", "./datasets/traffic")
	command.Dir = reftest.Root(t)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range exact {
		if !bytes.Contains(out, []byte("--- PASS: "+name+" ")) {
			t.Errorf("%s did not run:\n%s", name, out)
		}
	}
}

// maxOff is how far logits of arm64 may be from this machine's, as a share of the largest: convolutions add up in
// another order there. 4e-7 was seen.
const maxOff = 1e-5

// TestArm64Inference cross-builds the program with `make runner-arm64` and lets it prepare and serve a bundle of the
// trained supernet's smallest network over HTTP, with ONNX Runtime for arm64. What it answers to test pictures must be
// what this machine's runtime answers.
func TestArm64Inference(t *testing.T) {
	qemu, library := emulator(t)
	path, err := ort.FindLibrary("")
	if err != nil {
		t.Skip(err)
	}
	rt, err := ort.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	build := exec.Command("make", "runner-arm64", "ARM64_OUT="+dir)
	build.Dir = reftest.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	level := smallest(t, rt, filepath.Join(dir, "bundle"))
	session, err := rt.NewSession(level, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()

	url, stop := emulate(t, append(qemu, filepath.Join(dir, "dynofa-run"), "run", filepath.Join(dir, "bundle"), "--listen", ":0",
		"--prepared", filepath.Join(dir, "cache"), "--onnxruntime", library))
	pictures, err := fashion.Open(fashion.Test)
	if err != nil {
		t.Fatal(err)
	}
	shape := session.InputShape()
	maker, err := images.NewPreprocessor(fashion.Transform().At(shape[2]))
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.
	const n = 8
	for i := range n {
		picture, err := pictures.Image(i)
		if err == nil {
			err = maker.Into(session.Input(), picture)
		}
		if err == nil {
			err = session.Run()
		}
		if err != nil {
			t.Fatal(err)
		}
		class, logits := infer(t, url, shape, session.Input())
		off, top := difference(logits, session.Output())
		if worst = max(worst, off); class != top {
			t.Errorf("picture %d: class %d on arm64, %d here", i, class, top)
		}
	}
	if stdout := stop(); !strings.Contains(stdout, "ended: drained") {
		t.Errorf("no report: %s", stdout)
	}
	t.Logf("%d pictures, logits differ by at most %.2g of the largest", n, worst)
	if !(worst <= maxOff) {
		t.Errorf("logits differ by %.2g of the largest, want at most %g", worst, maxOff)
	}
}

// smallest writes a bundle of one level, recalibrated, and returns the level's model.
func smallest(t *testing.T, rt *ort.Runtime, dir string) []byte {
	t.Helper()
	w, err := weights.Weights()
	if err != nil {
		t.Fatal(err)
	}
	pictures, err := fashion.Open(fashion.Calibration)
	if err != nil {
		t.Fatal(err)
	}
	space := supernet.FashionMobileNetV3()
	arch, err := space.Canonical(space.Uniform(3, 2, 2, space.Resolutions[0]))
	if err != nil {
		t.Fatal(err)
	}
	e := &eval.Evaluator{Runtime: rt, Space: space, Weights: w, Transform: fashion.Transform()}
	statistics, err := e.Calibrate(t.Context(), arch, eval.Calibration{Pictures: pictures, List: eval.Sample(pictures.Len(), 128, 1)})
	if err != nil {
		t.Fatal(err)
	}
	transform := fashion.Transform()
	f := &family.Family{Name: "smallest", Space: space.Name, Source: "made for a test", Levels: []family.Level{{
		Arch: arch, Accuracy: 0.85, AccuracyOrigin: family.AccuracyStandIn,
		Latencies: []family.Latency{{Processor: "cpu", Latency: unit.Milliseconds(1), Origin: lut.Modelled}},
	}}}
	if _, err := bundle.Write(t.Context(), dir, bundle.Spec{
		CreatedBy: "test", Family: f, Supernet: w, Weights: "sha256:" + w.SHA256(), Policy: bundle.Policy{Spec: "static:0"}, Transform: &transform,
		Statistics: []map[string]onnx.Moments{statistics.Moments}, Runtime: bundle.Runtime{Name: "onnxruntime", MinVersion: "1.24.0", Provider: "cpu"},
	}); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	model, err := b.Level(0)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// output is a buffer that a process writes to and the test reads.
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

// emulate starts a server and returns its address, and what ends it and returns what it printed.
func emulate(t *testing.T, args []string) (url string, stop func() string) {
	t.Helper()
	var stdout, stderr output
	command := exec.Command(args[0], args[1:]...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() { _ = command.Process.Kill() })
	address := regexp.MustCompile(`at (http://127\.0\.0\.1:\d+)`)
	for range 6000 {
		if m := address.FindStringSubmatch(stderr.String()); m != nil {
			return m[1], func() string {
				if err := command.Process.Signal(syscall.SIGTERM); err != nil {
					t.Error(err)
				}
				if err := <-ended; err != nil {
					t.Errorf("%v\n%s", err, stderr.String())
				}
				return stdout.String()
			}
		}
		select {
		case err := <-ended:
			t.Fatalf("%v\n%s", err, stderr.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatalf("no address: %s", stderr.String())
	return "", nil
}

// infer asks for a picture that is prepared already.
func infer(t *testing.T, url string, shape []int, input []float32) (class int, logits []float32) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"inputs": []any{map[string]any{"name": "input", "datatype": "FP32", "shape": shape, "data": input}}})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(url+"/v2/models/family/infer", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	var r struct {
		Outputs []struct {
			Name string
			Data []float32
		}
	}
	if err != nil || response.StatusCode != http.StatusOK || json.Unmarshal(text, &r) != nil || len(r.Outputs) != 2 || len(r.Outputs[0].Data) != 1 {
		t.Fatalf("%d %.300s, %v", response.StatusCode, text, err)
	}
	return int(r.Outputs[0].Data[0]), r.Outputs[1].Data
}

// difference returns the largest difference as a share of the largest wanted value, infinity for other lengths, and where
// that value is.
func difference(got, want []float32) (off float64, top int) {
	if len(got) != len(want) {
		return math.Inf(1), -1
	}
	largest := 0.
	for i, v := range want {
		off, largest = max(off, math.Abs(float64(got[i]-v))), max(largest, math.Abs(float64(v)))
		if v > want[top] {
			top = i
		}
	}
	return off / largest, top
}
