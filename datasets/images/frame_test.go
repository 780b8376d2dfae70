package images_test

import (
	"bytes"
	"errors"
	"image/color"
	"io"
	"testing"
	"testing/iotest"

	"github.com/dynofa/dynofa/datasets/images"
)

// TestFrameFormats reads two pixels (or four) of known colours in every format. Studio-range values are from BT.601: red is (81, 90,
// 240), white (235, 128, 128), black (16, 128, 128).
func TestFrameFormats(t *testing.T) {
	red, white, black := color.NRGBA{255, 0, 0, 255}, color.NRGBA{255, 255, 255, 255}, color.NRGBA{0, 0, 0, 255}
	for _, c := range []struct {
		size   string
		format images.FrameFormat
		raw    []byte
		want   []color.NRGBA // row by row
		within int
	}{
		{"2x1", images.RGB24, []byte{255, 0, 0, 1, 2, 3}, []color.NRGBA{red, {1, 2, 3, 255}}, 0},
		{"2x1", images.BGR24, []byte{0, 0, 255, 3, 2, 1}, []color.NRGBA{red, {1, 2, 3, 255}}, 0},
		{"2x1", images.RGBA, []byte{255, 0, 0, 7, 1, 2, 3, 9}, []color.NRGBA{red, {1, 2, 3, 255}}, 0},
		{"3x1", images.Grey, []byte{0, 128, 255}, []color.NRGBA{black, {128, 128, 128, 255}, white}, 0},
		{"2x1", images.YUYV, []byte{81, 90, 81, 240}, []color.NRGBA{red, red}, 2},
		{"2x1", images.YUYV, []byte{235, 128, 16, 128}, []color.NRGBA{white, black}, 0},
		{"2x2", images.NV12, []byte{81, 81, 81, 81, 90, 240}, []color.NRGBA{red, red, red, red}, 2},
		{"2x2", images.I420, []byte{81, 81, 81, 81, 90, 240}, []color.NRGBA{red, red, red, red}, 2},
		{"2x2", images.I420, []byte{0, 255, 16, 235, 128, 128}, []color.NRGBA{black, white, black, white}, 0}, // clamped
	} {
		s, err := images.ParseFrameSpec(c.size, string(c.format))
		if err != nil || s.Bytes() != len(c.raw) {
			t.Fatalf("%s %s: %d bytes, %v", c.size, c.format, s.Bytes(), err)
		}
		f := images.NewFrame(s)
		if err := images.NewFrameReader(bytes.NewReader(c.raw), images.Streamed).Read(f); err != nil {
			t.Fatal(err)
		}
		for i, want := range c.want {
			got := color.NRGBAModel.Convert(f.Picture().At(i%s.Width, i/s.Width)).(color.NRGBA)
			near := func(a, b uint8) bool { return max(a, b)-min(a, b) <= uint8(c.within) }
			if !near(got.R, want.R) || !near(got.G, want.G) || !near(got.B, want.B) {
				t.Errorf("%s %s: pixel %d is %v, want %v", c.size, c.format, i, got, want)
			}
		}
	}
}

func TestFrameSpecRefusals(t *testing.T) {
	for _, c := range [][2]string{{"640", "rgb24"}, {"x480", "rgb24"}, {"0x1", "grey"}, {"-1x1", "grey"}, {"9000x1", "grey"}, {"3x2", "yuyv"}, {"4x3", "nv12"}, {"4x3", "i420"}, {"4x4", "mjpg"}, {"4x4x4", "grey"}, {"", ""}} {
		if s, err := images.ParseFrameSpec(c[0], c[1]); err == nil {
			t.Errorf("%q in %q is %+v", c[0], c[1], s)
		}
	}
}

// TestFrameReads reads frames in pieces, one byte at a time, to an end within a frame, and one for each read.
func TestFrameReads(t *testing.T) {
	spec := images.FrameSpec{Width: 2, Height: 2, Format: images.Grey}
	f := images.NewFrame(spec)
	first := func() uint8 { return f.Picture().At(0, 0).(color.Gray).Y }
	r := images.NewFrameReader(iotest.OneByteReader(bytes.NewReader([]byte{1, 1, 1, 1, 2, 2, 2, 2, 3, 3})), images.Streamed)
	for want := uint8(1); want <= 2; want++ {
		if err := r.Read(f); err != nil || first() != want {
			t.Errorf("frame %d: %d, %v", want, first(), err)
		}
	}
	if err := r.Read(f); !errors.Is(err, images.ErrShortFrame) {
		t.Errorf("the end within a frame: %v", err)
	}
	if err := r.Read(f); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	device := &perRead{frames: [][]byte{{1, 1, 1, 1}, {9, 9}, {2, 2, 2, 2}}}
	r = images.NewFrameReader(device, images.PerRead)
	for i, want := range []error{nil, images.ErrShortFrame, nil, io.EOF} {
		if err := r.Read(f); !errors.Is(err, want) {
			t.Errorf("read %d: %v, want %v", i, err, want)
		}
	}
	if first() != 2 {
		t.Errorf("the frame after a damaged one begins with %d", first())
	}
	broken := errors.New("unplugged")
	if err := images.NewFrameReader(iotest.ErrReader(broken), images.PerRead).Read(f); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// perRead returns a frame for each read, like a device.
type perRead struct{ frames [][]byte }

func (p *perRead) Read(b []byte) (int, error) {
	if len(p.frames) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.frames[0])
	p.frames = p.frames[1:]
	return n, nil
}

// FuzzFrameSpec holds valid specs to frames that can be read and pictures of their size.
func FuzzFrameSpec(f *testing.F) {
	f.Add("4x2", "nv12", []byte{1, 2, 3})
	f.Add("3x1", "rgb24", []byte{})
	f.Fuzz(func(t *testing.T, size, format string, raw []byte) {
		s, err := images.ParseFrameSpec(size, format)
		if err != nil || s.Bytes() > 1<<16 {
			return
		}
		frame := images.NewFrame(s)
		full := make([]byte, s.Bytes())
		copy(full, raw)
		if err := images.NewFrameReader(bytes.NewReader(full), images.Streamed).Read(frame); err != nil {
			t.Fatal(err)
		}
		if b := frame.Picture().Bounds(); b.Dx() != s.Width || b.Dy() != s.Height {
			t.Errorf("%v for %+v", b, s)
		}
	})
}
