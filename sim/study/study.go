// Package study compares policies: it plays cells, which are scenarios, under several policies and in several
// replications, in parallel, and says with what confidence one does better than another.
//
// Policies of one cell and replication meet the same arrivals, noise and co-runners, so differences are paired. The
// result depends on nothing but the plan: one worker or eight give the same bytes. What was computed before can be
// taken from a [Cache], so that a sweep goes on where it was killed.
//
// The package plays nothing itself, that is package sim, and stores nothing, that is package store.
package study

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim"
)

// Spec is a policy with its parameters.
type Spec struct {
	Policy string            `json:"policy"` // such as "slack" or "static:3"
	Params map[string]string `json:"params,omitempty"`
}

// String returns the policy, with its parameters in braces if it has any: "slackfit{margin=10%}".
func (s Spec) String() string {
	if len(s.Params) == 0 {
		return s.Policy
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(s.Params)) {
		parts = append(parts, key+"="+s.Params[key])
	}
	return s.Policy + "{" + strings.Join(parts, " ") + "}"
}

// Cell is a situation in which policies are compared.
type Cell struct {
	Name string // unique in a plan, such as "rate=20/s limit=50ms"
	// Apps has a config for each application; several share a board. Policy, Params and Replication are filled in by
	// the study. Those with a Policy keep it whatever is compared.
	Apps []sim.Config
}

// Plan says what to compare.
type Plan struct {
	Cells []Cell
	Specs []Spec
	// Replications is the number of repetitions with other random numbers, 1 by default.
	Replications int
	WarmUp       WarmUp
	// Target is the share of requests on time that verdicts are about, 0.99 by default.
	Target float64
	// Oracle says whether the hindsight optimum is computed.
	Oracle OracleUse
	// Workers is the number of simulations at a time, one per processor by default. The result does not depend on it.
	Workers int
	// Cache, which may be nil, has what was computed before, and takes what is computed now.
	Cache Cache
	// Progress, which may be nil, is told how many of the simulations are done, one call at a time.
	Progress func(done, total int)
}

// OracleUse says whether the hindsight optimum is computed.
type OracleUse int

// Uses of the oracle.
const (
	WithOracle    OracleUse = iota // where there is one
	WithoutOracle                  // nowhere
)

// Confidence is that of all intervals and verdicts but LoadGen's.
const Confidence = 0.95

// Cache keeps outcomes by key. Calls are not concurrent.
type Cache interface {
	// Load returns what is stored under a key, nil if nothing is.
	Load(ctx context.Context, key string) ([]byte, error)
	// Save stores an outcome; what is saved once stays.
	Save(ctx context.Context, e Entry) error
}

// Entry is an outcome to store.
type Entry struct {
	Key         string // 64 hexadecimal digits
	Scenario    string // its name
	Document    string // its file
	Spec        Spec
	Family      string
	Seed        uint64
	Replication int
	Outcome     []byte // JSON
}

// Outcome is what came out of one replication for one application.
type Outcome struct {
	App     string      `json:"app,omitempty"`
	Metrics sim.Metrics `json:"metrics"`
	// Cut is the number of requests, in order of arrival, that Metrics leaves out; MSER5 is what that rule would cut.
	Cut   int `json:"cut"`
	MSER5 int `json:"mser5"`
	// EffectiveUncut is the effective accuracy over all requests, which the oracle's is compared with.
	EffectiveUncut unit.Accuracy `json:"effective_uncut"`
	// Fingerprint is the run's, in hexadecimal.
	Fingerprint string   `json:"fingerprint"`
	Notes       []string `json:"notes,omitempty"`
	// LoadGen is what the benchmark would report, nil for other kinds of arrivals.
	LoadGen *LoadGen `json:"loadgen,omitempty"`
	// Board is what became of the board, nil without one.
	Board *BoardOutcome `json:"board,omitempty"`
}

