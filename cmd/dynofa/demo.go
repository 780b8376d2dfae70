package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/search/family"
)

// demoSettings are what --short changes.
type demoSettings struct {
	resolutions string
	rounds      int
	evaluations int
	pictures    int // that the family is measured on; 0: all 2,000
	calibration int // pictures for batch normalisation; 0: all 1,000
	seconds     int // of the run on this machine
}

func demoCommand() *cli.Command {
	var dir, library string
	var short bool
	return &cli.Command{
		Name:  "demo",
		Usage: "the whole path on built-in data: the paper's figure 7 simulated, then a family of a trained supernet measured on this machine, simulated and run",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "`FOLDER` for everything that the demo makes; replaced if a demo made it", Value: "demo", Destination: &dir},
			&cli.BoolFlag{Name: "short", Usage: "fewer resolutions, samples and seconds", Destination: &short},
			command.RuntimeFlag(&library),
		},
		Action: func(c *cli.Context) error {
			s := demoSettings{resolutions: "16,20,24,28,32", rounds: 40, evaluations: 20_000, seconds: 24}
			if short {
				s = demoSettings{resolutions: "16,24,32", rounds: 15, evaluations: 5_000, pictures: 500, calibration: 300, seconds: 12}
			}
			if err := makeDemoFolder(dir); err != nil {
				return err
			}
			return (&demo{c: c, dir: dir, library: library, demoSettings: s}).run()
		},
	}
}

// demo runs the program's own commands one after the other and shows each.
type demo struct {
	c            *cli.Context
	dir, library string
	demoSettings
}

func (d *demo) path(elem ...string) string { return filepath.Join(append([]string{d.dir}, elem...)...) }

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.c.App.Writer, "\n"+format+"\n", args...)
}

// do shows and runs one command.
func (d *demo) do(args ...string) error {
	shown := make([]string, len(args))
	for i, a := range args {
		if shown[i] = a; strings.ContainsAny(a, " {}\"'*@") {
			shown[i] = "'" + a + "'"
		}
	}
	fmt.Fprintf(d.c.App.Writer, "\n$ dynofa %s\n", strings.Join(shown, " "))
	args = append([]string{"dynofa"}, args...)
	if d.library != "" && (args[1] == "run" || args[1] == "lut" || args[1] == "export" || args[2] == "measure") {
		args = append(args, "--onnxruntime", d.library)
	}
	if code := run(d.c.Context, args, d.c.App.Writer, d.c.App.ErrWriter); code != command.ExitOK {
		return fmt.Errorf("the demo stops: dynofa %s failed", strings.Join(args[1:min(3, len(args))], " "))
	}
	return nil
}

func (d *demo) run() error {
	began := time.Now()
	if err := d.paper(); err != nil {
		return err
	}
	if err := d.host(); err != nil {
		return err
	}
	d.say("The demo took %v. It left in %s:", time.Since(began).Round(time.Second), d.dir)
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			fmt.Fprintln(d.c.App.Writer, " ", e.Name())
		}
	}
	return nil
}

// paper simulates the published family in the situation of the paper's figure 7.
func (d *demo) paper() error {
	d.say("== 1. The paper's own family in the situation of its figure 7, simulated ==\n" +
		"Architectures, accuracies and latencies are the published measurements of Dynamic-OFA (CVPRW 2021).")
	if err := d.do("family", "show", "--family", family.PaperGPU6Name); err != nil {
		return err
	}
	if err := d.do("sim", "compare", "--scenario", "fig7", "--policy", "static:3,ladder,slack",
		"--plot", d.path("fig7.png"), "--traces", d.path("fig7")); err != nil {
		return err
	}
	d.say("The paper's figure 7 shows its ladder comply after 6.15 s (read off the figure); see the compliance column above for\n"+
		"the same rule in this simulation, and %s for the timelines.", d.path("fig7.png"))
	return nil
}

