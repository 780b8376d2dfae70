package ort

import (
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/cpu"
)

// Target says what an optimised graph is made for: the library (its version and digest), the
// architecture and instruction sets of the processor, and the execution provider. Graphs of Optimise
// serve where Target is the same, and must be made again elsewhere. The text has one line.
//
// It reads the whole library once per process, for the digest.
func (r *Runtime) Target(o Options) (string, error) {
	o, err := o.normal()
	if err != nil {
		return "", err
	}
	sum, err := r.SHA256()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("onnxruntime %s sha256:%s provider %s processor %s", r.Version(), sum, o.Provider, Processor()), nil
}

// Processor returns the architecture and the instruction sets that this machine's processor offers,
// such as "amd64 AES AVX AVX2": what ONNX Runtime chooses kernels and layouts by.
func Processor() string {
	var features any
	switch runtime.GOARCH {
	case "amd64", "386":
		features = cpu.X86
	case "arm64":
		features = cpu.ARM64
	case "arm":
		features = cpu.ARM
	default:
		return runtime.GOARCH
	}
	words := []string{runtime.GOARCH}
	v := reflect.ValueOf(features)
	for i := range v.NumField() { // in the order of the struct
		if name, ok := strings.CutPrefix(v.Type().Field(i).Name, "Has"); ok && v.Field(i).Kind() == reflect.Bool && v.Field(i).Bool() {
			words = append(words, name)
		}
	}
	return strings.Join(words, " ")
}

// Trim gives memory back to the system that Go and the making of sessions left behind. It takes
// milliseconds.
func Trim() {
	debug.FreeOSMemory()
	trim()
}

// SmallPages has mapped sessions see their tensors in small pages from now on, those that are there included. It is for when
// memory is short: of a large page the kernel takes back all or nothing, and reads all again.
func SmallPages() { smallPages() }
