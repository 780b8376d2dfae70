package main

// The built-in supernet: its space, the --checkpoint argument that asks for its weights, and the pictures
// that its sub-networks are recalibrated on.
const (
	demoSpace       = "fashion-mbv3"
	demoCheckpoint  = "demo"
	demoCalibration = "fashion-mnist:calibration"
)
