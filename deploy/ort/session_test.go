//go:build cgo

package ort_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// Messages and fields of onnx.proto, for models that deploy/onnx does not write.
func text(b []byte, num protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func message(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func number(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

// value is an input or output of an element type (1 float, 7 int64); dimension 0 has a name instead.
func value(name string, elem uint64, dims ...uint64) []byte {
	var shape []byte
	for _, d := range dims {
		dim := number(nil, 1, d)
		if d == 0 {
			dim = text(nil, 2, "n")
		}
		shape = message(shape, 1, dim)
	}
	return message(text(nil, 1, name), 2, message(nil, 1, message(number(nil, 1, elem), 2, shape)))
}

// relu is a model of one operator with the given inputs; it computes y = op(x).
func relu(op string, inputs ...[]byte) []byte {
	graph := message(nil, 1, text(text(text(nil, 1, "x"), 2, "y"), 4, op))
	graph = text(graph, 2, "g")
	for _, in := range inputs {
		graph = message(graph, 11, in)
	}
	graph = message(graph, 12, value("y", 1, 4))
	return message(message(number(nil, 1, 7), 8, number(nil, 2, 13)), 7, graph)
}

// null is the smallest model: Relu on four numbers. It shows the overhead of a call.
func null() []byte { return relu("Relu", value("x", 1, 4)) }

func session(t testing.TB, model []byte, o ort.Options) *ort.Session {
	t.Helper()
	s, err := load(t).NewSession(model, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestNullModel(t *testing.T) {
	s := session(t, null(), ort.Options{})
	if !slices.Equal(s.InputShape(), []int{4}) || !slices.Equal(s.OutputShape(), []int{4}) {
		t.Errorf("shapes %v and %v", s.InputShape(), s.OutputShape())
	}
	for i := range 3 {
		copy(s.Input(), []float32{-1, 2, float32(i), -4})
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		if want := []float32{0, 2, float32(i), 0}; !slices.Equal(s.Output(), want) {
			t.Errorf("output %v, want %v", s.Output(), want)
		}
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	s := session(t, null(), ort.Options{})
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Run(); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%g allocations per run", n)
	}
}

func BenchmarkRunNull(b *testing.B) {
	s := session(b, null(), ort.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Run(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewSession(b *testing.B) {
	r := load(b)
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		b.Fatal(err)
	}
	w, err := onnx.RandomWeights(space, 1)
	if err != nil {
		b.Fatal(err)
	}
	model, err := onnx.Network(space, space.Smallest(), w, onnx.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := r.NewSession(model, ort.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// small is the model of a small network.
func small(t testing.TB, arch func(*supernet.Space) supernet.Arch) []byte {
	t.Helper()
	space, err := supernet.OFAMobileNetV3(.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.RandomWeights(space, 1)
	if err != nil {
		t.Fatal(err)
	}
	model, err := onnx.Network(space, arch(space), w, onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func smallest(s *supernet.Space) supernet.Arch { return s.Uniform(3, 3, 2, 32) }

func fillRandom(x []float32, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range x {
		x[i] = rng.Float32()*2 - 1
	}
}

// The binding hands the addresses of Go memory to C and keeps no reference. With a collector that
// runs all the time, memory that nobody holds would be reused and results would change. Sessions
// that are dropped without Close must keep theirs too.
func TestTensorsOutliveCollections(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	model := small(t, smallest)
	run := func(s *ort.Session, seed uint64) []float32 {
		fillRandom(s.Input(), seed)
		runtime.GC()
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(s.Output())
	}
	want := run(session(t, model, ort.Options{}), 1)
	if other := run(session(t, model, ort.Options{}), 2); slices.Equal(other, want) {
		t.Fatal("the output does not depend on the input")
	}
	var litter [][]float32
	for i := range 8 {
		s, err := load(t).NewSession(model, ort.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 50 { // garbage of the tensors' sizes, some of it kept
			litter = append(litter[max(0, len(litter)-20):], make([]float32, len(s.Input())), make([]float32, 10))
			fillRandom(litter[len(litter)-1], 3)
		}
		if got := run(s, 1); !slices.Equal(got, want) {
			t.Fatalf("session %d: %v, want %v", i, got, want)
		}
		if i%2 == 0 { // the others are dropped on purpose
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCloseTwiceAndRunAfterClose(t *testing.T) {
	s := session(t, null(), ort.Options{})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Run(); !errors.Is(err, ort.ErrClosed) {
		t.Errorf("run after close: %v", err)
	}
	if len(s.Input()) != 4 || len(s.Output()) != 4 {
		t.Error("the memory is gone after close")
	}
}

func TestRunAndCloseAtOnce(t *testing.T) {
	model := small(t, smallest)
	for range 5 {
		s := session(t, model, ort.Options{})
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for {
					if err := s.Run(); err != nil {
						if !errors.Is(err, ort.ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		if err := s.Run(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wait.Wait()
	}
}

// Several sessions share one arena; they must not disturb each other, nor depend on threads.
func TestSessionsAreIndependent(t *testing.T) {
	models := [][]byte{small(t, smallest), small(t, func(s *supernet.Space) supernet.Arch { return s.Uniform(7, 6, 4, 48) })}
	var want [][]float32
	var sessions []*ort.Session
	for i, m := range models {
		for j := range 3 {
			s := session(t, m, ort.Options{Threads: 1 + j/2})
			fillRandom(s.Input(), uint64(i))
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
			sessions, want = append(sessions, s), append(want, slices.Clone(s.Output()))
		}
		if !slices.Equal(want[3*i], want[3*i+1]) {
			t.Errorf("two sessions of model %d differ", i)
		}
	}
	var wait sync.WaitGroup
	for i, s := range sessions {
		wait.Go(func() {
			for range 20 {
				clear(s.Output())
				if err := s.Run(); err != nil || !slices.Equal(s.Output(), want[i]) {
					t.Errorf("session %d: %v, %v", i, s.Output(), err)
					return
				}
			}
		})
	}
	wait.Wait()
}

func ExampleRuntime_NewSession() {
	path, err := ort.FindLibrary("")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := ort.Load(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := r.NewSession(null(), ort.Options{Threads: 1}) // y = max(0, x)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	copy(s.Input(), []float32{-1, 2, -3, 4})
	err = s.Run()
	fmt.Println(s.Output(), err)
	// [0 2 0 4] <nil>
}