// BoardOutcome is what became of a board in a run, by its models of power and heat.
type BoardOutcome struct {
	Elapsed     time.Duration `json:"elapsed_ns"`
	Energy      unit.Joules   `json:"energy_j"`     // of all rails
	PerAnswer   unit.Joules   `json:"per_answer_j"` // Energy over the requests answered, of all applications; 0 if none
	Hottest     unit.Celsius  `json:"hottest_c"`
	Throttled   time.Duration `json:"throttled_ns"`   // of the processor that was throttled longest
	Transitions int           `json:"transitions"`    // changes of clocks
	Down        string        `json:"down,omitempty"` // why it shut down
}

// CellResult is what came out of a cell.
type CellResult struct {
	Cell    Cell
	Cut     int // requests
	CutRule string
	Apps    []AppResult
	Notes   []string // of all runs, each once
}

// AppResult is what came out for one application.
type AppResult struct {
	Name     string
	Policies []PolicyResult
	// Optimum has the oracle's effective accuracy by replication; nil where it was not computed, and then NoOptimum
	// says why.
	Optimum   []Optimum
	NoOptimum string
}

// Optimum is the hindsight optimum of one replication.
type Optimum struct {
	Effective unit.Accuracy `json:"effective"`
	Exact     bool          `json:"exact"` // else an upper bound
	Method    string        `json:"method"`
}

// PolicyResult is what came out for one policy, by replication.
type PolicyResult struct {
	Spec     Spec
	Outcomes []Outcome
}

// Validate returns what makes a plan impossible.
func (p *Plan) Validate() error {
	var errs []error
	if len(p.Cells) == 0 || len(p.Specs) == 0 {
		errs = append(errs, fmt.Errorf("%d cells and %d policies, want at least one of each", len(p.Cells), len(p.Specs)))
	}
	seen := map[string]bool{}
	for _, c := range p.Cells {
		if seen[c.Name] {
			errs = append(errs, fmt.Errorf("two cells have the name %q", c.Name))
		}
		seen[c.Name] = true
		if len(c.Apps) == 0 {
			errs = append(errs, fmt.Errorf("cell %q has no application", c.Name))
		}
	}
	for _, s := range p.Specs {
		if seen["policy "+s.String()] {
			errs = append(errs, fmt.Errorf("policy %s is named twice", s))
		}
		seen["policy "+s.String()] = true
	}
	if p.Replications < 0 || p.Replications > 1_000_000 {
		errs = append(errs, fmt.Errorf("%d replications, want up to 1000000", p.Replications))
	}
	if p.Target != 0 && !(p.Target > 0 && p.Target < 1) {
		errs = append(errs, fmt.Errorf("target %g is outside (0, 1)", p.Target))
	}
	if len(errs) > 0 {
		return fmt.Errorf("study: %w", errors.Join(errs...))
	}
	return nil
}

func (p *Plan) replications() int { return max(1, p.Replications) }

// TargetShare returns the Target with its default.
func (p *Plan) TargetShare() float64 {
	if p.Target == 0 {
		return 0.99
	}
	return p.Target
}

