//go:build !linux

package ort

import "time"

// threadTime returns 0: not told here.
func threadTime() time.Duration { return 0 }

// preemptions returns 0: not told here.
func preemptions() int64 { return 0 }
