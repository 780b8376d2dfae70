package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
)

// clockPath goes the way of clocks with the newest family of a study, chosen from table 1: tables at several clocks, a policy tuned for
// energy on a Raspberry Pi 4 with them, a bundle, a run with real inference that sets the clocks of a board that is a folder, and
// the replay of its trace.
func clockPath(t *testing.T, db string) {
	dir := t.TempDir()
	b, record, root := filepath.Join(dir, "bundle"), filepath.Join(dir, "run.csv"), filepath.Join(dir, "board")
	study, err := openStudy(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer study.Close()
	table, err := study.Table(t.Context(), lut.Query{ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	table.Point.CPUClock, table.Calibration.Scale = 1.5e9, max(table.Calibration.Scale, 1) // as if the machine had told it
	id, err := study.PutTable(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	for _, clock := range []string{"600MHz", "1GHz"} {
		succeed(t, "lut", "rescale", "--db", db, "--table", fmt.Sprint(id), "--cpu-clock", clock, "--memory-share", "0.4")
	}
	f, err := study.Family(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	points, err := studyPoints(t.Context(), db, f)
	if err != nil || len(points) != 3 || points[0].Clock != 600e6 || points[1].Clock != 1e9 || points[2].Clock != 1.5e9 {
		t.Fatalf("points %+v, %v", points, err)
	}
	out := succeed(t, "policy", "tune", "--db", db, "--scenario", "camera", "--family", f.Name, "--board", "raspberry-pi-4", "--set", "processor=cpu", "--set", "disturbances={cpu: [{at: 5s, slowdown: 1.2}]}", "--set", "initial_level=0",
		"--set", "duration=6s", "--set", "mode=arm_boost_0", "--set", "limit=200ms", "--replications", "1", "--policies", "static,qdp", "--goal", "energy", "--target", "90%")
	if !strings.Contains(out, ": qdp{") {
		t.Fatalf("tuned\n%s", out)
	}
	succeed(t, "export", "--db", db, "--checkpoint", "random:1", "--policy", "tuned", "-o", b)
	opened, err := bundle.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	clocks := opened.Manifest().Family.ClocksOf("cpu")
	if clocks == nil || len(clocks.Steps) != 10 || !strings.Contains(clocks.Source, "latencies by tables at 600.0 MHz (modelled), 1.000 GHz (modelled), 1.500 GHz (measured)") || !strings.Contains(clocks.Source, "at once is assumed") {
		t.Fatalf("the bundle has clocks %+v", clocks)
	}
	for _, p := range points { // as in the tables, but for rounding
		k := slices.Index(clocks.Steps, p.Clock)
		for i, l := range opened.Manifest().Family.Levels {
			if got := l.Latencies[0].Points[k].Latency.Duration(); (got - p.Latency[i]).Abs() > 10*time.Nanosecond {
				t.Errorf("level %d at %v takes %v, the table says %v", i, p.Clock, got, p.Latency[i])
			}
		}
	}
	policy0 := filepath.Join(root, "sys/devices/system/cpu/cpufreq/policy0")
	if err := os.MkdirAll(policy0, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"scaling_governor": "ondemand", "scaling_available_governors": "userspace ondemand", "scaling_setspeed": "<unsupported>",
		"scaling_min_freq": "600000", "scaling_max_freq": "1500000", "cpuinfo_min_freq": "600000", "cpuinfo_max_freq": "1500000"} {
		if err := os.WriteFile(filepath.Join(policy0, name), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	doctor := succeed(t, "doctor", "--bundle", b, "--system", root)
	if !strings.Contains(doctor, "10 of the 10 that policy qdp chooses among can be set") {
		t.Errorf("doctor says\n%s", doctor)
	}
	out = succeed(t, "run", b, "--images", "builtin", "--requests", "60", "--arrivals", "poisson", "--period", "10ms", "--deadline", "60ms", "--system", root, "--clocks", "set", "--trace", record)
	if !strings.Contains(out, "clock of cpu: asked for ") || !strings.Contains(out, "is assumed") {
		t.Errorf("the run says\n%s", out)
	}
	if text, err := os.ReadFile(filepath.Join(policy0, "scaling_governor")); err != nil || strings.TrimSpace(string(text)) != "ondemand" {
		t.Errorf("it left the governor %s, %v", text, err)
	}
	text, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read(record, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	below := 0
	for i := range tr.Records {
		if d := tr.Records[i].Decision; d.Action == policy.Serve && clocks.Steps[d.Clock-1] < 1.5e9 {
			below++
		}
	}
	if below == 0 || unit.Hertz(tr.Header.Family.Clocks[0].Steps[9]) != 1.5e9 {
		t.Errorf("all of %d inferences ran at the top clock", len(tr.Records))
	}
	if out := succeed(t, "sim", "replay", record, "--format", "csv"); !strings.Contains(out, ",qdp,60,60,") {
		t.Errorf("the replay does not agree:\n%s", out)
	}
	killedRun(t, b, root)
	if out := succeed(t, "sim", "replay", record, "--arrivals"); !strings.Contains(out, "of 60 decisions are the recorded ones") && !strings.Contains(out, "qdp") {
		t.Errorf("the simulation from the run itself:\n%s", out)
	}
}

// killedRun kills a run that has set clocks: they stay, the doctor says so and what to do, and the next run puts them back.
func killedRun(t *testing.T, b, root string) {
	governor := filepath.Join(root, "sys/devices/system/cpu/cpufreq/policy0/scaling_governor")
	stands := func() string {
		text, err := os.ReadFile(governor)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	run := []string{"run", b, "--images", "builtin", "--arrivals", "periodic", "--period", "5ms", "--system", root, "--clocks", "set"}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), evalVariable+"="+strings.Join(append(append([]string{"dynofa"}, run...), "--duration", "1h"), "\n"))
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); stands() != "userspace" && time.Since(began) < 30*time.Second; {
		time.Sleep(5 * time.Millisecond)
	}
	if code, _, errs := dynofa(t, append(run, "--requests", "1")...); code != command.ExitFailure || !strings.Contains(errs, fmt.Sprintf("process %d sets clocks here already", child.Process.Pid)) {
		t.Errorf("beside a run that goes on: exit code %d, %s", code, errs)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if stands() != "userspace" {
		t.Fatal("the killed run had set no clocks")
	}
	if out := succeed(t, "doctor", "--system", root); !strings.Contains(out, "a run was killed that had set clocks") || !strings.Contains(out, "echo ondemand > "+governor) {
		t.Errorf("doctor says\n%s", out)
	}
	code, _, errs := dynofa(t, append(run, "--requests", "3")...)
	if code != command.ExitOK || !strings.Contains(errs, "clocks that a run has left when it was killed were put back") || stands() != "ondemand" {
		t.Errorf("exit code %d, governor %s\n%s", code, stands(), errs)
	}
	if out := succeed(t, "doctor", "--system", root); strings.Contains(out, "clocks left") {
		t.Errorf("doctor still says\n%s", out)
	}
}
