package onnx_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// tensors are Weights held in a map; they count what is asked for.
type tensors map[string]checkpoint.Tensor

func (m tensors) Tensor(name string) (checkpoint.Tensor, bool) {
	t, ok := m[name]
	return t, ok
}

func held(list []checkpoint.Tensor) tensors {
	m := tensors{}
	for _, t := range list {
		m[t.Name] = t
	}
	return m
}

// narrow keeps sub-networks of several depths, kernels, expand ratios and, of ResNet50, widths.
func subsetCases(t *testing.T) map[string]struct {
	space *supernet.Space
	archs []supernet.Arch
} {
	t.Helper()
	mbv3 := small(t)
	proxyless, err := supernet.OFAProxylessNAS(.5, 10)
	if err != nil {
		t.Fatal(err)
	}
	resnet, err := supernet.ByName("ofa-resnet50")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]struct {
		space *supernet.Space
		archs []supernet.Arch
	}{
		"mbv3":         {mbv3, []supernet.Arch{mbv3.Uniform(3, 3, 2, 48), mbv3.Uniform(5, 4, 3, 64), mbv3.Uniform(7, 6, 4, 64)}},
		"mbv3 narrow":  {mbv3, []supernet.Arch{mbv3.Uniform(3, 3, 2, 48), mbv3.Uniform(5, 4, 3, 64)}},
		"proxyless":    {proxyless, []supernet.Arch{proxyless.Uniform(3, 3, 2, 48), proxyless.Uniform(5, 6, 3, 64)}},
		"resnet":       {resnet, []supernet.Arch{resnet.Smallest()}},
		"one and same": {mbv3, []supernet.Arch{mbv3.Uniform(5, 3, 2, 48), mbv3.Uniform(5, 3, 2, 64)}},
	}
}

// The models made from a subset are those made from the supernet, byte for byte, with statistics of
// their own and without.
func TestSubsetGivesTheSameModels(t *testing.T) {
	for name, c := range subsetCases(t) {
		t.Run(name, func(t *testing.T) {
			w := randomWeights(t, c.space, 5)
			whole := 0
			for _, n := range w.Names() {
				x, _ := w.Tensor(n)
				whole += len(x.Data)
			}
			for _, own := range []bool{true, false} {
				var levels []onnx.SubNetwork
				for i, a := range c.archs {
					l := onnx.SubNetwork{Arch: a}
					if !own || i == 1 {
						l.Statistics = randomStatistics(t, c.space, a, uint64(i))
					}
					levels = append(levels, l)
				}
				list, err := onnx.Subset(c.space, levels, w)
				if err != nil {
					t.Fatal(err)
				}
				size := 0
				for _, x := range list {
					size += len(x.Data)
					if !own && strings.Contains(x.Name, "running_") {
						t.Errorf("%s is kept though no level uses it", x.Name)
					}
				}
				t.Logf("own statistics %v: %d of %d elements", own, size, whole)
				if size > whole || name != "mbv3" && size == whole {
					t.Errorf("%d elements of %d are kept", size, whole)
				}
				r, err := onnx.Restore(c.space, held(list))
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range levels {
					o := onnx.Options{Statistics: l.Statistics, Source: "x"}
					if want, got := write(t, c.space, l.Arch, w, o), write(t, c.space, l.Arch, r, o); !bytes.Equal(want, got) {
						t.Errorf("%v: %d bytes differ from %d", l.Arch, len(got), len(want))
					}
				}
			}
		})
	}
}

// Every tensor of a subset is used: without it, or with one value changed, a model differs.
func TestSubsetHoldsNothingElse(t *testing.T) {
	space := small(t)
	archs := []supernet.Arch{space.Uniform(3, 3, 2, 48), space.Uniform(5, 4, 3, 64)}
	levels := []onnx.SubNetwork{{Arch: archs[0]}, {Arch: archs[1]}}
	list, err := onnx.Subset(space, levels, randomWeights(t, space, 5))
	if err != nil {
		t.Fatal(err)
	}
	models := func(m tensors) (all []byte, err error) {
		r, err := onnx.Restore(space, m)
		if err != nil {
			return nil, err
		}
		for _, a := range archs {
			model, err := onnx.Network(space, a, r, onnx.Options{})
			if err != nil {
				return nil, err
			}
			all = append(all, model...)
		}
		return all, nil
	}
	want, err := models(held(list))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(list); i += 7 {
		m := held(list)
		x := list[i]
		delete(m, x.Name)
		if _, err := models(m); !errors.Is(err, onnx.ErrMissing) || !strings.Contains(err.Error(), x.Name) {
			t.Errorf("without %s: %v", x.Name, err)
		}
		at := len(x.Data) - 1 // the last channel is used by the widest
		if strings.HasSuffix(x.Name, "depth_conv.conv.conv.weight") {
			at = len(x.Data) / 2 / 49 * 49 // the corners of a kernel are cut off
			at += 24
		}
		x.Data = slices.Clone(x.Data)
		x.Data[at] += 1
		m[x.Name] = x
		if got, err := models(m); err != nil || bytes.Equal(got, want) {
			t.Errorf("%s, element %d of %v: no model depends on it (%v)", x.Name, at, x.Shape, err)
		}
	}
}

func TestSubsetRefuses(t *testing.T) {
	space := small(t)
	w := randomWeights(t, space, 1)
	if _, err := onnx.Subset(space, nil, w); err == nil {
		t.Error("no sub-network is accepted")
	}
	if _, err := onnx.Subset(space, []onnx.SubNetwork{{Arch: supernet.Arch{R: 1}}}, w); err == nil {
		t.Error("a foreign architecture is accepted")
	}
	if _, err := onnx.Subset(space, []onnx.SubNetwork{{Arch: space.Smallest()}}, tensors{}); !errors.Is(err, onnx.ErrMissing) {
		t.Errorf("no weights: %v", err)
	}
	s := randomStatistics(t, space, space.Largest(), 1)
	if _, err := onnx.Subset(space, []onnx.SubNetwork{{Arch: space.Smallest(), Statistics: s}}, w); !errors.Is(err, onnx.ErrNotAsked) {
		t.Errorf("another's statistics: %v", err)
	}
}
