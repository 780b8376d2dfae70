package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/search/family"
	simstore "github.com/dynofa/dynofa/sim/store"
	simstudy "github.com/dynofa/dynofa/sim/study"
)

// tuneFlags say what a policy is picked for.
type tuneFlags struct {
	db, scenarios, family, board, policies, target, goal, accuracy, name, format string
	replications, workers, show                                                  int
	changes                                                                      cli.StringSlice
	modes                                                                        []string // power modes that the scenarios go through
}

func policyTuneCommand() *cli.Command {
	f := &tuneFlags{}
	return &cli.Command{
		Name:  "tune",
		Usage: "pick the policy and its parameters for a family, a board and scenarios, by simulation; the study keeps it for 'export --policy tuned'",
		Flags: []cli.Flag{
			command.DBFlag(&f.db),
			&cli.StringFlag{Name: "scenario", Usage: "scenarios, files or built-in ones, with commas between: `S,S,...`", Destination: &f.scenarios},
			&cli.StringFlag{Name: "family", Usage: "`NAME` of the family, if not the scenarios'", Destination: &f.family},
			&cli.StringFlag{Name: "board", Usage: "`BOARD`, if not the scenarios'", Destination: &f.board},
			&cli.StringSliceFlag{Name: "set", Usage: "give a key of all scenarios another value, `KEY=VALUE`; may be repeated", Destination: &f.changes},
			&cli.StringFlag{Name: "policies", Usage: "names of the policies to try, `P,P,...`; default all", Destination: &f.policies},
			&cli.StringFlag{Name: "target", Usage: "share of requests on time to reach in every scenario, such as `99.9%`; among those that do the most accurate wins, without a target the highest effective accuracy", Destination: &f.target},
			&cli.StringFlag{Name: "goal", Usage: "what wins among those that reach the target: accuracy, or energy for the least energy of the boards", Value: goalAccuracy, Destination: &f.goal},
			&cli.StringFlag{Name: "accuracy", Usage: "mean accuracy of answers to reach in every scenario as well, such as `75%`", Destination: &f.accuracy},
			&cli.StringFlag{Name: "name", Usage: "`NAME` under which it is kept; default the family's", Destination: &f.name},
			&cli.IntFlag{Name: "replications", Usage: "`NUMBER` of repetitions with other random numbers", Value: 5, Destination: &f.replications},
			&cli.IntFlag{Name: "show", Usage: "`NUMBER` of candidates to list, the best first", Value: 10, Destination: &f.show},
			&cli.IntFlag{Name: "workers", Usage: "simulations at a time; the result does not depend on it", Value: runtime.NumCPU(), Destination: &f.workers},
			command.OutputFlag(&f.format),
		},
		Action: f.run,
	}
}

func (f *tuneFlags) run(c *cli.Context) error {
	if err := command.CheckFormat(f.format); err != nil {
		return err
	}
	if err := command.Required("scenario", f.scenarios); err != nil {
		return err
	}
	if f.replications < 1 {
		return command.Usagef("--replications %d, want at least 1", f.replications)
	}
	goal, err := f.goals()
	if err != nil {
		return err
	}
	cells, fam, boards, err := f.cells(c)
	if err != nil {
		return err
	}
	var names []string
	if f.policies != "" {
		if names, err = command.SplitList("policies", f.policies); err != nil {
			return err
		}
	}
	if goal.Objective == simstudy.LeastEnergy && len(boards) > 1 {
		return command.Usagef("--goal energy: the scenarios are on %s: joules of different boards do not add up", strings.Join(boards, ", "))
	}
	specs, placed, err := f.candidates(goal, cells, fam, names)
	if err != nil {
		return err
	}
	plan := simstudy.Plan{Cells: cells, Specs: specs, Replications: f.replications, Workers: f.workers, WarmUp: simstudy.WarmUp{Rule: simstudy.None}, Progress: stepProgress(c, "tune")}
	s, err := createStudy(c.Context, f.db)
	if err != nil {
		return err
	}
	defer s.Close()
	store := simstore.New(s.Study, now)
	plan.Cache = store
	ranked, results, err := simstudy.Tune(c.Context, plan, goal)
	if err != nil {
		return err
	}
	tuning := simstore.Tuning{Goal: goal, Replications: f.replications, Ranking: ranked}
	if tuning.Table, err = simstudy.SolvedTable(c.Context, plan, ranked[0].Spec, goal); err != nil {
		return err
	}
	if _, priced := ranked[0].Spec.Params["energy"]; priced {
		tuning.Placed = placed
		if len(f.modes) > 0 {
			tuning.Notes = append(tuning.Notes, fmt.Sprintf("it knows the clock steps of %s: in another power mode it runs at those of them that can be had; scenarios with events for other modes tune it for these too",
				strings.Join(f.modes, " and ")))
		}
	}
	for _, r := range results {
		tuning.Scenarios = append(tuning.Scenarios, r.Cell.Name)
	}
	if len(boards) > 1 {
		tuning.Notes = append(tuning.Notes, "scenarios on several boards count alike: "+strings.Join(boards, ", "))
	}
	name := f.name
	if name == "" {
		name = fam.Name
	}
	if goal.Target > 0 && !ranked[0].Reaches {
		tuning.Notes = append(tuning.Notes, fmt.Sprintf("no candidate reaches %g%% on time in every scenario: the highest effective accuracy was taken", 100*goal.Target))
	}
	if tuning.Table != "" {
		tuning.Notes = append(tuning.Notes, "it starts from the table that it solved for in simulation, which is stored with it")
	}
	if _, err := store.PutTuned(c.Context, name, fam, strings.Join(boards, ", "), ranked[0].Spec, tuning); err != nil {
		return err
	}
	return f.print(c, name, ranked, tuning)
}

