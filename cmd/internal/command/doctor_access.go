package command

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/unit"
)

// checkSpace looks whether the disk with the cache folder has room for need bytes. free returns what is free where a
// folder is, negative if that is not known.
func checkSpace(arg string, need int64, free func(dir string) int64) finding {
	dir, err := cacheFolder(arg)
	if err != nil {
		return finding{"disk space", checkOK, "not looked at: there is no cache folder", ""}
	}
	for dir != filepath.Dir(dir) { // it is made when it is needed
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	have := free(dir)
	switch {
	case have < 0:
		return finding{"disk space", checkOK, "not told here", ""}
	case have < need:
		return finding{"disk space", checkFail, fmt.Sprintf("%s free at %s, preparing takes up to %s", unit.Bytes(have), dir, unit.Bytes(need)),
			"make room, name a folder on another disk with --prepared, or run with --prepared none, which takes several times the memory"}
	}
	return finding{"disk space", checkOK, fmt.Sprintf("%s free, preparing takes up to %s", unit.Bytes(have), unit.Bytes(need)), ""}
}

// checkClockAccess looks whether this user may set clocks and governors, which profiling and running do on request alone. may tells of a file, by its name below the root folder.
func checkClockAccess(fsys fs.FS, may func(name string) bool) finding {
	state := host.ReadState(fsys)
	var all, refused []string
	look := func(name string) {
		if _, err := fs.Stat(fsys, name); err != nil {
			return
		}
		if all = append(all, name); !may(name) {
			refused = append(refused, "/"+name)
		}
	}
	for _, p := range state.Policies {
		for _, name := range []string{"scaling_governor", "scaling_min_freq", "scaling_max_freq", "scaling_setspeed"} {
			look(path.Join("sys/devices/system/cpu/cpufreq", p.Name, name))
		}
	}
	for _, d := range state.Devices {
		for _, name := range []string{"governor", "min_freq", "max_freq"} {
			look(path.Join("sys/class/devfreq", d.Name, name))
		}
	}
	switch {
	case len(all) == 0:
		return finding{"setting clocks", checkOK, "there are none to set here", ""}
	case len(refused) == 0:
		return finding{"setting clocks", checkOK, "allowed", ""}
	}
	where := refused[0]
	if n := len(refused) - 1; n > 0 {
		where += fmt.Sprintf(" and %d more files", n)
	}
	return finding{"setting clocks", checkWarn, "this user may not write " + where,
		"let lut profile set them as root, or set them before (" + setByHand(state) + "); run needs it with --clocks set alone"}
}

// setByHand says what sets clocks on this kind of machine.
func setByHand(state host.State) string {
	if strings.HasPrefix(state.PowerMode.Name, "MODE_") {
		return "nvpmodel and jetson_clocks as root"
	}
	return "cpupower frequency-set as root"
}

// mayWrite tells whether a file of the system can be opened for writing; nothing is written.
func mayWrite(path string) bool {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	return f.Close() == nil
}
