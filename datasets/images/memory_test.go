package images_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/dynofa/dynofa/datasets/images"
)

// TestMemory: what the header tells is what the decoded picture takes, a JPEG's colours without subsampling.
func TestMemory(t *testing.T) {
	r := image.Rect(0, 0, 40, 30)
	for name, c := range map[string]struct {
		picture image.Image
		want    int64
	}{
		"grey":           {image.NewGray(r), 1200},
		"grey, 16 bits":  {image.NewGray16(r), 2400},
		"palette":        {image.NewPaletted(r, color.Palette{color.Black, color.White}), 1200},
		"colour":         {image.NewNRGBA(r), 4800},
		"colour, 16 bit": {image.NewNRGBA64(r), 9600},
	} {
		var b bytes.Buffer
		if err := png.Encode(&b, c.picture); err != nil {
			t.Fatal(err)
		}
		if got := images.Memory(b.Bytes()); got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, got, c.want)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewNRGBA(r), nil); err != nil {
		t.Fatal(err)
	}
	if got := images.Memory(b.Bytes()); got != 3600 {
		t.Errorf("JPEG: %d bytes, want 3600", got)
	}
	for _, bad := range []string{"", "GIF89a", "\x89PNG\r\n\x1a\n"} {
		if got := images.Memory([]byte(bad)); got != 0 {
			t.Errorf("%q: %d bytes", bad, got)
		}
	}
}
