package images

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/bmp"
)

// Limits bounds what is read. The zero value stands for the defaults.
type Limits struct {
	// Pixels is the largest width x height that is decoded; 0 means 64 Mi.
	Pixels int64
	// Bytes is the largest encoded file that is read, and the largest uncompressed size of a data
	// file (IDX, CIFAR); 0 means 256 MiB.
	Bytes int64
}

const (
	defaultPixels = 64 << 20
	defaultBytes  = 256 << 20
)

func (l Limits) pixels() int64 {
	if l.Pixels > 0 {
		return l.Pixels
	}
	return defaultPixels
}

func (l Limits) bytes() int64 {
	if l.Bytes > 0 {
		return l.Bytes
	}
	return defaultBytes
}

// A codec is one picture format, told by the first bytes of the file and never by its name.
type codec struct {
	name   string
	magic  string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

var codecs = []codec{
	{"PNG", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
	{"JPEG", "\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode},
	{"BMP", "BM", bmp.DecodeConfig, bmp.Decode},
}

// Decode reads one PNG, JPEG or BMP picture. The name stands in errors only. The picture's size is
// read and compared with the limits, and with what the file can possibly hold, before memory for the
// pixels is asked for. Every error is a [*DecodeError].
func Decode(name string, r io.Reader, limits Limits) (image.Image, error) {
	img, err := decode(r, limits)
	if err != nil {
		return nil, &DecodeError{File: name, Err: err}
	}
	return img, nil
}

func decode(r io.Reader, limits Limits) (image.Image, error) {
	data, err := io.ReadAll(io.LimitReader(r, limits.bytes()+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limits.bytes() {
		return nil, fmt.Errorf("more than %d bytes: %w", limits.bytes(), ErrTooLarge)
	}
	c, err := sniff(data)
	if err != nil {
		return nil, err
	}
	cfg, err := c.config(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if cfg.Width <= 0 || cfg.Height <= 0 {
		return nil, fmt.Errorf("%s of %d x %d pixels", c.name, cfg.Width, cfg.Height)
	}
	// Both sides fit 32 bits in all three formats, so the product fits 64.
	pixels := int64(cfg.Width) * int64(cfg.Height)
	if pixels > limits.pixels() {
		return nil, fmt.Errorf("%d x %d pixels, the limit is %d: %w", cfg.Width, cfg.Height, limits.pixels(), ErrTooLarge)
	}
	if pixels > int64(len(data))*densest(cfg.ColorModel) {
		return nil, fmt.Errorf("%d x %d pixels cannot come from %d bytes: %w", cfg.Width, cfg.Height, len(data), io.ErrUnexpectedEOF)
	}
	img, err := c.decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if b := img.Bounds(); b.Dx() != cfg.Width || b.Dy() != cfg.Height {
		return nil, fmt.Errorf("%s header says %d x %d, its data %d x %d", c.name, cfg.Width, cfg.Height, b.Dx(), b.Dy())
	}
	return img, nil
}

// Memory returns how many bytes the pixels of an encoded picture take once it is decoded, as its header says; 0 for what Decode
// refuses by its first bytes.
func Memory(data []byte) int64 {
	c, err := sniff(data)
	if err != nil {
		return 0
	}
	cfg, err := c.config(bytes.NewReader(data))
	if err != nil || cfg.Width <= 0 || cfg.Height <= 0 {
		return 0
	}
	perPixel := int64(1) // grey and palettes
	switch cfg.ColorModel {
	case color.Gray16Model:
		perPixel = 2
	case color.YCbCrModel: // without subsampling; while it is decoded a progressive JPEG takes up to five times as much
		perPixel = 3
	case color.RGBAModel, color.NRGBAModel, color.CMYKModel:
		perPixel = 4
	case color.RGBA64Model, color.NRGBA64Model:
		perPixel = 8
	}
	return int64(cfg.Width) * min(int64(cfg.Height), math.MaxInt64/int64(cfg.Width)/perPixel) * perPixel
}

func sniff(data []byte) (codec, error) {
	for _, c := range codecs {
		if bytes.HasPrefix(data, []byte(c.magic)) {
			return c, nil
		}
	}
	if len(data) == 0 {
		return codec{}, errors.New("empty file")
	}
	if len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP" {
		return codec{}, errors.New("WebP is not supported: convert it to PNG")
	}
	return codec{}, errors.New("neither PNG nor JPEG nor BMP")
}

// densest returns how many pixels one byte of a file can stand for at most, so that a file of a few
// bytes cannot ask for a gigabyte. Deflate shrinks at most 1032:1 (RFC 1951: 258 bytes for two bits)
// and packs up to 8 palette or grey pixels into a byte; a progressive JPEG needs one bit for each
// block of 64.
func densest(m color.Model) int64 {
	const deflate = 1032
	switch m {
	case color.GrayModel:
		return 8 * deflate
	case color.Gray16Model, color.YCbCrModel, color.CMYKModel, color.RGBAModel, color.NRGBAModel, color.RGBA64Model, color.NRGBA64Model:
		return deflate
	}
	return 8 * deflate // palettes
}
