package images_test

import (
	"testing"

	"github.com/dynofa/dynofa/datasets/images"
)

func TestTransform(t *testing.T) {
	for _, c := range []struct {
		crop   float64
		r      int
		resize int
	}{
		{0, 224, 256}, {0.875, 224, 256}, {0, 160, 183}, // ceil(182.86)
		{1, 28, 28}, {1, 224, 224}, {0.5, 15, 30}, {0.9, 27, 30}, {0.96, 24, 25},
	} {
		p, err := images.NewPreprocessor(images.Transform{Crop: c.crop}.At(c.r))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Config(); got.Resize != c.resize || got.Resolution != c.r || got.Std != images.ImageNetStd {
			t.Errorf("crop %g at %d: %+v, want resize %d", c.crop, c.r, got, c.resize)
		}
	}
	for _, bad := range []images.Transform{{Crop: -1}, {Crop: 1.01}, {Std: [3]float32{1, 1, -1}}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is accepted", bad)
		}
		if bad.At(32).Validate() == nil {
			t.Errorf("%+v at 32 is accepted", bad)
		}
	}
	if err := (images.Transform{}).Validate(); err != nil {
		t.Error(err)
	}
	const want = "rgb, shorter side ceil(r/0.875) (bilinear, antialiased, PIL 8-bit fixed point), centre crop r, mean [0.485 0.456 0.406], std [0.229 0.224 0.225]"
	if got := (images.Transform{}).String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
