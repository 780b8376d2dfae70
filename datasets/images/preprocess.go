package images

import (
	"errors"
	"fmt"
	"image"
	"math"
)

// MaxResolution is the largest side of a network input.
const MaxResolution = 4096

// maxSide bounds the sides of a source picture: up to here PIL's single-precision box is exact.
const maxSide = 1 << 24

// ImageNetMean and ImageNetStd normalise pictures for networks trained on ImageNet: red, green, blue,
// of samples scaled to [0,1]. Source: torchvision's reference transforms.
var (
	ImageNetMean = [3]float32{0.485, 0.456, 0.406}
	ImageNetStd  = [3]float32{0.229, 0.224, 0.225}
)

// Preprocess says how a picture becomes a network input.
type Preprocess struct {
	// Resolution r is the side of the square input in pixels, 1..MaxResolution.
	Resolution int
	// Resize is the length in pixels of the picture's shorter side before the crop, at least
	// Resolution; 0 means ceil(r/0.875), as in OFA's and torchvision's evaluation. Resolution itself
	// keeps square pictures whole.
	Resize int
	// Mean and Std normalise samples in [0,1] by channel: (x-Mean)/Std. A zero Std stands for
	// ImageNet's mean and standard deviation, both.
	Mean, Std [3]float32
}

// Validate returns an error for a size out of range or a standard deviation that is not positive.
func (c Preprocess) Validate() error {
	var errs []error
	if c.Resolution < 1 || c.Resolution > MaxResolution {
		errs = append(errs, fmt.Errorf("images: resolution %d is not in 1..%d", c.Resolution, MaxResolution))
	}
	if c.Resize != 0 && (c.Resize < c.Resolution || c.Resize > 2*MaxResolution) {
		errs = append(errs, fmt.Errorf("images: resize %d is not in %d..%d", c.Resize, c.Resolution, 2*MaxResolution))
	}
	d := c.withDefaults()
	for i := range 3 {
		if !(d.Std[i] > 0) || math.IsInf(float64(d.Std[i]), 0) || math.IsNaN(float64(d.Mean[i])) || math.IsInf(float64(d.Mean[i]), 0) {
			errs = append(errs, fmt.Errorf("images: channel %d: mean %v, standard deviation %v", i, d.Mean[i], d.Std[i]))
		}
	}
	return errors.Join(errs...)
}

// String describes the transform in one stable line, for provenance.
func (c Preprocess) String() string {
	d := c.withDefaults()
	return fmt.Sprintf("rgb, shorter side %d (bilinear, antialiased, PIL 8-bit fixed point), centre crop %d, mean %v, std %v",
		d.Resize, d.Resolution, d.Mean, d.Std)
}

func (c Preprocess) withDefaults() Preprocess {
	if c.Resize == 0 {
		c.Resize = (8*c.Resolution + 6) / 7 // ceil(r/0.875), exactly
	}
	if c.Std == ([3]float32{}) {
		c.Mean, c.Std = ImageNetMean, ImageNetStd
	}
	return c
}

// A Preprocessor turns pictures into tensors. It keeps buffers between calls, so that pictures of one
// size cost no allocation beyond a few words; one goroutine may use it at a time.
//
// The result equals torchvision's Resize, CenterCrop, ToTensor and Normalize on a PIL picture
// converted to RGB, bit for bit, given the same decoded samples: always for PNG and BMP. A JPEG picture
// read by [Decode] differs from libjpeg-turbo's only by the rounding of the inverse cosine transform:
// at most 3 of 255 levels and 0.05 on average before resizing, over 146 files of four qualities and
// three chroma subsamplings; grey ones by at most 1. EXIF orientation is not applied, because
// torchvision does not apply it.
//
// **Source:** torchvision 0.14, transforms/functional.py (resize, center_crop, to_tensor, normalize).
type Preprocessor struct {
	cfg   Preprocess
	table [3][256]float32

	srcW, srcH int // the picture the taps were made for
	hor, ver   taps
	row        []byte  // one source row
	rows       []byte  // the window's rows after the horizontal pass
	line       []byte  // one output row
	sum        []int32 // scratch of the vertical pass
}

