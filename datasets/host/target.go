package host

import (
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
	before  []Content       // of all that may be changed
	wrote   map[string]bool // of these, what was
}

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
	if t.speed != "" {
		t.remember(g, t.governor, t.speed)
		if t.obeys = t.govern(g) == nil; t.obeys {
			return
		}
	}
	t.remember(g, t.lowest, t.highest) // may be written even where the governor stays
}

// remember says what is to be put back, before it is changed.
func (t *target) remember(g *Governor, files ...string) {
	t.before, t.wrote = nil, map[string]bool{}
	for _, f := range files {
		text, left := g.left[f]
		if !left {
			text = strings.TrimSpace(g.reader().raw(f))
		}
		t.before = append(t.before, Content{f, text})
	}
	g.save()
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
