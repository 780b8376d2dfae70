package onnx_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dynofa/dynofa/deploy/onnx/internal/onnxpb"
)

// array is a dense float64 tensor; feature maps are [batch, channels, height, width].
type array struct {
	shape []int
	data  []float64
}

// interpret runs a model by the definitions of its operators, naively and in float64, so that the
// graphs are proved without ONNX Runtime. It knows the operators that this package writes.
func interpret(t testing.TB, model []byte, input array) array {
	t.Helper()
	m := decode(t, model)
	values := map[string]array{m.Graph.Input[0].GetName(): input}
	for _, c := range m.Graph.Initializer {
		a := array{}
		for _, d := range c.Dims {
			a.shape = append(a.shape, int(d))
		}
		for raw := c.RawData; len(raw) > 0 && c.GetDataType() == int32(onnxpb.TensorProto_INT64); raw = raw[8:] {
			a.data = append(a.data, float64(int64(binary.LittleEndian.Uint64(raw))))
		}
		for raw := c.RawData; len(raw) > 0 && c.GetDataType() == int32(onnxpb.TensorProto_FLOAT); raw = raw[4:] {
			a.data = append(a.data, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))))
		}
		values[c.GetName()] = a
	}
	for _, n := range m.Graph.Node {
		var in []array
		for _, name := range n.Input {
			v, ok := values[name]
			if !ok {
				t.Fatalf("node %s reads %q, which is not there yet", n.GetName(), name)
			}
			in = append(in, v)
		}
		out, err := operate(n, in)
		if err != nil {
			t.Fatalf("node %s: %v", n.GetName(), err)
		}
		if _, ok := values[n.Output[0]]; ok {
			t.Fatalf("node %s writes %q a second time", n.GetName(), n.Output[0])
		}
		values[n.Output[0]] = out
		if n.GetOpType() == "BatchNormalization" {
			values[n.Output[1]], values[n.Output[2]] = batchMoments(in[0])
		}
	}
	return values[m.Graph.Output[0].GetName()]
}

