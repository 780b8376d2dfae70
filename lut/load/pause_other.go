//go:build !unix

package load

import "os"

// There are no signals that stop and continue a process here.
var pauseSignal, resumeSignal os.Signal