const (
	goalAccuracy = "accuracy"
	goalEnergy   = "energy"
)

// goals reads what is best.
func (f *tuneFlags) goals() (goal simstudy.Goal, err error) {
	switch f.goal {
	case goalAccuracy:
	case goalEnergy:
		goal.Objective = simstudy.LeastEnergy
	default:
		return goal, command.Usagef("--goal %q is neither %s nor %s", f.goal, goalAccuracy, goalEnergy)
	}
	if f.target != "" {
		if goal.Target, err = parseShare(f.target); err != nil {
			return goal, command.Usagef("--target: %w", err)
		}
	}
	if f.accuracy != "" {
		if f.target == "" {
			return goal, command.Usagef("--accuracy needs --target")
		}
		if goal.Accuracy, err = parseShare(f.accuracy); err != nil {
			return goal, command.Usagef("--accuracy: %w", err)
		}
	}
	if err := goal.Validate(); err != nil {
		return goal, command.UsageError{Err: err}
	}
	return goal, nil
}

// candidates returns what is tried and, for least energy, the family with the operating points of the scenarios' board.
func (f *tuneFlags) candidates(goal simstudy.Goal, cells []simstudy.Cell, fam *family.Family, names []string) ([]simstudy.Spec, *family.Family, error) {
	plain := names
	if goal.Objective == simstudy.LeastEnergy {
		plain = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "schedutil+static" })
	}
	var specs []simstudy.Spec
	if len(names) == 0 || len(plain) > 0 {
		var err error
		if specs, err = simstudy.Candidates(len(fam.Levels), plain); err != nil {
			return nil, nil, command.UsageError{Err: err}
		}
	}
	if goal.Objective != simstudy.LeastEnergy {
		return specs, nil, nil
	}
	placed, err := f.placeTogether(cells)
	if err != nil {
		return nil, nil, err
	}
	return append(specs, simstudy.EnergyCandidates(placed, names)...), placed, nil
}

// placeTogether returns the family with the operating points of the scenarios' board, which is one, in every power mode that one of them goes
// through. Scenarios that do not go through all of these are to be played with the same family, so that a policy has one set of clock
// steps to choose among; which of them can be had it is told.
func (f *tuneFlags) placeTogether(cells []simstudy.Cell) (*family.Family, error) {
	differ := false
	for i := range cells {
		c, err := cells[i].Apps[0].OnBoard()
		if err != nil {
			return nil, err
		}
		if c.Board == nil {
			return nil, command.Usagef("--goal energy: scenario %s has no board; --board gives one", cells[i].Name)
		}
		differ = differ || i > 0 && !slices.Equal(c.Modes(), f.modes)
		for _, m := range c.Modes() {
			if !slices.Contains(f.modes, m) {
				f.modes = append(f.modes, m)
			}
		}
	}
	placed, err := simstudy.Placed(&cells[0], f.modes...)
	if err != nil || !differ {
		return placed, err
	}
	for i := range cells {
		for k := range cells[i].Apps {
			cells[i].Apps[k].Family = placed
		}
	}
	return placed, nil
}

// noBoard stands for a scenario without a board among others that have one.
const noBoard = "no board"

