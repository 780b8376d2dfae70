package images

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
)

// A Set is a data set of equally large pictures held in memory, as IDX and CIFAR files hold them. Any
// number of goroutines may read it.
type Set struct {
	// File names where it came from, for messages; of several files, the first.
	File string
	// Height and Width of each picture in pixels, 1..4096.
	Height, Width int
	// Channels is 1 (grey) or 3 (red, green, blue).
	Channels int
	// Pix holds the pictures one after another, rows from the top, channels interleaved:
	// Len x Height x Width x Channels bytes.
	Pix []byte
	// Labels are the classes of the pictures; nil if they are not known.
	Labels []uint8
	// Coarse are CIFAR-100's superclasses; nil elsewhere.
	Coarse []uint8
	// ClassNames in label order; nil where the format names none.
	ClassNames []string
}

// Len is the number of pictures.
func (s *Set) Len() int { return len(s.Pix) / (s.Height * s.Width * s.Channels) }

// Name tells picture i apart in messages: the file and the number.
func (s *Set) Name(i int) string { return fmt.Sprintf("%s#%d", s.File, i) }

// Label is the class of picture i, or Unlabelled.
func (s *Set) Label(i int) int {
	if s.Labels == nil {
		return Unlabelled
	}
	return int(s.Labels[i])
}

// Classes are the names of the classes in label order; empty if they have none. The caller owns it.
func (s *Set) Classes() []string { return append([]string(nil), s.ClassNames...) }

// Image returns picture i. Grey pictures share the set's memory. The error is always nil; it is there so
// that a Set can stand where a [Folder] can.
func (s *Set) Image(i int) (image.Image, error) {
	n := s.Height * s.Width * s.Channels
	pix := s.Pix[i*n : (i+1)*n : (i+1)*n]
	r := image.Rect(0, 0, s.Width, s.Height)
	if s.Channels == 1 {
		return &image.Gray{Pix: pix, Stride: s.Width, Rect: r}, nil
	}
	m := image.NewRGBA(r)
	for p := range s.Height * s.Width {
		copy(m.Pix[4*p:], pix[3*p:3*p+3])
		m.Pix[4*p+3] = 0xff
	}
	return m, nil
}

// Digest is the SHA-256, in hexadecimal, over the shape, the pictures and the labels.
func (s *Set) Digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %d %d %d\n", s.Len(), s.Height, s.Width, s.Channels, len(s.Labels))
	h.Write(s.Pix)
	h.Write(s.Labels)
	return hex.EncodeToString(h.Sum(nil))
}

// readFile reads a data file with the given reader.
func readFile[T any](path string, limits Limits, read func(string, io.Reader, Limits) (T, error)) (out T, err error) {
	f, err := os.Open(path)
	if err != nil {
		return out, fmt.Errorf("images: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return read(path, f, limits)
}

// readBytes reads exactly n bytes. Memory grows with what arrives, so that a count in a header costs
// nothing before the bytes are there.
func readBytes(r io.Reader, n int64) ([]byte, error) {
	var b bytes.Buffer
	got, err := io.CopyN(&b, r, n)
	if err == io.EOF {
		err = fmt.Errorf("%d of %d bytes: %w", got, n, io.ErrUnexpectedEOF)
	}
	return b.Bytes(), err
}
