// Package fidelity_test asks whether the simulator tells the truth: real runs of the runner on this machine, and what a
// simulation that was calibrated from another run says about them. `make study-fidelity` runs it and writes results.csv, the
// tables of README.md and the picture.
package fidelity_test

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/checkpoint/fashion"
	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/images"
	pictures "github.com/dynofa/dynofa/datasets/images/fashion"
	"github.com/dynofa/dynofa/datasets/studytest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/load"
	"github.com/dynofa/dynofa/lut/profile"
	"github.com/dynofa/dynofa/search/family"
)

var update = flag.Bool("update", false, "run everything on this machine and rewrite results.csv, README.md's tables and the picture")

func TestMain(m *testing.M) {
	load.Main() // the co-runners are copies of this program
	os.Exit(m.Run())
}

// device is a supernet's family with its sessions, ready to serve.
type device struct {
	name      string
	family    *family.Family
	pool      *runner.Pool
	transform images.Transform
}

// supernets are what is run: the built-in trained one, and OFA-MobileNetV3 w1.2 with seeded random weights, since an inference
// takes the same time whatever the weights. Their levels' accuracies are stand-ins, evenly spaced.
func supernets(t *testing.T, rt *ort.Runtime) []*device {
	trained, err := fashion.Weights()
	if err != nil {
		t.Fatal(err)
	}
	demo := supernet.FashionMobileNetV3()
	ofa, err := supernet.ByName(large)
	if err != nil {
		t.Fatal(err)
	}
	random, err := onnx.RandomWeights(ofa, 1)
	if err != nil {
		t.Fatal(err)
	}
	return []*device{
		newDevice(t, rt, demo, trained, pictures.Transform(), 0.867, 0.903, []supernet.Arch{
			demo.Uniform(3, 2, 1, 16), demo.Uniform(3, 4, 2, 24), demo.Uniform(5, 4, 2, 32), demo.Uniform(5, 4, 3, 32), demo.Uniform(5, 6, 3, 32), demo.Uniform(7, 6, 4, 32),
		}),
		newDevice(t, rt, ofa, random, images.Transform{}, 0.72, 0.77, []supernet.Arch{
			ofa.Uniform(3, 3, 2, 160), ofa.Uniform(3, 4, 2, 192), ofa.Uniform(5, 4, 3, 192), ofa.Uniform(5, 6, 3, 192), ofa.Uniform(7, 4, 4, 224), ofa.Uniform(7, 6, 4, 224),
		}),
	}
}

// newDevice measures the table that the policies will see, and makes the sessions.
func newDevice(t *testing.T, rt *ort.Runtime, s *supernet.Space, w onnx.Weights, transform images.Transform, low, high float64, archs []supernet.Arch) *device {
	t.Helper()
	began := time.Now()
	var resolutions []int
	for _, a := range archs {
		if n := len(resolutions); n == 0 || resolutions[n-1] != a.R {
			resolutions = append(resolutions, a.R)
		}
	}
	result, err := profile.Run(t.Context(), profile.Config{
		Space: s, Resolutions: resolutions, Networks: 6, Calibrate: 3, Rounds: tableRounds, Seed: 1, Host: host.FS(),
		Point: lut.OperatingPoint{Device: "host", Processor: "cpu", Threads: 1, Batch: 1, Precision: "fp32", CoRunner: "none", Runtime: "onnxruntime", RuntimeVersion: rt.Version()},
		Now:   func() time.Duration { return time.Since(began) },
	}, ort.NewMeter(rt, s, ort.Options{Threads: 1}, 1))
	if err != nil {
		t.Fatal(err)
	}
	predictor, err := lut.NewPredictor(result.Table, s)
	if err != nil {
		t.Fatal(err)
	}
	f := &family.Family{Name: "fidelity-" + s.Name, Space: s.Name, Source: "uniform sub-networks, chosen for a spread of sizes"}
	for i, a := range archs {
		if a, err = s.Canonical(a); err != nil {
			t.Fatal(err)
		}
		latency, err := predictor.Latency(a)
		if err != nil {
			t.Fatal(err)
		}
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(low + (high-low)*float64(i)/float64(len(archs)-1)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{{Processor: "cpu", Latency: latency, Origin: lut.Measured, Source: "sums over a table that this study measured"}}})
	}
	d := &device{name: s.Name, family: f, transform: transform}
	t.Logf("%s: table of %d entries, grade %s, in %v; levels are predicted to take %v to %v", s.Name, len(result.Table.Entries), result.Table.Grade, time.Since(began).Round(time.Second),
		f.Levels[0].Latencies[0].Latency, f.Levels[len(archs)-1].Latencies[0].Latency)
	d.open(t, rt, w)
	return d
}

