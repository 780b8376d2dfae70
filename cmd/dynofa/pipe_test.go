package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
)

// TestNamedPipes: a pipe where a file is wanted is refused, rather than waited for.
func TestNamedPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for _, line := range []string{"sim run --scenario PIPE --policy slack", "board show PIPE", "space show PIPE"} {
		code, _, stderr := dynofa(t, strings.Fields(strings.ReplaceAll(line, "PIPE", pipe))...)
		if code == command.ExitOK || !strings.Contains(stderr, pipe+": not a regular file") {
			t.Errorf("%s: exit code %d: %s", line, code, stderr)
		}
	}
}
