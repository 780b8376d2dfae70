//go:build !linux

package load

import "syscall"

// attributes has nothing to ask for: the load ends with the pipe from its parent.
func attributes() *syscall.SysProcAttr { return nil }
