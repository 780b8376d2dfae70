// Package fashion holds the trained weights of the built-in supernet (supernet.FashionMobileNetV3), which
// datasets/supernet/train made: the checkpoint as PyTorch wrote it, under OFA's key names.
//
// The package holds the file and reads it with package checkpoint; it trains and measures nothing.
package fashion

import (
	"bytes"
	_ "embed"
	"sync"

	"github.com/dynofa/dynofa/datasets/checkpoint"
)

//go:embed supernet.pth
var file []byte

// Weights returns the weights. They are read once; callers share them and must not change them.
func Weights() (*checkpoint.File, error) { return weights() }

var weights = sync.OnceValues(func() (*checkpoint.File, error) {
	return checkpoint.Read(bytes.NewReader(file), int64(len(file)), "fashion/supernet.pth")
})