func decode(t testing.TB, model []byte) *onnxpb.ModelProto {
	t.Helper()
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(model, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func operate(n *onnxpb.NodeProto, in []array) (array, error) {
	attribute := map[string]*onnxpb.AttributeProto{}
	for _, a := range n.Attribute {
		attribute[a.GetName()] = a
	}
	each := func(f func(float64) float64) array {
		out := array{in[0].shape, slices.Clone(in[0].data)}
		for i, v := range out.data {
			out.data[i] = f(v)
		}
		return out
	}
	switch n.GetOpType() {
	case "Clip":
		return each(func(v float64) float64 { return max(in[1].data[0], min(in[2].data[0], v)) }), nil
	case "MaxPool", "AveragePool":
		return window(n.GetOpType(), in[0], int(attribute["kernel_shape"].GetInts()[0]), int(attribute["strides"].GetInts()[0]), attribute["pads"].GetInts())
	case "Relu":
		return each(func(v float64) float64 { return max(0, v) }), nil
	case "HardSigmoid":
		alpha, beta := float64(attribute["alpha"].GetF()), float64(attribute["beta"].GetF())
		return each(func(v float64) float64 { return max(0, min(1, alpha*v+beta)) }), nil
	case "Flatten":
		return array{[]int{in[0].shape[0], len(in[0].data) / in[0].shape[0]}, in[0].data}, nil
	case "Add":
		return broadcast(in[0], in[1], func(a, b float64) float64 { return a + b })
	case "Mul":
		return broadcast(in[0], in[1], func(a, b float64) float64 { return a * b })
	case "GlobalAveragePool":
		s := in[0].shape
		out := array{[]int{s[0], s[1], 1, 1}, make([]float64, s[0]*s[1])}
		for i, v := range in[0].data {
			out.data[i/(s[2]*s[3])] += v / float64(s[2]*s[3])
		}
		return out, nil
	case "Gemm":
		if attribute["transB"].GetI() != 1 || len(in) != 3 {
			return array{}, fmt.Errorf("only x B^T + c is known")
		}
		rows, inner, columns := in[0].shape[0], in[0].shape[1], in[1].shape[0]
		out := array{[]int{rows, columns}, nil}
		for r := range rows {
			for c := range columns {
				sum := in[2].data[c]
				for i := range inner {
					sum += in[0].data[r*inner+i] * in[1].data[c*inner+i]
				}
				out.data = append(out.data, sum)
			}
		}
		return out, nil
	case "BatchNormalization":
		if attribute["training_mode"].GetI() != 1 || attribute["momentum"].GetF() != 0 || len(n.Output) != 3 {
			return array{}, fmt.Errorf("only the batch's own statistics are known")
		}
		mean, variance := batchMoments(in[0])
		out := array{in[0].shape, slices.Clone(in[0].data)}
		per := in[0].shape[2] * in[0].shape[3]
		for i := range out.data {
			c := i / per % in[0].shape[1]
			out.data[i] = (out.data[i]-mean.data[c])/math.Sqrt(variance.data[c]+float64(attribute["epsilon"].GetF()))*in[1].data[c] + in[2].data[c]
		}
		return out, nil
	case "Reshape":
		out, rest := array{data: in[0].data}, len(in[0].data)
		for i, d := range in[1].data {
			if d == 0 {
				d = float64(in[0].shape[i])
			}
			out.shape = append(out.shape, int(d))
			if d > 0 {
				rest /= int(d)
			}
		}
		if i := slices.Index(out.shape, -1); i >= 0 {
			out.shape[i], rest = rest, 1
		}
		if rest != 1 {
			return array{}, fmt.Errorf("shape %v becomes %v", in[0].shape, out.shape)
		}
		return out, nil
	case "MatMul": // [out, in] x [n, in, pixels]
		rows, inner, pixels := in[0].shape[0], in[0].shape[1], in[1].shape[2]
		if len(in[0].shape) != 2 || len(in[1].shape) != 3 || in[1].shape[1] != inner {
			return array{}, fmt.Errorf("shapes %v and %v", in[0].shape, in[1].shape)
		}
		out := array{[]int{in[1].shape[0], rows, pixels}, make([]float64, in[1].shape[0]*rows*pixels)}
		for b := range in[1].shape[0] {
			for r := range rows {
				for i := range inner {
					for p := range pixels {
						out.data[(b*rows+r)*pixels+p] += in[0].data[r*inner+i] * in[1].data[(b*inner+i)*pixels+p]
					}
				}
			}
		}
		return out, nil
	case "Concat":
		out := array{shape: []int{0}}
		for _, a := range in {
			out.data = append(out.data, a.data...)
		}
		out.shape[0] = len(out.data)
		return out, nil
	case "Conv":
		return convolve(in, int(attribute["group"].GetI()), int(attribute["strides"].GetInts()[0]), int(attribute["pads"].GetInts()[0]))
	}
	return array{}, fmt.Errorf("operator %s is not known", n.GetOpType())
}

// batchMoments returns the mean and the biased variance of each channel.
func batchMoments(x array) (mean, variance array) {
	n, c, per := x.shape[0], x.shape[1], x.shape[2]*x.shape[3]
	mean, variance = array{[]int{c}, make([]float64, c)}, array{[]int{c}, make([]float64, c)}
	for i, v := range x.data {
		mean.data[i/per%c] += v / float64(n*per)
	}
	for i, v := range x.data {
		d := v - mean.data[i/per%c]
		variance.data[i/per%c] += d * d / float64(n*per)
	}
	return mean, variance
}

// broadcast combines equal shapes, or [n, c, h, w] with [n, c, 1, 1].
func broadcast(a, b array, f func(a, b float64) float64) (array, error) {
	ratio := 1
	if !slices.Equal(a.shape, b.shape) {
		if !slices.Equal(b.shape, []int{a.shape[0], a.shape[1], 1, 1}) {
			return array{}, fmt.Errorf("shapes %v and %v do not fit", a.shape, b.shape)
		}
		ratio = a.shape[2] * a.shape[3]
	}
	out := array{a.shape, make([]float64, len(a.data))}
	for i, v := range a.data {
		out.data[i] = f(v, b.data[i/ratio])
	}
	return out, nil
}

// window pools square windows; what lies outside of the input does not count.
func window(op string, x array, k, stride int, pads []int64) (array, error) {
	size, begin := x.shape[2], int(pads[0])
	if x.shape[3] != size || pads[1] != pads[0] || pads[3] != pads[2] {
		return array{}, fmt.Errorf("input %v, pads %v", x.shape, pads)
	}
	side := (size+begin+int(pads[2])-k)/stride + 1
	out := array{[]int{x.shape[0], x.shape[1], side, side}, nil}
	for plane := range x.shape[0] * x.shape[1] {
		for y := range side {
			for z := range side {
				sum, largest, n := 0., math.Inf(-1), 0.
				for i := max(0, y*stride-begin); i < min(size, y*stride-begin+k); i++ {
					for j := max(0, z*stride-begin); j < min(size, z*stride-begin+k); j++ {
						v := x.data[(plane*size+i)*size+j]
						sum, largest, n = sum+v, max(largest, v), n+1
					}
				}
				if op == "AveragePool" {
					largest = sum / n
				}
				out.data = append(out.data, largest)
			}
		}
	}
	return out, nil
}

func convolve(in []array, groups, stride, pad int) (array, error) {
	x, w := in[0], in[1]
	batch, cin, size := x.shape[0], x.shape[1], x.shape[2]
	cout, per, k := w.shape[0], w.shape[1], w.shape[2]
	if per*groups != cin || cout%groups != 0 || x.shape[3] != size {
		return array{}, fmt.Errorf("input %v, weight %v, %d groups", x.shape, w.shape, groups)
	}
	side := (size+2*pad-k)/stride + 1
	out := array{[]int{batch, cout, side, side}, make([]float64, batch*cout*side*side)}
	for n := range batch {
		for o := range cout {
			first := o / (cout / groups) * per // input channel
			for y := range side {
				for z := range side {
					sum := 0.
					if len(in) > 2 {
						sum = in[2].data[o]
					}
					for c := range per {
						for i := max(0, pad-y*stride); i < min(k, size+pad-y*stride); i++ {
							for j := max(0, pad-z*stride); j < min(k, size+pad-z*stride); j++ {
								sum += w.data[((o*per+c)*k+i)*k+j] *
									x.data[((n*cin+first+c)*size+y*stride+i-pad)*size+z*stride+j-pad]
							}
						}
					}
					out.data[((n*cout+o)*side+y)*side+z] = sum
				}
			}
		}
	}
	return out, nil
}
