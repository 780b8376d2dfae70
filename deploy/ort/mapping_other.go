//go:build cgo && !linux

package ort

import (
	"errors"
	"unsafe"
)

type mapping struct {
	data unsafe.Pointer
	size int64
}

func mapFile(string) (*mapping, error) { return nil, errors.ErrUnsupported }

func (m *mapping) release() error { return nil }

func smallPages() {}
