package dense_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/dynofa/dynofa/search/accuracy/internal/dense"
)

func needKernel(t testing.TB) {
	t.Helper()
	if !dense.Available() {
		t.Skip("no kernel for this processor, or the build tag purego is set")
	}
}

var none = float32(math.Inf(-1))

// numbers draws floats of different sizes and signs, some of them zero.
func numbers(rng *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		if rng.IntN(8) > 0 {
			out[i] = float32(rng.NormFloat64() * math.Exp2(float64(rng.IntN(8)-4)))
		}
	}
	return out
}

// problem is a layer with a batch. Whatever is beyond its vectors is NaN, so that a kernel that
// reads it shows.
type problem struct {
	in, out, rows, stride int
	columns, bias, x      []float32
}

func newProblem(seed uint64, in, out, rows, gap int) problem {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := problem{in: in, out: out, rows: rows, stride: in + gap, columns: numbers(rng, in*out), bias: numbers(rng, out)}
	nan := float32(math.NaN())
	p.x = make([]float32, dense.PaddedRows(rows)*p.stride)
	for i := range p.x {
		p.x[i] = nan
		if i/p.stride < rows && i%p.stride < in {
			p.x[i] = numbers(rng, 1)[0]
		}
	}
	return p
}

// apply computes y, and checks that nothing beyond it was written.
func (p problem) apply(t testing.TB, floor float32) []float32 {
	t.Helper()
	l := dense.NewLayer(p.columns, p.bias, p.in)
	size := dense.PaddedRows(p.rows) * dense.Padded(p.out)
	y := make([]float32, size+64)
	for i := range y {
		y[i] = 12345
	}
	l.Apply(p.rows, p.x, p.stride, y[:size:size], floor)
	for i, v := range y[size:] {
		if v != 12345 {
			t.Fatalf("%d floats behind the result: %v", i, v)
		}
	}
	return y[:size]
}

// want returns one element in float64 and the sum of the absolute values of its terms.
func (p problem) want(r, c int) (sum, size float64) {
	sum = float64(p.bias[c])
	size = math.Abs(sum)
	for i := range p.in {
		v := float64(p.x[r*p.stride+i]) * float64(p.columns[i*p.out+c])
		sum += v
		size += math.Abs(v)
	}
	return sum, size
}

// checkApply compares all elements with float64 sums. A float32 sum of n terms is off by at most
// n 2^-24 times the sum of their absolute values.
func checkApply(t testing.TB, p problem) {
	t.Helper()
	for _, floor := range []float32{none, 0} {
		y := p.apply(t, floor)
		for r := range p.rows {
			for c := range p.out {
				want, size := p.want(r, c)
				got := float64(y[r*dense.Padded(p.out)+c])
				bound := float64(p.in+1) * size / (1 << 24)
				if d := math.Abs(got - max(want, float64(floor))); !(d <= bound) {
					t.Fatalf("%d inputs, %d outputs, %d rows, floor %v: element %d of row %d is %v, want %v", p.in, p.out, p.rows, floor, c, r, got, want)
				}
			}
		}
	}
}

// All tails: inputs modulo 4, outputs modulo 16, rows modulo 6.
func TestApply(t *testing.T) {
	needKernel(t)
	seed := uint64(0)
	defer dense.Wide(true)
	for _, on := range []bool{true, false} {
		dense.Wide(on)
		for _, in := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 64} {
			for _, out := range []int{1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 50, 64, 65, 81, 130} {
				for rows := 1; rows <= 13; rows++ {
					seed++
					checkApply(t, newProblem(seed, in, out, rows, int(seed%3)))
				}
			}
		}
	}
	checkApply(t, newProblem(1, 400, 400, 48, 0)) // OFA's predictor
	checkApply(t, newProblem(2, 1000, 3, 100, 7))
}

func FuzzApply(f *testing.F) {
	f.Add(uint64(1), uint16(400), uint16(400), uint8(7), uint8(0))
	f.Add(uint64(2), uint16(3), uint16(17), uint8(6), uint8(5))
	f.Add(uint64(3), uint16(65535), uint16(0), uint8(255), uint8(255))
	f.Fuzz(func(t *testing.T, seed uint64, in, out uint16, rows, gap uint8) {
		needKernel(t)
		checkApply(t, newProblem(seed, 1+int(in)%300, 1+int(out)%150, 1+int(rows)%40, int(gap)%20))
	})
}

