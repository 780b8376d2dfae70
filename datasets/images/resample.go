package images

import "math"

// Source: PIL (Pillow 9.4), src/libImaging/Resample.c, bilinear_filter, precompute_coeffs,
// normalize_coeffs_8bpc and ImagingResample{Horizontal,Vertical}_8bpc. Weights have 22 fractional
// bits and the picture between the two passes has 8 bits a sample, as there. Deviation: only the
// window that the crop keeps is computed; every sample in it is the same.

const precisionBits = 32 - 8 - 2

// taps are the weights of consecutive output samples along one axis.
type taps struct {
	first  []int32 // first input sample of each output sample
	count  []int32 // how many input samples it takes
	weight []int32 // stride weights for each output sample, fixed point
	stride int
	buf    []float64
}

// set computes the weights of output samples from..from+n of an axis that is resized from in to out
// samples with the triangle filter, widened when shrinking.
func (t *taps) set(in int, out int64, from int64, n int) {
	scale := float64(in) / float64(out)
	filterScale := max(scale, 1)
	support := filterScale // the triangle reaches 1 at scale 1
	inverse := 1 / filterScale
	t.stride = int(math.Ceil(support))*2 + 1
	t.first, t.count = grow(t.first, n), grow(t.count, n)
	t.weight, t.buf = grow(t.weight, n*t.stride), grow(t.buf, t.stride)
	for i := range n {
		// The conversions keep every architecture from fusing: a last bit could move a weight.
		center := float64((float64(from+int64(i)) + 0.5) * scale)
		lo := max(int(center-support+0.5), 0)
		hi := min(int(center+support+0.5), in)
		var sum float64
		for x := range hi - lo {
			w := triangle(float64((float64(x+lo) - center + 0.5) * inverse))
			t.buf[x] = w
			sum += w
		}
		row := t.weight[i*t.stride : (i+1)*t.stride]
		for x := range hi - lo {
			w := t.buf[x]
			if sum != 0 {
				w /= sum
			}
			row[x] = int32(0.5 + float64(w*(1<<precisionBits))) // weights are never negative
		}
		t.first[i], t.count[i] = int32(lo), int32(hi-lo)
	}
}

// window returns the half-open range of input samples that the weights reach.
func (t *taps) window() (lo, hi int) {
	last := len(t.first) - 1
	return int(t.first[0]), int(t.first[last] + t.count[last])
}

func triangle(x float64) float64 {
	if x < 0 {
		x = -x
	}
	if x < 1 {
		return 1 - x
	}
	return 0
}

// horizontal resamples one packed RGB row.
func (t *taps) horizontal(dst, src []byte) {
	for i, first := range t.first {
		weights := t.weight[i*t.stride:][:t.count[i]]
		s := src[3*first:][:3*len(weights)]
		r, g, b := int32(1)<<(precisionBits-1), int32(1)<<(precisionBits-1), int32(1)<<(precisionBits-1)
		for _, w := range weights {
			r += int32(s[0]) * w
			g += int32(s[1]) * w
			b += int32(s[2]) * w
			s = s[3:]
		}
		put(dst, i, clamp(r>>precisionBits), clamp(g>>precisionBits), clamp(b>>precisionBits))
	}
}

// vertical writes output row i. src holds packed rows of len(dst) bytes, of which the first is input
// row base; sum is scratch of the same length.
func (t *taps) vertical(dst, src []byte, sum []int32, base, i int) {
	for x := range sum {
		sum[x] = 1 << (precisionBits - 1)
	}
	row := (int(t.first[i]) - base) * len(dst)
	for _, w := range t.weight[i*t.stride:][:t.count[i]] {
		s := src[row:][:len(sum)]
		for x, v := range s {
			sum[x] += int32(v) * w
		}
		row += len(dst)
	}
	for x, v := range sum {
		dst[x] = clamp(v >> precisionBits)
	}
}

// grow returns a slice of n entries, reusing s where it is large enough.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
