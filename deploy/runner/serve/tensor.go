package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strconv"

	"github.com/dynofa/dynofa/datasets/images"
)

// tensor is an input of a request as the protocol has it.
type tensor struct {
	Name       string          `json:"name"`
	Shape      []int64         `json:"shape"`
	Datatype   string          `json:"datatype"`
	Parameters parameters      `json:"parameters"`
	Data       json.RawMessage `json:"data"`

	binary []byte // of the binary extension, nil without
	room   func(bytes int64) error
}

// parameters are a message's; values are text, numbers or booleans.
type parameters map[string]any

// integer returns a whole-number parameter; ok is false if it is absent.
func (p parameters) integer(name string) (n int64, ok bool, err error) {
	v, ok := p[name]
	if !ok {
		return 0, false, nil
	}
	f, isNumber := v.(float64)
	if !isNumber || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, true, fmt.Errorf("parameter %q is no whole number", name)
	}
	return int64(f), true, nil
}

func (p parameters) yes(name string) bool {
	v, _ := p[name].(bool)
	return v
}

// Limits of what a request may hold.
const (
	maxSide   = 8192 // of a picture, in pixels
	maxTensor = 1024 // resolution of a normalised tensor
)

// picture is what a request asks about: an image, or a normalised tensor of some resolution.
type picture struct {
	image      image.Image
	values     []float32
	resolution int
}

// decode reads the one input of a request.
func (t *tensor) decode() (*picture, error) {
	p, err := t.read()
	if err != nil {
		return nil, fmt.Errorf("input %.80q: %w", t.Name, err)
	}
	return p, nil
}

func (t *tensor) read() (*picture, error) {
	switch {
	case t.Name == inputImage && t.Datatype == "BYTES":
		data, err := t.bytes()
		if err != nil {
			return nil, err
		}
		if err := t.room(images.Memory(data)); err != nil {
			return nil, err
		}
		img, err := images.Decode("request", bytes.NewReader(data), images.Limits{})
		return &picture{image: img}, err
	case t.Name == inputImage && t.Datatype == "UINT8":
		return t.pixels()
	case t.Name == inputTensor && t.Datatype == "FP32":
		return t.floats()
	}
	return nil, fmt.Errorf("there is no input of that name and datatype %.40q", t.Datatype)
}

// bytes reads the single element of a BYTES tensor.
func (t *tensor) bytes() ([]byte, error) {
	if len(t.Shape) == 0 || len(t.Shape) > 2 || slices.ContainsFunc(t.Shape, func(d int64) bool { return d != 1 }) {
		return nil, fmt.Errorf("shape %v, want [1]", t.Shape)
	}
	if t.binary != nil {
		if len(t.binary) < 4 || int64(binary.LittleEndian.Uint32(t.binary)) != int64(len(t.binary))-4 {
			return nil, errors.New("the length before the element does not fit")
		}
		return t.binary[4:], nil
	}
	var list []string
	if err := json.Unmarshal(t.Data, &list); err != nil || len(list) != 1 {
		return nil, errors.New("data is not a list of one base64 text")
	}
	data, err := base64.StdEncoding.DecodeString(list[0])
	if err != nil {
		return nil, fmt.Errorf("data is not base64: %w", err)
	}
	return data, nil
}

// trim returns a shape without the batch dimension in front, which must be 1.
func trim(shape []int64, rank int) ([]int64, error) {
	if len(shape) == rank+1 && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) != rank {
		return nil, fmt.Errorf("shape %v: one picture at a time, %d dimensions and perhaps a 1 before them", shape, rank)
	}
	return shape, nil
}

