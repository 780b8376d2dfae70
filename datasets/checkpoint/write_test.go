package checkpoint_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/checkpoint"
)

func TestWriteSafetensorsRoundTrip(t *testing.T) {
	long := make([]float32, 40_000) // more than one buffer
	for i := range long {
		long[i] = float32(i) / 3
	}
	tensors := []checkpoint.Tensor{
		{Name: "b.weight", DType: "float32", Shape: []int{2, 1, 3}, Data: []float32{1, -2, 3e-40, 4, 5, math.MaxFloat32}},
		{Name: "a \"quoted\" <é>", DType: "float32", Shape: []int{}, Data: []float32{7}},
		{Name: "empty", DType: "float32", Shape: []int{0, 4}, Data: []float32{}},
		{Name: "long", DType: "float32", Shape: []int{40_000}, Data: long},
	}
	write := func(metadata map[string]string) []byte {
		var b bytes.Buffer
		if err := checkpoint.WriteSafetensors(&b, tensors, metadata); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, metadata := range []map[string]string{nil, {"space": "x", "made by": "test", "b": "\n"}} {
		data := write(metadata)
		if !bytes.Equal(data, write(metadata)) {
			t.Error("the same tensors give other bytes")
		}
		if n := binary.LittleEndian.Uint64(data); (n+8)%64 != 0 {
			t.Errorf("the data starts at byte %d", n+8)
		}
		f, err := checkpoint.Read(bytes.NewReader(data), int64(len(data)), "memory")
		if err != nil {
			t.Fatal(err)
		}
		var got []checkpoint.Tensor
		for _, name := range f.Names() {
			x, _ := f.Tensor(name)
			got = append(got, x)
		}
		if d := cmp.Diff(tensors, got); d != "" {
			t.Error(d)
		}
	}
}

func TestWriteSafetensorsRefuses(t *testing.T) {
	one := checkpoint.Tensor{Name: "blocks.1.conv.a", Shape: []int{1}, Data: []float32{1}}
	for name, tensors := range map[string][]checkpoint.Tensor{
		"nothing":   nil,
		"no name":   {{Shape: []int{1}, Data: []float32{1}}},
		"reserved":  {{Name: "__metadata__", Shape: []int{1}, Data: []float32{1}}},
		"twice":     {one, one},
		"two names": {one, {Name: "blocks.1.mobile_inverted_conv.a", Shape: []int{1}, Data: []float32{1}}},
		"shape":     {{Name: "x", Shape: []int{2, 2}, Data: []float32{1}}},
		"negative":  {{Name: "x", Shape: []int{-1, -1}, Data: []float32{1}}},
		"overflow":  {{Name: "x", Shape: []int{1 << 31, 1 << 31, 4}}},
	} {
		var b bytes.Buffer
		if err := checkpoint.WriteSafetensors(&b, tensors, nil); err == nil || b.Len() > 0 {
			t.Errorf("%s: error %v, %d bytes written", name, err, b.Len())
		}
	}
}
