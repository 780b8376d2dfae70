//go:build cgo

package eval_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/eval"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// drawn are drawn pictures whose labels are given; those in broken cannot be decoded.
type drawn struct {
	labels  []int
	broken  map[int]bool
	classes []string
	missing bool // files are not there
	asked   *atomic.Int64
}

func (d drawn) Len() int          { return len(d.labels) }
func (d drawn) Name(i int) string { return fmt.Sprintf("drawn %d", i) }
func (d drawn) Label(i int) int   { return d.labels[i] }
func (d drawn) Classes() []string { return d.classes }
func (d drawn) Image(i int) (image.Image, error) {
	if d.asked != nil {
		d.asked.Add(1)
	}
	if d.missing {
		return nil, errors.New("no such file")
	}
	if d.broken[i] {
		return nil, &images.DecodeError{File: d.Name(i), Err: errors.New("truncated")}
	}
	return images.Pattern(7, i, 48)
}

func someLabels(n int) []int {
	labels := make([]int, n)
	for i := range labels {
		labels[i] = i * 7 % 10
	}
	return labels
}

func evaluator(t testing.TB) (*eval.Evaluator, supernet.Arch) {
	t.Helper()
	r := load(t)
	space, err := supernet.ByName("ofa-mbv3-w0.25-c10")
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.RandomWeights(space, 3)
	if err != nil {
		t.Fatal(err)
	}
	return &eval.Evaluator{Runtime: r, Space: space, Weights: w}, space.Uniform(5, 4, 2, 32)
}

