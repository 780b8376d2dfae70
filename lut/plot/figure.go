package plot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgpdf"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Format is the format of a picture.
type Format string

// The formats that a Figure can be written in.
const (
	SVG Format = "svg"
	PNG Format = "png" // 192 dots per inch
	PDF Format = "pdf"
)

// ErrFormat is wrapped by errors about a format that is not supported.
var ErrFormat = errors.New("pictures can be written as .svg, .png or .pdf")

// FormatOf returns the format that a file's name asks for, or an error that wraps ErrFormat.
func FormatOf(path string) (Format, error) {
	switch f := Format(strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))); f {
	case SVG, PNG, PDF:
		return f, nil
	}
	return "", fmt.Errorf("plot: %s: %w", path, ErrFormat)
}

// Figure is a picture that has not been drawn yet. The same Figure gives the same bytes each time.
type Figure struct {
	width, height vg.Length
	draw          func(draw.Canvas)
}

// NewFigure returns a figure of a size. The function draws it, once for each time that it is written.
func NewFigure(width, height vg.Length, draw func(draw.Canvas)) *Figure {
	return &Figure{width, height, draw}
}

const pngDPI = 192

// Write draws the figure to w.
func (f *Figure) Write(w io.Writer, format Format) error {
	var canvas vg.CanvasWriterTo
	finish := func(b []byte) []byte { return b }
	switch format {
	case SVG:
		canvas, finish = vgsvg.New(f.width, f.height), svgFonts
	case PNG:
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(f.width, f.height), vgimg.UseDPI(pngDPI))}
	case PDF:
		canvas, finish = vgpdf.New(f.width, f.height), pdfDates
	default:
		return fmt.Errorf("plot: format %q: %w", format, ErrFormat)
	}
	f.draw(draw.NewCanvas(canvas, f.width, f.height))
	var buffer bytes.Buffer
	if _, err := canvas.WriteTo(&buffer); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	if _, err := w.Write(finish(buffer.Bytes())); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

// Save draws the figure to a file, in the format of its extension. The file is replaced as a whole or not
// at all.
func (f *Figure) Save(path string) error {
	format, err := FormatOf(path)
	if err != nil {
		return err
	}
	var buffer bytes.Buffer
	if err := f.Write(&buffer, format); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".plot-*")
	if err != nil {
		return fmt.Errorf("plot: write %s: %w", path, cause(err))
	}
	_, err = file.Write(buffer.Bytes())
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // the first error matters
		return fmt.Errorf("plot: write %s: %w", path, err)
	}
	return nil
}

// cause takes the name of the temporary file off an error.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// svgFonts names fonts of the same widths, for readers who lack Liberation Sans.
func svgFonts(svg []byte) []byte {
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans;"), []byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"))
}

var pdfDate = regexp.MustCompile(`/(CreationDate|ModDate) \(D:\d{14}`)

// pdfDates sets the dates of a PDF to a constant of the same length, so that equal figures are equal files.
func pdfDates(pdf []byte) []byte {
	return pdfDate.ReplaceAll(pdf, []byte("/$1 (D:20000101000000"))
}