// exact returns one element as the documentation defines it, a chain of fused multiply-adds, with exact
// products and sums that are rounded to float32 once per input.
func (p problem) exact(r, c int) float32 {
	acc := p.bias[c]
	for i := range p.in {
		x, w := float64(p.x[r*p.stride+i]), float64(p.columns[i*p.out+c])
		sum := new(big.Float).SetPrec(2000)
		sum.Add(sum.SetFloat64(x*w), new(big.Float).SetFloat64(float64(acc))) // x*w is exact in float64
		acc, _ = sum.Float32()
	}
	return acc
}

func TestApplyIsAChainOfFusedMultiplyAdds(t *testing.T) {
	needKernel(t)
	for _, p := range []problem{newProblem(1, 61, 19, 7, 0), newProblem(2, 16, 32, 6, 1), newProblem(3, 130, 3, 2, 0)} {
		y := p.apply(t, none)
		for r := range p.rows {
			for c := range p.out {
				if got, want := y[r*dense.Padded(p.out)+c], p.exact(r, c); got != want {
					t.Fatalf("element %d of row %d is %v, want %v", c, r, got, want)
				}
			}
		}
	}
}

// AVX-512 changes no bit, whatever the tails: outputs modulo 64, inputs modulo 2.
func TestWideIsTheSame(t *testing.T) {
	needKernel(t)
	if !dense.Wide(true) {
		t.Skip("no AVX-512")
	}
	defer dense.Wide(true)
	for seed, out := range []int{1, 63, 64, 65, 80, 127, 128, 129, 200} {
		for _, in := range []int{1, 2, 3, 50, 51} {
			p := newProblem(uint64(seed), in, out, 1+seed*5, seed%2)
			dense.Wide(true)
			got := p.apply(t, 0)
			dense.Wide(false)
			want := p.apply(t, 0)
			for r := range p.rows {
				for c := range out {
					if at := r*dense.Padded(out) + c; got[at] != want[at] {
						t.Fatalf("%d inputs, %d outputs: element %d of row %d is %v with AVX-512, %v without", in, out, c, r, got[at], want[at])
					}
				}
			}
		}
	}
}

// A row has the same bits in any batch, at any place of it.
func TestRowsAreIndependent(t *testing.T) {
	needKernel(t)
	p := newProblem(5, 37, 21, 40, 2)
	all := p.apply(t, 0)
	width := dense.Padded(p.out)
	for from := range p.rows {
		for _, n := range []int{1, 2, 5, 6, 7, 13} {
			if from+n > p.rows {
				continue
			}
			q := p
			q.rows, q.x = n, make([]float32, dense.PaddedRows(n)*p.stride)
			copy(q.x, p.x[from*p.stride:(from+n)*p.stride])
			y := q.apply(t, 0)
			for r := range n {
				for c := range p.out {
					if got, want := y[r*width+c], all[(from+r)*width+c]; got != want {
						t.Fatalf("row %d in a batch of %d from %d: element %d is %v, want %v", from+r, n, from, c, got, want)
					}
				}
			}
		}
	}
}

// NaN goes on to the result, whatever the floor; infinities too.
func TestSpecialValues(t *testing.T) {
	needKernel(t)
	inf := float32(math.Inf(1))
	for _, tt := range []struct{ x, w, floor, want float32 }{
		{float32(math.NaN()), 1, 0, float32(math.NaN())},
		{float32(math.NaN()), 1, none, float32(math.NaN())},
		{inf, 0, 0, float32(math.NaN())},
		{inf, 2, 0, inf},
		{inf, -2, 0, 0},
		{inf, -2, none, -inf},
		{math.MaxFloat32, math.MaxFloat32, 0, inf},
	} {
		for _, in := range []int{1, 4, 7} {
			p := newProblem(1, in, 1, 1, 0)
			clear(p.columns)
			clear(p.x)
			p.bias[0] = 0
			p.x[in-1], p.columns[in-1] = tt.x, tt.w
			y := p.apply(t, tt.floor)[0]
			if y != tt.want && !(math.IsNaN(float64(y)) && math.IsNaN(float64(tt.want))) {
				t.Errorf("%v * %v, floor %v: %v, want %v", tt.x, tt.w, tt.floor, y, tt.want)
			}
		}
	}
}

