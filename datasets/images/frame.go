package images

import (
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
	"strconv"
	"strings"
)

// FrameFormat says how the samples of a raw frame lie in memory. Names are those of V4L2 and GStreamer, in lower case.
type FrameFormat string

// Formats of raw frames. Those with Y have ITU-R BT.601's studio range (16 to 235, chroma 16 to 240), as cameras deliver them.
const (
	RGB24 FrameFormat = "rgb24" // R G B, 3 bytes a pixel
	BGR24 FrameFormat = "bgr24" // B G R
	RGBA  FrameFormat = "rgba"  // R G B and a byte that is passed over
	Grey  FrameFormat = "grey"  // full range
	YUYV  FrameFormat = "yuyv"  // Y0 Cb Y1 Cr, 4:2:2
	NV12  FrameFormat = "nv12"  // Y plane, then Cb Cr in turn, 4:2:0
	I420  FrameFormat = "i420"  // Y plane, Cb plane, Cr plane, 4:2:0
)

// FrameFormats lists the formats.
var FrameFormats = []FrameFormat{RGB24, BGR24, RGBA, Grey, YUYV, NV12, I420}

// maxFrameSide bounds the sides of raw frames.
const maxFrameSide = 8192

// FrameSpec is the shape of raw frames, which say nothing about themselves.
type FrameSpec struct {
	Width, Height int
	Format        FrameFormat
}

// ParseFrameSpec reads a size such as "640x480" and the name of a format.
func ParseFrameSpec(size, format string) (FrameSpec, error) {
	w, h, ok := strings.Cut(size, "x")
	width, err1 := strconv.Atoi(w)
	height, err2 := strconv.Atoi(h)
	if !ok || err1 != nil || err2 != nil {
		return FrameSpec{}, fmt.Errorf("images: frame size %.40q is not WIDTHxHEIGHT", size)
	}
	s := FrameSpec{width, height, FrameFormat(strings.ToLower(format))}
	return s, s.Validate()
}

// Validate returns an error unless the sides are in [1, 8192], and even where chroma is subsampled along them, and the format is known.
func (s FrameSpec) Validate() error {
	if s.Width < 1 || s.Height < 1 || s.Width > maxFrameSide || s.Height > maxFrameSide {
		return fmt.Errorf("images: frames of %d x %d: sides are outside [1, %d]", s.Width, s.Height, maxFrameSide)
	}
	if !slices.Contains(FrameFormats, s.Format) {
		return fmt.Errorf("images: frame format %.40q is none of %v", string(s.Format), FrameFormats)
	}
	half := s.Format == YUYV || s.Format == NV12 || s.Format == I420
	if half && s.Width%2 != 0 || (s.Format == NV12 || s.Format == I420) && s.Height%2 != 0 {
		return fmt.Errorf("images: frames of %d x %d in %s: sides have to be even", s.Width, s.Height, s.Format)
	}
	return nil
}

// Bytes returns the size of a frame.
func (s FrameSpec) Bytes() int {
	pixels := s.Width * s.Height
	switch s.Format {
	case RGB24, BGR24:
		return 3 * pixels
	case RGBA:
		return 4 * pixels
	case YUYV:
		return 2 * pixels
	case NV12, I420:
		return pixels + pixels/2
	}
	return pixels
}

// Frame is memory for one raw frame and the picture that is made of it.
type Frame struct {
	spec    FrameSpec
	raw     []byte
	picture image.Image
}

// NewFrame returns an empty frame. The spec must be valid.
func NewFrame(s FrameSpec) *Frame {
	f := &Frame{spec: s, raw: make([]byte, s.Bytes())}
	bounds := image.Rect(0, 0, s.Width, s.Height)
	switch s.Format {
	case Grey:
		f.picture = &image.Gray{Pix: f.raw, Stride: s.Width, Rect: bounds}
	case YUYV:
		f.picture = image.NewYCbCr(bounds, image.YCbCrSubsampleRatio422)
	case NV12, I420:
		f.picture = image.NewYCbCr(bounds, image.YCbCrSubsampleRatio420)
	default:
		f.picture = image.NewNRGBA(bounds)
	}
	return f
}