// host measures, searches, simulates, exports and runs on this machine.
func (d *demo) host() error {
	db := d.path("dynofa.db")
	d.say("== 2. This machine: latencies and accuracies measured here ==\n"+
		"The supernet is built in: %s, trained on Fashion-MNIST. Its predictor was fitted to measured sub-networks;\n"+
		"the family's levels are measured afresh, on pictures that nothing was trained or chosen on.", demoSpace)
	if err := d.do("lut", "profile", "--db", db, "--space", demoSpace, "--resolutions", d.resolutions, "--rounds", fmt.Sprint(d.rounds)); err != nil {
		return err
	}
	if err := d.do("search", "run", "--db", db, "--device", "host", "--processor", "cpu", "--accuracy", builtin, "--evaluations", fmt.Sprint(d.evaluations)); err != nil {
		return err
	}
	if err := d.do("family", "choose", "--db", db, "--levels", "6", "--both-ends"); err != nil {
		return err
	}
	if err := d.do("family", "measure", "--db", db, "--checkpoint", demoCheckpoint, "--images", command.FashionMNIST+":test", "--pictures", fmt.Sprint(d.pictures),
		"--calibration-pictures", fmt.Sprint(d.calibration)); err != nil {
		return err
	}
	if err := d.do("plot", "front", "--db", db, "-o", d.path("front.png")); err != nil {
		return err
	}
	f, err := findFamily(d.c.Context, db, "")
	if err != nil {
		return err
	}
	plan := planRun(f, d.seconds)
	d.say("The most accurate level is predicted to take %v; the limit for what follows is %v. %d busy threads will start\n"+
		"beside the inferences; on %d cores with fair shares that is modelled as a slow-down of %.2f.",
		plan.top, plan.limit, plan.burners, runtime.NumCPU(), plan.slowdown)
	scenario := d.path("scenario.yaml")
	if err := plan.writeScenario(scenario, f); err != nil {
		return err
	}
	if err := d.do("sim", "compare", "--db", db, "--scenario", scenario, "--policy", fmt.Sprintf("static:0,static:%d,ladder,slack", len(f.Levels)-1), "--plot", d.path("simulated.png")); err != nil {
		return err
	}
	if err := d.do("export", "--db", db, "--checkpoint", demoCheckpoint, "--calibration-pictures", fmt.Sprint(d.calibration), "--policy", "slack", "-o", d.path("bundle")); err != nil {
		return err
	}
	if err := d.do("run", d.path("bundle"), "--images", command.FashionMNIST+":test", "--limit", plan.limit.String(), "--duration", plan.duration.String(),
		"--load", fmt.Sprintf("cpu:%d@%v-%v", plan.burners, plan.from, plan.to), "--trace", d.path("run.csv")); err != nil {
		return err
	}
	if err := d.do("plot", "timeline", d.path("run.csv"), "--scenario", scenario, "-o", d.path("run.png")); err != nil {
		return err
	}
	return d.do("sim", "replay", d.path("run.csv"))
}

// runPlan is what the demo simulates and then does on this machine.
type runPlan struct {
	top, limit         time.Duration
	duration, from, to time.Duration // of the run and of the co-running load in it
	burners            int
	slowdown           float64 // modelled
}

// planRun leaves the most accurate level a third of headroom when it runs alone, and starts two busy
// threads per core in the middle third, so that the manager must step down.
func planRun(f *family.Family, seconds int) runPlan {
	cores := runtime.NumCPU()
	top := f.Levels[len(f.Levels)-1].Latencies[0].Latency.Duration().Round(10 * time.Microsecond)
	p := runPlan{
		top:      top,
		limit:    (top * 4 / 3).Round(100 * time.Microsecond),
		duration: time.Duration(seconds) * time.Second,
		burners:  2 * cores,
		slowdown: float64(2*cores+1) / float64(cores),
	}
	p.from, p.to = p.duration/3, p.duration*2/3
	return p
}

// writeScenario describes the plan as a scenario file: one picture after the other, as fast as they
// are answered.
func (p runPlan) writeScenario(path string, f *family.Family) error {
	processor := f.Processors()[0]
	s := &traffic.Scenario{
		Title:       "This machine, with busy threads in the middle third",
		Description: "Made by the demo. The slow-down is modelled (fair shares of the cores), not measured.",
		Family:      f.Name,
		Processor:   processor,
		Arrivals:    traffic.ClosedLoop{},
		Limit:       p.limit,
		Duration:    p.duration,
		Seed:        1,
		Disturbances: []traffic.Disturbance{{Processor: processor, Profile: traffic.Profile{
			{At: p.from, Slowdown: p.slowdown, What: "busy threads start"}, {At: p.to, Slowdown: 1, What: "they end"},
		}}},
		InitialLevel: len(f.Levels) - 1,
	}
	text, err := s.Marshal()
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// demoMark is a file that says that a folder may be replaced.
const demoMark = ".dynofa-demo"

// makeDemoFolder makes an empty folder. It removes what an earlier demo left, and refuses a folder
// that holds anything else.
func makeDemoFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case len(entries) > 0:
		if _, err := os.Stat(filepath.Join(dir, demoMark)); err != nil {
			return fmt.Errorf("%s exists and was not made by a demo; choose another folder with --dir", dir)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, demoMark), nil, 0o644)
}