// NewPreprocessor returns a Preprocessor, or the error of Validate.
func NewPreprocessor(cfg Preprocess) (*Preprocessor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Preprocessor{cfg: cfg.withDefaults()}
	for c := range 3 {
		for v := range 256 {
			// In float32 throughout, as torch computes it.
			p.table[c][v] = (float32(v)/255 - p.cfg.Mean[c]) / p.cfg.Std[c]
		}
	}
	n := 3 * p.cfg.Resolution
	p.line, p.sum = make([]byte, n), make([]int32, n)
	return p, nil
}

// Config returns the transform with its defaults filled in.
func (p *Preprocessor) Config() Preprocess { return p.cfg }

// Len is the number of float32 values of one input: 3 x Resolution x Resolution.
func (p *Preprocessor) Len() int { return 3 * p.cfg.Resolution * p.cfg.Resolution }

// Into writes the input tensor of a picture into dst, which has exactly Len entries: NCHW with N = 1,
// channels red, green, blue, float32, normalised. It returns an error, and leaves dst alone, if dst has
// another length or the picture is nil, empty, or longer than 16 Mi pixels on a side.
func (p *Preprocessor) Into(dst []float32, img image.Image) error {
	if len(dst) != p.Len() {
		return fmt.Errorf("images: destination has %d entries, one input of resolution %d has %d", len(dst), p.cfg.Resolution, p.Len())
	}
	r := p.cfg.Resolution
	return p.each(img, func(y int, line []byte) {
		for c := range 3 {
			table := &p.table[c]
			out := dst[(c*r+y)*r:][:r]
			for x := range out {
				out[x] = table[line[3*x+c]]
			}
		}
	})
}

// Picture returns what the network sees before normalisation: the resized and cropped picture.
func (p *Preprocessor) Picture(img image.Image) (*image.RGBA, error) {
	out := image.NewRGBA(image.Rect(0, 0, p.cfg.Resolution, p.cfg.Resolution))
	err := p.each(img, func(y int, line []byte) {
		row := out.Pix[y*out.Stride:]
		for x := range p.cfg.Resolution {
			copy(row[4*x:], line[3*x:3*x+3])
			row[4*x+3] = 0xff
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// each resamples and crops a picture and hands over its rows, packed RGB, from the top.
func (p *Preprocessor) each(img image.Image, emit func(y int, line []byte)) error {
	if img == nil {
		return errors.New("images: no picture")
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if w < 1 || h < 1 || w > maxSide || h > maxSide {
		return fmt.Errorf("images: picture of %d x %d pixels, sides must be in 1..%d", w, h, maxSide)
	}
	p.prepare(w, h)
	lo, hi := p.ver.window()
	stride := 3 * p.cfg.Resolution
	p.row, p.rows = grow(p.row, 3*w), grow(p.rows, (hi-lo)*stride)
	read := rowReader(img)
	for y := lo; y < hi; y++ {
		read(p.row, y)
		p.hor.horizontal(p.rows[(y-lo)*stride:][:stride], p.row)
	}
	for y := range p.cfg.Resolution {
		p.ver.vertical(p.line, p.rows, p.sum, lo, y)
		emit(y, p.line)
	}
	return nil
}

// prepare computes the weights for a source size.
func (p *Preprocessor) prepare(w, h int) {
	if w == p.srcW && h == p.srcH {
		return
	}
	p.srcW, p.srcH = w, h
	size, r := int64(p.cfg.Resize), int64(p.cfg.Resolution)
	outW, outH := size, size
	// torchvision truncates the quotient of the longer side.
	if w <= h {
		outH = int64(float64(size*int64(h)) / float64(w))
	} else {
		outW = int64(float64(size*int64(w)) / float64(h))
	}
	p.hor.set(w, outW, offset(outW, r), int(r))
	p.ver.set(h, outH, offset(outH, r), int(r))
}

// offset is where a centred window of r begins; torchvision rounds halves to even.
func offset(size, r int64) int64 { return int64(math.RoundToEven(float64(size-r) / 2)) }
