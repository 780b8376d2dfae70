package images

import (
	"image"
	"image/color"
)

// rowReader returns a function that writes row y (0 is the topmost) of a picture as packed 8-bit RGB,
// three bytes a pixel, as PIL's convert("RGB") gives it: alpha is dropped and not composited, grey is
// replicated, a palette is looked up, CMYK goes through PIL's formula.
//
// Deviation: of 16-bit samples the high byte is taken. PIL does so for 16-bit colour but clips 16-bit
// grey at 255, which turns nearly every such picture white.
func rowReader(img image.Image) func(dst []byte, y int) {
	b := img.Bounds()
	switch m := img.(type) {
	case *image.Gray:
		return func(dst []byte, y int) {
			i := m.PixOffset(b.Min.X, b.Min.Y+y)
			for x, v := range m.Pix[i : i+b.Dx()] {
				put(dst, x, v, v, v)
			}
		}
	case *image.Gray16:
		return func(dst []byte, y int) {
			row := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):]
			for x := range b.Dx() {
				put(dst, x, row[2*x], row[2*x], row[2*x])
			}
		}
	case *image.NRGBA:
		return func(dst []byte, y int) {
			row := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):]
			for x := range b.Dx() {
				put(dst, x, row[4*x], row[4*x+1], row[4*x+2])
			}
		}
	case *image.NRGBA64:
		return func(dst []byte, y int) {
			row := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):]
			for x := range b.Dx() {
				put(dst, x, row[8*x], row[8*x+2], row[8*x+4])
			}
		}
	case *image.RGBA:
		return rgbaRows(m)
	case *image.Paletted:
		return palettedRows(m)
	case *image.CMYK:
		return cmykRows(m)
	case *image.YCbCr:
		return ycbcrRows(m)
	case *image.NYCbCrA:
		return ycbcrRows(&m.YCbCr)
	}
	return func(dst []byte, y int) {
		for x := range b.Dx() {
			c := straight(img.At(b.Min.X+x, b.Min.Y+y))
			put(dst, x, c.R, c.G, c.B)
		}
	}
}

func put(dst []byte, x int, r, g, b uint8) {
	p := dst[3*x : 3*x+3 : 3*x+3]
	p[0], p[1], p[2] = r, g, b
}

// straight undoes the multiplication by alpha.
func straight(c color.Color) color.NRGBA { return color.NRGBAModel.Convert(c).(color.NRGBA) }

func rgbaRows(m *image.RGBA) func([]byte, int) {
	b := m.Rect
	return func(dst []byte, y int) {
		row := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):]
		for x := range b.Dx() {
			p := row[4*x : 4*x+4 : 4*x+4]
			if p[3] == 0xff {
				put(dst, x, p[0], p[1], p[2])
				continue
			}
			c := straight(color.RGBA{p[0], p[1], p[2], p[3]})
			put(dst, x, c.R, c.G, c.B)
		}
	}
}

func palettedRows(m *image.Paletted) func([]byte, int) {
	var table [256]color.NRGBA // an index beyond the palette is black, as in PIL
	for i, c := range m.Palette {
		if i < len(table) {
			table[i] = straight(c)
		}
	}
	b := m.Rect
	return func(dst []byte, y int) {
		i := m.PixOffset(b.Min.X, b.Min.Y+y)
		for x, index := range m.Pix[i : i+b.Dx()] {
			c := table[index]
			put(dst, x, c.R, c.G, c.B)
		}
	}
}

// cmykRows converts as PIL does (src/libImaging/Convert.c, cmyk2rgb): with n = 255-k,
// red = n - c*n/255 rounded, and so on.
func cmykRows(m *image.CMYK) func([]byte, int) {
	b := m.Rect
	return func(dst []byte, y int) {
		row := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):]
		for x := range b.Dx() {
			p := row[4*x : 4*x+4 : 4*x+4]
			n := 255 - int32(p[3])
			put(dst, x, uint8(n-mulDiv255(int32(p[0]), n)), uint8(n-mulDiv255(int32(p[1]), n)), uint8(n-mulDiv255(int32(p[2]), n)))
		}
	}
}

// mulDiv255 is a*b/255 rounded, for a and b in 0..255.
func mulDiv255(a, b int32) int32 {
	t := a*b + 128
	return (t>>8 + t) >> 8
}
