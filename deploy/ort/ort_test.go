//go:build cgo

package ort_test

import (
	"os"
	"testing"

	"github.com/dynofa/dynofa/deploy/ort"
)

// load returns ONNX Runtime. It skips the test where the library is absent, or fails it with
// DYNOFA_REQUIRE_RUNTIME=1.
func load(t testing.TB) *ort.Runtime {
	t.Helper()
	path, err := ort.FindLibrary("")
	if err != nil {
		if os.Getenv("DYNOFA_REQUIRE_RUNTIME") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	r, err := ort.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
