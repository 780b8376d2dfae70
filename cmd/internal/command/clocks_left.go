package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/regular"
)

// leftClocks is what a run that sets clocks has to put back, on disk while it has, so that the next run can if it is killed.
type leftClocks struct {
	Boot    string         `json:"boot"`    // of the kernel: after a restart there is nothing to put back
	Process string         `json:"process"` // number and start of the run's
	System  string         `json:"system"`  // folder of the machine's files
	Files   []host.Content `json:"files"`
}

// leftPath returns where it lies, beside prepared graphs: in clocks.json for this machine, in one of its own for each other system.
func leftPath(prepared, system string) (string, error) {
	if prepared == plainSessions {
		prepared = ""
	}
	dir, err := cacheFolder(prepared)
	if system == "/" {
		return filepath.Join(dir, "clocks.json"), err
	}
	h := fnv.New64a()
	h.Write([]byte(system))
	return filepath.Join(dir, fmt.Sprintf("clocks-%016x.json", h.Sum64())), err
}

// bootID names the kernel's run; empty where nothing tells.
func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

// processID names a process by its number and start, empty if there is none, or if nothing tells.
//
// Source: proc(5): the start is the 20th field after the name, which is in parentheses.
func processID(pid string) string {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	return pid + " " + fields[19]
}

// maxLeft bounds the file.
const maxLeft = 1 << 20

// readLeft reads what is to be put back on a machine; nil if there is nothing.
func readLeft(path, system string) (*leftClocks, error) {
	f, err := regular.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if errors.Is(err, regular.ErrNotRegular) {
		return nil, fmt.Errorf("%w; no run has left it: remove it", err)
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() > maxLeft {
		return nil, fmt.Errorf("%s is no file that a run has left; remove it", path)
	}
	var l leftClocks
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return nil, fmt.Errorf("%s: %w; remove it if it is not a run's", path, err)
	}
	for _, c := range l.Files {
		if !fs.ValidPath(c.Name) || !strings.HasPrefix(c.Name, "sys/") || strings.ContainsAny(c.Text, "\x00\n") {
			return nil, fmt.Errorf("%s: %.200q is no file of a clock; remove it", path, c.Name)
		}
	}
	if l.Boot != bootID() || l.System != system {
		return nil, nil
	}
	return &l, nil
}

// alive reports whether the run still goes on.
func (l *leftClocks) alive() bool {
	pid, _, _ := strings.Cut(l.Process, " ")
	_, err := strconv.Atoi(pid)
	return err == nil && pid != strconv.Itoa(os.Getpid()) && processID(pid) == l.Process
}

// byHand says what puts clocks back.
func (l *leftClocks) byHand() string {
	var parts []string
	for _, c := range l.Files {
		if !strings.HasSuffix(c.Name, "/scaling_setspeed") {
			parts = append(parts, fmt.Sprintf("echo %s > %s", c.Text, filepath.Join(l.System, c.Name)))
		}
	}
	return strings.Join(parts, "; ")
}

// putBackLeft puts back what a run that was killed has left, and returns what notes what this one has to. It returns an error if another run
// goes on that sets clocks.
func (o *runOptions) putBackLeft(tell func(format string, args ...any)) (save func([]host.Content), err error) {
	const unknown = "if this run is killed nobody knows what the clocks were: %v"
	path, err := leftPath(o.prepared, o.system)
	if err != nil {
		tell(unknown, err)
		return nil, nil
	}
	l, err := readLeft(path, o.system)
	switch {
	case err != nil:
		return nil, err
	case l != nil && l.alive():
		return nil, fmt.Errorf("process %s sets clocks here already (%s)", strings.Fields(l.Process)[0], path)
	case l != nil:
		if err := host.PutBack(o.fsys, o.changer, l.Files); err != nil {
			return nil, fmt.Errorf("clocks that a run has left cannot be put back: %w", err)
		}
		tell("clocks that a run has left when it was killed were put back")
	}
	mine := leftClocks{Boot: bootID(), Process: processID(strconv.Itoa(os.Getpid())), System: o.system}
	return func(files []host.Content) {
		var err error
		if mine.Files = files; len(files) == 0 {
			err = os.Remove(path)
		} else if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = WriteFile(path, func(f *os.File) error { return json.NewEncoder(f).Encode(mine) })
		}
		if err != nil {
			tell(unknown, err)
		}
	}, nil
}

// checkLeftClocks looks for clocks that a killed run has left.
func checkLeftClocks(prepared, system string) []finding {
	path, err := leftPath(prepared, system)
	if err != nil {
		return nil
	}
	switch l, err := readLeft(path, system); {
	case err != nil:
		return []finding{{"clocks left", checkWarn, err.Error(), "rm " + path}}
	case l == nil:
		return nil
	case l.alive():
		return []finding{{"clocks left", checkOK, "process " + strings.Fields(l.Process)[0] + " sets them", ""}}
	default:
		return []finding{{"clocks left", checkWarn, "a run was killed that had set clocks", "run with --clocks set puts them back before it begins; by hand: " + l.byHand()}}
	}
}
