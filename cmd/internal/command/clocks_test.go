package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

// clockedBundle is a bundle with three clock steps of each processor and a policy that chooses among them.
func clockedBundle(t *testing.T, of string) string {
	t.Helper()
	b, err := bundle.Open(of)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	f := b.Manifest().Family
	for k, name := range f.Processors() {
		clocks := family.Clocks{Processor: name, Steps: []unit.Hertz{600e6, 1e9, 1.5e9}, Effect: time.Millisecond, Source: "made up for a test"}
		f.Clocks = append(f.Clocks, clocks)
		for i := range f.Levels {
			l := &f.Levels[i].Latencies[k]
			for j, s := range clocks.Steps {
				slower := 1.5e9 / float64(s)
				l.Points = append(l.Points, family.Point{Latency: l.Latency * unit.Nanoseconds(slower), Energy: unit.Joules(float64(j+1) * float64(l.Latency) / 1e9)})
			}
		}
	}
	s, err := f.Supernet()
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.RandomWeights(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "bundle")
	if _, err := bundle.Write(t.Context(), dir, bundle.Spec{CreatedBy: "test", Family: &f, Weights: w.Source(), Supernet: w,
		Policy: bundle.Policy{Spec: "qdp", Params: map[string]string{"energy": "20"}}, Runtime: b.Manifest().Runtime}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// boardFiles makes a folder with the files of a board's clocks, of which some may be left out or be others.
func boardFiles(t *testing.T, change map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"affected_cpus": "0 1 2 3", "scaling_driver": "cpufreq-dt", "scaling_governor": "ondemand", "scaling_available_governors": "ondemand userspace performance",
		"scaling_cur_freq": "600000", "scaling_min_freq": "600000", "scaling_max_freq": "1500000", "cpuinfo_min_freq": "600000", "cpuinfo_max_freq": "1500000", "scaling_setspeed": "<unsupported>",
	} {
		path := filepath.Join(root, "sys/devices/system/cpu/cpufreq/policy0", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if other, ok := change[name]; ok {
			text = other
		}
		var err error
		switch text {
		case "-":
		case "/": // a folder can be written to by nobody
			err = os.Mkdir(path, 0o755)
		default:
			err = os.WriteFile(path, []byte(text+"\n"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// contents returns all files below a folder, in one text, but the one that the kernel empties with the governor userspace.
func contents(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "scaling_setspeed" {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s: %s\n", d.Name(), strings.TrimSpace(string(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func needRuntime(t *testing.T) {
	t.Helper()
	if _, err := ort.FindLibrary(""); err != nil {
		if os.Getenv("DYNOFA_REQUIRE_RUNTIME") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// TestRunSetsClocks runs a bundle whose policy chooses clocks, with real inference, on a board that is a folder: on request alone its
// clocks are set, the trace says which, replays, and what was there is there again in the end.
func TestRunSetsClocks(t *testing.T) {
	needRuntime(t)
	dir, cache := clockedBundle(t, tinyBundle(t)), t.TempDir()
	for name, c := range map[string]struct {
		files      map[string]string
		args       []string
		clock      int // in the end
		overridden bool
		said       []string
	}{
		"by default":            {clock: 3, said: []string{"the policy chooses among 3 clocks of cpu, which stay as they are: it reckoned with 1.500 GHz", "--clocks set"}},
		"a slow one that stays": {files: map[string]string{"scaling_max_freq": "1000000"}, args: []string{"--clocks", "leave"}, clock: 2, said: []string{"it reckoned with 1.000 GHz"}},
		"set": {args: []string{"--clocks", "set"}, clock: 1, said: []string{"clock of cpu: asked for 2 times among 3 steps", "inferences on cpu: 15 at 600.0 MHz", "lost 0 times; at 600.0 MHz in the end",
			"in force 1.000 ms after it is asked for, as the bundle says, not measured here; operating points: made up for a test"}},
		"set without userspace": {files: map[string]string{"scaling_setspeed": "-"}, args: []string{"--clocks", "set"}, clock: 1, said: []string{"asked for 2 times"}},
		"within limits":         {files: map[string]string{"scaling_min_freq": "1000000"}, args: []string{"--clocks", "set"}, clock: 2, said: []string{"at 1.000 GHz in the end"}},
		"another policy":        {args: []string{"--clocks", "set", "--policy", "slack"}, said: []string{"the policy chooses no clocks, so none was set"}},
		"refused": {files: map[string]string{"scaling_setspeed": "-", "scaling_min_freq": "/"}, args: []string{"--clocks", "set"}, clock: 3, overridden: true,
			said: []string{"reason=runner-clock-denied", "is a directory", "lost 1 times"}},
		"nothing there": {files: map[string]string{"cpuinfo_max_freq": "-", "scaling_max_freq": "-", "scaling_min_freq": "-", "scaling_setspeed": "-"}, args: []string{"--clocks", "set"}, clock: 3, overridden: true,
			said: []string{"reason=runner-clock-denied", "lost 1 times"}},
	} {
		t.Run(name, func(t *testing.T) {
			root, record := boardFiles(t, c.files), filepath.Join(t.TempDir(), "run.csv")
			before := contents(t, root)
			code, out, errs := runWith(t, nil, append([]string{dir, "--images", "builtin", "--requests", "15", "--arrivals", "periodic", "--period", "20ms", "--deadline", "10s", "--prepared", cache,
				"--system", root, "--trace", record}, c.args...)...)
			if code != ExitOK {
				t.Fatalf("exit code %d\n%s\n%s", code, out, errs)
			}
			for _, want := range c.said {
				if !strings.Contains(out+errs, want) {
					t.Errorf("no %q in\n%s\n%s", want, out, errs)
				}
			}
			if after := contents(t, root); after != before {
				t.Errorf("left behind\n%s\nof\n%s", after, before)
			}
			tr := readTrace(t, record)
			report, err := trace.Replay(tr)
			if err != nil || report.Equal != report.N || (report.Overridden > 0) != c.overridden || len(tr.Records) != 15 {
				t.Errorf("replay %+v, %v", report, err)
			}
			if d := tr.Records[14].Decision; d.Clock != c.clock {
				t.Errorf("the last decision is %v", d)
			}
		})
	}
	for _, args := range [][]string{{"--clocks", "maybe"}, {"--system", "/does/not/exist"}} {
		if code, _, errs := runWith(t, nil, append([]string{dir, "--images", "builtin"}, args...)...); code != ExitUsage || !strings.Contains(errs, args[1]) {
			t.Errorf("%q: exit code %d, %s", args, code, errs)
		}
	}
}

// The clocks of two processors that serve at the same time are set, each on its own, and put back.
func TestRunSetsClocksOfTwo(t *testing.T) {
	needRuntime(t)
	dir, root, tmp := clockedBundle(t, pairBundle(t)), boardFiles(t, nil), t.TempDir()
	gpu := filepath.Join(root, "sys/class/devfreq/17000000.gv11b")
	if err := os.MkdirAll(gpu, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"governor": "nvhost_podgov", "cur_freq": "600000000", "min_freq": "600000000", "max_freq": "1500000000"} {
		if err := os.WriteFile(filepath.Join(gpu, name), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before, record := contents(t, root), filepath.Join(tmp, "run.csv")
	code, out, errs := runIn(t.Context(), "run", dir, "--ep", "gpu=cpu", "--images", "builtin", "--requests", "200", "--arrivals", "poisson", "--period", "2ms", "--deadline", "30ms", "--prepared", tmp,
		"--system", root, "--clocks", "set", "--trace", record)
	if code != ExitOK || !strings.Contains(out, "clock of cpu: asked for") || !strings.Contains(out, "clock of gpu: asked for") || strings.Contains(errs, "clock-") {
		t.Fatalf("exit code %d\n%s\n%s", code, out, errs)
	}
	if after := contents(t, root); after != before {
		t.Errorf("left behind\n%s\nof\n%s", after, before)
	}
	tr := readTrace(t, record)
	var below [2]int
	for _, r := range tr.Records {
		if d := r.Decision; d.Clock > 0 && d.Clock < 3 {
			below[d.Processor]++
		}
	}
	if report, err := trace.Replay(tr); err != nil || report.Equal != report.N || report.N < 150 || below[0]+below[1] == 0 || len(tr.Records[0].Observation.Steps) != 2 {
		t.Errorf("%v below the top clock, replay %+v, %v", below, report, err)
	}
}

// A run that is interrupted puts clocks back, too, and so does one that ends in an error.
func TestInterruptedRunRestoresClocks(t *testing.T) {
	needRuntime(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, root := clockedBundle(t, tinyBundle(t)), boardFiles(t, nil)
	before := contents(t, root)
	for name, args := range map[string][]string{"interrupted": nil, "failed": {"--trace", "/dev/full"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		set := make(chan bool, 1)
		go func() {
			defer cancel()
			for ctx.Err() == nil {
				if strings.Contains(contents(t, root), "scaling_governor: userspace") {
					set <- true
					return
				}
				time.Sleep(time.Millisecond)
			}
			set <- false
		}()
		var out output
		app := Prepare(&cli.App{Name: "dynofa-run", Commands: []*cli.Command{Run("test")}}, &out, &out)
		code := Main(ctx, app, append([]string{"dynofa-run", "run", dir, "--images", "builtin", "--duration", "20s", "--arrivals", "periodic", "--period", "5ms", "--prepared", "none",
			"--system", root, "--clocks", "set"}, args...))
		if !<-set || (code != ExitOK) != (args != nil) {
			t.Errorf("%s: exit code %d, or the clocks were never set\n%s", name, code, out.String())
		}
		if after := contents(t, root); after != before {
			t.Errorf("%s: left behind\n%s\nof\n%s", name, after, before)
		}
	}
}

// A power mode that is asked for while the run sets clocks is set with the clocks as they were found, and they are set again after it.
func TestPowerModeWhileClocksAreSet(t *testing.T) {
	needRuntime(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, root, tmp := clockedBundle(t, tinyBundle(t)), boardFiles(t, nil), t.TempDir()
	profile, control, record := filepath.Join(root, "sys/firmware/acpi/platform_profile"), filepath.Join(tmp, "control.json"), filepath.Join(tmp, "run.csv")
	governor, most := filepath.Join(root, "sys/devices/system/cpu/cpufreq/policy0/scaling_governor"), filepath.Join(root, "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq")
	if err := os.MkdirAll(filepath.Dir(profile), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
	read := func(path string) string {
		text, _ := os.ReadFile(path)
		return strings.TrimSpace(string(text))
	}
	write(profile, "balanced\n")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	until := func(what string, f func() bool) {
		for !f() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if ctx.Err() != nil {
			t.Errorf("%s never happened", what)
		}
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		until("setting clocks", func() bool { return read(governor) == "userspace" })
		write(control, `{"power_mode": "low-power"}`)
		until("the power mode", func() bool { return read(profile) == "low-power" })
		write(most, "1000000\n") // what the mode leaves
		until("setting clocks again", func() bool { return read(governor) == "userspace" })
		time.Sleep(300 * time.Millisecond)
		cancel()
	}()
	var out output
	app := Prepare(&cli.App{Name: "dynofa-run", Commands: []*cli.Command{Run("test")}}, &out, &out)
	code := Main(ctx, app, []string{"dynofa-run", "run", dir, "--images", "builtin", "--duration", "20s", "--arrivals", "periodic", "--period", "5ms", "--prepared", "none",
		"--system", root, "--clocks", "set", "--control", control, "--trace", record})
	<-done
	if code != ExitOK || read(governor) != "ondemand" || read(profile) != "low-power" || read(most) != "1000000" {
		t.Errorf("exit code %d, governor %s, profile %s, most %s\n%s", code, read(governor), read(profile), read(most), out.String())
	}
	tr := readTrace(t, record)
	first, last := tr.Records[0].Observation.Steps[0], tr.Records[len(tr.Records)-1].Observation.Steps[0]
	if first.High != 3 || last.High != 2 {
		t.Errorf("steps %v could be had at first, %v in the end", first, last)
	}
	if report, err := trace.Replay(tr); err != nil || report.Equal != report.N {
		t.Errorf("replay %+v, %v", report, err)
	}
}

// The doctor says whether the clocks that a bundle's policy chooses can be set.
func TestDoctorChosenClocks(t *testing.T) {
	clocks := []family.Clocks{{Processor: "cpu", Steps: []unit.Hertz{600e6, 1e9, 1.5e9}}, {Processor: "gpu", Steps: []unit.Hertz{5e8, 1e9}}}
	for name, c := range map[string]struct {
		files   map[string]string
		may     bool
		verdict string
		want    string
		remedy  string
	}{
		"allowed": {may: true, verdict: checkOK, want: "3 of the 3 that policy qdp chooses among can be set, with run --clocks set"},
		"limited": {may: true, files: map[string]string{"scaling_max_freq": "1000000"}, verdict: checkOK, want: "2 of the 3"},
		"pinned":  {may: true, files: map[string]string{"scaling_min_freq": "1500000"}, verdict: checkWarn, want: "1 can be had: the system holds them from 1.500 GHz to 1.500 GHz", remedy: "jetson_clocks --restore"},
		"refused": {verdict: checkWarn, want: "this user may not write 2 of 2 files such as /sys/devices/system/cpu/cpufreq/policy0/scaling_governor", remedy: "docs/deploying.md"},
	} {
		list := checkChosenClocks(os.DirFS(boardFiles(t, c.files)), func(string) bool { return c.may }, "qdp", clocks)
		if len(list) != 2 || list[0].verdict != c.verdict || !strings.Contains(list[0].detail, c.want) || !strings.Contains(list[0].remedy, c.remedy) {
			t.Errorf("%s: %+v", name, list)
		}
		if f := list[1]; f.name != "clocks of gpu" || f.verdict != checkWarn || !strings.Contains(f.detail, "this system tells none") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if list := checkChosenClocks(os.DirFS(boardFiles(t, nil)), nil, "slack", nil); len(list) > 0 {
		t.Errorf("without clocks: %+v", list)
	}
}
