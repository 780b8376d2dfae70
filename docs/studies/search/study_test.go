// Package search_test is the study of the searchers: make study-search.
package search_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/plot"
)

// processor is one of the authors' tables.
type processor struct {
	name      string
	reference search.Objectives // of hypervolumes
	best      float64           // hypervolume of the best front known before this study, in ms times accuracy
}

var processors = []processor{
	{"cpu", search.Objectives{Accuracy: 0.75, Latency: unit.Milliseconds(2600)}, 147.342},
	{"gpu", search.Objectives{Accuracy: 0.75, Latency: unit.Milliseconds(30)}, 1.15701},
}

// seeds of every row.
const seeds = 5

// row is one searcher with one budget.
type row struct {
	name        string
	method      search.Method
	evaluations int
	population  int
}

var rows = []row{
	{"random", search.Random{}, 50_000, 100},
	{"nsga2", search.NSGA2{}, 3_000, 100},
	{"nsga2", search.NSGA2{}, 20_000, 100},
	{"nsga2", search.NSGA2{}, 50_000, 100},
	{"nsga2", search.NSGA2{}, 1_000_000, 200},
	{"memetic (default)", search.Memetic{}, 3_000, 100},
	{"memetic (default)", search.Memetic{}, 20_000, 100},
	{"memetic (default)", search.Memetic{}, 50_000, 100},
	{"memetic (default)", search.Memetic{}, 100_000, 100},
	{"memetic (default)", search.Memetic{}, 300_000, 100},
	{"memetic (default)", search.Memetic{}, 1_000_000, 100},
}

// longRows take minutes for each seed: DYNOFA_STUDY=long.
var longRows = []row{{"memetic (default)", search.Memetic{}, 5_000_000, 100}}

// authorsLimits are ten latency limits in ms for the authors' method, as in their own search.
var authorsLimits = map[string][]float64{
	"cpu": {900, 1000, 1100, 1200, 1400, 1600, 1800, 2000, 2300, 2600},
	"gpu": {16.25, 17, 18, 19, 20, 21, 22, 23, 24, 26},
}

// outcome is a row's result on one processor.
type outcome struct {
	shares      []float64 // of the best hypervolume, per seed, ascending
	evaluations int       // median
	cpu         float64   // CPU-seconds, median
	history     []search.Sample
}

func (o *outcome) String() string {
	return fmt.Sprintf("%.4f [%.4f-%.4f] | %.2f", o.shares[len(o.shares)/2], o.shares[0], o.shares[len(o.shares)-1], o.cpu)
}