// cells sets up the scenarios; all applications must have one family. The boards are named once each, in order; none if no scenario
// has one.
func (f *tuneFlags) cells(c *cli.Context) (cells []simstudy.Cell, fam *family.Family, boards []string, err error) {
	scenarios, err := command.SplitList("scenario", f.scenarios)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, name := range scenarios {
		flags := simFlags{db: f.db, scenario: name, family: f.family, changes: f.changes}
		changes, err := flags.overrides()
		if err != nil {
			return nil, nil, nil, err
		}
		if f.board != "" {
			changes = append(changes, traffic.Change{Key: "board", Value: f.board})
		}
		file, err := flags.open()
		if err != nil {
			return nil, nil, nil, err
		}
		s, err := file.Scenario(changes...)
		if err != nil {
			return nil, nil, nil, err
		}
		cell, err := flags.cell(c, s.Name, s)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, a := range cell.Apps {
			if fam == nil {
				fam = a.Family
			}
			if a.Family.Name != fam.Name {
				return nil, nil, nil, fmt.Errorf("scenario %s: application %q has family %s, others have %s: a policy is tuned for one", s.Name, a.App, a.Family.Name, fam.Name)
			}
		}
		if name := cmp.Or(s.Board, noBoard); !slices.Contains(boards, name) {
			boards = append(boards, name)
		}
		cells = append(cells, cell)
	}
	if len(boards) == 1 && boards[0] == noBoard {
		boards = nil
	}
	return cells, fam, boards, nil
}

func (f *tuneFlags) print(c *cli.Context, name string, ranked []simstudy.Ranked, tuning simstore.Tuning) error {
	g := &command.Grid{Head: []string{"rank", "policy", "effective", "accuracy served", "least SLO", "switches"}}
	energy := tuning.Goal.Objective == simstudy.LeastEnergy
	if energy {
		g.Head = append(g.Head, "energy of the candidates' mean")
	}
	if tuning.Goal.Target > 0 {
		g.Head = append(g.Head, "reaches target")
	}
	for i, r := range ranked {
		if i == f.show {
			break
		}
		row := []any{i + 1, r.Spec, fmt.Sprintf("%.3f%%", 100*r.Effective), fmt.Sprintf("%.3f%%", 100*r.Accuracy), fmt.Sprintf("%.3f%%", 100*r.LeastSLO), fmt.Sprintf("%.1f", r.Switches)}
		if energy {
			row = append(row, fmt.Sprintf("%.2f%%", 100*r.Energy))
		}
		if tuning.Goal.Target > 0 {
			row = append(row, r.Reaches)
		}
		g.Add(row...)
	}
	g.Note("simulated: means over %s and %d replications of each, without a warm-up cut; least SLO: of the worst scenario", strings.Join(tuning.Scenarios, ", "), tuning.Replications)
	for _, n := range tuning.Notes {
		g.Note("%s", n)
	}
	if f.format == command.FormatText {
		fmt.Fprintf(c.App.Writer, "tuned policy %q: %s, best of %d candidates\n", name, ranked[0].Spec, len(ranked))
	}
	return g.Print(c.App.Writer, f.format)
}

func policyTunedCommand() *cli.Command {
	var db, format string
	return &cli.Command{
		Name:  "tuned",
		Usage: "list the tuned policies of the study",
		Flags: []cli.Flag{command.DBFlag(&db), command.OutputFlag(&format)},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			s, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer s.Close()
			all, err := simstore.New(s.Study, now).AllTuned(c.Context)
			if err != nil {
				return err
			}
			g := &command.Grid{Head: []string{"id", "name", "policy", "family", "board", "scenarios", "effective", "least SLO"}}
			for _, t := range all {
				effective, least := "-", "-"
				if len(t.Tuning.Ranking) > 0 {
					effective, least = fmt.Sprintf("%.3f%%", 100*t.Tuning.Ranking[0].Effective), fmt.Sprintf("%.3f%%", 100*t.Tuning.Ranking[0].LeastSLO)
				}
				g.Add(t.ID, t.Name, t.Spec, t.Family, t.Board, strings.Join(t.Tuning.Scenarios, " "), effective, least)
			}
			return g.Print(c.App.Writer, format)
		},
	}
}

// tunedPolicy marks a --policy that asks for a tuned one: "tuned" for the newest, or "tuned:NAME".
const tunedPolicy = "tuned"

// policyOf returns the policy that a command line asks for, taken from the study if it is a tuned one, and the family as it is
// managed.
func policyOf(ctx context.Context, s *study, text string, params map[string]string, f *family.Family) (bundle.Policy, *family.Family, error) {
	name, named, _ := strings.Cut(text, ":")
	if name != tunedPolicy {
		return bundle.Policy{Spec: text, Params: params}, f, nil
	}
	if len(params) > 0 {
		return bundle.Policy{}, nil, command.Usagef("--param goes with a policy by its name, not with a tuned one")
	}
	t, err := simstore.New(s.Study, now).Tuned(ctx, named)
	if err != nil {
		return bundle.Policy{}, nil, err
	}
	if err := t.For(f); err != nil {
		return bundle.Policy{}, nil, err
	}
	managed, all := t.Managed(f)
	return bundle.Policy{Spec: t.Spec.Policy, Params: all}, managed, nil
}
