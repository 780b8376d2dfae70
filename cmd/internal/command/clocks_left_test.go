package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// What a killed run has left is believed of this boot and this machine's files only, and names nothing but files of clocks.
func TestReadLeftClocks(t *testing.T) {
	boot, me := bootID(), processID(strconv.Itoa(os.Getpid()))
	left := func(boot, process, system, name string) string {
		return fmt.Sprintf(`{"boot": %q, "process": %q, "system": %q, "files": [{"name": %q, "text": "schedutil"}]}`, boot, process, system, name)
	}
	const governor = "sys/devices/system/cpu/cpufreq/policy0/scaling_governor"
	for name, c := range map[string]struct {
		text        string
		left, alive bool
		err         string
	}{
		"left":           {text: left(boot, "1234567890 5", "/", governor), left: true},
		"of this run":    {text: left(boot, me, "/", governor), left: true},
		"of its parent":  {text: left(boot, processID(strconv.Itoa(os.Getppid())), "/", governor), left: true, alive: true},
		"of its number":  {text: left(boot, strconv.Itoa(os.Getppid())+" 1", "/", governor), left: true}, // another process by now
		"another boot":   {text: left("earlier", "1 1", "/", governor)},
		"another system": {text: left(boot, "1 1", "/host", governor)},
		"outside":        {text: left(boot, "1 1", "/", "sys/../etc/passwd"), err: "no file of a clock"},
		"absolute":       {text: left(boot, "1 1", "/", "/etc/passwd"), err: "no file of a clock"},
		"elsewhere":      {text: left(boot, "1 1", "/", "etc/passwd"), err: "no file of a clock"},
		"unknown member": {text: `{"boot": "", "more": 1}`, err: "unknown field"},
		"no JSON":        {text: "governor=schedutil", err: "invalid character"},
		"empty":          {err: "EOF"},
		"too long":       {text: strings.Repeat(" ", maxLeft+1), err: "no file that a run has left"},
	} {
		path := filepath.Join(t.TempDir(), "clocks.json")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := readLeft(path, "/")
		if (l != nil) != c.left || (err != nil) != (c.err != "") || err != nil && (!strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
		if l != nil && l.alive() != c.alive {
			t.Errorf("%s: alive %v", name, l.alive())
		}
	}
	if l, err := readLeft(filepath.Join(t.TempDir(), "clocks.json"), "/"); l != nil || err != nil {
		t.Errorf("without a file: %+v, %v", l, err)
	}
	if _, err := readLeft(t.TempDir(), "/"); err == nil {
		t.Error("a folder was read")
	}
	pipe := filepath.Join(t.TempDir(), "clocks.json")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readLeft(pipe, "/"); err == nil || !strings.Contains(err.Error(), pipe) {
		t.Errorf("a pipe that nobody writes to: %v", err)
	}
}
