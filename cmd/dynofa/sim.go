package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
	simstudy "github.com/dynofa/dynofa/sim/study"
)

func simCommand() *cli.Command {
	return &cli.Command{
		Name:  "sim",
		Usage: "prove a policy before it is deployed",
		Subcommands: []*cli.Command{
			simRunCommand(),
			simCompareCommand(),
			simSweepCommand(),
			simReplayCommand(),
			simExplainCommand(),
			simNoiseCommand(),
			simScenariosCommand(),
		},
	}
}

// simFlags say what to simulate; those that stand in a scenario file override it.
type simFlags struct {
	db, scenario, family, processor string
	limit                           time.Duration
	seed                            uint64
	changes                         cli.StringSlice
}

func (f *simFlags) flags() []cli.Flag {
	return []cli.Flag{
		command.DBFlag(&f.db),
		&cli.StringFlag{Name: "scenario", Usage: "scenario `FILE.yaml`, or one that is built in: " + strings.Join(traffic.Builtins(), ", "), Destination: &f.scenario},
		&cli.StringFlag{Name: "family", Usage: "`NAME` of the family, if not the scenario's", Destination: &f.family},
		&cli.StringFlag{Name: "processor", Usage: "`NAME` of the processor, if not the scenario's", Destination: &f.processor},
		&cli.DurationFlag{Name: "limit", Usage: "latency limit, if not the scenario's", Destination: &f.limit},
		&cli.Uint64Flag{Name: "seed", Usage: "root `SEED`, if not the scenario's", Destination: &f.seed},
		&cli.StringSliceFlag{Name: "set", Usage: "give a key of the scenario another value, `KEY=VALUE` such as arrivals.rate=20/s; may be repeated", Destination: &f.changes},
	}
}

