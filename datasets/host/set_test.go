package host_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/unit"
)

// kernel is a Changer that does to a tree what the systems do: it holds clocks between what the
// hardware can, refuses a lowest clock above the highest, and files that are read-only or not there.
type kernel struct {
	tree     fstest.MapFS
	readOnly string   // part of a name
	ran      []string // command lines
}

func (k *kernel) get(name string) (int, bool) {
	f, ok := k.tree[name]
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(f.Data)))
	return n, err == nil
}

func (k *kernel) WriteFile(name, content string) error {
	if _, ok := k.tree[name]; !ok {
		return fs.ErrNotExist
	}
	if k.readOnly != "" && strings.Contains(name, k.readOnly) {
		return fs.ErrPermission
	}
	dir, base := path.Split(name)
	if n, err := strconv.Atoi(content); err == nil {
		least, okL := k.get(dir + "cpuinfo_min_freq")
		most, okM := k.get(dir + "cpuinfo_max_freq")
		if okL && okM {
			n = min(max(n, least), most)
		}
		if low, ok := k.get(dir + strings.Replace(base, "max", "min", 1)); ok && strings.Contains(base, "max_freq") && n < low {
			return errors.New("invalid argument")
		}
		if high, ok := k.get(dir + strings.Replace(base, "min", "max", 1)); ok && strings.Contains(base, "min_freq") && n > high {
			return errors.New("invalid argument")
		}
		content = strconv.Itoa(n)
	}
	k.tree[name] = &fstest.MapFile{Data: []byte(content + "\n")}
	return nil
}

