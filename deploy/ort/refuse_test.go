//go:build cgo

package ort_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

func TestModelsRefused(t *testing.T) {
	r := load(t)
	good := small(t, smallest)
	external := message(null(), 7, nil)
	for name, c := range map[string]struct {
		model   []byte
		message string
	}{
		"empty":            {nil, "IR version"},
		"text":             {[]byte("not a model"), "malformed"},
		"truncated":        {good[:len(good)/2], "byte"},
		"two graphs":       {external, "stands twice"},
		"no such operator": {relu("Nonsense", value("x", 1, 4)), "Nonsense"},
		"two inputs":       {relu("Relu", value("x", 1, 4), value("z", 1, 4)), "2 inputs"},
		"no input":         {relu("Relu"), "0 inputs"},
		"integers":         {relu("Relu", value("x", 7, 4)), "int64"},
		"open dimension":   {relu("Relu", value("x", 1, 0)), "fixed dimensions"},
		"scalar":           {relu("Relu", value("x", 1)), "fixed dimensions"},
		"huge input":       {relu("Relu", value("x", 1, 1<<40)), "dimension"},
	} {
		s, err := r.NewSession(c.model, ort.Options{})
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, ort.ErrModel) || !strings.Contains(err.Error(), c.message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", name, err, c.message)
		}
	}
}

// A model may declare an output that is smaller than what it computes. ONNX Runtime takes it; the
// run must fail and not write beyond the memory.
func TestOutputLargerThanDeclared(t *testing.T) {
	s := session(t, relu("Relu", value("x", 1, 5000)), ort.Options{})
	if err := s.Run(); err == nil {
		t.Errorf("no error; output %v", s.Output())
	}
}

func TestExternalDataRefused(t *testing.T) {
	tensor := message(number(number(text(nil, 8, "w"), 1, 4), 2, 1), 13, text(text(nil, 1, "location"), 2, "../../secret"))
	graph := message(nil, 1, text(text(text(text(nil, 1, "x"), 1, "w"), 2, "y"), 4, "Add"))
	graph = message(graph, 5, number(tensor, 14, 1))
	graph = message(message(text(graph, 2, "g"), 11, value("x", 1, 4)), 12, value("y", 1, 4))
	model := message(message(number(nil, 1, 7), 8, number(nil, 2, 13)), 7, graph)
	if _, err := load(t).NewSession(model, ort.Options{}); !errors.Is(err, ort.ErrModel) || !strings.Contains(err.Error(), "other files") {
		t.Errorf("error %v", err)
	}
}

// A damaged model gives an error or a session, never a crash.
func TestDamagedModels(t *testing.T) {
	r := load(t)
	model, err := onnx.Block(supernet.Block{Op: supernet.OpSepConv, In: supernet.Shape{Size: 8, Channels: 8},
		Out: supernet.Shape{Size: 8, Channels: 8}, Kernel: 3, Stride: 1, Act: supernet.HSwish, Residual: true}, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 300 {
		damaged := slices.Clone(model)
		for range 1 + rng.IntN(3) {
			damaged[rng.IntN(len(damaged))] ^= byte(1 << rng.IntN(8))
		}
		if s, err := r.NewSession(damaged[:len(damaged)-rng.IntN(2)*rng.IntN(len(damaged))], ort.Options{}); err != nil {
			refused++
		} else if err := errors.Join(s.Run(), s.Close()); err != nil {
			refused++
		}
	}
	t.Logf("%d of 300 refused", refused)
	if refused < 100 || refused == 300 {
		t.Errorf("%d of 300 refused: the test does not test", refused)
	}
}

func TestOptions(t *testing.T) {
	r := load(t)
	for _, c := range []struct {
		name, message string
		options       ort.Options
		provider      bool
	}{
		{"negative threads", "-1 threads", ort.Options{Threads: -1}, false},
		{"too many threads", "2000 threads", ort.Options{Threads: 2000}, false},
		{"unknown provider", "known are cpu, cuda", ort.Options{Provider: "warp"}, true},
		{"options for the CPU", "no options", ort.Options{ProviderOptions: map[string]string{"a": "b"}}, false},
	} {
		_, err := r.NewSession(null(), c.options)
		if err == nil || !strings.Contains(err.Error(), c.message) || errors.Is(err, ort.ErrProvider) != c.provider {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.message)
		}
	}
	session(t, null(), ort.Options{Provider: "CPU", Threads: 2})
	// What a library offers varies: either it works, or a sentence names provider and library.
	for _, name := range ort.Providers()[1:] {
		s, err := r.NewSession(null(), ort.Options{Provider: name})
		if err == nil {
			t.Logf("%s is there", name)
			s.Close()
			continue
		}
		if !errors.Is(err, ort.ErrProvider) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		t.Log(err)
	}
}
