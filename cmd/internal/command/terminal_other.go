//go:build !linux

package command

import "io"

// terminalWidth knows no terminals here: a run shows lines.
func terminalWidth(io.Writer) (int, bool) { return 0, false }
