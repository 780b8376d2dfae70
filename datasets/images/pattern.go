package images

import (
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// maxPatterns bounds one call of WritePatterns.
const maxPatterns = 100_000

// fixed-point: lengths and weights have 16 fractional bits, the picture's side is one.
const one = 1 << 16

// Pattern draws picture i of the endless series of a seed: a gradient, cloudy texture or stripes behind
// a few discs and boxes, size x size pixels, opaque. A smaller size shows the same motif. Only integer
// arithmetic is used: the bytes are the same on every machine. Its pictures have no classes; they are
// stand-ins to run on, not to measure accuracy with. It returns an error if size is not in
// 1..MaxResolution or i is negative.
func Pattern(seed uint64, i, size int) (*image.RGBA, error) {
	if i < 0 || size < 1 || size > MaxResolution {
		return nil, fmt.Errorf("images: pattern %d of %d x %d pixels: the number must not be negative, the size in 1..%d", i, size, size, MaxResolution)
	}
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	ground := newGround(r)
	shapes := make([]shape, 2+r.IntN(6))
	for j := range shapes {
		shapes[j] = newShape(r)
	}
	m := image.NewRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			// The pixel's centre.
			u, v := (2*int64(x)+1)*one/(2*int64(size)), (2*int64(y)+1)*one/(2*int64(size))
			c := ground.at(u, v)
			for _, s := range shapes {
				c = c.mix(s.colour, s.cover(u, v))
			}
			copy(m.Pix[m.PixOffset(x, y):], []uint8{uint8(c[0] >> 8), uint8(c[1] >> 8), uint8(c[2] >> 8), 0xff})
		}
	}
	return m, nil
}

// WritePatterns writes pictures 0..n-1 of a seed's series into a folder as pattern-00000.png and so on,
// replacing files of those names, and returns their paths. The folder is made if it is not there. Each
// file is complete or absent. The pixels are the same on every machine; the PNG bytes depend on the
// version of Go.
func WritePatterns(dir string, seed uint64, n, size int) ([]string, error) {
	if n < 1 || n > maxPatterns {
		return nil, fmt.Errorf("images: %d patterns: the number must be in 1..%d", n, maxPatterns)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	paths := make([]string, 0, n)
	for i := range n {
		m, err := Pattern(seed, i, size)
		if err != nil {
			return paths, err
		}
		path := filepath.Join(dir, fmt.Sprintf("pattern-%05d.png", i))
		if err := writeFile(path, func(w io.Writer) error { return png.Encode(w, m) }); err != nil {
			return paths, fmt.Errorf("images: write %s: %w", path, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// writeFile writes a file beside its place and renames it.
func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".pattern-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err = write(f); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// colour holds red, green and blue with 8 fractional bits.
type colour [3]int64

func newColour(r *rand.Rand) colour {
	return colour{int64(r.IntN(one)), int64(r.IntN(one)), int64(r.IntN(one))}
}

// mix goes from c (weight 0) to d (weight one).
func (c colour) mix(d colour, weight int64) colour {
	for i := range c {
		c[i] += (d[i] - c[i]) * weight >> 16
	}
	return c
}

// ground is the background: two colours mixed by a slope, by stripes across it, and by a texture.
type ground struct {
	a, b, grain     colour
	dx, dy          int64 // slope
	stripes         int64 // across the picture, 0 for none
	lattice         uint64
	cells, strength int64
}

func newGround(r *rand.Rand) ground {
	g := ground{a: newColour(r), b: newColour(r), grain: newColour(r)}
	g.dx, g.dy = int64(r.IntN(2*one))-one, int64(r.IntN(2*one))-one
	if r.IntN(3) == 0 {
		g.stripes = int64(3 + r.IntN(20))
	}
	g.lattice, g.cells, g.strength = r.Uint64(), int64(2+r.IntN(12)), int64(r.IntN(one))
	return g
}

func (g ground) at(u, v int64) colour {
	t := one/2 + ((u-one/2)*g.dx+(v-one/2)*g.dy)>>17
	if g.stripes > 0 {
		t = triangleWave(t * g.stripes)
	}
	c := g.a.mix(g.b, smooth(min(max(t, 0), one)))
	return c.mix(g.grain, g.texture(u, v)*g.strength>>16)
}

// texture is value noise of four octaves, 0..one.
func (g ground) texture(u, v int64) int64 {
	var sum int64
	cells := g.cells
	for octave := range 4 {
		x, y := u*cells, v*cells
		ix, iy := x>>16, y>>16
		fx, fy := smooth(x&(one-1)), smooth(y&(one-1))
		n := func(dx, dy int64) int64 { return lattice(g.lattice+uint64(octave), ix+dx, iy+dy) }
		top := n(0, 0) + (n(1, 0)-n(0, 0))*fx>>16
		bottom := n(0, 1) + (n(1, 1)-n(0, 1))*fx>>16
		sum += (top + (bottom-top)*fy>>16) >> (octave + 1)
		cells *= 2
	}
	return sum
}

// lattice is a hash of a grid point, 0..one-1. Source of the mixing steps: S. Vigna's SplitMix64.
func lattice(seed uint64, x, y int64) int64 {
	z := seed + uint64(x)*0x9e3779b97f4a7c15 + uint64(y)*0xd1b54a32d192ed03
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int64((z ^ z>>31) >> 48)
}

// smooth is 3t^2 - 2t^3 on 0..one.
func smooth(t int64) int64 {
	square := t * t >> 16
	return square * (3*one - 2*t) >> 16
}

// triangleWave rises and falls between 0 and one with period 2.
func triangleWave(t int64) int64 {
	t &= 2*one - 1
	return min(t, 2*one-t)
}

// shape is a disc or a box with an edge that fades over a small distance.
type shape struct {
	colour     colour
	x, y       int64 // centre
	w, h, edge int64 // half sides; a disc has w = h
	disc       bool
}

func newShape(r *rand.Rand) shape {
	s := shape{colour: newColour(r), x: int64(r.IntN(one)), y: int64(r.IntN(one)), disc: r.IntN(2) == 0}
	s.w, s.h = one/32+int64(r.IntN(one/4)), one/32+int64(r.IntN(one/4))
	if s.disc {
		s.h = s.w
	}
	s.edge = one/256 + int64(r.IntN(one/16))
	return s
}

// cover is how much of the shape is seen at a point, 0..one.
func (s shape) cover(u, v int64) int64 {
	dx, dy := max(u-s.x, s.x-u), max(v-s.y, s.y-v)
	var inside int64
	if s.disc {
		// (w^2 - d^2) / 2w is the distance to the edge, near the edge.
		inside = (s.w*s.w - dx*dx - dy*dy) / (2 * s.w)
	} else {
		inside = min(s.w-dx, s.h-dy)
	}
	return smooth(min(max(inside*one/s.edge, 0), one))
}