// overrides returns what the flags change in the scenario file.
func (f *simFlags) overrides() ([]traffic.Change, error) {
	var changes []traffic.Change
	for _, c := range [...]traffic.Change{{Key: "family", Value: f.family}, {Key: "processor", Value: f.processor}} {
		if c.Value != "" {
			changes = append(changes, c)
		}
	}
	if f.limit < 0 {
		return nil, command.Usagef("--limit %v is negative", f.limit)
	}
	if f.limit > 0 {
		changes = append(changes, traffic.Change{Key: "limit", Value: f.limit.String()})
	}
	for _, text := range joinPieces(f.changes.Value()) {
		c, err := traffic.ParseChange(text)
		if err != nil {
			return nil, command.UsageError{Err: err}
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// joinPieces puts together what cli took apart at commas: a piece that does not begin with a key and "=" goes on the
// one before.
func joinPieces(pieces []string) []string {
	var all []string
	for _, p := range pieces {
		key, _, ok := strings.Cut(p, "=")
		fresh := ok && key != "" && !strings.ContainsFunc(key, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.[]:", r))
		})
		if n := len(all); n > 0 && (!fresh || strings.Count(all[n-1], "{")+strings.Count(all[n-1], "[") > strings.Count(all[n-1], "}")+strings.Count(all[n-1], "]")) {
			all[n-1] += "," + p
			continue
		}
		all = append(all, p)
	}
	return all
}

// open finds the scenario's file.
func (f *simFlags) open() (*traffic.File, error) {
	if err := command.Required("scenario", f.scenario); err != nil {
		return nil, err
	}
	return openScenario(f.scenario)
}

// openScenario finds a file, or a built-in scenario where there is no such file.
func openScenario(name string) (*traffic.File, error) {
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if builtin := strings.TrimSuffix(name, ".yaml"); slices.Contains(traffic.Builtins(), builtin) {
			return traffic.OpenBuiltin(builtin)
		}
		return nil, fmt.Errorf("scenario %q is neither a file nor built in (%s)", name, strings.Join(traffic.Builtins(), ", "))
	}
	return traffic.Open(name)
}

// loadScenario reads a file, or takes a built-in scenario where there is no such file.
func loadScenario(name string) (*traffic.Scenario, error) {
	f, err := openScenario(name)
	if err != nil {
		return nil, err
	}
	return f.Scenario()
}

// cell sets up a scenario with its families and board.
func (f *simFlags) cell(c *cli.Context, name string, s *traffic.Scenario) (simstudy.Cell, error) {
	base := sim.Config{Scenario: s, Seed: f.seed, Program: "dynofa " + version}
	families := func(name string) (*family.Family, error) { return findFamily(c.Context, f.db, name) }
	if s.Board != "" && !slices.Contains(board.Builtins(), s.Board) {
		b, err := loadBoard(s.Board)
		if err != nil {
			return simstudy.Cell{}, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
		if base.Board, err = sim.Place(s, b); err != nil {
			return simstudy.Cell{}, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
	}
	if len(s.Apps) == 0 {
		var err error
		if base.Family, err = families(s.Family); err != nil {
			return simstudy.Cell{}, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
	}
	configs, err := sim.Applications(base, families)
	if s.Board == "" || err != nil {
		return simstudy.Cell{Name: name, Apps: configs}, err
	}
	for i := range configs {
		if configs[i].Demand.Points, err = studyPoints(c.Context, f.db, configs[i].Family); err != nil {
			return simstudy.Cell{}, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
	}
	return simstudy.Cell{Name: name, Apps: configs}, nil
}

// planFlags say how a comparison is done.
type planFlags struct {
	policies, warmUp, format, target string
	replications, workers            int
	noOptimum                        bool
}

func (f *planFlags) flags(policies string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "policy", Usage: "policies with commas between, parameters in braces with spaces between: `slack,static:3,slackfit{margin=10% hopeless=drop}`", Value: policies, Destination: &f.policies},
		&cli.IntFlag{Name: "replications", Usage: "`NUMBER` of repetitions with other random numbers; 0: ten, or one where nothing is random", Destination: &f.replications},
		&cli.StringFlag{Name: "warm-up", Usage: "requests at the beginning that do not count: auto, none, mser5 or a `NUMBER`", Value: "auto", Destination: &f.warmUp},
		&cli.StringFlag{Name: "target", Usage: "share of requests on time that the verdict is about, such as `99.9%`", Value: "99%", Destination: &f.target},
		&cli.BoolFlag{Name: "no-optimum", Usage: "do not compute the hindsight optimum, which regrets are measured by", Destination: &f.noOptimum},
		&cli.IntFlag{Name: "workers", Usage: "simulations at a time; the result does not depend on it", Value: runtime.NumCPU(), Destination: &f.workers},
		command.OutputFlag(&f.format),
	}
}

// plan makes a plan without cells.
func (f *planFlags) plan(c *cli.Context) (simstudy.Plan, error) {
	if err := command.CheckFormat(f.format); err != nil {
		return simstudy.Plan{}, err
	}
	specs, err := simstudy.ParseSpecs(f.policies)
	if err != nil {
		return simstudy.Plan{}, command.UsageError{Err: err}
	}
	warmUp, err := simstudy.ParseWarmUp(f.warmUp)
	if err != nil {
		return simstudy.Plan{}, command.UsageError{Err: err}
	}
	target, err := parseShare(f.target)
	if err != nil {
		return simstudy.Plan{}, command.Usagef("--target: %w", err)
	}
	if f.replications < 0 {
		return simstudy.Plan{}, command.Usagef("--replications %d is negative", f.replications)
	}
	p := simstudy.Plan{Specs: specs, Replications: f.replications, WarmUp: warmUp, Target: target, Workers: f.workers, Progress: stepProgress(c, "simulate")}
	if f.noOptimum {
		p.Oracle = simstudy.WithoutOracle
	}
	return p, nil
}

// defaultReplications is the number of repetitions where randomness needs them.
const defaultReplications = 10

// settle chooses the number of replications if the user did not.
func settle(p *simstudy.Plan) {
	if p.Replications > 0 {
		return
	}
	p.Replications = 1
	for i := range p.Cells {
		for _, a := range p.Cells[i].Apps {
			if a.Scenario.Random() {
				p.Replications = defaultReplications
			}
		}
	}
}

// parseShare reads "99.9%" or "0.999", between 0 and 1.
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f, err = strconv.ParseFloat(number+"e-2", 64)
	}
	if err != nil || !(f > 0 && f < 1) {
		return 0, fmt.Errorf("%q is no share like 99.9%% between 0%% and 100%%", text)
	}
	return f, nil
}

func simScenariosCommand() *cli.Command {
	return &cli.Command{
		Name:  "scenarios",
		Usage: "list the scenarios that are built in",
		Action: func(c *cli.Context) error {
			g := &command.Grid{Head: []string{"name", "family", "processor", "limit", "title"}}
			for _, name := range traffic.Builtins() {
				s, err := traffic.Builtin(name)
				if err != nil {
					return err
				}
				a := s.Applications()[0]
				families, limit := a.Family, fmt.Sprint(a.Limit)
				if n := len(s.Apps); n > 1 {
					families, limit = fmt.Sprintf("%d applications", n), "-"
				}
				g.Add(s.Name, families, strings.Join(a.May(), ","), limit, s.Title)
			}
			return g.Print(c.App.Writer, command.FormatText)
		},
	}
}

// replica is the first replication of a policy, for its records.
type replica struct {
	*sim.Result
	board *sim.BoardLog // nil without a board
}

// replicate plays the first replication of each policy again.
func replicate(c *cli.Context, cell *simstudy.Cell, specs []simstudy.Spec) ([]replica, error) {
	var all []replica
	for _, spec := range specs {
		var log *sim.BoardLog
		watched := *cell
		watched.Apps = slices.Clone(cell.Apps)
		if first, err := watched.Apps[0].OnBoard(); err != nil {
			return nil, err
		} else if first.Board != nil {
			log = sim.NewBoardLog(first.Board.Board)
			config := *first.Board
			config.Sample = log.Sample
			for i := range watched.Apps {
				watched.Apps[i].Board = &config
			}
		}
		results, err := simstudy.Simulate(c.Context, &watched, spec, 0)
		if err != nil {
			return nil, err
		}
		for _, r := range results {
			all = append(all, replica{r, log})
		}
	}
	return all, nil
}

// sinkFlags say where records go. Nothing is written unless it is asked for.
type sinkFlags struct{ plot, traces, perfetto string }

func (f *sinkFlags) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "plot", Usage: "draw the timelines of the first replication to `FILE.svg`, .png or .pdf", Destination: &f.plot},
		&cli.StringFlag{Name: "traces", Usage: "write each policy's trace of the first replication to a CSV file in `FOLDER`", Destination: &f.traces},
		&cli.StringFlag{Name: "perfetto", Usage: "write them to `FOLDER` as .pftrace files, for ui.perfetto.dev", Destination: &f.perfetto},
	}
}

