package search_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
)

// Rates that the searchers' authors or others have reached, as measured beforehand with the same tables and
// predictor on a machine of the same kind (2 processors, quiet); their programs are not here.
const (
	authorsRate = 2_900 // the authors' EvolutionFinder, unmodified, evaluations per second
	pymooRate   = 8_200 // pymoo 0.6.1.3, NSGA-II
)

// rate is a number of evaluations with the time that they took.
type rate struct {
	evaluations int
	wall, cpu   float64 // seconds
}

func (r rate) String() string {
	return fmt.Sprintf("%d | %.0f | %.0f", r.evaluations, float64(r.evaluations)/r.wall, float64(r.evaluations)/r.cpu)
}

// timed measures a number of evaluations on all processors of this machine, but at most two.
func timed(t *testing.T, work func(workers int) int) rate {
	t.Helper()
	workers := min(2, runtime.NumCPU())
	start, before := time.Now(), cpuSeconds()
	n := work(workers)
	return rate{n, time.Since(start).Seconds(), cpuSeconds() - before}
}

// evaluations judges random networks in batches: features, accuracy and latency of each, and nothing else.
func evaluations(t *testing.T, p search.Problem, each int) func(workers int) int {
	return func(workers int) int {
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				const batch, batches = 64, 64
				rng := rand.New(rand.NewPCG(1, uint64(w)))
				archs := make([]supernet.Arch, batch*batches)
				rs := p.Resolutions()
				for i := range archs {
					archs[i] = p.Space.Random(rng, rs[rng.IntN(len(rs))])
				}
				out := make([]unit.Accuracy, batch)
				for done := 0; done < each; done += batch {
					at := done % len(archs)
					if err := p.Accuracy.Predict(archs[at:at+batch], out); err != nil {
						t.Error(err)
						return
					}
					for i := range batch {
						if _, err := p.Latency.Latency(archs[at+i]); err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		return workers * (each / 64) * 64
	}
}

// TestThroughput writes throughput.md: make study-throughput.
func TestThroughput(t *testing.T) {
	if os.Getenv("DYNOFA_STUDY") == "" {
		t.Skip("measures speed: make study-throughput")
	}
	problem := processors[0].problem(t)
	fitted := problem
	var err error
	if fitted.Accuracy, err = accuracy.Builtin(problem.Space); err != nil {
		t.Fatal(err)
	}
	var w strings.Builder
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(&w, "# Throughput of evaluations\n\n`make study-throughput`, %s, %s/%s, %d processors, two goroutines, load average before: %s.\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " "))
	fmt.Fprintf(&w, "A full evaluation is features, accuracy and latency of one architecture. Evaluations per second of wall-clock time are what\n"+
		"this machine gave at that load; those per CPU-second, of the process's own time, hardly depend on it. Medians of three.\n\n"+
		"| what | evaluations | per second | per CPU-second |\n|---|---|---|---|\n")
	search3 := func(p search.Problem, m search.Method, n int) rate {
		return timed(t, func(workers int) int {
			r, err := search.Run(t.Context(), p, search.Settings{Method: m, Evaluations: n, Seed: 1, Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			return r.Evaluations
		})
	}
	mlp := median3(func() rate { return timed(t, evaluations(t, problem, 150_000)) })
	fmt.Fprintf(&w, "| OFA's MLP, evaluations alone | %v |\n", mlp)
	whole := median3(func() rate { return search3(problem, search.NSGA2{}, 200_000) })
	fmt.Fprintf(&w, "| OFA's MLP, a whole search (nsga2) | %v |\n", whole)
	built := median3(func() rate { return timed(t, evaluations(t, fitted, 2_000_000)) })
	fmt.Fprintf(&w, "| built-in predictor, evaluations alone | %v |\n", built)
	fmt.Fprintf(&w, "| built-in predictor, a whole search (nsga2) | %v |\n", median3(func() rate { return search3(fitted, search.NSGA2{}, 500_000) }))
	peerRate(t, &w, problem)
	perCore := float64(mlp.evaluations) / mlp.cpu
	fmt.Fprintf(&w, "\nWhat the bars ask for, on two processors: 100,000 full evaluations a second with OFA's MLP, 2,000,000 with the built-in predictor.\n"+
		"By CPU time two processors of this kind do %.0f and %.0f; by the wall clock at this load they did %.0f and %.0f. Against the rates measured\n"+
		"beforehand on a quiet machine of this kind: %.0f times the authors' finder (%d a second, one process), %.0f times pymoo's NSGA-II (%d).\n",
		2*perCore, 2*float64(built.evaluations)/built.cpu, float64(mlp.evaluations)/mlp.wall, float64(built.evaluations)/built.wall,
		2*perCore/authorsRate, authorsRate, 2*perCore/pymooRate, pymooRate)
	if err := os.WriteFile("throughput.md", []byte(w.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + w.String())
}

// median3 returns the run with the median CPU time of three.
func median3(f func() rate) rate {
	a, b, c := f(), f(), f()
	if a.cpu > b.cpu {
		a, b = b, a
	}
	switch {
	case c.cpu <= a.cpu:
		return a
	case c.cpu >= b.cpu:
		return b
	}
	return c
}

// peerRate runs DEAP's NSGA-II on the same problem, in the same minute, where it is installed.
func peerRate(t *testing.T, w *strings.Builder, problem search.Problem) {
	python := os.Getenv("DYNOFA_PYTHON")
	if python == "" {
		python = "/usr/bin/python3"
	}
	if exec.CommandContext(t.Context(), python, "-c", "import deap, numpy").Run() != nil {
		fmt.Fprintf(w, "\nDEAP is not installed for %s (apt-get install python3-deap): the peer did not run.\n", python)
		return
	}
	file := filepath.Join(t.TempDir(), "problem.json")
	if err := os.WriteFile(file, export(t, processors[0], problem), 0o644); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	out, err := exec.CommandContext(t.Context(), python, "deap_nsga2.py", file, "10000", "1").Output()
	if err != nil {
		t.Fatalf("deap_nsga2.py: %v", err)
	}
	var got struct {
		Evaluations int     `json:"evaluations"`
		CPU         float64 `json:"cpu_seconds"`
		Versions    string  `json:"versions"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(w, "| peer: DEAP's NSGA-II with the same table and predictor in numpy | %v |\n\nPeer: %s; `python3 deap_nsga2.py PROBLEM.json 10000 1`; its wall-clock time holds Python's start.\n",
		rate{got.Evaluations, time.Since(start).Seconds(), got.CPU}, got.Versions)
}
