package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Settings are clocks and modes that somebody asks for. Zero fields are left as they are.
type Settings struct {
	CPUClock    unit.Hertz // lowest and highest clock of every processor
	GPUClock    unit.Hertz
	MemoryClock unit.Hertz
	Governor    string // of every processor: "performance"
	PowerMode   string // name or number of nvpmodel's, or name of ACPI's platform profile
}

// Changer changes the machine that a file system shows.
type Changer interface {
	// WriteFile replaces the content of a file that exists, named as in the file system.
	WriteFile(name, content string) error
	// Run runs a program without input and returns an error with what it printed if it fails.
	Run(ctx context.Context, program string, args ...string) error
}

// machine is the Changer of what lies in a folder.
type machine struct{ root string }

// Changes returns this machine's Changer.
func Changes() Changer { return ChangesAt("/") }

// ChangesAt returns the Changer of a machine whose file system lies in a folder: that of the host in a container, say. Programs run
// for "/" only.
func ChangesAt(root string) Changer { return machine{root} }

// WriteFile implements Changer. It creates no file.
func (m machine) WriteFile(name, content string) error {
	f, err := os.OpenFile(filepath.Join(m.root, filepath.FromSlash(name)), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Close())
}

// Run implements Changer.
func (m machine) Run(ctx context.Context, program string, args ...string) error {
	if m.root != "/" {
		return fmt.Errorf("%s: no program is run for the system in %s", program, m.root)
	}
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, clean(string(out)))
	}
	return nil
}

// Change is what Set has changed, to be undone.
type Change struct {
	// Warnings say which of the settings the system refused, or took and did not follow. What is in
	// force is what ReadState tells afterwards, not what was asked for.
	Warnings []string

	fsys    fs.FS
	changer Changer
	undo    []func(context.Context) error // in the order of the changes
}

// Set asks the system for settings: the power mode, then the governor, then clocks, and looks whether
// they came about. Nothing that fails is an error: a machine that lets nobody set a clock can still be
// measured, and a Change says what it refused. Undo takes back what was changed; a process that is
// killed leaves the settings.
func Set(ctx context.Context, fsys fs.FS, changer Changer, s Settings) *Change {
	c := &Change{fsys: fsys, changer: changer}
	if s.PowerMode != "" {
		c.powerMode(ctx, s.PowerMode)
	}
	if s.Governor != "" {
		c.governor(s.Governor)
	}
	if s.CPUClock > 0 {
		c.cpuClock(s.CPUClock)
	}
	c.deviceClock("gpu clock", gpuDevice, s.GPUClock)
	c.deviceClock("memory clock", memoryDevice, s.MemoryClock)
	return c
}

// Undo restores what Set found, last change first, and returns what could not be restored.
func (c *Change) Undo(ctx context.Context) error {
	var errs []error
	for _, undo := range slices.Backward(c.undo) {
		errs = append(errs, undo(ctx))
	}
	c.undo = nil
	return errors.Join(errs...)
}

func (c *Change) warn(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}

func (c *Change) reader() reader { return reader{c.fsys} }

// write replaces a file's content and remembers the one before.
func (c *Change) write(name, content string) error {
	before := strings.TrimSpace(c.reader().raw(name))
	if before == content {
		return nil
	}
	if err := c.changer.WriteFile(name, content); err != nil {
		return err
	}
	c.undo = append(c.undo, func(context.Context) error { return c.changer.WriteFile(name, before) })
	return nil
}

func (c *Change) powerMode(ctx context.Context, want string) {
	r := c.reader()
	before := r.powerMode()
	id := want
	if conf := r.raw("etc/nvpmodel.conf"); conf != "" {
		id = nvpmodelID(conf, want)
	}
	switch {
	case id == "":
		c.warn("power mode %s was asked for, but nvpmodel knows none of that name", want)
		return
	case before.ID != "":
		if err := c.changer.Run(ctx, "nvpmodel", "-m", id); err != nil {
			c.warn("power mode %s was asked for, but refused: %v", want, err)
			return
		}
		if old := before.ID; old != id {
			c.undo = append(c.undo, func(ctx context.Context) error { return c.changer.Run(ctx, "nvpmodel", "-m", old) })
		}
	case before.Name != "":
		if err := c.write("sys/firmware/acpi/platform_profile", want); err != nil {
			c.warn("power mode %s was asked for, but refused: %v", want, err)
			return
		}
	default:
		c.warn("power mode %s was asked for, but the system has neither nvpmodel nor platform profiles", want)
		return
	}
	if after := r.powerMode(); after.ID != id && after.Name != want {
		c.warn("power mode %s was asked for, but %s is in force", want, cmp.Or(after.Name, after.ID, "an unknown one"))
	}
}