// Run plays a plan. It returns Validate's error, the cache's, or those of all simulations that failed, which name
// cell and policy; then nothing of the result is returned, but what was computed is in the cache.
func Run(ctx context.Context, p Plan) ([]CellResult, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	r := &runner{plan: &p, ctx: ctx, done: map[string][]Outcome{}}
	pilots := p.WarmUp.pilots()
	r.total = len(p.Cells) * p.replications() * len(p.Specs)
	if pilots {
		r.total += len(p.Cells) * len(p.Specs)
	}
	if p.Oracle == WithOracle {
		r.total += len(p.Cells) * p.replications()
	}
	cuts := make([]int, len(p.Cells))
	if pilots {
		var tasks []task
		for c := range p.Cells {
			for s := range p.Specs {
				tasks = append(tasks, task{cell: c, spec: s})
			}
		}
		outcomes, err := r.all(tasks)
		if err != nil {
			return nil, err
		}
		for i, t := range tasks {
			for _, o := range outcomes[i] {
				cuts[t.cell] = max(cuts[t.cell], o.MSER5)
			}
		}
	}
	var tasks []task
	for c := range p.Cells {
		rule := p.WarmUp.rule(&p.Cells[c])
		if rule != MSER {
			cuts[c] = 0
			if rule == Fixed {
				cuts[c] = p.WarmUp.Requests
			}
		}
		for s := range p.Specs {
			for n := range p.replications() {
				tasks = append(tasks, task{cell: c, spec: s, replication: n, cut: cuts[c]})
			}
		}
	}
	outcomes, err := r.all(tasks)
	if err != nil {
		return nil, err
	}
	optima, err := r.optima()
	if err != nil {
		return nil, err
	}
	return p.collect(cuts, outcomes, optima), nil
}

// collect puts outcomes, which are in the order of cells, policies and replications, where they belong.
func (p *Plan) collect(cuts []int, outcomes [][]Outcome, optima [][]optimum) []CellResult {
	n := p.replications()
	results := make([]CellResult, len(p.Cells))
	for c := range p.Cells {
		r := &results[c]
		r.Cell, r.Cut, r.CutRule = p.Cells[c], cuts[c], p.WarmUp.rule(&p.Cells[c]).String()
		for a := range p.Cells[c].Apps {
			app := AppResult{Name: p.Cells[c].Apps[a].App}
			for s, spec := range p.Specs {
				pr := PolicyResult{Spec: spec}
				for k := range n {
					o := outcomes[(c*len(p.Specs)+s)*n+k][a]
					pr.Outcomes = append(pr.Outcomes, o)
					for _, note := range o.Notes {
						if !slices.Contains(r.Notes, note) && !strings.HasPrefix(note, "replication ") {
							r.Notes = append(r.Notes, note)
						}
					}
				}
				app.Policies = append(app.Policies, pr)
			}
			if optima == nil {
				app.NoOptimum = "not asked for"
			} else if why := optima[c*n][a].why; why != "" {
				app.NoOptimum = why
			} else {
				for k := range n {
					app.Optimum = append(app.Optimum, optima[c*n+k][a].Optimum)
				}
			}
			r.Apps = append(r.Apps, app)
		}
	}
	return results
}

// runner does the tasks of a plan.
type runner struct {
	plan  *Plan
	ctx   context.Context
	total int

	mu    sync.Mutex // guards what follows, and calls of Cache and Progress
	ended int
	done  map[string][]Outcome // by key
}

// task is one simulation.
type task struct{ cell, spec, replication, cut int }

// all does tasks in parallel and returns their outcomes in the order of the tasks.
func (r *runner) all(tasks []task) ([][]Outcome, error) {
	results := make([][]Outcome, len(tasks))
	err := r.each(len(tasks), func(i int) error {
		t := tasks[i]
		o, err := r.one(t)
		if err != nil {
			return fmt.Errorf("study: cell %q: policy %s: replication %d: %w", r.plan.Cells[t.cell].Name, r.plan.Specs[t.spec], t.replication, err)
		}
		results[i] = o
		return nil
	})
	return results, err
}

// each calls a function for 0 to n-1 on the plan's workers and joins the errors in this order. After the first error
// it begins no more.
func (r *runner) each(n int, do func(i int) error) error {
	workers := r.plan.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	errs := make([]error, n)
	next := make(chan int)
	var failed sync.Once
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for i := range next {
				if errs[i] = do(i); errs[i] != nil {
					failed.Do(func() { close(stop) })
					continue
				}
				r.step()
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-stop:
			break feed
		case <-r.ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	if err := r.ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// step tells how far the plan is.
func (r *runner) step() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended++
	if r.plan.Progress != nil {
		r.plan.Progress(r.ended, r.total)
	}
}
