package store_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/search/store"
)

func evaluationInputs(t testing.TB, kernel int) store.EvaluationInputs {
	t.Helper()
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		t.Fatal(err)
	}
	return store.EvaluationInputs{
		Space: space.Name, Arch: space.Uniform(kernel, 4, 4, 192), Weights: "checkpoint sha256:00", Data: "some", DataSHA256: "11", Pictures: 6,
		Order: "all", Transform: "whole", Recalibration: "none", Runtime: "onnxruntime 1",
	}
}

func TestEvaluations(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	in := evaluationInputs(t, 5)
	if _, err := s.FindEvaluation(ctx, in); !errors.Is(err, store.ErrNoEvaluation) {
		t.Errorf("nothing stored: %v", err)
	}
	if err := s.RecordRanks(ctx, in, 0, []byte{0, 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.RecordRanks(ctx, in, 2, []byte{4, 5}); err != nil {
		t.Fatal(err)
	}
	if err := s.RecordRanks(ctx, in, 2, []byte{4, 5}); err == nil {
		t.Error("the same ranks are recorded twice")
	}
	if known, err := s.KnownRanks(ctx, in); err != nil || !bytes.Equal(known, []byte{0, 1, 4, 5}) {
		t.Errorf("journal: %v, %v", known, err)
	}
	ranks := []byte{0, 1, 4, 5, 255, 0}
	got, err := s.PutEvaluation(ctx, in, ranks, created)
	if err != nil {
		t.Fatal(err)
	}
	want := &store.Evaluation{ID: got.ID, Inputs: in, Images: 5, Skipped: 1, Top1: 2, Top5: 4, Ranks: ranks, Created: created}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got.Accuracy() != 0.4 {
		t.Errorf("accuracy %v", got.Accuracy())
	}
	if known, err := s.KnownRanks(ctx, in); err != nil || len(known) != 0 {
		t.Errorf("the journal stays: %v, %v", known, err)
	}
	again, err := s.PutEvaluation(ctx, in, ranks, created)
	if err != nil || again.ID != got.ID {
		t.Errorf("stored twice: %+v, %v", again, err)
	}
	other := evaluationInputs(t, 3)
	if _, err := s.PutEvaluation(ctx, other, []byte{0, 0, 0, 0, 0, 1}, created); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Evaluations(ctx, ""); err != nil || len(list) != 2 || list[1].Top1 != 5 {
		t.Errorf("list: %v, %v", list, err)
	}
	if list, err := s.Evaluations(ctx, "ofa-resnet50"); err != nil || len(list) != 0 {
		t.Errorf("list of another space: %v, %v", list, err)
	}
	if _, err := s.PutEvaluation(ctx, evaluationInputs(t, 7), []byte{1}, created); err == nil {
		t.Error("one rank for six pictures is accepted")
	}
	if _, err := s.PutEvaluation(ctx, evaluationInputs(t, 7), bytes.Repeat([]byte{255}, 6), created); err == nil {
		t.Error("an evaluation without an answer is accepted")
	}
	bad := in
	bad.Arch.KS = nil
	if _, err := s.FindEvaluation(ctx, bad); err == nil || errors.Is(err, store.ErrNoEvaluation) {
		t.Errorf("no sub-network: %v", err)
	}
	if err := study.Check(ctx); err != nil {
		t.Error(err)
	}
}

func TestEvaluationsDamaged(t *testing.T) {
	ctx := context.Background()
	for _, change := range []string{
		"UPDATE evaluations SET top1 = 0",
		"UPDATE evaluations SET ranks = zeroblob(10)",
		"UPDATE evaluations SET ranks = x'00'",
		`UPDATE evaluations SET inputs = replace(inputs, 'sha256:00', 'sha256:01')`,
		`UPDATE evaluations SET inputs = '{}'`,
	} {
		study, s := open(t)
		if _, err := s.PutEvaluation(ctx, evaluationInputs(t, 5), []byte{0, 1, 2, 3, 4, 5}, created); err != nil {
			t.Fatal(err)
		}
		exec(t, study, change)
		if _, err := s.Evaluations(ctx, ""); !errors.Is(err, sqlite.ErrDamaged) {
			t.Errorf("%s: %v", change, err)
		}
	}
	study, s := open(t)
	in := evaluationInputs(t, 5)
	if err := s.RecordRanks(ctx, in, 3, []byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.KnownRanks(ctx, in); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("journal with a gap: %v", err)
	}
	_ = study
}

func TestStatistics(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	e := evaluationInputs(t, 5)
	in := store.StatisticsInputs{Space: e.Space, Arch: e.Arch, Weights: e.Weights, Data: "some", DataSHA256: "11", Pictures: 100, Order: "seed 1", Batch: 16, Transform: "whole", Runtime: "r"}
	if _, err := s.Statistics(ctx, in); !errors.Is(err, store.ErrNoStatistics) {
		t.Errorf("nothing stored: %v", err)
	}
	for _, file := range []string{"old", "a file"} {
		if err := s.PutStatistics(ctx, in, []byte(file), created); err != nil {
			t.Fatal(err)
		}
	}
	if file, err := s.Statistics(ctx, in); err != nil || string(file) != "a file" {
		t.Errorf("%q, %v", file, err)
	}
	other := in
	other.Batch = 100
	if _, err := s.Statistics(ctx, other); !errors.Is(err, store.ErrNoStatistics) {
		t.Errorf("another batch: %v", err)
	}
	exec(t, study, "UPDATE bn_statistics SET statistics = x'00'")
	if _, err := s.Statistics(ctx, in); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
}
