package main

import (
	"bytes"
	"database/sql"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut/sqlite"
)

// evalVariable makes this binary dynofa with the command line that it holds, one argument a line.
const evalVariable = "DYNOFA_TEST_EVAL"

// TestEvalSurvivesKilling kills eval again and again. After every kill the study is sound and what was
// measured is still there; in the end the ranks are those of an evaluation that nobody killed.
func TestEvalSurvivesKilling(t *testing.T) {
	needRuntime(t)
	kills := 12
	if testing.Short() {
		kills = 3
	}
	dir := t.TempDir()
	pictures := classFolders(t, 40)
	arch := supernet.FashionMobileNetV3().Uniform(5, 4, 2, 24).String()
	args := func(db string) []string {
		return []string{"dynofa", "eval", "--db", db, "--space", smallSpace, "--checkpoint", "random:9", "--arch", arch, "--images", pictures,
			"--calibration", pictures, "--calibration-pictures", "50", "--threads", "1"}
	}
	path := filepath.Join(dir, "killed.db")
	rng := rand.New(rand.NewPCG(1, 2))
	known, finished := 0, false
	for killed := 0; killed < kills && !finished; killed++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), evalVariable+"="+strings.Join(args(path), "\n"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(float64(250*time.Millisecond)*(1+rng.ExpFloat64())), func() { _ = cmd.Process.Kill() })
		finished = cmd.Wait() == nil
		timer.Stop()
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			continue
		}
		study, err := openStudy(t.Context(), path)
		if err != nil {
			t.Fatalf("after kill %d: %v", killed, err)
		}
		if err := study.Check(t.Context()); err != nil {
			t.Fatalf("after kill %d: %v", killed, err)
		}
		n := journalled(t, study.Study)
		if !finished && n < known {
			t.Fatalf("kill %d: %d pictures are known, %d were before", killed, n, known)
		}
		known = max(known, n)
		if err := study.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d pictures of 400 were known after the kills, finished %v", known, finished)
	whole := filepath.Join(dir, "whole.db")
	var ranks [][]byte
	for _, db := range []string{path, whole} {
		succeed(t, args(db)[1:]...)
		study, err := openStudy(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		list, err := study.Evaluations(t.Context(), "")
		if err != nil || len(list) != 1 {
			t.Fatalf("%d evaluations, %v", len(list), err)
		}
		ranks = append(ranks, list[0].Ranks)
		if n := journalled(t, study.Study); n != 0 {
			t.Errorf("%d pictures are left in the journal", n)
		}
		if err := study.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(ranks[0], ranks[1]) || len(ranks[0]) != 400 {
		t.Error("the killed evaluation has other ranks")
	}
	if first := slices.Index(ranks[0], 0); first < 0 || !slices.ContainsFunc(ranks[0], func(r byte) bool { return r != 0 }) {
		t.Error("the ranks cannot tell evaluations apart")
	}
}

// journalled is the number of pictures in the journals of evaluations under way.
func journalled(t *testing.T, study *sqlite.Study) (n int) {
	t.Helper()
	err := study.View(t.Context(), func(tx *sql.Tx) error {
		return tx.QueryRow("SELECT coalesce(sum(length(ranks) - 4), 0) FROM evaluation_journal").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
