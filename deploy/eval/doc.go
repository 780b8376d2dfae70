// Package eval measures sub-networks on labelled pictures: Calibrate re-estimates the statistics of their
// batch normalisations, without which a sub-network of a trained supernet answers next to nothing right;
// Evaluate counts how often the right class is the first or among the first five.
//
// Pictures that cannot be decoded are passed over and counted; more than one in a hundred is an error,
// because then the pictures are not what they should be. Labels outside of the supernet's classes are an
// error before anything runs.
//
// The package runs networks with ONNX Runtime (package ort) and keeps nothing: what it finds goes back to
// the caller, chunk by chunk if it asks for that, so that an interrupted evaluation can go on.
package eval
