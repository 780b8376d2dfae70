package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/profile"
	"github.com/dynofa/dynofa/lut/sqlite"
)

// killVariable makes this binary a profiler of synthetic blocks on the study that it names.
const killVariable = "DYNOFA_TEST_PROFILE"

const killRounds = 800

func killConfig() (profile.Config, error) {
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	return profile.Config{Space: s, Resolutions: []int{128}, Rounds: killRounds, Warmup: -1, Networks: 3, Seams: 1,
		Point: lut.OperatingPoint{Device: "synthetic", Processor: "cpu"}}, err
}

// killedProfile runs the profiler; it prints a line when a round is acknowledged.
func killedProfile(path string, out io.Writer) error {
	ctx := context.Background()
	study, err := sqlite.Create(ctx, path)
	if err != nil {
		return err
	}
	defer study.Close()
	cfg, err := killConfig()
	if err != nil {
		return err
	}
	digest, err := profile.Digest(cfg)
	if err != nil {
		return err
	}
	journal := study.Profile(digest)
	cfg.Journal = journal
	cfg.Progress = func(p profile.Progress) {
		if p.Phase == profile.Measuring {
			fmt.Fprintln(out, p.Done)
		}
	}
	result, err := profile.Run(ctx, cfg, synthetic{cfg.Space})
	if err != nil {
		return err
	}
	_, err = journal.Finish(ctx, result.Table)
	return err
}

// synthetic takes a microsecond for each block.
type synthetic struct{ space *supernet.Space }

func (synthetic) Prepare(_ context.Context, b ...supernet.Block) (profile.Probe, error) {
	return constant(len(b)), nil
}

func (m synthetic) PrepareNetwork(_ context.Context, a supernet.Arch) (profile.Probe, error) {
	blocks, err := m.space.Blocks(a)
	return constant(len(blocks)), err
}

func (synthetic) TimedRegion() string { return "nothing" }

type constant int

func (c constant) Run() (profile.Sample, error) {
	return profile.Sample{Wall: time.Duration(c) * time.Microsecond}, nil
}

func (constant) Close() error { return nil }

// killsVariable holds how many kills there are; 25 without it, 10 in short mode.
const killsVariable = "DYNOFA_TEST_KILLS"

// TestProfileSurvivesKilling kills the profiler at random moments.
// After every kill the study opens and is sound, no acknowledged round is lost, and there is at most
// the one in flight besides. What comes out in the end has the keys and counts of a run that nobody
// killed, and is there once.
func TestProfileSurvivesKilling(t *testing.T) {
	kills := 25
	if testing.Short() {
		kills = 10
	}
	if text, ok := os.LookupEnv(killsVariable); ok {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "study.db")
	cfg, err := killConfig()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := profile.Digest(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	acknowledged, finished, killed, measuring := 0, false, 0, 0
	for killed < kills && !finished {
		// Every fourth kill hits any moment from the start on, opening and migrating included; the others
		// come at any moment from the acknowledgement of one of the first rounds on.
		first, after := 1+rng.IntN(5), 2*time.Millisecond
		if killed%4 == 0 {
			first, after = 0, 25*time.Millisecond
		}
		last := killOnce(t, path, first, time.Duration(rng.ExpFloat64()*float64(after)))
		if killed++; last > 0 {
			measuring++
		}
		if _, err := os.Stat(path); err != nil && last == 0 {
			continue
		}
		study, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatalf("after kill %d: %v", killed, err)
		}
		if err := study.Check(t.Context()); err != nil {
			t.Fatalf("after kill %d: %v", killed, err)
		}
		rounds, err := study.Profile(digest).Rounds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tables, err := study.Tables(t.Context(), lut.Query{})
		if err != nil {
			t.Fatal(err)
		}
		finished = len(tables) > 0
		acknowledged = max(acknowledged, last)
		if got := len(rounds); !finished && (got < acknowledged || last > 0 && got > last+1) {
			t.Fatalf("kill %d: %d rounds in the study, %d acknowledged, %d by the last process", killed, got, acknowledged, last)
		}
		acknowledged = max(acknowledged, len(rounds))
		if err := study.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d of them after a round of that process, %d rounds by then, finished %v", killed, measuring, acknowledged, finished)
	if measuring < killed/2 {
		t.Errorf("only %d of %d kills hit the measuring", measuring, killed)
	}
	if !finished {
		if err := killedProfile(path, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	whole := filepath.Join(t.TempDir(), "whole.db")
	if err := killedProfile(whole, io.Discard); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(keysOf(t, whole), keysOf(t, path)); d != "" {
		t.Error(d)
	}
}

// killOnce runs the profiler, kills it a while after it has acknowledged so many rounds, and returns the
// last one that it did.
func killOnce(t *testing.T, path string, rounds int, after time.Duration) (last int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killVariable+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) }
	if rounds == 0 {
		kill()
	}
	seen := 0
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // a line that was cut short does not count
			break
		}
		if _, err := fmt.Sscan(line, &last); err != nil {
			t.Fatal(err)
		}
		if seen++; seen == rounds {
			kill()
		}
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // killed, or done before that
	return last
}

