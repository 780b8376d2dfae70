package ort

import "errors"

var (
	// ErrDisabled: the program was built without cgo.
	ErrDisabled = errors.New("ort: this program was built without cgo and cannot load ONNX Runtime; build it with CGO_ENABLED=1 and a C compiler")
	// ErrNoLibrary: there is no ONNX Runtime where FindLibrary or Load looked.
	ErrNoLibrary = errors.New("no ONNX Runtime library")
	// ErrVersion: the library is older than MinVersion, or is no ONNX Runtime.
	ErrVersion = errors.New("unusable ONNX Runtime library")
	// ErrLoaded: another library has been loaded into this process before.
	ErrLoaded = errors.New("another ONNX Runtime library is loaded already")
	// ErrProvider: the execution provider is unknown, or the library does not offer it.
	ErrProvider = errors.New("no such execution provider")
	// ErrModel: the model is malformed, or has an interface that this package refuses.
	ErrModel = errors.New("unusable model")
	// ErrClosed: the session was closed.
	ErrClosed = errors.New("ort: the session is closed")
)

// MinVersion is the oldest ONNX Runtime release that offers the C API the binding was built
// against (ORT_API_VERSION 24 of yalue/onnxruntime_go v1.27.0).
const MinVersion = "1.24"

// OldestAdapted is the oldest release that can be loaded by way of deploy/ort/older: the last of which a GPU
// build for the Jetson Xavier NX is published. All functions that are called are in its C API.
const OldestAdapted = "1.18"

// remedy ends every sentence about a library that is missing or does not fit.
const remedy = "run `make runtime`, or name a build with --onnxruntime PATH or " + Variable
