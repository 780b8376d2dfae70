package main

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/checkpoint/fashion"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/search/accuracy"
)

// The built-in supernet: its space, the --checkpoint argument that asks for its weights, and the pictures
// that its sub-networks are recalibrated on.
const (
	demoSpace       = "fashion-mbv3"
	demoCheckpoint  = "demo"
	demoCalibration = "fashion-mnist:calibration"
)

// builtinWarning says what is doubtful about the built-in predictor of a space: that of the built-in
// supernet may be fitted to measurements of earlier weights. It is "" otherwise.
func builtinWarning(space *supernet.Space) (string, error) {
	if space.Name != demoSpace {
		return "", nil
	}
	c, err := accuracy.Fashion()
	if err != nil {
		return "", err
	}
	w, err := fashion.Weights()
	if err != nil {
		return "", err
	}
	if c.Weights == "checkpoint sha256:"+w.SHA256() {
		return "", nil
	}
	return fmt.Sprintf("the built-in predictor was fitted to measurements of other weights (%.31s...) than the built-in ones (sha256:%.12s...)", c.Weights, w.SHA256()), nil
}
