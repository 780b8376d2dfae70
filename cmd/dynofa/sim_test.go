package main

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/search/family"
	simstore "github.com/dynofa/dynofa/sim/store"
)

// commandVariable makes this binary dynofa with the command line that it holds, one word a line.
const commandVariable = "DYNOFA_TEST_COMMAND"

// One worker or eight, stored or not: the same bytes.
func TestCompareSameBytes(t *testing.T) {
	db := filepath.Join(t.TempDir(), "s.db")
	command := []string{"sim", "compare", "--scenario", "poisson", "--set", "duration=20s", "--policy", "slack,qdp,slackfit{margin=10% hopeless=drop}", "--replications", "3"}
	want := succeed(t, append(command, "--workers", "1")...)
	for _, more := range [][]string{{"--workers", "8"}, {"--save", "--db", db}, {"--save", "--db", db}} {
		if got := succeed(t, append(command, more...)...); got != want {
			t.Errorf("%v gives other bytes:\n%s\nwant\n%s", more, got, want)
		}
	}
	for _, column := range []string{"slackfit{hopeless=drop margin=10%}", "regret", "+-", "MSER-5", "P(miss|miss)", "99% met"} {
		if !strings.Contains(want, column) {
			t.Errorf("%q is not printed:\n%s", column, want)
		}
	}
}

// A board adds energy and temperature, several applications a row each.
func TestRunOnBoard(t *testing.T) {
	out := succeed(t, "sim", "run", "--scenario", "poisson", "--set", "duration=20s", "--set", "board=jetson-xavier-nx", "--set", "mode=MODE_15W_6CORE", "--replications", "1", "--format", "csv")
	if !strings.Contains(out, "energy (J)") || !strings.Contains(out, "hottest (C)") {
		t.Errorf("no energy or temperature:\n%s", out)
	}
}

// The sinks write what they are asked for: files that can be read again, and nothing else.
func TestSinks(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	command := []string{"sim", "compare", "--scenario", "fig7", "--policy", "slack,static:3"}
	succeed(t, command...)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("a comparison without sinks leaves %v, %v", entries, err)
	}
	succeed(t, append(command, "--plot", "p.svg", "--traces", "csv", "--perfetto", "pf")...)
	for _, path := range []string{"p.svg", "csv/slack.csv", "csv/static-3.csv", "pf/slack.pftrace", "pf/static-3.pftrace"} {
		if info, err := os.Stat(path); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if out := succeed(t, "sim", "replay", "csv/slack.csv", "--format", "csv"); !strings.Contains(out, ",slack,214,214,") {
		t.Errorf("the replay differs:\n%s", out)
	}
	if out := succeed(t, "sim", "replay", "--arrivals", "--policy", "static:0", "--perfetto", "r.pftrace", "csv/slack.csv", "--format", "csv"); !strings.Contains(out, "static:0,214") {
		t.Errorf("replay of arrivals:\n%s", out)
	}
	out := succeed(t, "sim", "replay", "--arrivals", "--calibrate", "csv/slack.csv", "csv/static-3.csv", "--format", "csv")
	if strings.Count(out, "static:3,") != 2 {
		t.Errorf("replay of arrivals with a calibration:\n%s", out)
	}
	if out := succeed(t, "sim", "replay", "--arrivals", "--calibrate", "csv/slack.csv", "csv/static-3.csv"); !strings.Contains(out, " decisions are the recorded ones") {
		t.Errorf("replay of arrivals with a calibration:\n%s", out)
	}
	if out := succeed(t, "sim", "explain", "--trace", "csv/slack.csv", "60"); !strings.Contains(out, "decided: serve at level") || !strings.Contains(out, "*  serve") {
		t.Errorf("explanation:\n%s", out)
	}
}

// TestSweepSurvivesKilling kills a sweep at random moments. After each kill the study opens and has at least what it
// had before; in the end the sweep prints what one prints that nobody killed.
func TestSweepSurvivesKilling(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "s.db")
	command := func(db string) []string {
		return []string{"dynofa", "sim", "sweep", "--db", db, "--scenario", "poisson", "--set", "requests=400", "--vary", "arrivals.rate=8/s,12/s,16/s,20/s", "--vary", "limit=100ms,150ms",
			"--policy", "slack,qdp", "--replications", "4", "--workers", "2"}
	}
	count := func() int {
		s, err := sqlite.Open(t.Context(), db)
		if errors.Is(err, fs.ErrNotExist) {
			return 0 // killed before it made the file
		}
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		n, err := simstore.New(s, nil).Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	rng := rand.New(rand.NewPCG(1, 2))
	kills, stored, finished := 0, 0, false
	for kills < 8 && !finished {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), commandVariable+"="+strings.Join(command(db), "\n"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		enough := stored + rng.IntN(12) // some kills hit the opening
	watch:
		for {
			select {
			case err := <-ended:
				finished = err == nil
				break watch
			case <-time.After(time.Duration(5+rng.IntN(20)) * time.Millisecond):
			}
			if _, err := os.Stat(db); err == nil && count() > enough {
				_ = cmd.Process.Kill()
				<-ended
				kills++
				break watch
			}
		}
		n := count()
		if n < stored {
			t.Fatalf("kill %d leaves %d outcomes of %d", kills, n, stored)
		}
		stored = n
	}
	t.Logf("%d kills, %d outcomes by then, finished %v", kills, stored, finished)
	want := succeed(t, command(filepath.Join(dir, "whole.db"))[1:]...)
	if got := succeed(t, command(db)[1:]...); got != want {
		t.Errorf("after %d kills the sweep prints\n%s\nwant\n%s", kills, got, want)
	}
	picture := filepath.Join(dir, "sweep.svg")
	succeed(t, append(command(db)[1:], "--plot", picture)...)
	if info, err := os.Stat(picture); err != nil || info.Size() < 5000 {
		t.Errorf("picture: %v", err)
	}
}