// nvpmodelID returns the number of a power mode by its name or number, or nothing.
func nvpmodelID(conf, want string) string {
	for line := range strings.Lines(conf) {
		fields := strings.Fields(strings.Trim(strings.TrimSpace(line), "<>"))
		if len(fields) < 3 || fields[0] != "POWER_MODEL" {
			continue
		}
		id, okID := strings.CutPrefix(fields[1], "ID=")
		name, okName := strings.CutPrefix(fields[2], "NAME=")
		if okID && okName && (id == want || name == want) {
			return id
		}
	}
	return ""
}

func (c *Change) governor(want string) {
	policies := c.reader().policies()
	if len(policies) == 0 {
		c.warn("governor %s was asked for, but the system tells no CPU clocks", want)
	}
	for _, p := range policies {
		if err := c.write(policyFile(p, "scaling_governor"), want); err != nil {
			c.warn("governor %s was asked for, but refused by %s: %v", want, p.Name, err)
		} else if after := c.reader().policy(p.Name); after.Governor != want {
			c.warn("governor %s was asked for, but %s has %s", want, p.Name, after.Governor)
		}
	}
}

func policyFile(p Policy, name string) string {
	return path.Join("sys/devices/system/cpu/cpufreq", p.Name, name)
}

func (c *Change) cpuClock(want unit.Hertz) {
	policies := c.reader().policies()
	if len(policies) == 0 {
		c.warn("cpu clock %v was asked for, but the system tells none", want)
	}
	for _, p := range policies {
		err := c.hold(policyFile(p, "scaling_min_freq"), policyFile(p, "scaling_max_freq"), want, p.Max, 1e3)
		if err != nil {
			c.warn("cpu clock %v was asked for, but refused by %s: %v", want, p.Name, err)
			continue
		}
		if after := c.reader().policy(p.Name); after.Min != want || after.Max != want {
			c.warn("cpu clock %v was asked for, but %s runs at %v to %v", want, p.Name, after.Min, after.Max)
		}
	}
}

// hold writes lowest and highest clock, in an order in which the lowest is never above the highest:
// kernels refuse that.
func (c *Change) hold(lowest, highest string, want, most unit.Hertz, per float64) error {
	files := []string{lowest, highest}
	if want > most {
		files = []string{highest, lowest}
	}
	text := strconv.FormatFloat(float64(want)/per, 'f', 0, 64)
	for _, f := range files {
		if err := c.write(f, text); err != nil {
			return err
		}
	}
	return nil
}

func (c *Change) deviceClock(what string, kind deviceKind, want unit.Hertz) {
	if want == 0 {
		return
	}
	found := false
	for _, d := range c.reader().devices() {
		if d.kind() != kind {
			continue
		}
		found = true
		var err error
		if isEMC(d) {
			if err = c.write(emcDir+"rate", strconv.FormatFloat(float64(want), 'f', 0, 64)); err == nil {
				err = c.write(emcDir+"mrq_rate_locked", "1")
			}
		} else {
			dir := path.Join("sys/class/devfreq", d.Name)
			err = c.hold(path.Join(dir, "min_freq"), path.Join(dir, "max_freq"), want, d.Max, 1)
		}
		if err != nil {
			c.warn("%s %v was asked for, but refused by %s: %v", what, want, d.Name, err)
			return
		}
	}
	if !found {
		c.warn("%s %v was asked for, but the system tells none", what, want)
		return
	}
	_, gpu, memory := ReadState(c.fsys).Clocks()
	held := gpu
	if kind == memoryDevice {
		held = memory
	}
	if held != want {
		c.warn("%s %v was asked for, but is not held", what, want)
	}
}
