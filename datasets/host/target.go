package host

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/unit"
)

// userspace is the governor that leaves the clock to programs.
const userspace = "userspace"

// target is a cpufreq policy or a devfreq device under a Governor.
type target struct {
	name            string
	governor, speed string // files; empty: lowest and highest clock are set
	lowest, highest string
	per             float64    // Hz per unit of the files
	least, most     unit.Hertz // of the hardware; 0: not told
	found           Held       // limits when it was taken

	obeys   bool // it is under the governor userspace
	wanted  unit.Hertz
	clamped bool            // wanted is not what was asked for, since the hardware cannot do that
	before  []content       // of all that may be changed
	wrote   map[string]bool // of these, what was
}

// content is a file with what stands there.
type content struct{ name, text string }

func policyTarget(r reader, p Policy) *target {
	t := &target{
		name: p.Name, lowest: policyFile(p, "scaling_min_freq"), highest: policyFile(p, "scaling_max_freq"), per: 1e3,
		least: p.HardwareMin, most: p.HardwareMax,
	}
	speed := policyFile(p, "scaling_setspeed")
	available := strings.Fields(r.raw(policyFile(p, "scaling_available_governors")))
	if _, err := fs.Stat(r.FS, speed); err == nil && (p.Governor == userspace || slices.Contains(available, userspace)) {
		t.governor, t.speed = policyFile(p, "scaling_governor"), speed
	}
	return t
}

func deviceTarget(d Device) *target {
	dir := path.Join("sys/class/devfreq", d.Name)
	return &target{name: d.Name, lowest: path.Join(dir, "min_freq"), highest: path.Join(dir, "max_freq"), per: 1}
}

// take remembers what stands there, and puts the target under the governor userspace if it has one.
func (t *target) take(g *Governor) {
	now := t.held(g.reader())
	t.found = Held{Low: now.Low, High: now.High}
	t.before, t.wrote = nil, map[string]bool{}
	files := []string{t.lowest, t.highest}
	if t.speed != "" {
		files = append(files, t.governor, t.speed)
	}
	for _, f := range files {
		t.before = append(t.before, content{f, strings.TrimSpace(g.reader().raw(f))})
	}
	if t.speed == "" {
		return
	}
	// Where the governor stays, lowest and highest clock may still be written.
	t.obeys = t.govern(g) == nil
}

// govern puts the target under the governor userspace.
func (t *target) govern(g *Governor) error {
	if strings.TrimSpace(g.reader().raw(t.governor)) == userspace {
		return nil
	}
	return t.write(g, t.governor, userspace)
}

func (t *target) write(g *Governor, file, text string) error {
	if err := g.changer.WriteFile(file, text); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	t.wrote[file] = true
	return nil
}

// set asks for a clock, or for the nearest one that the hardware can do.
func (t *target) set(g *Governor, clock unit.Hertz) error {
	asked := clock
	if t.most > 0 {
		clock = min(clock, t.most)
	}
	clock = max(clock, t.least)
	t.clamped = clock != asked
	n := math.Round(float64(clock) / t.per)
	t.wanted = unit.Hertz(n * t.per)
	text := strconv.FormatFloat(n, 'f', 0, 64)
	if t.obeys {
		if err := t.govern(g); err != nil { // something else took over
			return err
		}
		return t.write(g, t.speed, text)
	}
	files := []string{t.lowest, t.highest}
	if t.wanted > g.reader().hertz(t.highest, t.per) { // kernels refuse a lowest clock above the highest
		files = []string{t.highest, t.lowest}
	}
	for _, f := range files {
		if strings.TrimSpace(g.reader().raw(f)) == text {
			continue
		}
		if err := t.write(g, f, text); err != nil {
			return err
		}
	}
	return nil
}

// held tells what holds.
func (t *target) held(r reader) Held {
	h := Held{Low: r.hertz(t.lowest, t.per), High: r.hertz(t.highest, t.per)}
	switch {
	case t.obeys:
		if r.text(t.governor) == userspace {
			h.Clock = r.hertz(t.speed, t.per)
		}
	case t.wanted > 0 && len(t.wrote) > 0: // lowest and highest clock are ours, but for what heat takes away
		low, high := h.Low, h.High
		h.Low, h.High = t.found.Low, t.found.High
		switch {
		case low == high:
			h.Clock = high
		case high > 0 && high < t.wanted:
			h.Clock = high
		}
		if high > 0 && high < t.wanted {
			h.High = high
		}
	case h.Low == h.High:
		h.Clock = h.Low
	}
	return h
}

// restore writes back what was changed.
func (t *target) restore(g *Governor) error {
	var errs []error
	order := slices.Clone(t.before)
	// Lowest and highest clock must not cross on the way: the highest goes up first, or the lowest down.
	if len(order) > 1 && g.reader().hertz(t.lowest, t.per) <= t.found.High {
		order[0], order[1] = order[1], order[0]
	}
	governor := ""
	for _, c := range order {
		if c.name == t.governor {
			governor = c.text
		}
		if !t.wrote[c.name] || c.text == "" || c.name == t.speed && governor != userspace {
			continue
		}
		if err := g.changer.WriteFile(c.name, c.text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s cannot be put back into /%s: %w", t.name, c.text, c.name, err))
		}
	}
	return errors.Join(errs...)
}