// A tuned policy is kept and listed; tuning again takes everything from the study.
func TestTunePolicy(t *testing.T) {
	db := filepath.Join(t.TempDir(), "s.db")
	command := []string{"policy", "tune", "--db", db, "--scenario", "camera,poisson", "--set", "duration=20s", "--policies", "static,slackfit", "--replications", "2", "--name", "mine", "--target", "90%"}
	first := succeed(t, command...)
	if again := succeed(t, command...); again != first {
		t.Errorf("tuned again:\n%s\nwant\n%s", again, first)
	}
	if !strings.Contains(first, `tuned policy "mine": `) || !strings.Contains(first, "best of 18 candidates") {
		t.Errorf("tuning prints\n%s", first)
	}
	if out := succeed(t, "policy", "tuned", "--db", db, "--format", "csv"); strings.Count(out, "mine,") != 2 || !strings.Contains(out, "camera poisson") {
		t.Errorf("list:\n%s", out)
	}
	// Scenarios on several boards name them all.
	succeed(t, "policy", "tune", "--db", db, "--scenario", "camera,"+boardScenario(t), "--policies", "static", "--replications", "1", "--name", "boards", "--set", "duration=5s")
	if out := succeed(t, "policy", "tuned", "--db", db, "--format", "csv"); !strings.Contains(out, `"no board, jetson-xavier-nx"`) {
		t.Errorf("list:\n%s", out)
	}
}

// boardScenario writes a scenario on a board.
func boardScenario(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nx.yaml")
	text := "title: On a board\nsources: [chosen]\nfamily: paper-gpu6\nprocessor: gpu\nboard: jetson-xavier-nx\narrivals: {kind: poisson, rate: 6/s}\nlimit: 200ms\nduration: 5s\nseed: 4\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Tuned for least energy, a policy is kept with the operating points that it chooses among and the table that it solved for.
func TestTuneEnergy(t *testing.T) {
	db := filepath.Join(t.TempDir(), "s.db")
	out := succeed(t, "policy", "tune", "--db", db, "--scenario", "poisson", "--board", "jetson-xavier-nx", "--set", "mode=8", "--set", "duration=15s", "--set", "limit=400ms",
		"--policies", "static,qdp", "--replications", "1", "--goal", "energy", "--target", "80%", "--accuracy", "76%")
	if !strings.Contains(out, "qdp{drops=0 energy=") || !strings.Contains(out, "energy of the candidates' mean") {
		t.Errorf("tuning prints\n%s", out)
	}
	s, err := openStudy(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	p, managed, err := policyOf(t.Context(), s, "tuned", nil, f)
	if err != nil {
		t.Fatal(err)
	}
	if p.Spec != "qdp" || p.Params["energy"] == "" || len(managed.Clocks) != 1 || len(f.Clocks) != 0 {
		t.Errorf("%+v manages clocks %+v", p, managed.Clocks)
	}
	// In scenarios that go through several power modes, for all of them: 803.25 MHz at most in the first one, 1109.25 MHz in others.
	modes := succeed(t, "policy", "tune", "--db", db, "--scenario", "poisson,power-mode", "--board", "jetson-xavier-nx", "--set", "mode=MODE_10W_4CORE", "--set", "duration=21s", "--set", "events=[{at: 20s, kind: mode, to: MODE_20W_6CORE}]",
		"--policies", "qdp", "--replications", "1", "--goal", "energy", "--target", "20%")
	if !strings.Contains(modes, "clock steps of MODE_10W_4CORE and MODE_20W_6CORE") {
		t.Errorf("tuning prints\n%s", modes)
	}
	if _, both, err := policyOf(t.Context(), s, "tuned", nil, f); err != nil || len(both.Clocks[0].Steps) != 15 || both.Clocks[0].Steps[14] != 1109.25e6 {
		t.Errorf("%+v, %v", both, err)
	}
	if (p.Params["table"] != "") != strings.Contains(out, "starts from the table") {
		t.Errorf("table %q, but tuning prints\n%s", p.Params["table"], out)
	}
	other := *f
	other.Levels = f.Levels[:5]
	if _, _, err := policyOf(t.Context(), s, "tuned", nil, &other); err == nil {
		t.Error("it manages another family")
	}
}

// familyName returns the name of the newest family of a study.
func familyName(t *testing.T, db string) string {
	t.Helper()
	s, err := openStudy(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := s.Family(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return f.Name
}
