package command

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

// pairBundle writes a bundle for a CPU and a GPU, which is CUDA's.
func pairBundle(t *testing.T) string {
	t.Helper()
	b, err := bundle.Open(tinyBundle(t))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	f := b.Manifest().Family
	for i := range f.Levels {
		l := &f.Levels[i]
		l.Latencies = append(l.Latencies, family.Latency{Processor: "gpu", Latency: l.Latencies[0].Latency * 0.8, Origin: l.Latencies[0].Origin})
	}
	space, err := f.Supernet()
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.RandomWeights(space, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "pair")
	if _, err := bundle.Write(t.Context(), dir, bundle.Spec{CreatedBy: "test", Family: &f, Weights: w.Source(), Supernet: w,
		Policy: bundle.Policy{Spec: "qdp"}, Runtime: bundle.Runtime{Name: "onnxruntime", MinVersion: "1.24.0", Provider: "cpu",
			Processors: []bundle.Processor{{Name: "cpu", Provider: "cpu"}, {Name: "gpu", Provider: "cuda"}}}}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runIn runs the run command and returns its exit code and what it wrote.
func runIn(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	app := Prepare(&cli.App{Name: "dynofa-run", Commands: []*cli.Command{Run("test"), Doctor()}}, &out, &errs)
	code = Main(ctx, app, append([]string{"dynofa-run"}, args...))
	return code, out.String(), errs.String()
}

// readTrace reads a trace, of which the last line may be cut off.
func readTrace(t *testing.T, path string) *trace.Trace {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	tr, err := trace.Read(path, file)
	if err != nil && !errors.Is(err, trace.ErrTruncated) {
		t.Fatal(err)
	}
	return tr
}

// together counts decisions while another processor served.
func together(tr *trace.Trace) (n int) {
	for _, r := range tr.Records {
		if r.Observation.Busy != 0 {
			n++
		}
	}
	return n
}

// TestRunPair serves on two processors, both of them this machine's: the trace says where each inference ran, and every
// decision replays.
func TestRunPair(t *testing.T) {
	needRuntime(t)
	dir, cache := pairBundle(t), t.TempDir()
	for _, prepared := range []string{cache, "none"} {
		record := filepath.Join(t.TempDir(), "run.csv")
		code, stdout, stderr := runIn(t.Context(), "run", dir, "--ep", "gpu=cpu", "--images", "builtin", "--requests", "300", "--arrivals", "poisson", "--period", "1ms",
			"--deadline", "20ms", "--trace", record, "--prepared", prepared)
		if code != ExitOK {
			t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
		}
		tr := readTrace(t, record)
		replay, err := trace.Replay(tr)
		if err != nil || replay.First != nil || replay.N+replay.NotAsked+replay.Overridden != 300 {
			t.Errorf("replay %+v, first difference %v, %v", replay, replay.First, err)
		}
		served := [2]int{}
		for _, r := range tr.Records {
			served[r.Decision.Processor]++
		}
		t.Logf("prepared %s: %v served, %d decided while another processor served", prepared, served, together(tr))
		if !tr.Header.Concurrent || served[0] == 0 || served[1] == 0 || together(tr) == 0 {
			t.Errorf("%v served, %d together", served, together(tr))
		}
		for _, want := range []string{"processor  level", "cpu: ", "gpu: ", "at work for"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("the report has no %q:\n%s", want, stdout)
			}
		}
	}
}

// TestRunWithoutTheGPU runs the same bundle with a library that has no CUDA: the CPU's family serves alone, and everything says so.
func TestRunWithoutTheGPU(t *testing.T) {
	needRuntime(t)
	dir := pairBundle(t)
	record := filepath.Join(t.TempDir(), "run.csv")
	args := []string{"run", dir, "--images", "builtin", "--requests", "40", "--prepared", "none"}
	code, stdout, stderr := runIn(t.Context(), append(args, "--trace", record)...)
	if code != ExitOK || !strings.Contains(stderr, `processor gpu: ort: no such execution provider`) || !strings.Contains(stderr, "the other processors serve without it") ||
		!strings.Contains(stdout, "served without processor gpu") {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	tr := readTrace(t, record)
	if r := tr.Records[0].Decision; tr.Header.Concurrent || r.Reason != "runner-provider-missing" || r.Level != 0 {
		t.Errorf("first decision %v", r)
	}
	for _, asked := range [][]string{{"--processors", "cpu,gpu"}, {"--ep", "gpu=cuda"}, {"--processors", "gpu"}} {
		code, _, stderr := runIn(t.Context(), append(args, asked...)...)
		if code != ExitFailure || !strings.Contains(stderr, "processor gpu") || !strings.Contains(stderr, `"cuda"`) {
			t.Errorf("%v: exit code %d, %s", asked, code, stderr)
		}
	}
	code, _, stderr = runIn(t.Context(), append(args, "--processors", "cpu")...)
	if code != ExitOK || strings.Contains(stderr, "gpu") {
		t.Errorf("the CPU alone: exit code %d, %s", code, stderr)
	}
}

func TestRunPairUsage(t *testing.T) {
	dir := pairBundle(t)
	for args, want := range map[string]string{
		"--processors dsp":       `processor "dsp" is none of cpu,gpu`,
		"--processors cpu,cpu":   `"cpu" stands twice`,
		"--ep warp":              `"warp" is no execution provider`,
		"--ep cuda":              "for which of cpu,gpu? Write gpu=cuda",
		"--ep dsp=cpu":           "dsp is none of cpu,gpu, which serve",
		"--ep gpu=cpu,cuda":      "several are written PROCESSOR=PROVIDER",
		"--ep gpu=cpu,gpu=cuda":  `"gpu" stands twice`,
		"--provider gpu=nothing": `"nothing" is no execution provider`,
	} {
		code, _, stderr := runIn(t.Context(), append([]string{"run", dir, "--images", "builtin"}, strings.Fields(args)...)...)
		if code != ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %s, want %s", args, code, stderr, want)
		}
	}
}

// killedRun makes this binary a run that does not end by itself: its value is the bundle, then the trace, then the cache.
const killedRun = "DYNOFA_TEST_RUN"

// TestRunPairSurvivesKilling kills a run on two processors at work: its trace holds what was decided up to then, and replays.
func TestRunPairSurvivesKilling(t *testing.T) {
	if text, ok := os.LookupEnv(killedRun); ok {
		p := strings.Split(text, "\n")
		code, _, stderr := runIn(context.Background(), "run", p[0], "--ep", "gpu=cpu", "--images", "builtin", "--arrivals", "poisson", "--period", "2ms", "--duration", "1h", "--deadline", "20ms", "--trace", p[1], "--prepared", p[2])
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	needRuntime(t)
	dir, record := pairBundle(t), filepath.Join(t.TempDir(), "run.csv")
	cmd := exec.Command(os.Args[0], "-test.run", "^TestRunPairSurvivesKilling$")
	cmd.Env = append(os.Environ(), killedRun+"="+strings.Join([]string{dir, record, t.TempDir()}, "\n"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := 0
	for range 6000 {
		if data, err := os.ReadFile(record); err == nil {
			if lines = bytes.Count(data, []byte("\n")); lines > 300 {
				break
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	tr := readTrace(t, record)
	replay, err := trace.Replay(tr)
	if err != nil || replay.First != nil || len(tr.Records) < lines-2 || lines <= 300 || together(tr) == 0 {
		t.Errorf("%d records of %d lines, %d together, replay %+v, %v", len(tr.Records), lines, together(tr), replay, err)
	}
}

// TestDoctorPair asks about a bundle for a CPU and a GPU where there is no CUDA: it runs, but not as it could.
func TestDoctorPair(t *testing.T) {
	needRuntime(t)
	_, out, _ := runIn(t.Context(), "doctor", "--bundle", pairBundle(t), "--prepared", t.TempDir(), "--format", "csv")
	for _, want := range []string{"served by cpu (cpu), gpu (cuda)", "provider cpu of cpu,ok", "provider cuda of gpu,warning", "the other processors serve without it"} {
		if !strings.Contains(strings.ReplaceAll(out, `"`, ""), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
