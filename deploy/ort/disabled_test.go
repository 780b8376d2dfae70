//go:build !cgo

package ort_test

import (
	"errors"
	"testing"

	"github.com/dynofa/dynofa/deploy/ort"
)

// Without cgo everything compiles and says why it does not work.
func TestDisabled(t *testing.T) {
	r, err := ort.Load("libonnxruntime.so")
	if !errors.Is(err, ort.ErrDisabled) {
		t.Errorf("load: %v", err)
	}
	if _, err := r.NewSession(nil, ort.Options{}); !errors.Is(err, ort.ErrDisabled) {
		t.Errorf("session: %v", err)
	}
}
