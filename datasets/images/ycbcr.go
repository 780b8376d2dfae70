package images

import "image"

// This file does for decoded JPEG pictures what the standard library leaves out: "fancy" chroma
// upsampling (a triangle filter) and the colour conversion with libjpeg's rounding. Without it
// 4:2:0 pictures differ from libjpeg-turbo's by up to 46 levels, with it by a few.
//
// Source: libjpeg-turbo 2.1, jdsample.c (h2v1_fancy_upsample, h1v2_fancy_upsample,
// h2v2_fancy_upsample and the choice among them in jinit_upsampler) and jdcolor.c
// (build_ycc_rgb_table); T. Lane and others. Reimplemented from the algorithms, for one row at a time.

// ycbcrRows returns the row reader of a YCbCr picture.
func ycbcrRows(m *image.YCbCr) func([]byte, int) {
	u := newUpsampler(m)
	if u == nil { // no subsampling, a ratio libjpeg replicates, or a sub-picture that cuts a chroma sample
		return replicatedRows(m)
	}
	w := m.Rect.Dx()
	cb, cr := make([]uint8, 2*u.w), make([]uint8, 2*u.w)
	sums := make([]int32, u.w)
	return func(dst []byte, y int) {
		u.row(cb, sums, m.Cb, y)
		u.row(cr, sums, m.Cr, y)
		luma := m.Y[m.YOffset(m.Rect.Min.X, m.Rect.Min.Y+y):]
		for x, l := range luma[:w] {
			r, g, b := ycbcrToRGB(l, cb[x], cr[x])
			put(dst, x, r, g, b)
		}
	}
}

func replicatedRows(m *image.YCbCr) func([]byte, int) {
	r := m.Rect
	return func(dst []byte, y int) {
		luma := m.Y[m.YOffset(r.Min.X, r.Min.Y+y):]
		for x, l := range luma[:r.Dx()] {
			c := m.COffset(r.Min.X+x, r.Min.Y+y)
			red, green, blue := ycbcrToRGB(l, m.Cb[c], m.Cr[c])
			put(dst, x, red, green, blue)
		}
	}
}

// ycbcrToRGB converts as libjpeg does: 16 fractional bits, red and blue offsets rounded apart, the two
// parts of green rounded together.
func ycbcrToRGB(y, cb, cr uint8) (r, g, b uint8) {
	const half = 1 << 15
	l, u, v := int32(y), int32(cb)-128, int32(cr)-128
	r = clamp(l + (91881*v+half)>>16)          // 1.40200
	g = clamp(l + (-22554*u-46802*v+half)>>16) // 0.34414, 0.71414
	b = clamp(l + (116130*u+half)>>16)         // 1.77200
	return r, g, b
}

func clamp(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// upsampler widens the chroma planes of one picture.
type upsampler struct {
	start, stride int  // of the planes
	w, h          int  // of the planes: the picture's, halved and rounded up where subsampled
	wide, tall    bool // subsampled horizontally, vertically
}

// newUpsampler returns nil where libjpeg would replicate.
func newUpsampler(m *image.YCbCr) *upsampler {
	r := m.Rect
	u := &upsampler{stride: m.CStride, w: r.Dx(), h: r.Dy()}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		u.wide = true
	case image.YCbCrSubsampleRatio440:
		u.tall = true
	case image.YCbCrSubsampleRatio420:
		u.wide, u.tall = true, true
	default:
		return nil
	}
	if u.wide {
		u.w = (u.w + 1) / 2
		if u.w <= 2 || r.Min.X&1 != 0 {
			return nil
		}
	}
	if u.tall {
		u.h = (u.h + 1) / 2
		if r.Min.Y&1 != 0 {
			return nil
		}
	}
	u.start = m.COffset(r.Min.X, r.Min.Y)
	return u
}

// row writes one upsampled row of a plane; dst has 2*w entries, or uses the first w if only the height
// is subsampled. sums is scratch of w entries.
func (u *upsampler) row(dst []uint8, sums []int32, plane []uint8, y int) {
	if !u.tall {
		i := u.start + y*u.stride
		for x, v := range plane[i : i+u.w] {
			sums[x] = int32(v)
		}
		widen(dst, sums, 1, 2, 2)
		return
	}
	// The nearer row counts three times the farther one; beyond the edge the last row stands twice.
	near := y / 2
	far, bias := near-1, int32(1)
	if y&1 == 1 {
		far, bias = near+1, 2
	}
	far = min(max(far, 0), u.h-1)
	a, b := plane[u.start+near*u.stride:], plane[u.start+far*u.stride:]
	for x := range sums {
		sums[x] = 3*int32(a[x]) + int32(b[x])
	}
	if !u.wide {
		for x, s := range sums {
			dst[x] = uint8((s + bias) >> 2)
		}
		return
	}
	widen(dst, sums, 8, 7, 4)
}

// widen doubles a row with weights 3/4 and 1/4; beyond the edges the outermost column stands twice.
// left and right are added before shift takes the total weight out: libjpeg alternates its rounding.
func widen(dst []uint8, in []int32, left, right int32, shift uint) {
	last := len(in) - 1
	for x, s := range in {
		l, r := in[max(x-1, 0)], in[min(x+1, last)]
		dst[2*x] = uint8((3*s + l + left) >> shift)
		dst[2*x+1] = uint8((3*s + r + right) >> shift)
	}
}