// The oracle runs one picture after the other through a session of batch 1 and sorts the logits.
func TestEvaluateAgainstOneByOne(t *testing.T) {
	ctx := context.Background()
	e, a := evaluator(t)
	p := drawn{labels: someLabels(130), broken: map[int]bool{77: true}}
	statistics, err := e.Calibrate(ctx, a, eval.Calibration{Pictures: p, List: eval.Sample(130, 100, 1), Batch: 40})
	if err != nil {
		t.Fatal(err)
	}
	// 77 may be among the 100.
	if statistics.Images+statistics.Skipped != 100 || statistics.Skipped > 1 {
		t.Errorf("%d pictures, %d skipped", statistics.Images, statistics.Skipped)
	}
	got, err := e.Evaluate(ctx, a, eval.Test{Pictures: p, Statistics: statistics.Moments, Batch: 16})
	if err != nil {
		t.Fatal(err)
	}
	model, err := onnx.Network(e.Space, a, e.Weights, onnx.Options{Statistics: statistics.Moments})
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Runtime.NewSession(model, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pre, err := images.NewPreprocessor(images.Preprocess{Resolution: a.R})
	if err != nil {
		t.Fatal(err)
	}
	var top1, top5, n, close int
	for i, label := range p.labels {
		img, err := p.Image(i)
		if err != nil {
			if got.Ranks[i] != eval.Skipped {
				t.Errorf("picture %d has rank %d", i, got.Ranks[i])
			}
			continue
		}
		if err := pre.Into(s.Input(), img); err != nil {
			t.Fatal(err)
		}
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		order := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
		out := s.Output()
		slices.SortStableFunc(order, func(a, b int) int { return -cmpFloat(out[a], out[b]) })
		want := slices.Index(order, label)
		if int(got.Ranks[i]) != want {
			if close++; close > 1 { // batches round differently
				t.Errorf("picture %d has rank %d, want %d", i, got.Ranks[i], want)
			}
		}
		n++
		if want == 0 {
			top1++
		}
		if want < 5 {
			top5++
		}
	}
	if got.Images != n || got.Skipped != 1 || got.Top1-top1 > close || got.Top5-top5 > close {
		t.Errorf("%d pictures, %d skipped, top-1 %d, top-5 %d; want %d, 1, %d, %d", got.Images, got.Skipped, got.Top1, got.Top5, n, top1, top5)
	}
	if share := got.Interval1(); share.Count != got.Top1 || share.Of != 129 || share.Low >= share.High {
		t.Errorf("interval %+v", share)
	}
	// Batches of another size, one worker, and pictures one after another change nothing.
	e.Workers = 1
	again, err := e.Evaluate(ctx, a, eval.Test{Pictures: p, Statistics: statistics.Moments, Batch: 16})
	if err != nil || !slices.Equal(again.Ranks, got.Ranks) {
		t.Errorf("a second evaluation differs: %v", err)
	}
}

func cmpFloat(a, b float32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestEvaluateGoesOn(t *testing.T) {
	ctx := context.Background()
	e, a := evaluator(t)
	p := drawn{labels: someLabels(90), asked: new(atomic.Int64)}
	whole, err := e.Evaluate(ctx, a, eval.Test{Pictures: p, Batch: 20})
	if err != nil {
		t.Fatal(err)
	}
	var kept []eval.Rank
	stop := errors.New("killed")
	record := func(first int, ranks []eval.Rank) error {
		if first != len(kept) {
			t.Errorf("ranks from %d on follow %d", first, len(kept))
		}
		kept = append(kept, ranks...)
		if len(kept) == 40 {
			return stop
		}
		return nil
	}
	if _, err := e.Evaluate(ctx, a, eval.Test{Pictures: p, Batch: 20, Record: record}); !errors.Is(err, stop) {
		t.Fatalf("error %v", err)
	}
	p.asked.Store(0)
	rest, err := e.Evaluate(ctx, a, eval.Test{Pictures: p, Batch: 20, Known: slices.Clone(kept), Record: record})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(whole, rest); d != "" {
		t.Errorf("continued: %s", d)
	}
	if n := p.asked.Load(); n != 50 {
		t.Errorf("%d pictures were decoded again, want 50", n)
	}
	if !slices.Equal(kept, whole.Ranks) {
		t.Error("what was recorded is not the result")
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := e.Evaluate(ctx, a, eval.Test{Pictures: p}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := e.Calibrate(ctx, a, eval.Calibration{Pictures: p}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	e, a := evaluator(t)
	good := drawn{labels: someLabels(150)}
	high := drawn{labels: someLabels(150)}
	high.labels[140] = 10
	unlabelled := drawn{labels: someLabels(150)}
	unlabelled.labels[3] = images.Unlabelled
	edit := func(name string, edit func(*checkpoint.Tensor) bool) *eval.Evaluator {
		c := *e
		c.Weights = edited{e.Weights, name, edit}
		return &c
	}
	nan := func(t *checkpoint.Tensor) bool { t.Data[0] = float32(math.NaN()); return true }
	huge := func(t *checkpoint.Tensor) bool {
		for i := range t.Data {
			t.Data[i] = math.MaxFloat32
		}
		return true
	}
	missing := func(*checkpoint.Tensor) bool { return false }
	other := func(t *checkpoint.Tensor) bool { t.Shape = []int{3}; return true }
	var classes *eval.ClassesError
	var skipped *eval.SkippedError
	var tensor *onnx.TensorError
	var number *eval.NumberError
	var decode *images.DecodeError
	for _, c := range []struct {
		name      string
		e         *eval.Evaluator
		p         drawn
		as        any
		is        error
		calibrate bool // says so, too
	}{
		{"label out of range", e, high, &classes, nil, false},
		{"other classes", e, drawn{labels: someLabels(10), classes: []string{"a", "b"}}, &classes, nil, false},
		{"no label", e, unlabelled, nil, eval.ErrUnlabelled, false},
		{"no picture", e, drawn{}, nil, eval.ErrNoPicture, true},
		{"two of 150 broken", e, drawn{labels: good.labels, broken: map[int]bool{5: true, 149: true}}, &skipped, nil, true},
		{"the reason is kept", e, drawn{labels: good.labels, broken: map[int]bool{5: true, 149: true}}, &decode, nil, true},
		{"missing file", e, drawn{labels: good.labels, missing: true}, nil, nil, true},
		{"missing tensor", edit("first_conv.conv.weight", missing), good, &tensor, onnx.ErrMissing, true},
		{"wrong shape", edit("classifier.linear.weight", other), good, &tensor, onnx.ErrShape, false},
		{"NaN", edit("blocks.0.conv.point_linear.conv.weight", nan), good, &tensor, onnx.ErrNumber, true},
		{"overflow", edit("classifier.linear.weight", huge), good, &number, nil, false},
		{"overflow on the way", edit("blocks.1.conv.inverted_bottleneck.conv.conv.weight", huge), good, &number, nil, true},
	} {
		_, err := c.e.Evaluate(ctx, a, eval.Test{Pictures: c.p})
		if c.name == "overflow on the way" { // the folded weights are beyond float32 already, or the answer is no number
			if err == nil {
				t.Errorf("%s: no error", c.name)
			}
		} else if err == nil || c.as != nil && !errors.As(err, c.as) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: evaluate: %v", c.name, err)
		}
		if _, err = c.e.Calibrate(ctx, a, eval.Calibration{Pictures: c.p}); c.calibrate != (err != nil) {
			t.Errorf("%s: calibrate: %v", c.name, err)
		} else if c.calibrate && (c.as != nil && !errors.As(err, c.as) || c.is != nil && !errors.Is(err, c.is)) {
			t.Errorf("%s: calibrate: %v", c.name, err)
		}
	}
	// One of a hundred may be broken.
	r, err := e.Evaluate(ctx, a, eval.Test{Pictures: drawn{labels: someLabels(100), broken: map[int]bool{99: true}}})
	if err != nil || r.Skipped != 1 || r.Images != 99 {
		t.Errorf("one of 100 broken: %+v, %v", r, err)
	}
	for _, list := range [][]int{{-1}, {150}, {}} {
		if _, err := e.Evaluate(ctx, a, eval.Test{Pictures: good, List: list}); err == nil {
			t.Errorf("list %v is accepted", list)
		}
	}
	bad := *e
	bad.Transform.Crop = 1.5
	if _, err := bad.Evaluate(ctx, a, eval.Test{Pictures: good}); err == nil {
		t.Error("a crop of 1.5 is accepted")
	}
	if _, err := e.Evaluate(ctx, supernet.Arch{R: 32}, eval.Test{Pictures: good}); err == nil {
		t.Error("no sub-network is accepted")
	}
}

// edited is a supernet with a tensor changed.
type edited struct {
	onnx.Weights
	name string
	edit func(*checkpoint.Tensor) bool // false: the tensor is missing
}

func (e edited) Tensor(name string) (checkpoint.Tensor, bool) {
	t, ok := e.Weights.Tensor(name)
	if ok && name == e.name {
		ok = e.edit(&t)
	}
	return t, ok
}

func TestSample(t *testing.T) {
	a, b := eval.Sample(1000, 100, 1), eval.Sample(1000, 100, 1)
	if !slices.Equal(a, b) || len(a) != 100 {
		t.Error("not the same again")
	}
	if slices.Equal(a, eval.Sample(1000, 100, 2)) {
		t.Error("the seed does not matter")
	}
	slices.Sort(a)
	if len(slices.Compact(a)) != 100 || a[0] < 0 || a[99] > 999 {
		t.Error("not different pictures of 1000")
	}
	if n := len(eval.Sample(10, 0, 1)); n != 10 {
		t.Errorf("%d of 10", n)
	}
}