func (f *sinkFlags) check() error { return checkPlotPath(f.plot) }

// write plays and writes what is asked for.
func (f *sinkFlags) write(c *cli.Context, cell *simstudy.Cell, specs []simstudy.Spec) error {
	if f.plot == "" && f.traces == "" && f.perfetto == "" {
		return nil
	}
	replicas, err := replicate(c, cell, specs)
	if err != nil {
		return err
	}
	if err := writeTraces(f.traces, ".csv", replicas, func(file *os.File, r replica) error {
		_, err := r.Trace.WriteTo(file)
		return err
	}); err != nil {
		return err
	}
	if err := writeTraces(f.perfetto, ".pftrace", replicas, func(file *os.File, r replica) error {
		var o trace.PerfettoOptions
		if r.board != nil {
			o.Counters = r.board.Counters()
		}
		return r.Trace.WritePerfetto(file, o)
	}); err != nil {
		return err
	}
	if f.plot == "" {
		return nil
	}
	results := make([]*sim.Result, len(replicas))
	for i, r := range replicas {
		results[i] = r.Result
	}
	return plotTimelines(f.plot, results)
}

// writeTraces writes a file per replica, named for its policy and application.
func writeTraces(folder, extension string, replicas []replica, write func(*os.File, replica) error) error {
	if folder == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	used := map[string]int{}
	for _, r := range replicas {
		name := strings.ReplaceAll(r.Trace.Header.Policy, ":", "-")
		if used[name]++; used[name] > 1 {
			name += "-" + strconv.Itoa(used[name])
		}
		err := command.WriteFile(filepath.Join(folder, name+extension), func(f *os.File) error { return write(f, r) })
		if err != nil {
			return err
		}
	}
	return nil
}
