//go:build unix

package load

import (
	"os"
	"syscall"
)

// Signals that stop and continue a process.
var (
	pauseSignal  os.Signal = syscall.SIGSTOP
	resumeSignal os.Signal = syscall.SIGCONT
)
