package images_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/images"
)

// idx encodes an IDX file with the given dimensions, whatever the payload is.
func idx(magic uint32, dims []uint32, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, magic)
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, payload...)
}

func zip(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func sequence(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestOpenIDX(t *testing.T) {
	pictures := idx(0x803, []uint32{3, 2, 4}, sequence(24)) // three pictures, two rows, four columns
	labels := idx(0x801, []uint32{3}, []byte{7, 0, 9})
	var digests []string
	for _, encode := range []func([]byte) []byte{zip, func(b []byte) []byte { return b }} {
		dir := t.TempDir()
		p := write(t, filepath.Join(dir, "images-idx3-ubyte"), string(encode(pictures)))
		l := write(t, filepath.Join(dir, "labels-idx1-ubyte"), string(encode(labels)))
		s, err := images.OpenIDX(p, l, images.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if s.Len() != 3 || s.Label(0) != 7 || s.Label(2) != 9 || s.Name(2) != p+"#2" {
			t.Errorf("%d pictures, labels %v, name %s", s.Len(), s.Labels, s.Name(2))
		}
		img, err := s.Image(1)
		if err != nil {
			t.Fatal(err)
		}
		// Picture 1 starts at byte 8; row 1, column 2 is four and two further.
		if g := img.(*image.Gray); g.GrayAt(2, 1).Y != 14 || g.Bounds() != image.Rect(0, 0, 4, 2) {
			t.Errorf("pixel is %d, bounds %v", g.GrayAt(2, 1).Y, g.Bounds())
		}
		digests = append(digests, s.Digest())
		if s, err = images.OpenIDX(p, "", images.Limits{}); err != nil || s.Label(0) != images.Unlabelled || s.Digest() == digests[0] {
			t.Errorf("without labels: %v, label %d", err, s.Label(0))
		}
	}
	if digests[0] != digests[1] {
		t.Error("gzip changes the digest")
	}
}

func TestIDXRejects(t *testing.T) {
	bomb := zip(make([]byte, 4<<20))
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, io.ErrUnexpectedEOF},
		{"half a header", idx(0x803, []uint32{1}, nil), io.ErrUnexpectedEOF},
		{"labels", idx(0x801, []uint32{1}, sequence(100)), nil},
		{"floats", idx(0xd03, []uint32{1, 2, 2}, sequence(16)), nil},
		{"little endian", []byte{3, 8, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 2, 3, 4}, nil},
		{"no picture", idx(0x803, []uint32{0, 2, 2}, nil), nil},
		{"no row", idx(0x803, []uint32{1, 0, 2}, nil), nil},
		{"wide", idx(0x803, []uint32{1, 1, 5000}, sequence(5000)), nil},
		{"2 GB of pictures", idx(0x803, []uint32{1 << 31, 1, 1}, sequence(4)), images.ErrTooLarge},
		{"all ones", idx(0x803, []uint32{1<<32 - 1, 1<<32 - 1, 1<<32 - 1}, sequence(4)), nil},
		{"largest sides", idx(0x803, []uint32{1<<32 - 1, 4096, 4096}, sequence(4)), images.ErrTooLarge},
		{"truncated", idx(0x803, []uint32{2, 2, 2}, sequence(7)), io.ErrUnexpectedEOF},
		{"255 MiB announced, four bytes there", idx(0x803, []uint32{255, 1024, 1024}, sequence(4)), io.ErrUnexpectedEOF},
		{"one byte more", idx(0x803, []uint32{2, 2, 2}, sequence(9)), nil},
		{"gzip of nothing", []byte{0x1f, 0x8b}, nil},
		{"gzip bomb", bomb, nil},
		{"truncated gzip", zip(idx(0x803, []uint32{2, 2, 2}, sequence(8)))[:25], nil},
		{"gzip with a wrong checksum", spoil(zip(idx(0x803, []uint32{2, 2, 2}, sequence(8)))), gzip.ErrChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := images.ReadIDXPictures("f.idx", bytes.NewReader(c.data), images.Limits{})
			var bad *images.FormatError
			if !errors.As(err, &bad) || bad.File != "f.idx" {
				t.Fatalf("%v is not a FormatError of f.idx", err)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v is not %v", err, c.want)
			}
			t.Log(err)
		})
	}
	for name, data := range map[string][]byte{
		"pictures": idx(0x803, []uint32{1, 1, 1}, []byte{1}), "no label": idx(0x801, []uint32{0}, nil),
		"2 GB": idx(0x801, []uint32{1 << 31}, []byte{1}), "truncated": idx(0x801, []uint32{3}, []byte{1, 2}),
	} {
		if _, err := images.ReadIDXLabels("l.idx", bytes.NewReader(data), images.Limits{}); err == nil {
			t.Errorf("labels: %s: accepted", name)
		}
	}
	dir := t.TempDir()
	p := write(t, filepath.Join(dir, "p"), string(idx(0x803, []uint32{2, 1, 1}, []byte{1, 2})))
	l := write(t, filepath.Join(dir, "l"), string(idx(0x801, []uint32{3}, []byte{1, 2, 3})))
	var bad *images.FormatError
	if _, err := images.OpenIDX(p, l, images.Limits{}); !errors.As(err, &bad) || bad.File != l {
		t.Errorf("three labels for two pictures: %v", err)
	}
	if _, err := images.OpenIDX(filepath.Join(dir, "none"), "", images.Limits{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// spoil flips a bit of the checksum at gzip's end.
func spoil(b []byte) []byte {
	b[len(b)-8] ^= 1
	return b
}

// A header may announce what it likes: memory is asked for as bytes arrive.
func TestAnnouncedSizeIsNotAllocated(t *testing.T) {
	data := idx(0x803, []uint32{255, 1024, 1024}, sequence(4)) // 255 MiB, just under the limit
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := images.ReadIDXPictures("f", bytes.NewReader(data), images.Limits{}); err == nil {
		t.Fatal("accepted")
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes were allocated for a file of %d", got, len(data))
	}
}

// cifar encodes records of the given labels; pixel p of plane c is p+c.
func cifar(labels ...[]byte) []byte {
	var b []byte
	for _, l := range labels {
		b = append(b, l...)
		for c := range 3 {
			for p := range 1024 {
				b = append(b, byte(p+c))
			}
		}
	}
	return b
}

func TestOpenCIFAR(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "1.bin"), string(cifar([]byte{3}, []byte{9})))
	b := write(t, filepath.Join(dir, "2.bin"), string(cifar([]byte{0})))
	s, err := images.OpenCIFAR10(images.Limits{}, a, b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint8{3, 9, 0}, s.Labels); diff != "" || s.Len() != 3 || s.Classes()[9] != "truck" {
		t.Error(diff, s.Len(), s.Classes())
	}
	img, err := s.Image(1)
	if err != nil {
		t.Fatal(err)
	}
	// Column 5 of row 2 is pixel 69.
	if c := img.(*image.RGBA).RGBAAt(5, 2); c.R != 69 || c.G != 70 || c.B != 71 || c.A != 255 {
		t.Errorf("pixel is %v", c)
	}
	c := write(t, filepath.Join(dir, "train.bin"), string(zip(cifar([]byte{19, 99}, []byte{0, 50}))))
	if s, err = images.OpenCIFAR100(images.Limits{}, c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]uint8{{19, 0}, {99, 50}}, [][]uint8{s.Coarse, s.Labels}); diff != "" || s.Pix[3] != 1 {
		t.Error(diff, s.Pix[:6])
	}
	if _, err := images.OpenCIFAR10(images.Limits{}); err == nil {
		t.Error("no file is accepted")
	}
	if _, err := images.OpenCIFAR10(images.Limits{Bytes: 7000}, a, a); !errors.Is(err, images.ErrTooLarge) {
		t.Errorf("12 KB with a limit of 7000 bytes: %v", err)
	}
}

