package host

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Governor holds processors at the clocks that its caller asks for, and puts back what it found.
//
// The processor "cpu" is all of Linux's cpufreq policies: under the governor userspace where the system has it
// (scaling_setspeed), else by their lowest and highest clock. "gpu" is the GPU's devfreq device, by its lowest and highest
// clock. A cluster that cannot run at the clock that is asked for is held at the nearest one that it can. Limits that it
// finds are kept: they are the power mode's, or somebody's choice.
//
// Nothing is changed before the first Set. Restore puts everything back; a process that is killed leaves the clocks as they
// are then, and what Save was told says what to put back. Its methods may be called from any goroutine.
//
// Source: Linux, Documentation/admin-guide/pm/cpufreq.rst; Documentation/ABI/testing/sysfs-class-devfreq.
type Governor struct {
	// Save, unless nil, is told before anything is changed what is to be put back, all of it each time, and nil when that was done. It is to be
	// set before the first Set, and called from there.
	Save func(files []Content)

	fsys    fs.FS
	changer Changer

	mu      sync.Mutex
	domains map[string]*domain // by processor

	left   map[string]string // files that could not be put back, with what is to stand there
	lately sync.Map          // of string and Held: what Read found last
}

// errChanging is why a clock is not set while the power mode changes.
var errChanging = errors.New("the power mode is being changed")

// NewGovernor returns a governor that has changed nothing.
func NewGovernor(fsys fs.FS, changer Changer) *Governor {
	return &Governor{fsys: fsys, changer: changer, domains: map[string]*domain{}}
}

// Held is what holds of a processor's clock.
type Held struct {
	// Clock is the one that is held; 0 if something else may move it, or if the system tells none.
	Clock unit.Hertz
	// Low and High are the lowest and the highest clock that can be had at present, by power mode, heat and whatever else
	// limits them; 0 if the system tells none.
	Low, High unit.Hertz
}

// Set asks for a clock of a processor and returns the one that is held afterwards, 0 if none is. It returns an error if something
// could not be written, if the system tells no clock of the processor, or during Around.
func (g *Governor) Set(processor string, clock unit.Hertz) (unit.Hertz, error) {
	if !g.mu.TryLock() {
		return 0, errChanging
	}
	defer g.mu.Unlock()
	return g.set(processor, clock)
}

func (g *Governor) set(processor string, clock unit.Hertz) (unit.Hertz, error) {
	d := g.domain(processor)
	if len(d.targets) == 0 {
		return 0, fmt.Errorf("the system tells no clock of processor %s", processor)
	}
	if !(clock > 0) {
		return 0, fmt.Errorf("clock %v is not positive", clock)
	}
	var errs []error
	d.asked = clock
	for _, t := range d.targets {
		if !d.taken {
			t.take(g)
		}
		errs = append(errs, t.set(g, clock))
	}
	d.taken = true
	return d.held(g.reader()).Clock, errors.Join(errs...)
}

// Read tells what holds of a processor's clock, the zero value if the system tells nothing. During Around it is what held before.
func (g *Governor) Read(processor string) Held {
	if !g.mu.TryLock() {
		h, _ := g.lately.Load(processor)
		held, _ := h.(Held)
		return held
	}
	defer g.mu.Unlock()
	h := g.domain(processor).held(g.reader())
	g.lately.Store(processor, h)
	return h
}

// Around puts everything back, does something that changes what clocks can be had, such as setting the power mode, and takes over
// again, within the limits that are found then. It may take as long as that takes; meanwhile Read and Set do not wait. It returns what
// could not be put back or taken over, joined to the error of what it did.
func (g *Governor) Around(change func() error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	asked := map[string]unit.Hertz{}
	for name, d := range g.domains {
		if d.taken {
			asked[name] = d.asked
		}
	}
	errs := []error{g.restore(), change()}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		h := g.domain(name).held(g.reader())
		clock := max(asked[name], h.Low)
		if h.High > 0 {
			clock = min(clock, h.High)
		}
		_, err := g.set(name, clock)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Files returns the files that Set writes for a processor, named as in the file system; none if the system tells no clock of it.
func (g *Governor) Files(processor string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var files []string
	for _, t := range g.domain(processor).targets {
		if t.speed != "" {
			files = append(files, t.governor, t.speed)
		} else {
			files = append(files, t.lowest, t.highest)
		}
	}
	return files
}

// Restore puts back what was found before the first Set of each processor, and returns what could not be, which it tries again the next time
// if a Set comes between. The next Set takes over again.
func (g *Governor) Restore() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.restore()
}

func (g *Governor) restore() error {
	var changed []Content
	taken := false
	for _, c := range g.before() {
		taken = true
		if _, left := g.left[c.Name]; c.wrote || left {
			changed = append(changed, c.Content)
		}
	}
	err := PutBack(g.fsys, g.changer, changed)
	clear(g.domains)
	g.left = nil
	if err != nil { // what is found there from now on is not what is to be put back
		g.left = map[string]string{}
		for _, c := range changed {
			g.left[c.Name] = c.Text
		}
	}
	if taken && err == nil && g.Save != nil {
		g.Save(nil)
	}
	return err
}

// remembered is what stood in a file of a target, and whether that was changed.
type remembered struct {
	Content
	wrote bool
}

func (g *Governor) before() (all []remembered) {
	for _, name := range slices.Sorted(maps.Keys(g.domains)) {
		for _, t := range g.domains[name].targets {
			for _, c := range t.before {
				all = append(all, remembered{c, t.wrote[c.Name]})
			}
		}
	}
	return all
}

func (g *Governor) save() {
	if g.Save == nil {
		return
	}
	var files []Content
	for _, c := range g.before() {
		files = append(files, c.Content)
	}
	g.Save(files)
}

func (g *Governor) reader() reader { return reader{g.fsys} }

// domain finds what clocks a processor.
func (g *Governor) domain(processor string) *domain {
	d := g.domains[processor]
	if d == nil {
		d = &domain{}
		switch r := g.reader(); processor {
		case "cpu":
			for _, p := range r.policies() {
				d.targets = append(d.targets, policyTarget(r, p))
			}
		case "gpu":
			for _, v := range r.devices() {
				if v.kind() == gpuDevice {
					d.targets = append(d.targets, deviceTarget(v))
				}
			}
		}
		g.domains[processor] = d
	}
	return d
}

// domain is what clocks a processor.
type domain struct {
	taken   bool
	asked   unit.Hertz // last
	targets []*target
}

// held tells what holds of a processor: once a clock was asked for, that of the target which is furthest below it. A
// cluster counts as holding what was asked for if it is at what its hardware can do towards that.
func (d *domain) held(r reader) Held {
	var all Held
	moves, limited := false, false
	possible := slices.ContainsFunc(d.targets, func(t *target) bool { return !t.clamped }) // for one of them
	for _, t := range d.targets {
		h := t.held(r)
		if h == (Held{}) {
			continue // offline
		}
		all.Low = max(all.Low, h.Low)
		switch capped := t.most == 0 || h.High < t.most; {
		case capped && (!limited || h.High < all.High):
			all.High, limited = h.High, true
		case !limited:
			all.High = max(all.High, h.High)
		}
		if t.clamped && possible && h.Clock == t.wanted {
			h.Clock = d.asked
		}
		switch {
		case h.Clock == 0:
			moves = true
		case all.Clock == 0 || d.taken && h.Clock < all.Clock || !d.taken && h.Clock > all.Clock:
			all.Clock = h.Clock
		}
	}
	if moves {
		all.Clock = 0
	}
	all.Low = min(all.Low, all.High)
	return all
}