// open makes the sessions as `dynofa run` does.
func (d *device) open(t *testing.T, rt *ort.Runtime, w onnx.Weights) {
	dir := filepath.Join(t.TempDir(), d.name)
	if _, err := bundle.Write(t.Context(), dir, bundle.Spec{
		CreatedBy: "study", Family: d.family, Supernet: w, Weights: "for latencies only", Policy: bundle.Policy{Spec: "slack"},
		Runtime: bundle.Runtime{Name: "onnxruntime", MinVersion: "1.24.0", Provider: "cpu"},
	}); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	options := ort.Options{Threads: 1}
	target, err := rt.Target(options)
	if err != nil {
		t.Fatal(err)
	}
	pool, _, err := runner.LoadPrepared(t.Context(), b, bundle.Preparation{Cache: dir + "-cache", Target: target,
		Optimise: func(m []byte, dir, name string) ([]byte, error) { return rt.Optimise(m, dir, name, options) },
	}, func(graph []byte, dir string) (runner.Session, error) {
		return rt.NewMappedSession(graph, dir, options)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	for i := range pool.Len() {
		if err := pool.Load(i); err != nil {
			t.Fatal(err)
		}
	}
	d.pool = pool
}

// top returns the most accurate level's latency as the table has it.
func (d *device) top() time.Duration {
	return d.family.Levels[len(d.family.Levels)-1].Latencies[0].Latency.Duration()
}

// record runs a cell for real and returns its trace.
func (d *device) record(t *testing.T, c cell) *trace.Trace {
	t.Helper()
	set, err := pictures.Open(pictures.Test)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Duration(c.deadline * float64(d.top())).Round(100 * time.Microsecond)
	schedule := c.schedule()
	cfg := runner.Config{
		Family: d.family, Pool: d.pool, Pictures: set, Transform: d.transform, Policy: bundle.Policy{Spec: c.policy},
		Arrivals: runner.Poisson, Period: time.Duration(c.gap * float64(d.top())), Seed: c.seed, Duration: c.duration, Deadline: deadline, Limit: deadline,
		Program: "study-fidelity", Notes: []string{"accuracies are stand-ins"},
	}
	for _, s := range schedule {
		cfg.Loads = append(cfg.Loads, trace.Load{What: s.Spec.String(), Span: trace.Span{From: s.From, To: s.To}})
	}
	header, err := cfg.Header()
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := trace.NewWriter(&file, header)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Trace = w
	loads, err := schedule.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	loads.Begin(ctx)
	_, err = runner.Run(t.Context(), cfg)
	cancel()
	if lerr := loads.Stop(); err == nil {
		err = lerr
	}
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	tr, err := trace.Read(c.String(), &file)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestStudy runs the cells in random order, predicts the held-out ones, and writes it all down. Nothing here
// fails for a number; a decision that differs in the replay of observations does fail.
func TestStudy(t *testing.T) {
	if !*update {
		t.Skip("runs for minutes: make study-fidelity")
	}
	library, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	rt, err := ort.Load(library)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	devices := map[string]*device{}
	for _, d := range supernets(t, rt) {
		devices[d.name] = d
	}
	type job struct{ cell, repeat int }
	var jobs []job
	for i, c := range cells {
		for r := range c.repeats() {
			jobs = append(jobs, job{i, r})
		}
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	traces := make([][]*trace.Trace, len(cells))
	loadBefore := studytest.LoadAverage()
	replayed := 0
	for _, j := range jobs {
		c := cells[j.cell]
		tr := devices[c.supernet].record(t, c)
		rep, err := trace.Replay(tr)
		if err != nil || rep.First != nil || rep.Equal != rep.N || rep.Overridden > 0 {
			t.Fatalf("%s: replay of observations: %+v, %v", c, rep, err)
		}
		replayed += rep.N
		traces[j.cell] = append(traces[j.cell], tr)
	}
	t.Logf("%d runs, %d decisions replayed bit for bit, %v", len(jobs), replayed, time.Since(began).Round(time.Second))
	var all []result
	for i, c := range cells {
		if c.calibratedBy != "" {
			all = append(all, predict(t, c, traces[i], traces[calibrator(c)][0]))
		}
	}
	s := study{Machine: studytest.Machine(), Load: loadBefore + " before, " + studytest.LoadAverage() + " after", Runs: len(jobs), Decisions: replayed, Took: time.Since(began).Round(time.Second), Date: time.Now().UTC().Format("2006-01-02")}
	writeResults(t, all)
	all = readResults(t) // rounded, as everybody else reads them
	writeReport(t, s, all)
	writePicture(t, all)
}
