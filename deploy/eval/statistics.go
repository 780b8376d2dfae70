package eval

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// Suffixes of the tensors of a file of statistics: the names that a checkpoint has for them.
const (
	meanSuffix = ".running_mean"
	varSuffix  = ".running_var"
)

// Encode returns the statistics as a safetensors file: two tensors for each batch normalisation of a
// sub-network, under the names of a checkpoint. It returns an error if norms are not those of the
// sub-network.
func (s *Statistics) Encode(norms []onnx.BatchNorm) ([]byte, error) {
	var list []checkpoint.Tensor
	for _, n := range norms {
		m := s.Moments[n.Name]
		if len(m.Mean) != n.Channels || len(m.Var) != n.Channels {
			return nil, fmt.Errorf("eval: statistics have %d channels of %s, want %d", len(m.Mean), n.Name, n.Channels)
		}
		list = append(list, checkpoint.Tensor{Name: n.Name + meanSuffix, Shape: []int{n.Channels}, Data: m.Mean},
			checkpoint.Tensor{Name: n.Name + varSuffix, Shape: []int{n.Channels}, Data: m.Var})
	}
	var b bytes.Buffer
	err := checkpoint.WriteSafetensors(&b, list, map[string]string{
		"images": strconv.Itoa(s.Images), "skipped": strconv.Itoa(s.Skipped), "batch": strconv.Itoa(s.Batch),
	})
	return b.Bytes(), err
}

// DecodeStatistics reads the moments of what Encode wrote. It returns an error if a tensor is missing or has
// another length.
func DecodeStatistics(file []byte, norms []onnx.BatchNorm) (map[string]onnx.Moments, error) {
	f, err := checkpoint.Read(bytes.NewReader(file), int64(len(file)), "statistics")
	if err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	out := make(map[string]onnx.Moments, len(norms))
	for _, n := range norms {
		mean, ok := f.Tensor(n.Name + meanSuffix)
		variance, ok2 := f.Tensor(n.Name + varSuffix)
		if !ok || !ok2 || len(mean.Data) != n.Channels || len(variance.Data) != n.Channels {
			return nil, fmt.Errorf("eval: statistics have no %d means and variances of %s", n.Channels, n.Name)
		}
		out[n.Name] = onnx.Moments{Mean: mean.Data, Var: variance.Data}
	}
	return out, nil
}
