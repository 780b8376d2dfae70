package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/luttest"
	"github.com/dynofa/dynofa/lut/sqlite"
)

// The test binary runs itself as another process that writes to a study. These variables tell it to.
const (
	childVariable = "DYNOFA_TEST_STUDY"  // path of the study to write to
	firstVariable = "DYNOFA_TEST_FIRST"  // seed of the first table
	countVariable = "DYNOFA_TEST_TABLES" // how many tables to write
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		if err := writeTables(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// entriesOf is the size of the children's tables: large enough for the write to last some
// milliseconds, different from seed to seed.
func entriesOf(seed int) int { return 1000 + 7*(seed%100) }

// writeTables stores tables and acknowledges each on standard output: "ID SEED".
func writeTables(path string) error {
	first, err := strconv.Atoi(os.Getenv(firstVariable))
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(os.Getenv(countVariable))
	if err != nil {
		return err
	}
	s, err := sqlite.Create(context.Background(), path)
	if err != nil {
		return err
	}
	fmt.Println("open")
	for seed := first; seed < first+count; seed++ {
		id, err := s.PutTable(context.Background(), luttest.Table(seed, entriesOf(seed)))
		if err != nil {
			return err
		}
		fmt.Println(id, seed)
	}
	return s.Close()
}

func child(path string, first, count int) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+path, fmt.Sprintf("%s=%d", firstVariable, first), fmt.Sprintf("%s=%d", countVariable, count))
	cmd.Stderr = os.Stderr
	return cmd
}

// A process that is killed at any moment loses nothing that it acknowledged and leaves no half
// table. The moments are drawn from a seed: some tables after the start, and some time after that.
func TestKilledWriter(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	rng := rand.New(rand.NewPCG(7, 7))
	path := filepath.Join(t.TempDir(), "s.db")
	acknowledged := map[int64]int{}
	for round := range rounds {
		target := path
		if round%4 == 3 { // killed while the file is being made
			target = filepath.Join(t.TempDir(), "fresh.db")
		}
		cmd := child(target, 1000*round, 1000)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := make(chan string)
		go func() {
			defer close(lines)
			for scan := bufio.NewScanner(out); scan.Scan(); {
				lines <- scan.Text()
			}
		}()
		after, delay := rng.IntN(5), time.Duration(rng.IntN(60_000))*time.Microsecond
		if target != path {
			after = -1 // not even opened
		}
		here := map[int64]int{}
		var kill <-chan time.Time
		if after < 0 {
			kill = time.After(delay)
		}
	wait:
		for {
			select {
			case line, ok := <-lines:
				if !ok {
					break wait
				}
				var id int64
				var seed int
				if _, err := fmt.Sscan(line, &id, &seed); err == nil {
					here[id] = seed
				} else if line != "open" {
					t.Fatalf("round %d: the child says %q", round, line)
				}
				if len(here) == after && kill == nil {
					kill = time.After(delay)
				}
			case <-kill:
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("round %d: the child was not killed but ended: %v", round, err)
		}
		if target == path {
			for id, seed := range here {
				acknowledged[id] = seed
			}
		} else {
			checkStudy(t, target, here)
		}
	}
	n := checkStudy(t, path, acknowledged)
	t.Logf("%d kills; %d tables acknowledged, %d stored", rounds, len(acknowledged), n)
	if n == 0 || len(acknowledged) == 0 {
		t.Error("no child got as far as storing a table: the test proves nothing")
	}
}

// checkStudy checks that a study is sound, holds every acknowledged table, and only whole tables. It
// returns their number.
func checkStudy(t *testing.T, path string, acknowledged map[int64]int) int {
	t.Helper()
	ctx := context.Background()
	s, err := sqlite.Create(ctx, path) // a child may have been killed before it made the file
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
	infos, err := s.Tables(ctx, lut.Query{})
	if err != nil {
		t.Fatal(err)
	}
	stored := map[int64]bool{}
	for _, info := range infos {
		got, err := s.Table(ctx, lut.Query{ID: info.ID})
		if err != nil {
			t.Error(err)
			continue
		}
		seed, err := strconv.Atoi(got.Provenance[0].Value)
		if err != nil {
			t.Error(err)
		}
		want := luttest.Table(seed, entriesOf(seed))
		want.ID = info.ID
		if d := luttest.Differences(want, got); d != nil {
			t.Errorf("table %d: %q", info.ID, d[:min(3, len(d))])
		}
		if s, ok := acknowledged[info.ID]; ok && s != seed {
			t.Errorf("table %d is of seed %d, acknowledged was %d", info.ID, seed, s)
		}
		stored[info.ID] = true
	}
	for id, seed := range acknowledged {
		if !stored[id] {
			t.Errorf("table %d (seed %d) was acknowledged and is gone", id, seed)
		}
	}
	return len(infos)
}

// Several processes make the same study and write to it while this one reads.
func TestProcessesShareAStudy(t *testing.T) {
	const children, tables = 3, 12
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "s.db")
	done := make(chan error, children)
	for i := range children {
		cmd := child(path, 1000*i, tables)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { done <- cmd.Wait() }()
	}
	s := create(t, path) // at the same time as they do
	seen, own := 0, 0
	for left := children; left > 0; {
		infos, err := s.Tables(ctx, lut.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if len(infos) < seen {
			t.Fatalf("%d tables, there were %d", len(infos), seen)
		}
		if seen = len(infos); seen > 0 {
			if _, err := s.Table(ctx, lut.Query{}); err != nil { // whole, whoever wrote it
				t.Fatal(err)
			}
		}
		tab := luttest.Table(5000+own, 1+own)
		if _, err := s.PutTable(ctx, tab); err != nil {
			t.Fatal(err)
		}
		own++
		select {
		case err := <-done:
			left--
			if err != nil {
				t.Errorf("child: %v", err)
			}
		default:
		}
	}
	infos, err := s.Tables(ctx, lut.Query{})
	if err != nil || len(infos) != children*tables+own {
		t.Errorf("%d tables, error %v; want %d", len(infos), err, children*tables+own)
	}
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
}
