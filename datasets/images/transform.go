package images

import (
	"fmt"
	"math"
)

// A Transform is a [Preprocess] for any resolution. The zero value is the evaluation transform of OFA and
// torchvision for ImageNet.
type Transform struct {
	// Crop is the share of the resized picture's shorter side that the input shows, in (0, 1]; 0 means
	// 0.875, 1 keeps square pictures whole.
	Crop float64 `json:"crop,omitempty"`
	// Mean and Std as in Preprocess.
	Mean [3]float32 `json:"mean"`
	Std  [3]float32 `json:"std"`
}

// defaultCrop is ImageNet's.
const defaultCrop = 0.875

// At returns the transform for inputs of r x r pixels. Its Validate says whether it is usable.
func (t Transform) At(r int) Preprocess {
	p := Preprocess{Resolution: r, Mean: t.Mean, Std: t.Std}
	switch {
	case t.Crop == 0 || t.Crop == defaultCrop:
	case t.Crop > 0 && t.Crop <= 1:
		p.Resize = int(math.Ceil(float64(r)/t.Crop - 1e-9))
	default:
		p.Resize = -1 // refused by Validate
	}
	return p
}

// Validate returns an error for a crop outside (0, 1] or a standard deviation that is not positive.
func (t Transform) Validate() error {
	if !(t.Crop >= 0 && t.Crop <= 1) {
		return fmt.Errorf("images: crop %g is not in (0, 1]", t.Crop)
	}
	return Preprocess{Resolution: 1, Mean: t.Mean, Std: t.Std}.Validate()
}

// String describes the transform in one stable line, for provenance.
func (t Transform) String() string {
	if t.Crop == 0 {
		t.Crop = defaultCrop
	}
	d := t.At(1).withDefaults()
	return fmt.Sprintf("rgb, shorter side ceil(r/%g) (bilinear, antialiased, PIL 8-bit fixed point), centre crop r, mean %v, std %v", t.Crop, d.Mean, d.Std)
}