// keysOf lists the only table's keys and sample counts.
func keysOf(t *testing.T, path string) []string {
	t.Helper()
	study, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer study.Close()
	tables, err := study.Tables(t.Context(), lut.Query{})
	if err != nil || len(tables) != 1 {
		t.Fatalf("%d tables, %v", len(tables), err)
	}
	table, err := study.Table(t.Context(), lut.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, e := range table.Entries {
		keys = append(keys, fmt.Sprintf("%v: %d", e.Key, e.Latency.N))
	}
	for _, n := range table.Networks {
		keys = append(keys, fmt.Sprintf("%s: %d", n.Arch, n.Latency.N))
	}
	return keys
}

// TestSweepPoints: every combination, each back to back and with the period.
func TestSweepPoints(t *testing.T) {
	f := &profileFlags{coRunner: "none", period: 33 * time.Millisecond}
	f.cfg.Point.Threads, f.cfg.Point.Batch = 1, 1
	// cli hands values with commas over in pieces.
	for _, w := range []string{"threads=1", "2", "co=none", "cpu:2", "mem"} {
		if err := f.sweep.Set(w); err != nil {
			t.Fatal(err)
		}
	}
	points, err := f.points()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range points {
		got = append(got, p.String())
	}
	if len(got) != 12 || got[0] != "1 threads, batch 1, beside none" || got[11] != "2 threads, batch 1, beside mem:1, every 33ms" {
		t.Errorf("%d points: %s", len(got), strings.Join(got, "; "))
	}
	for _, bad := range []string{"clock=1", "cpu-clock=1", "cpu-clock=", "power-mode", "threads=x", "threads=0", "co=gpu", "co=", "batch=-1"} {
		g := &profileFlags{coRunner: "none"}
		g.cfg.Point.Threads, g.cfg.Point.Batch = 1, 1
		if err := g.sweep.Set(bad); err != nil {
			t.Fatal(err)
		}
		if _, err := g.points(); err == nil {
			t.Errorf("--sweep %s is accepted", bad)
		}
	}
}

// TestBar draws a phase's line, the time left, and the next phase on a new line.
func TestBar(t *testing.T) {
	var out strings.Builder
	b := &bar{w: &out}
	b.show(profile.Progress{Phase: profile.Preparing, Done: 10, Total: 10, Elapsed: time.Second})
	b.show(profile.Progress{Phase: profile.Measuring, Done: 15, Total: 30, Elapsed: 11 * time.Second, Since: time.Second})
	b.show(profile.Progress{Phase: profile.Measuring, Done: 16, Total: 30, Elapsed: 11*time.Second + time.Millisecond, Since: time.Second}) // too soon
	b.show(profile.Progress{Phase: profile.Measuring, Done: 30, Total: 30, Elapsed: 21 * time.Second, Since: time.Second})
	want := "\r\x1b[Kprepare  [==============================] 10/10\n" +
		"\r\x1b[Kmeasure  [===============               ] 15/30, at most 10s left" +
		"\r\x1b[Kmeasure  [==============================] 30/30\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
}
