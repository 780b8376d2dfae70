// Package ort runs ONNX models through ONNX Runtime. It is the only package that imports the
// binding, and its interface mentions neither the binding nor C.
//
// FindLibrary finds the shared library, Load loads it (once per process), NewSession makes a
// session whose input and output memory is allocated once, Run fills the output from the input.
// Session options are the ones that suit a shared device: threads that sleep instead of spinning
// between operators, every graph optimisation, one arena for the activations of all sessions.
//
// NewMappedSession makes one of a graph that Optimise made for this machine. The file of its tensors is mapped once for all such
// sessions, in large pages where the kernel has them (docs/decisions/0008-one-mapping.md).
//
// Built without cgo the package compiles and FindLibrary works, but Load returns ErrDisabled.
//
// The package refuses models with several inputs or outputs, element types other than float32,
// dimensions that are not fixed, and, but for NewMappedSession, tensors in other files. It reads no image, chooses no model and
// measures nothing; deploy/runner and lut/profile do.
package ort