func (t *tensor) pixels() (*picture, error) {
	shape, err := trim(t.Shape, 3)
	if err != nil {
		return nil, err
	}
	h, w := shape[0], shape[1]
	if h < 1 || w < 1 || h > maxSide || w > maxSide || shape[2] != 3 {
		return nil, fmt.Errorf("shape %v, want [height, width, 3] of at most %d pixels each way", shape, maxSide)
	}
	data := t.binary
	if data == nil {
		data = make([]byte, 0, min(h*w*3, int64(len(t.Data))))
		err = t.each(h*w*3, func(text []byte) error {
			n, err := strconv.ParseUint(string(text), 10, 8)
			data = append(data, byte(n))
			return err
		})
	}
	if err == nil && int64(len(data)) != h*w*3 {
		err = fmt.Errorf("%d elements for shape %v", len(data), shape)
	}
	if err != nil {
		return nil, err
	}
	img := image.NewRGBA(image.Rect(0, 0, int(w), int(h)))
	for i := range int(h * w) {
		copy(img.Pix[4*i:], data[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	return &picture{image: img}, nil
}

func (t *tensor) floats() (*picture, error) {
	shape, err := trim(t.Shape, 3)
	if err != nil {
		return nil, err
	}
	r := shape[1]
	if shape[0] != 3 || r != shape[2] || r < 1 || r > maxTensor {
		return nil, fmt.Errorf("shape %v, want [3, R, R] with R of at most %d", shape, maxTensor)
	}
	n := 3 * r * r
	var values []float32
	if t.binary != nil {
		if int64(len(t.binary)) != 4*n {
			return nil, fmt.Errorf("%d bytes for %d elements", len(t.binary), n)
		}
		values = make([]float32, n)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.binary[4*i:]))
		}
	} else {
		values = make([]float32, 0, min(n, int64(len(t.Data))))
		err = t.each(n, func(text []byte) error {
			v, err := strconv.ParseFloat(string(text), 32)
			values = append(values, float32(v))
			return err
		})
	}
	if err == nil && int64(len(values)) != n {
		err = fmt.Errorf("%d elements for shape %v", len(values), shape)
	}
	if err != nil {
		return nil, err
	}
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("element %d is %g", i, v)
		}
	}
	return &picture{values: values, resolution: int(r)}, nil
}

// each calls do for the numbers of nested or flat lists, at most n. The text is valid JSON, which its
// decoder has seen to.
func (t *tensor) each(n int64, do func(text []byte) error) error {
	if len(t.Data) == 0 || t.Data[0] != '[' {
		return errors.New("data is no list")
	}
	found := int64(0)
	for i := 0; i < len(t.Data); {
		switch c := t.Data[i]; {
		case c == '[' || c == ']' || c == ',' || c == ' ' || c == '\n' || c == '\t' || c == '\r':
			i++
		case c == '-' || c >= '0' && c <= '9':
			end := i
			for end < len(t.Data) && !bytes.ContainsRune([]byte(",] \n\t\r"), rune(t.Data[end])) {
				end++
			}
			if found++; found > n {
				return fmt.Errorf("more than %d elements", n)
			}
			if err := do(t.Data[i:end]); err != nil {
				return fmt.Errorf("element %d, %.40q, does not fit the datatype", found-1, t.Data[i:end])
			}
			i = end
		default:
			return errors.New("data holds something that is no number")
		}
	}
	return nil
}

// fill writes a picture as a level's input.
func (p *picture) fill(dst []float32, resolution int, preprocessor *images.Preprocessor) error {
	if p.image != nil {
		return preprocessor.Into(dst, p.image)
	}
	if p.resolution == resolution {
		copy(dst, p.values)
		return nil
	}
	for c := range 3 {
		resample(dst[c*resolution*resolution:][:resolution*resolution], resolution, p.values[c*p.resolution*p.resolution:][:p.resolution*p.resolution], p.resolution)
	}
	return nil
}

// resample resizes a square plane bilinearly, with pixel centres at halves and edges repeated.
func resample(dst []float32, n int, src []float32, m int) {
	scale := float64(m) / float64(n)
	at := func(i int) (low, high int, share float32) {
		x := (float64(i)+.5)*scale - .5
		x = min(max(x, 0), float64(m-1))
		low = int(x)
		return low, min(low+1, m-1), float32(x - float64(low))
	}
	for y := range n {
		y0, y1, v := at(y)
		for x := range n {
			x0, x1, u := at(x)
			top := src[y0*m+x0]*(1-u) + src[y0*m+x1]*u
			low := src[y1*m+x0]*(1-u) + src[y1*m+x1]*u
			dst[y*n+x] = top*(1-v) + low*v
		}
	}
}
