package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/lut/load"
)

func TestMain(m *testing.M) {
	load.Main()                                        // the run command starts this binary again as a co-running load
	if args, ok := os.LookupEnv(commandVariable); ok { // and TestSweepSurvivesKilling
		os.Exit(run(context.Background(), strings.Split(args, "\n"), os.Stdout, os.Stderr))
	}
	if path, ok := os.LookupEnv(killVariable); ok { // so does TestProfileSurvivesKilling
		if err := killedProfile(path, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if args, ok := os.LookupEnv(evalVariable); ok { // and TestEvalSurvivesKilling
		journalEvery = 0
		os.Exit(run(context.Background(), strings.Split(args, "\n"), os.Stdout, os.Stderr))
	}
	cache, err := os.MkdirTemp("", "dynofa-test-") // for prepared bundles
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("XDG_CACHE_HOME", cache)
	code := m.Run()
	os.RemoveAll(cache)
	os.Exit(code)
}

// dynofa runs a command line and returns exit code, standard output and standard error.
func dynofa(t testing.TB, args ...string) (int, string, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), append([]string{"dynofa"}, args...), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// succeed runs a command line that must work and returns its standard output.
func succeed(t testing.TB, args ...string) string {
	t.Helper()
	code, stdout, stderr := dynofa(t, args...)
	if code != command.ExitOK {
		t.Fatalf("dynofa %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// needRuntime skips the test where ONNX Runtime was not fetched, or fails if it must be there.
func needRuntime(t testing.TB) {
	t.Helper()
	if _, err := ort.FindLibrary(""); err != nil {
		if os.Getenv("DYNOFA_REQUIRE_RUNTIME") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func TestUsageErrors(t *testing.T) {
	db := filepath.Join(t.TempDir(), "s.db")
	for _, c := range []struct {
		name, message string
		args          []string
	}{
		{"unknown command", `unknown command "frobnicate"`, []string{"frobnicate"}},
		{"unknown subcommand", `unknown command "frobnicate"`, []string{"lut", "frobnicate"}},
		{"unknown flag", "flag provided but not defined", []string{"lut", "list", "--frob"}},
		{"unknown flag of a command with subcommands", "flag provided but not defined", []string{"lut", "--frob"}},
		{"stray argument", "takes no arguments", []string{"lut", "list", "--db", db, "stray"}},
		{"missing argument", "wants PATH", []string{"lut", "import", "--db", db, "--device", "d", "--processor", "cpu"}},
		{"missing flag", "--device is required", []string{"lut", "import", "--db", db, "."}},
		{"missing arch", "--arch is required", []string{"lut", "predict", "--db", db}},
		{"bad arch", "byte", []string{"lut", "predict", "--db", db, "--arch", "{"}},
		{"bad budget", "-5 evaluations", []string{"search", "run", "--db", db, "--evaluations", "-5"}},
		{"bad deadline", "is negative", []string{"search", "run", "--db", db, "--deadline", "-1s"}},
		{"bad limit", "is negative", []string{"sim", "run", "--db", db, "--scenario", "poisson", "--limit", "-5ms"}},
		{"bad list", `"ks": "3" is no list of whole numbers`, []string{"lut", "predict", "--db", db, "--arch", `{"ks":3}`}},
		{"bad levels", "-1 levels", []string{"family", "choose", "--db", db, "--levels", "-1"}},
		{"bad power", "--power -3", []string{"lut", "import", "--db", db, "--device", "d", "--processor", "cpu", "--power", "-3", "."}},
		{"bad format", "none of text, json, csv", []string{"lut", "list", "--db", db, "--format", "xml"}},
		{"bad space", "unknown space", []string{"lut", "profile", "--db", db, "--space", "resnet"}},
		{"bad resolution", "not a whole number", []string{"lut", "profile", "--db", db, "--resolutions", "128,x"}},
		{"bad sweep", "none of threads=, co=, batch=", []string{"lut", "profile", "--db", db, "--sweep", "clock=1,2"}},
		{"bad co-runner", "unknown kind", []string{"lut", "profile", "--db", db, "--co", "gpu"}},
		{"bad clock", "none of wall, thread", []string{"lut", "profile", "--db", db, "--clock", "sun"}},
		{"both rules", "either --levels or --share", []string{"family", "choose", "--db", db, "--levels", "3", "--share", "0.9"}},
		{"bad picture", ".svg, .png or .pdf", []string{"plot", "front", "--db", db, "-o", "front.gif"}},
		{"bad policy list", "is empty", []string{"sim", "compare", "--scenario", "fig7", "--policy", "slack,,ladder"}},
		{"bad parameter", "not NAME=VALUE", []string{"sim", "compare", "--scenario", "fig7", "--policy", "slack{x}"}},
		{"bad change", "KEY=VALUE", []string{"sim", "run", "--scenario", "fig7", "--set", "x"}},
		{"bad warm-up", "warm-up", []string{"sim", "run", "--scenario", "fig7", "--warm-up", "10s"}},
		{"bad target", "no share", []string{"sim", "run", "--scenario", "fig7", "--target", "101%"}},
		{"two policies", "sim compare several", []string{"sim", "run", "--scenario", "fig7", "--policy", "slack,qdp"}},
		{"nothing to vary", "--vary is required", []string{"sim", "sweep", "--scenario", "fig7", "--db", db}},
		{"bad axis", "KEY=VALUE,VALUE", []string{"sim", "sweep", "--scenario", "fig7", "--db", db, "--vary", "limit"}},
		{"bad measure", "not known", []string{"sim", "sweep", "--scenario", "fig7", "--db", db, "--vary", "limit=50ms", "--measure", "joy"}},
		{"bad request", "is no number", []string{"sim", "explain", "--scenario", "fig7", "first"}},
		{"no request", "wants REQUEST", []string{"sim", "explain", "--scenario", "fig7"}},
		{"no scenario to tune", "--scenario is required", []string{"policy", "tune", "--db", db}},
		{"energy without a target", "needs a target", []string{"policy", "tune", "--db", db, "--scenario", "fig7", "--goal", "energy"}},
		{"energy without a board", "has no board", []string{"policy", "tune", "--db", db, "--scenario", "fig7", "--goal", "energy", "--target", "90%"}},
		{"unknown goal", "neither accuracy nor energy", []string{"policy", "tune", "--db", db, "--scenario", "fig7", "--goal", "speed"}},
		{"unknown candidates", "no candidates", []string{"policy", "tune", "--db", db, "--scenario", "fig7", "--policies", "magic"}},
		{"scenario without arrivals", "goes with --arrivals", []string{"sim", "replay", "--scenario", "fig7", "main_test.go"}},
		{"bad load", "KIND:THREADS@FROM-TO", []string{"run", ".", "--images", "builtin", "--load", "cpu:2@5s-4s"}},
		{"alpha", "--alpha 3 is outside (0, 1)", []string{"lut", "diff", "1", "2", "--db", db, "--alpha", "3"}},
		{"run to run", "--run-to-run -1 is outside", []string{"lut", "diff", "1", "2", "--db", db, "--run-to-run", "-1"}},
		{"memory share", "--memory-share 2 is outside [0, 1]", []string{"lut", "rescale", "--db", db, "--cpu-clock", "1GHz", "--memory-share", "2"}},
		{"calibration networks", "--networks 99 is outside [0, 5]", []string{"lut", "calibrate", "--db", db, "--networks", "99"}},
		{"peak", "--peak-macs NaN is outside", []string{"lut", "audit", "--db", db, "--peak-macs", "NaN"}},
		{"resolution", "--resolution -3 is negative", []string{"lut", "show", "--db", db, "--resolution", "-3"}},
		{"interpolated resolution", "--resolutions 0 is outside", []string{"lut", "interpolate", "--db", db, "--resolutions", "0"}},
		{"quantile", "--quantile 3 is outside [0.5, 0.999]", []string{"sim", "noise", "trace.csv", "--quantile", "3"}},
		{"duration", "--duration -1s is negative", []string{"run", "bundle", "--images", "builtin", "--duration", "-1s"}},
		{"requests", "--requests -1 is negative", []string{"run", "bundle", "--images", "builtin", "--requests", "-1"}},
		{"threads", "--threads 9999 is outside [0, 1024]", []string{"run", "bundle", "--images", "builtin", "--threads", "9999"}},
		{"arrivals", "needs a --period", []string{"run", "bundle", "--images", "builtin", "--arrivals", "poisson"}},
		{"bare accuracy", "--min-accuracy", []string{"run", "bundle", "--images", "builtin", "--min-accuracy", "76"}},
		{"address", "is not HOST:PORT", []string{"run", "bundle", "--listen", "8000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := dynofa(t, c.args...)
			if code != command.ExitUsage || !strings.Contains(stderr, c.message) {
				t.Errorf("exit code %d, want %d with %q in:\n%s", code, command.ExitUsage, c.message, stderr)
			}
		})
	}
	if _, err := os.Stat(db); err == nil {
		t.Error("a usage error made a study file")
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "s.db")
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	scenario := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(scenario, []byte("family: paper-gpu6\nprocessor: gpu\nlimt: 60ms\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, message string
		args          []string
	}{
		{"no study", "s.db", []string{"lut", "list", "--db", db}},
		{"no database", "text.db", []string{"lut", "list", "--db", text}},
		{"no folder", "nowhere", []string{"lut", "import", "--db", db, "--device", "d", "--processor", "cpu", filepath.Join(dir, "nowhere")}},
		{"no scenario", "neither a file nor built in", []string{"sim", "compare", "--scenario", "fig8"}},
		{"unknown key", "bad.yaml:3: limt: unknown key", []string{"sim", "compare", "--scenario", scenario}},
		{"bad value", "arrivals.rate: \"x\" is no rate", []string{"sim", "compare", "--scenario", "poisson", "--set", "arrivals.rate=x"}},
		{"no board", "no built-in board", []string{"sim", "compare", "--scenario", "poisson", "--set", "board=toaster"}},
		{"no mode", "no power mode", []string{"sim", "compare", "--scenario", "poisson", "--set", "board=jetson-xavier-nx", "--set", "mode=FAST"}},
		{"no such request", "there is no request 99999", []string{"sim", "explain", "--scenario", "fig7", "99999"}},
		{"bad trace", "not a trace", []string{"sim", "explain", "--trace", scenario, "0"}},
		{"unknown policy", "unknown", []string{"sim", "compare", "--scenario", "fig7", "--policy", "magic"}},
		{"level out of range", "static:6", []string{"sim", "compare", "--scenario", "fig7", "--policy", "static:6"}},
		{"no trace", "none.csv", []string{"sim", "replay", filepath.Join(dir, "none.csv")}},
		{"no bundle", "bundle", []string{"run", filepath.Join(dir, "bundle"), "--images", "builtin"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := dynofa(t, c.args...)
			if code != command.ExitFailure || !strings.Contains(stderr, c.message) {
				t.Errorf("exit code %d, want %d with %q in:\n%s", code, command.ExitFailure, c.message, stderr)
			}
		})
	}
}

// TestAuthorsTables takes the authors' tables and OFA's predictor through the commands of the
// README, and the family through a random-weight export and a run.
func TestAuthorsTables(t *testing.T) {
	needRuntime(t)
	dir := t.TempDir()
	db := filepath.Join(dir, "s.db")
	for _, processor := range []string{"cpu", "gpu"} {
		succeed(t, "lut", "import", "--db", db, "--format", "ofa-json", "--device", "xavier-nx", "--processor", processor,
			reftest.Path(t, "xavier-nx", processor))
	}
	// The largest w1.2 network at 224: 3551 ms by the authors' CPU table.
	const largest = `{"ks":[7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7],"e":[6,6,6,6,6,6,6,6,6,6,6,6,6,6,6,6,6,6,6,6],"d":[4,4,4,4,4],"r":[224]}`
	if out := succeed(t, "lut", "predict", "--db", db, "--device", "xavier-nx", "--processor", "cpu", "--arch", largest); !strings.Contains(out, "3.551 s") {
		t.Errorf("prediction of the largest network:\n%s", out)
	}
	search := []string{"search", "run", "--db", db, "--device", "xavier-nx", "--processor", "cpu",
		"--accuracy", reftest.Path(t, "ofa", "acc_predictor.pth"), "--evaluations", "3000", "--format", "csv"}
	first := succeed(t, search...)
	if again := succeed(t, search...); again != first {
		t.Error("the stored search prints differently")
	}
	succeed(t, "family", "choose", "--db", db, "--levels", "6")
	for _, picture := range []string{"front.svg", "front.png", "front.pdf"} {
		path := filepath.Join(dir, picture)
		succeed(t, "plot", "front", "--db", db, "-o", path)
		if info, err := os.Stat(path); err != nil || info.Size() < 5000 {
			t.Errorf("%s: %v, %v", picture, info, err)
		}
	}
	succeed(t, "sim", "compare", "--db", db, "--scenario", "poisson", "--family", "", "--policy", "slack")
}

// TestHostPath measures, searches, chooses, simulates, exports, runs and replays, on a small space.
func TestHostPath(t *testing.T) {
	needRuntime(t)
	dir := t.TempDir()
	db, bundle, trace := filepath.Join(dir, "s.db"), filepath.Join(dir, "bundle"), filepath.Join(dir, "run.csv")
	succeed(t, "lut", "profile", "--db", db, "--space", "ofa-mbv3-w0.5-c10", "--resolutions", "32,64", "--rounds", "8", "--networks", "1")
	succeed(t, "search", "run", "--db", db, "--accuracy", "stand-in", "--resolutions", "32,64", "--evaluations", "500")
	if out := succeed(t, "family", "choose", "--db", db, "--levels", "3"); !strings.Contains(out, "stand-in") {
		t.Errorf("the family does not say that its accuracy is a stand-in:\n%s", out)
	}
	checkpoints := []string{"random:1"}
	if os.Getenv(reftest.RequireVariable) == "1" {
		checkpoints = append(checkpoints, reftest.Path(t, "ofa", "supernet", "supernet_zip.pth"), reftest.Path(t, "ofa", "supernet", "supernet_legacy.pth"))
	}
	for _, checkpoint := range checkpoints {
		succeed(t, "export", "--db", db, "--checkpoint", checkpoint, "--policy", "slack", "-o", bundle)
		// Of a machine of which nothing is known, so that nothing interferes.
		out := succeed(t, "run", bundle, "--images", "builtin", "--system", t.TempDir(), "--requests", "40", "--limit", "50ms", "--load", "cpu:1@0s-1h,mem:1:4MiB@10ms-20ms", "--trace", trace)
		if !strings.Contains(out, "40 requests") || !strings.Contains(out, "stand-in") {
			t.Errorf("report of the run:\n%s", out)
		}
		if out := succeed(t, "sim", "replay", trace, "--format", "csv"); !strings.Contains(out, ",slack,40,40,") {
			t.Errorf("the replay does not agree:\n%s", out)
		}
		if out := succeed(t, "sim", "replay", trace, "--arrivals", "--calibrate", trace); !strings.Contains(out, "of 40 decisions are the recorded ones") {
			t.Errorf("the simulation from the run itself:\n%s", out)
		}
	}
	// The policy that simulation picks for this family goes into a bundle.
	succeed(t, "policy", "tune", "--db", db, "--scenario", "camera", "--family", familyName(t, db), "--set", "processor=cpu", "--set", "disturbances={cpu: [{at: 5s, slowdown: 1.2}]}",
		"--set", "initial_level=0", "--set", "duration=20s", "--replications", "1", "--policies", "static,slack")
	succeed(t, "export", "--db", db, "--checkpoint", "random:1", "--policy", "tuned", "-o", bundle)
	if out := succeed(t, "run", bundle, "--images", "builtin", "--requests", "5", "--limit", "50ms"); !strings.Contains(out, "5 requests") {
		t.Errorf("the run with a tuned policy:\n%s", out)
	}
	clockPath(t, db)
}