func TestStudy(t *testing.T) {
	mode := os.Getenv("DYNOFA_STUDY")
	if mode == "" {
		t.Skip("takes minutes: make study-search")
	}
	list := rows
	if mode == "long" {
		list = append(slices.Clone(rows), longRows...)
	}
	report := &strings.Builder{}
	header(report, mode)
	results := map[string][]*outcome{}
	var problems []search.Problem
	for _, p := range processors {
		problem := p.problem(t)
		problems = append(problems, problem)
		for _, r := range list {
			results[p.name] = append(results[p.name], p.run(t, problem, r))
			t.Log(p.name, r.name, r.evaluations, results[p.name][len(results[p.name])-1])
		}
	}
	fmt.Fprintln(report, "| searcher | evaluations | CPU table: share | CPU-s | GPU table: share | CPU-s |\n|---|---|---|---|---|---|")
	for i, r := range list {
		fmt.Fprintf(report, "| %s | %d | %v | %v |\n", r.name, r.evaluations, results["cpu"][i], results["gpu"][i])
	}
	ofa := map[string]*outcome{}
	for i, p := range processors {
		ofa[p.name] = p.authors(t, problems[i])
	}
	fmt.Fprintf(report, "| ofa: 10 limits x 500 generations, everything visited | %d / %d different | %v | %v |\n", ofa["cpu"].evaluations, ofa["gpu"].evaluations, ofa["cpu"], ofa["gpu"])
	peer(t, report, problems)
	if err := os.WriteFile("results.md", []byte(report.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	pictures(t, list, results)
}

// header says how the results came about.
func header(w *strings.Builder, mode string) {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(w, "# Results of `make study-search`\n\nDYNOFA_STUDY=%s, seeds 1 to %d, %s, %s/%s, %d processors, load average %s.\n\n", mode, seeds,
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " "))
	fmt.Fprintln(w, `Share of the best hypervolume known before (147.342 and 1.15701 ms times accuracy, from (2600 ms, 0.75) and
(30 ms, 0.75)): median [least-most] of the seeds; CPU-seconds of the process, median. One evaluation is one output
of the predictor for one canonical architecture. A share above 1 would be a better front than was known.`)
	fmt.Fprintln(w)
}

func (p processor) problem(t *testing.T) search.Problem {
	t.Helper()
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	table, err := formats.Read(t.Context(), reftest.Path(t, "xavier-nx", p.name), formats.OFAJSON, formats.Meta{
		Space: space, Point: lut.OperatingPoint{Device: "xavier-nx", Processor: p.name}})
	if err != nil {
		t.Fatal(err)
	}
	latency, err := lut.NewPredictor(table, space)
	if err != nil {
		t.Fatal(err)
	}
	mlp, err := accuracy.LoadMLP(reftest.Path(t, "ofa", "acc_predictor.pth"))
	if err != nil {
		t.Fatal(err)
	}
	return search.Problem{Space: space, Latency: latency, Accuracy: mlp, Point: p.name}
}

// run searches once for each seed.
func (p processor) run(t *testing.T, problem search.Problem, r row) *outcome {
	t.Helper()
	o := &outcome{evaluations: r.evaluations}
	var cpu []float64
	for seed := range uint64(seeds) {
		before := cpuSeconds()
		result, err := search.Run(t.Context(), problem, search.Settings{Method: r.method, Evaluations: r.evaluations, Population: r.population, Seed: seed + 1, Reference: p.reference})
		if err != nil {
			t.Fatal(err)
		}
		cpu = append(cpu, cpuSeconds()-before)
		o.shares = append(o.shares, result.History[len(result.History)-1].Hypervolume/p.best)
		if seed == 0 {
			o.history = result.History
		}
	}
	slices.Sort(o.shares)
	slices.Sort(cpu)
	o.cpu = cpu[len(cpu)/2]
	return o
}

// authors runs the authors' method for each of its limits and pools what it visited.
func (p processor) authors(t *testing.T, problem search.Problem) *outcome {
	t.Helper()
	o := &outcome{}
	var cpu []float64
	var evaluations []int
	for seed := range uint64(3) {
		before, spent := cpuSeconds(), 0
		var pooled []search.Candidate
		for _, limit := range authorsLimits[p.name] {
			constrained := problem
			constrained.Constraints = []search.Constraint{{Quantity: search.Quantity{Kind: search.KindLatency}, Side: search.AtMost, Bound: limit * 1e6}}
			result, err := search.Run(t.Context(), constrained, search.Settings{Method: search.OFA{}, Evaluations: 60_000, Seed: seed + 1})
			if err != nil {
				t.Fatal(err)
			}
			spent += result.Evaluations
			pooled = append(pooled, result.Front...)
		}
		corner := search.Candidate{Objectives: p.reference}
		inside := slices.DeleteFunc(pooled, func(c search.Candidate) bool {
			return c.Latency >= p.reference.Latency || c.Accuracy <= p.reference.Accuracy
		})
		// The corner of a comparison is the worst of both: here the reference itself.
		o.shares = append(o.shares, search.Compare(append(inside, corner), nil)[0].Hypervolume/p.best)
		cpu, evaluations = append(cpu, cpuSeconds()-before), append(evaluations, spent)
	}
	slices.Sort(o.shares)
	slices.Sort(cpu)
	slices.Sort(evaluations)
	o.cpu, o.evaluations = cpu[1], evaluations[1]
	return o
}

func cpuSeconds() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peer runs DEAP where it is installed; DYNOFA_PYTHON names the interpreter.
func peer(t *testing.T, report *strings.Builder, problems []search.Problem) {
	python := os.Getenv("DYNOFA_PYTHON")
	if python == "" {
		python = "/usr/bin/python3"
	}
	if err := exec.CommandContext(t.Context(), python, "-c", "import deap, numpy").Run(); err != nil {
		fmt.Fprintf(report, "\nDEAP is not installed for %s (apt-get install python3-deap): the peer did not run.\n", python)
		return
	}
	var cells []string
	var versions string
	for i, p := range processors {
		file := filepath.Join(t.TempDir(), "problem.json")
		if err := os.WriteFile(file, export(t, p, problems[i]), 0o644); err != nil {
			t.Fatal(err)
		}
		o := &outcome{}
		var cpu []float64
		for seed := range seeds {
			out, err := exec.CommandContext(t.Context(), python, "deap_nsga2.py", file, "50000", strconv.Itoa(seed+1)).Output()
			if err != nil {
				t.Fatalf("deap_nsga2.py: %v", err)
			}
			var got struct {
				Hypervolume float64 `json:"hypervolume"`
				CPU         float64 `json:"cpu_seconds"`
				Versions    string  `json:"versions"`
			}
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			o.shares, cpu, versions = append(o.shares, got.Hypervolume/p.best), append(cpu, got.CPU), got.Versions
		}
		slices.Sort(o.shares)
		slices.Sort(cpu)
		o.cpu = cpu[len(cpu)/2]
		cells = append(cells, o.String())
	}
	fmt.Fprintf(report, "| DEAP NSGA-II (peer) | 50000 | %s | %s |\n\nPeer: %s; `python3 deap_nsga2.py PROBLEM.json 50000 SEED`.\n", cells[0], cells[1], versions)
}

// export writes table and predictor as the peer reads them, with some networks to check it by.
func export(t *testing.T, p processor, problem search.Problem) []byte {
	t.Helper()
	predictor := problem.Latency.(*lut.Predictor)
	space := problem.Space
	rs := problem.Resolutions()
	out := map[string]any{"resolutions": rs, "reference": []float64{p.reference.Latency.Milliseconds(), float64(p.reference.Accuracy)}}
	fixed, cells := make([]float64, len(rs)), make([][20][3][3]float64, len(rs))
	for i, r := range rs {
		for ki, k := range space.Kernels {
			for ei, e := range space.Expands {
				parts, err := predictor.Parts(space.Uniform(k, e, space.MaxDepth(), r))
				if err != nil {
					t.Fatal(err)
				}
				fixed[i] = 0
				for _, part := range parts {
					if part.Layer.Position < 0 {
						fixed[i] += part.Latency.Milliseconds()
					} else {
						cells[i][part.Layer.Position][ki][ei] = part.Latency.Milliseconds()
					}
				}
			}
		}
	}
	out["fixed"], out["cells"], out["layers"] = fixed, cells, layers(t)
	encoding, err := search.NewEncoding(space, rs)
	if err != nil {
		t.Fatal(err)
	}
	var genomes [][]int
	var latencies, accuracies []float64
	if _, err := search.Run(context.Background(), problem, search.Settings{Evaluations: 200, Method: search.Random{}, Workers: 1, Observe: func(a supernet.Arch, o search.Objectives) {
		g, err := encoding.Encode(a)
		if err != nil {
			t.Error(err)
		}
		ints := make([]int, len(g))
		for i := range g {
			ints[i] = int(g[i])
		}
		genomes, latencies, accuracies = append(genomes, ints), append(latencies, o.Latency.Milliseconds()), append(accuracies, float64(o.Accuracy))
	}}); err != nil {
		t.Fatal(err)
	}
	out["check"] = map[string]any{"genomes": genomes, "latency_ms": latencies, "accuracy": accuracies}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// layers returns weights, shape and biases of the predictor's layers.
func layers(t *testing.T) [][]any {
	t.Helper()
	f, err := checkpoint.Open(reftest.Path(t, "ofa", "acc_predictor.pth"))
	if err != nil {
		t.Fatal(err)
	}
	var list [][]any
	for n := range 100 {
		w, ok := f.Tensor(fmt.Sprintf("%d.weight", n))
		if !ok {
			continue
		}
		b, ok := f.Tensor(fmt.Sprintf("%d.bias", n))
		if !ok {
			t.Fatalf("layer %d has no bias", n)
		}
		list = append(list, []any{w.Data, w.Shape, b.Data})
	}
	return list
}

// pictures draws how the searches of the first seed went.
func pictures(t *testing.T, list []row, results map[string][]*outcome) {
	t.Helper()
	for _, p := range processors {
		h := plot.History{Title: "Xavier NX " + strings.ToUpper(p.name) + " table, OFA's predictor, seed 1"}
		for i, r := range list {
			if r.evaluations == 50_000 || r.evaluations == 300_000 {
				h.Runs = append(h.Runs, plot.Run{Name: fmt.Sprintf("%s, %d", r.name, r.evaluations), Samples: results[p.name][i].history})
			}
		}
		figure, err := h.Figure()
		if err != nil {
			t.Fatal(err)
		}
		if err := figure.Save("history-" + p.name + ".svg"); err != nil {
			t.Fatal(err)
		}
	}
}