// checkSum compares a sum of table rows with its definition, float32 additions in order: exactly.
func checkSum(t testing.TB, seed uint64, n, rows, terms int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	table := make([][]float32, rows)
	for i := range table {
		table[i] = numbers(rng, n)
	}
	idx := make([]int32, terms)
	want := make([]float32, n)
	for i := range idx {
		idx[i] = int32(rng.IntN(rows))
		for j, v := range table[idx[i]] {
			want[j] += v
		}
	}
	tab := dense.NewTable(n, table)
	for _, floor := range []float32{none, 0} {
		y := make([]float32, dense.Padded(n)+32)
		for i := range y {
			y[i] = 12345
		}
		tab.Sum(idx, y[:dense.Padded(n):dense.Padded(n)], floor)
		for j, w := range want {
			if y[j] != max(w, floor) {
				t.Fatalf("%d elements, %d of %d rows, floor %v: element %d is %v, want %v", n, terms, rows, floor, j, y[j], max(w, floor))
			}
		}
		for _, v := range y[dense.Padded(n):] {
			if v != 12345 {
				t.Fatal("written behind the result")
			}
		}
	}
}

func TestSum(t *testing.T) {
	needKernel(t)
	for n := 1; n <= 150; n++ {
		checkSum(t, uint64(n), n, 1+n%7, 1+n%23)
	}
	checkSum(t, 1, 400, 188, 16) // OFA's predictor
}

func FuzzSum(f *testing.F) {
	f.Add(uint64(1), uint16(400), uint8(188), uint8(21))
	f.Add(uint64(2), uint16(0), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, rows, terms uint8) {
		needKernel(t)
		checkSum(t, seed, 1+int(n)%700, 1+int(rows), 1+int(terms)%50)
	})
}

// What does not fit panics before the kernel is called.
func TestPanics(t *testing.T) {
	needKernel(t)
	l := dense.NewLayer(make([]float32, 6), make([]float32, 2), 3)
	table := dense.NewTable(2, [][]float32{{1, 2}})
	for name, f := range map[string]func(){
		"weights":        func() { dense.NewLayer(make([]float32, 5), make([]float32, 2), 3) },
		"short x":        func() { l.Apply(1, make([]float32, 17), 3, make([]float32, 96), 0) },
		"short y":        func() { l.Apply(1, make([]float32, 18), 3, make([]float32, 95), 0) },
		"stride":         func() { l.Apply(1, make([]float32, 18), 2, make([]float32, 96), 0) },
		"no rows":        func() { l.Apply(0, make([]float32, 18), 3, make([]float32, 96), 0) },
		"no terms":       func() { table.Sum(nil, make([]float32, 16), 0) },
		"row too large":  func() { table.Sum([]int32{0, 1}, make([]float32, 16), 0) },
		"row negative":   func() { table.Sum([]int32{-1}, make([]float32, 16), 0) },
		"short sum":      func() { table.Sum([]int32{0}, make([]float32, 15), 0) },
		"unequal widths": func() { dense.NewTable(2, [][]float32{{1, 2}, {1}}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
	l.Apply(1, make([]float32, 18), 3, make([]float32, 96), 0)
	table.Sum([]int32{0}, make([]float32, 16), 0)
}

func BenchmarkApply(b *testing.B) {
	needKernel(b)
	for _, rows := range []int{1, 6, 48} {
		b.Run(fmt.Sprintf("400x400/rows=%d", rows), func(b *testing.B) {
			p := newProblem(1, 400, 400, rows, 0)
			clear(p.x)
			l := dense.NewLayer(p.columns, p.bias, p.in)
			y := make([]float32, dense.PaddedRows(rows)*dense.Padded(p.out))
			b.ReportAllocs()
			for b.Loop() {
				l.Apply(rows, p.x, p.stride, y, 0)
			}
			b.ReportMetric(float64(b.N)*2*400*400*float64(rows)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

func BenchmarkSum(b *testing.B) {
	needKernel(b)
	rows := make([][]float32, 188)
	for i := range rows {
		rows[i] = make([]float32, 400)
	}
	table := dense.NewTable(400, rows)
	idx := make([]int32, 16)
	for i := range idx {
		idx[i] = int32(11 * i)
	}
	y := make([]float32, 400)
	b.ReportAllocs()
	for b.Loop() {
		table.Sum(idx, y, 0)
	}
}