func TestCIFARRejects(t *testing.T) {
	for _, c := range []struct {
		name   string
		data   []byte
		offset int64
	}{
		{"empty", nil, 0},
		{"label 10", cifar([]byte{1}, []byte{10}), 3073},
		{"cut short", cifar([]byte{1}, []byte{2})[:6000], 3073},
		{"one byte more", append(cifar([]byte{1}), 0), 3073},
		{"CIFAR-100", cifar([]byte{1, 2}), 3073},
		{"too long", make([]byte, 1<<20+1), 1 << 20},
		{"gzip bomb", zip(make([]byte, 8<<20)), 1 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := images.ReadCIFAR10("f.bin", bytes.NewReader(c.data), images.Limits{Bytes: 1 << 20})
			var bad *images.FormatError
			if !errors.As(err, &bad) || bad.File != "f.bin" || bad.Offset != c.offset {
				t.Fatalf("%v is not a FormatError of f.bin at %d", err, c.offset)
			}
			t.Log(err)
		})
	}
	for _, l := range [][]byte{{20, 0}, {0, 100}} {
		if _, err := images.ReadCIFAR100("f.bin", bytes.NewReader(cifar(l)), images.Limits{}); err == nil {
			t.Errorf("labels %v are accepted", l)
		}
	}
}

func ExampleReadIDXLabels() {
	file := []byte{0, 0, 8, 1, 0, 0, 0, 3, 9, 0, 4}
	labels, err := images.ReadIDXLabels("labels-idx1-ubyte", bytes.NewReader(file), images.Limits{})
	fmt.Println(labels, err)
	_, err = images.ReadIDXLabels("labels-idx1-ubyte", bytes.NewReader(file[:10]), images.Limits{})
	fmt.Println(err)
	// Output:
	// [9 0 4] <nil>
	// images: labels-idx1-ubyte: offset 10: 3 entries of 1 bytes are announced: 2 of 3 bytes: unexpected EOF
}
