package runner_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// runtime returns ONNX Runtime. It skips the test where there is none, or fails it with
// DYNOFA_REQUIRE_RUNTIME=1.
func runtime(t *testing.T) *ort.Runtime {
	t.Helper()
	path, err := ort.FindLibrary("")
	if err == nil {
		var rt *ort.Runtime
		if rt, err = ort.Load(path); err == nil {
			return rt
		}
	}
	if os.Getenv("DYNOFA_REQUIRE_RUNTIME") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
	return nil
}

// patterns are the built-in pictures; they have no classes.
type patterns struct{ n int }

func (p patterns) Len() int                         { return p.n }
func (p patterns) Name(i int) string                { return fmt.Sprintf("pattern %d", i) }
func (p patterns) Label(int) int                    { return images.Unlabelled }
func (p patterns) Image(i int) (image.Image, error) { return images.Pattern(1, i, 100) }

// realBundle writes a bundle of three levels of the tiny space with random weights.
func realBundle(t *testing.T) *bundle.Bundle {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.RandomWeights(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	f := &family.Family{Name: "tiny", Space: s.Name, Source: "made up for a test"}
	for i, a := range []supernet.Arch{s.Uniform(3, 3, 2, 64), s.Uniform(5, 4, 3, 64), s.Uniform(7, 6, 4, 96)} {
		if a, err = s.Canonical(a); err != nil {
			t.Fatal(err)
		}
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(0.5 + 0.1*float64(i)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{{Processor: "cpu", Latency: unit.Milliseconds(float64(i + 1)), Origin: lut.Modelled}}})
	}
	dir := filepath.Join(t.TempDir(), "bundle")
	_, err = bundle.Write(t.Context(), dir, bundle.Spec{
		CreatedBy: "test", Family: f, Weights: w.Source(),
		Supernet: w,
		Policy:   bundle.Policy{Spec: "static:0"},
		Runtime:  bundle.Runtime{Name: "onnxruntime", MinVersion: "1.24.0", Provider: "cpu"},
		Notes:    []string{"the weights are random"},
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// classes returns what each level answers to each picture, computed by sessions of its own without
// the runner.
func classes(t *testing.T, rt *ort.Runtime, b *bundle.Bundle, p patterns) [][]int {
	t.Helper()
	var all [][]int
	for level, l := range b.Manifest().Family.Levels {
		model, err := b.Level(level)
		if err != nil {
			t.Fatal(err)
		}
		s, err := rt.NewSession(model, ort.Options{})
		if err != nil {
			t.Fatal(err)
		}
		pre, err := images.NewPreprocessor(images.Preprocess{Resolution: l.Arch.R})
		if err != nil {
			t.Fatal(err)
		}
		var answers []int
		for i := range p.n {
			img, err := p.Image(i)
			if err != nil {
				t.Fatal(err)
			}
			if err := pre.Into(s.Input(), img); err != nil {
				t.Fatal(err)
			}
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
			best := 0
			for c, v := range s.Output() {
				if v > s.Output()[best] {
					best = c
				}
			}
			answers = append(answers, best)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		all = append(all, answers)
	}
	return all
}

// TestRealInference runs the whole path: weights, ONNX models, bundle, ONNX Runtime, policy, trace,
// replay. The answers are those of separate sessions, and the trace of the real clock replays.
func TestRealInference(t *testing.T) {
	rt := runtime(t)
	b := realBundle(t)
	if err := b.Manifest().Runtime.Check(rt.Version()); err != nil {
		t.Fatal(err)
	}
	p := patterns{7}
	want := classes(t, rt, b, p)
	sessions, err := runner.Load(t.Context(), b, func(model []byte) (runner.Session, error) { return rt.NewSession(model, ort.Options{}) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := runner.Close(sessions); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		name     string
		policy   bundle.Policy
		make     func(string, map[string]string, *policy.Model) (policy.Policy, error)
		switches int64
	}{
		{"static:0", b.Manifest().Policy, nil, 0},
		{"static:2", bundle.Policy{Spec: "static:2"}, nil, 0},
		{"slack", bundle.Policy{Spec: "slack"}, nil, -1},
		{"forced", bundle.Policy{Spec: "scripted"}, func(string, map[string]string, *policy.Model) (policy.Policy, error) {
			return &scripted{decide: alternate}, nil
		}, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := runner.Config{
				Family: &b.Manifest().Family, Sessions: sessions, Pictures: p, Policy: c.policy, NewPolicy: c.make,
				Requests: 30, Limit: 2 * ms, Deadline: 50 * ms, Program: "test", Notes: b.Manifest().Notes,
			}
			h, err := cfg.Header()
			if err != nil {
				t.Fatal(err)
			}
			var file bytes.Buffer
			w, err := trace.NewWriter(&file, h)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Trace = w
			cfg.Answer = func(a runner.Answer) {
				if a.Class != want[a.Level][a.Picture] || a.Label != images.Unlabelled || a.Latency <= 0 {
					t.Errorf("answer %+v, want class %d", a, want[a.Level][a.Picture])
				}
			}
			rep, err := runner.Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if rep.Requests != 30 || rep.OnTime+rep.Late != 30 || rep.Labelled != 0 || c.switches >= 0 && rep.Switches != c.switches {
				t.Errorf("report %+v", rep)
			}
			tr, err := trace.Read("trace", &file)
			if err != nil {
				t.Fatal(err)
			}
			if len(tr.Records) != 30 || tr.Header.Kind != trace.Measured {
				t.Errorf("%d records, kind %q", len(tr.Records), tr.Header.Kind)
			}
			if c.make != nil {
				return // no policy of that name to replay with
			}
			replay, err := trace.Replay(tr)
			if err != nil || replay.N != 30 || replay.Equal != 30 {
				t.Errorf("replay %+v, %v: %v", replay, replay.First, err)
			}
		})
	}
}

func TestLoadNamesTheLevel(t *testing.T) {
	b := realBundle(t)
	closed, n := 0, 0
	_, err := runner.Load(t.Context(), b, func([]byte) (runner.Session, error) {
		if n++; n == 3 {
			return nil, fmt.Errorf("no memory")
		}
		return &fakeSession{closed: &closed}, nil
	})
	if err == nil || err.Error() != "runner: level 2: no memory" || closed != 2 {
		t.Errorf("error %v, %d sessions closed", err, closed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runner.Load(ctx, b, nil); err == nil {
		t.Error("loaded in spite of the cancelled context")
	}
}