func (k *kernel) Run(_ context.Context, program string, args ...string) error {
	k.ran = append(k.ran, program+" "+strings.Join(args, " "))
	if program != "nvpmodel" || len(args) != 2 {
		return errors.New("unknown program")
	}
	if k.readOnly == "nvpmodel" {
		return errors.New("nvpmodel: permission denied")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	k.tree["var/lib/nvpmodel/status"] = &fstest.MapFile{Data: fmt.Appendf(nil, "pmode:%04d fmode:quiet", n)}
	return nil
}

// withLock adds the switch that holds the memory's clock.
func withLock(tree fstest.MapFS) fstest.MapFS {
	tree["sys/kernel/debug/bpmp/debug/clk/emc/mrq_rate_locked"] = &fstest.MapFile{Data: []byte("0\n")}
	return tree
}

func TestSet(t *testing.T) {
	for name, c := range map[string]struct {
		tree             fstest.MapFS
		settings         host.Settings
		readOnly         string
		cpu, gpu, memory unit.Hertz // held afterwards
		mode, governor   string
		warnings         []string // parts
	}{
		"everything on a Xavier NX": {tree: withLock(xavierNX()), mode: "MODE_10", governor: "performance", cpu: 1.9072e9, gpu: 803.25e6, memory: 1.866e9,
			settings: host.Settings{CPUClock: 1.9072e9, GPUClock: 803.25e6, MemoryClock: 1.866e9, Governor: "performance", PowerMode: "MODE_10"}},
		"mode by number": {tree: xavierNX(), settings: host.Settings{PowerMode: "0"}, mode: "MODE_15W_2CORE", governor: "schedutil"},
		"no such mode": {tree: xavierNX(), settings: host.Settings{PowerMode: "MAXN"}, mode: "MODE_15W_4CORE", governor: "schedutil",
			warnings: []string{"power mode MAXN was asked for, but nvpmodel knows none of that name"}},
		"mode refused": {tree: xavierNX(), settings: host.Settings{PowerMode: "MODE_10"}, readOnly: "nvpmodel", mode: "MODE_15W_4CORE", governor: "schedutil",
			warnings: []string{"power mode MODE_10 was asked for, but refused: nvpmodel: permission denied"}},
		"lower on an Orin": {tree: orin(), settings: host.Settings{CPUClock: 729.6e6, GPUClock: 306e6}, cpu: 729.6e6, gpu: 306e6, governor: "performance"},
		"memory that only root sees": {tree: orin(), settings: host.Settings{MemoryClock: 2.133e9}, cpu: 1.5104e9, governor: "performance",
			warnings: []string{"memory clock 2.133 GHz was asked for, but the system tells none"}},
		"refused": {tree: raspberryPi4(), settings: host.Settings{CPUClock: 1e9, Governor: "performance"}, readOnly: "scaling_", governor: "ondemand",
			warnings: []string{"governor performance was asked for, but refused by policy0: permission denied", "cpu clock 1.000 GHz was asked for, but refused by policy0"}},
		"half refused": {tree: raspberryPi4(), settings: host.Settings{CPUClock: 1e9}, readOnly: "scaling_max", governor: "ondemand",
			warnings: []string{"cpu clock 1.000 GHz was asked for, but refused by policy0"}},
		"beyond the hardware": {tree: raspberryPi4(), settings: host.Settings{CPUClock: 2e9}, cpu: 1.5e9, governor: "ondemand",
			warnings: []string{"cpu clock 2.000 GHz was asked for, but policy0 runs at 1.500 GHz to 1.500 GHz"}},
		"no GPU clock": {tree: raspberryPi4(), settings: host.Settings{GPUClock: 5e8}, governor: "ondemand",
			warnings: []string{"gpu clock 500.0 MHz was asked for, but the system tells none"}},
		"profile of a PC": {tree: pc(), settings: host.Settings{PowerMode: "performance", CPUClock: 2e9}, cpu: 2e9, mode: "performance", governor: "powersave"},
		"profile refused": {tree: pc(), settings: host.Settings{PowerMode: "performance"}, readOnly: "platform_profile", mode: "balanced", governor: "powersave",
			warnings: []string{"power mode performance was asked for, but refused: permission denied"}},
		"nothing there": {tree: fstest.MapFS{}, settings: host.Settings{PowerMode: "x", CPUClock: 1e9, GPUClock: 1e9, MemoryClock: 1e9, Governor: "x"},
			warnings: []string{"neither nvpmodel", "governor", "cpu clock", "gpu clock", "memory clock"}},
		"nothing asked": {tree: xavierNX(), mode: "MODE_15W_4CORE", governor: "schedutil"},
	} {
		t.Run(name, func(t *testing.T) {
			before := host.ReadState(c.tree)
			k := &kernel{tree: c.tree, readOnly: c.readOnly}
			change := host.Set(t.Context(), c.tree, k, c.settings)
			state := host.ReadState(c.tree)
			cpu, gpu, memory := state.Clocks()
			governor := ""
			if len(state.Policies) > 0 {
				governor = state.Policies[0].Governor
			}
			if cpu != c.cpu || gpu != c.gpu || memory != c.memory || state.PowerMode.Name != c.mode || governor != c.governor {
				t.Errorf("cpu %v, gpu %v, memory %v, mode %q, governor %q", cpu, gpu, memory, state.PowerMode.Name, governor)
			}
			if !slices.EqualFunc(change.Warnings, c.warnings, strings.Contains) {
				t.Errorf("warnings %q, want %q", change.Warnings, c.warnings)
			}
			k.readOnly = "" // what was written can be written back
			if err := change.Undo(t.Context()); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(before, host.ReadState(c.tree)); diff != "" {
				t.Errorf("not restored:\n%s", diff)
			}
		})
	}
}

// Clocks are known only where nothing moves them.
func TestClocks(t *testing.T) {
	for name, c := range map[string]struct {
		tree fstest.MapFS
		cpu  unit.Hertz
	}{"xavier-nx": {xavierNX(), 0}, "orin": {orin(), 1.5104e9}, "raspberry-pi-4": {raspberryPi4(), 0}, "pc": {pc(), 0}, "empty": {fstest.MapFS{}, 0}} {
		if cpu, gpu, memory := host.ReadState(c.tree).Clocks(); cpu != c.cpu || gpu != 0 || memory != 0 {
			t.Errorf("%s: %v, %v, %v", name, cpu, gpu, memory)
		}
	}
}

// This machine's own files: what is not there is not made.
func TestChangesMakesNoFile(t *testing.T) {
	name := strings.TrimPrefix(t.TempDir(), "/") + "/scaling_max_freq"
	if err := host.Changes().WriteFile(name, "1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := host.Changes().Run(t.Context(), "/does/not/exist"); err == nil {
		t.Error("a program that is not there has run")
	}
}

// unplugging is a kernel whose first cluster goes offline when it has been written to.
type unplugging struct{ kernel }

func (k *unplugging) WriteFile(name, content string) error {
	err := k.kernel.WriteFile(name, content)
	if strings.Contains(name, "/policy0/") && !strings.HasSuffix(name, "min_freq") {
		for file := range k.tree {
			if strings.Contains(file, "/policy0/") {
				delete(k.tree, file)
			}
		}
	}
	return err
}

// Processors may go offline while their clocks are set; that is a warning like any other.
func TestSetWhileProcessorsGo(t *testing.T) {
	for what, s := range map[string]host.Settings{"governor": {Governor: "performance"}, "clock": {CPUClock: 1e9}} {
		tree := fstest.MapFS{}
		for _, policy := range []string{"policy0", "policy4"} {
			for file, content := range map[string]string{"scaling_governor": "schedutil", "scaling_min_freq": "500000", "scaling_max_freq": "2000000",
				"cpuinfo_min_freq": "500000", "cpuinfo_max_freq": "2000000"} {
				tree["sys/devices/system/cpu/cpufreq/"+policy+"/"+file] = &fstest.MapFile{Data: []byte(content + "\n")}
			}
		}
		k := &unplugging{kernel{tree: tree}}
		c := host.Set(context.Background(), tree, k, s)
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "policy0 ") {
			t.Errorf("%s: warnings %q", what, c.Warnings)
		}
	}
}
