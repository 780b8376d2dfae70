package command

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/deploy/bundle"
)

// doctor runs the command and returns exit code and output.
func doctor(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	app := Prepare(&cli.App{Name: "dynofa-run", Commands: []*cli.Command{Doctor()}}, &out, &out)
	code := Main(t.Context(), app, append([]string{"dynofa-run", "doctor"}, args...))
	return code, out.String()
}

func TestDoctor(t *testing.T) {
	needRuntime(t)
	dir, cache := tinyBundle(t), filepath.Join(t.TempDir(), "cache")
	code, out := doctor(t, "--bundle", dir, "--prepared", cache)
	for _, want := range []string{"bundle", "3 levels of ofa-mbv3-w0.25-c10", "onnxruntime", "provider cpu", "a block ran in", cache, "disk space", "setting clocks"} {
		if code != ExitOK || !strings.Contains(out, want) {
			t.Errorf("exit code %d, no %q in\n%s", code, want, out)
		}
	}
	tensors := filepath.Join(dir, "supernet.safetensors")
	data, err := os.ReadFile(tensors)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(tensors, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(cache, 0o777); err != nil {
		t.Fatal(err)
	}
	code, out = doctor(t, "--bundle", dir, "--prepared", cache)
	for _, want := range []string{"damaged: supernet.safetensors", "chmod go-w " + cache, "2 checks found a problem"} {
		if code != ExitFailure || !strings.Contains(out, want) {
			t.Errorf("exit code %d, no %q in\n%s", code, want, out)
		}
	}
}

func TestDoctorWithoutRuntime(t *testing.T) {
	list := checkRuntime(filepath.Join(t.TempDir(), "nowhere"))
	if len(list) != 1 || list[0].verdict != checkFail || !strings.Contains(list[0].remedy, "make runtime") {
		t.Errorf("%+v", list)
	}
}

// Machines that are not there: a board with a governor that changes clocks, a hot zone and little memory.
func TestDoctorLooksAtTheMachine(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text + "\n")} }
	board := fstest.MapFS{
		"proc/meminfo":                   file("MemTotal: 4000000 kB\nMemAvailable: 100000 kB"),
		"proc/loadavg":                   file("7.50 3.00 1.00 3/300 4000"),
		"sys/devices/system/cpu/online":  file("0-3"),
		"sys/devices/system/cpu/present": file("0-3"),
		"sys/devices/system/cpu/cpufreq/policy0/scaling_governor": file("schedutil"),
		"sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": file("1190400"),
		"sys/devices/system/cpu/cpufreq/policy4/scaling_governor": file("schedutil"),
		"sys/class/thermal/thermal_zone0/type":                    file("CPU-therm"),
		"sys/class/thermal/thermal_zone0/temp":                    file("45000"),
		"sys/class/thermal/thermal_zone1/type":                    file("GPU-therm"),
		"sys/class/thermal/thermal_zone1/temp":                    file("91500"),
	}
	warnings := map[string]string{}
	for _, f := range checkHost(board) {
		if f.verdict != checkOK {
			if warnings[f.name] != "" || f.remedy == "" {
				t.Errorf("%+v twice, or without advice", f)
			}
			warnings[f.name] = f.detail
		}
	}
	for name, want := range map[string]string{"memory": "97.7 MiB", "clocks": "schedutil", "temperature": "GPU-therm", "load": "7.5 tasks want 4"} {
		if !strings.Contains(warnings[name], want) {
			t.Errorf("%s: %q, want %q", name, warnings[name], want)
		}
	}
	for _, f := range checkHost(fstest.MapFS{}) { // nothing is known: nothing is wrong
		if f.verdict != checkOK {
			t.Errorf("on an unknown machine: %+v", f)
		}
	}
}

// A provider that the library lacks is named, with what to do.
func TestDoctorProvider(t *testing.T) {
	needRuntime(t)
	for _, provider := range []string{"qnn", "warp"} { // no x86 or arm64 build of Linux has them
		list := checkRuntime("", bundle.Processor{Name: "gpu", Provider: provider})
		last := list[len(list)-1]
		if last.verdict != checkFail || !strings.Contains(last.detail, provider) || !strings.Contains(last.remedy, "export for another provider") {
			t.Errorf("%+v", list)
		}
	}
}

func TestDoctorSpace(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		free          int64
		verdict, want string
	}{{100e6, checkFail, "95.4 MiB free at " + dir + ", preparing takes up to 247.0 MiB"}, {300e6, checkOK, "286.1 MiB free"}, {-1, checkOK, "not told"}} {
		asked := ""
		f := checkSpace(filepath.Join(dir, "not", "made", "yet"), 259e6, func(d string) int64 { asked = d; return c.free })
		if f.verdict != c.verdict || !strings.Contains(f.detail, c.want) || asked != dir || (f.verdict == checkFail) != strings.Contains(f.remedy, "--prepared") {
			t.Errorf("%d free at %s: %+v", c.free, asked, f)
		}
	}
	if n := freeBytes(dir); runtime.GOOS == "linux" && n <= 0 {
		t.Errorf("%d bytes free at %s", n, dir)
	}
	if n := freeBytes(filepath.Join(dir, "nowhere")); n != -1 {
		t.Errorf("%d bytes free nowhere", n)
	}
}

// Trees of files that may be written to, may not, and do not exist.
func TestDoctorSettingClocks(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text + "\n")} }
	cpu := "sys/devices/system/cpu/cpufreq/policy0/"
	board := fstest.MapFS{
		cpu + "scaling_governor": file("schedutil"), cpu + "scaling_min_freq": file("100000"), cpu + "scaling_max_freq": file("200000"),
		"sys/class/devfreq/17000000.gv11b/governor": file("nvhost_podgov"), "sys/class/devfreq/17000000.gv11b/cur_freq": file("114750000"),
		"var/lib/nvpmodel/status": file("pmode:0002"), "etc/nvpmodel.conf": file("< POWER_MODEL ID=2 NAME=MODE_15W_6CORE >"),
	}
	for name, c := range map[string]struct {
		tree          fstest.MapFS
		may           func(string) bool
		verdict, want string
	}{
		"root":           {board, func(string) bool { return true }, checkOK, "allowed"},
		"a user":         {board, func(string) bool { return false }, checkWarn, "/" + cpu + "scaling_governor and 3 more files"},
		"only the GPU's": {board, func(n string) bool { return strings.HasPrefix(n, cpu) }, checkWarn, "write /sys/class/devfreq/17000000.gv11b/governor"},
		"no clocks":      {fstest.MapFS{}, func(string) bool { return false }, checkOK, "none to set"},
	} {
		f := checkClockAccess(c.tree, c.may)
		if f.verdict != c.verdict || !strings.Contains(f.detail, c.want) || (f.verdict == checkWarn) != strings.Contains(f.remedy, "nvpmodel and jetson_clocks as root") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	path := filepath.Join(t.TempDir(), "governor")
	if mayWrite(path) { // it takes names below the root folder, which "/" + path is, too
		t.Error("a file that does not exist may be written to")
	}
	if err := os.WriteFile(path, []byte("performance"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); !mayWrite(path) || err != nil || string(text) != "performance" {
		t.Errorf("%q, %v", text, err)
	}
}