// Picture returns the frame as a picture, which shares the frame's memory: the next read changes it.
func (f *Frame) Picture() image.Image { return f.picture }

// unpack makes the picture of the raw bytes.
func (f *Frame) unpack() {
	switch m := f.picture.(type) {
	case *image.NRGBA:
		f.unpackColour(m)
	case *image.YCbCr:
		f.unpackChroma(m)
	}
}

func (f *Frame) unpackColour(m *image.NRGBA) {
	step, red, blue := 3, 0, 2
	switch f.spec.Format {
	case BGR24:
		red, blue = 2, 0
	case RGBA:
		step = 4
	}
	for i := range f.spec.Width * f.spec.Height {
		p := f.raw[step*i : step*i+3]
		m.Pix[4*i], m.Pix[4*i+1], m.Pix[4*i+2], m.Pix[4*i+3] = p[red], p[1], p[blue], 255
	}
}

func (f *Frame) unpackChroma(m *image.YCbCr) {
	pixels := f.spec.Width * f.spec.Height
	switch f.spec.Format {
	case YUYV:
		for i := range pixels / 2 {
			p := f.raw[4*i : 4*i+4]
			m.Y[2*i], m.Y[2*i+1] = luma[p[0]], luma[p[2]]
			m.Cb[i], m.Cr[i] = chroma[p[1]], chroma[p[3]]
		}
		return
	case NV12:
		for i := range pixels / 4 {
			m.Cb[i], m.Cr[i] = chroma[f.raw[pixels+2*i]], chroma[f.raw[pixels+2*i+1]]
		}
	default:
		for i := range pixels / 4 {
			m.Cb[i], m.Cr[i] = chroma[f.raw[pixels+i]], chroma[f.raw[pixels+pixels/4+i]]
		}
	}
	for i, v := range f.raw[:pixels] {
		m.Y[i] = luma[v]
	}
}

// luma and chroma widen the studio range to the full one, rounded to nearest.
//
// Source: ITU-R BT.601-7, section 2.5.3; JFIF 1.02 for the full range.
var luma, chroma = fullRange(16, 219, 0), fullRange(128, 224, 128)

func fullRange(from, width, to int) (t [256]uint8) {
	for v := range t {
		n := 255 * (v - from) * 2
		round := width
		if n < 0 {
			round = -width
		}
		t[v] = uint8(min(max((n+round)/(2*width)+to, 0), 255))
	}
	return t
}

// ErrShortFrame is wrapped by the error about a frame of which bytes are missing.
var ErrShortFrame = errors.New("images: a frame is short")

// Framing says where one frame ends and the next begins.
type Framing string

const (
	// Streamed frames follow one another without a gap, as in a pipe or a file, and a read may return any part of them.
	Streamed Framing = "streamed"
	// PerRead frames are one for each read, as of a V4L2 device: a read that returns less is a damaged frame.
	PerRead Framing = "per-read"
)

// FrameReader reads raw frames.
type FrameReader struct {
	r       io.Reader
	framing Framing
	n       int64 // frames read, damaged ones included
}

// NewFrameReader returns a reader of frames.
func NewFrameReader(r io.Reader, framing Framing) *FrameReader {
	return &FrameReader{r: r, framing: framing}
}

// Read reads the next frame, waiting for it. It returns io.EOF at the end of the input, and an error that wraps ErrShortFrame if the
// input ends within a frame, or if a read of a PerRead source returned another number of bytes; the next frame of such a source may be
// good again. The frame is what it was before then, or damaged.
func (r *FrameReader) Read(f *Frame) error {
	var n int
	var err error
	if r.framing == PerRead {
		if n, err = r.r.Read(f.raw); n > 0 && errors.Is(err, io.EOF) {
			err = nil
		}
	} else if n, err = io.ReadFull(r.r, f.raw); errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if err != nil {
		return err
	}
	r.n++
	if n != len(f.raw) {
		return fmt.Errorf("%w: frame %d has %d of %d bytes", ErrShortFrame, r.n, n, len(f.raw))
	}
	f.unpack()
	return nil
}
