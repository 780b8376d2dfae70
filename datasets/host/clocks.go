package host

import (
	"path"
	"slices"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Policy is a group of processors that share a clock (Linux's cpufreq).
type Policy struct {
	Name     string `json:"name"`               // "policy0"
	CPUs     string `json:"cpus,omitempty"`     // "0 1", those that are online
	Driver   string `json:"driver,omitempty"`   // "intel_pstate"
	Governor string `json:"governor,omitempty"` // "schedutil"
	Energy   string `json:"energy,omitempty"`   // energy_performance_preference
	// Current is the clock at the moment of reading, Min and Max the limits in force, HardwareMin and
	// HardwareMax those of the hardware.
	Current     unit.Hertz `json:"current_hz,omitempty"`
	Min         unit.Hertz `json:"min_hz,omitempty"`
	Max         unit.Hertz `json:"max_hz,omitempty"`
	HardwareMin unit.Hertz `json:"hardware_min_hz,omitempty"`
	HardwareMax unit.Hertz `json:"hardware_max_hz,omitempty"`
}

// Device is another clocked part: a GPU ("17000000.gv11b"), a memory controller ("emc", "dmc").
type Device struct {
	Name     string     `json:"name"`
	Governor string     `json:"governor,omitempty"`
	Current  unit.Hertz `json:"current_hz,omitempty"`
	Min      unit.Hertz `json:"min_hz,omitempty"`
	Max      unit.Hertz `json:"max_hz,omitempty"`
	// Locked is whether the memory controller of a Jetson is held at its rate.
	Locked bool `json:"locked,omitempty"`
}

// The external memory controller of Jetsons; root only.
const (
	emcName = "emc"
	emcDir  = "sys/kernel/debug/bpmp/debug/clk/emc/"
)

func (r reader) policies() (out []Policy) {
	for _, dir := range r.list("sys/devices/system/cpu/cpufreq", "policy") {
		kilohertz := func(name string) unit.Hertz { return r.hertz(path.Join(dir, name), 1e3) }
		out = append(out, Policy{
			Name:        clean(path.Base(dir)),
			CPUs:        r.text(path.Join(dir, "affected_cpus")),
			Driver:      r.text(path.Join(dir, "scaling_driver")),
			Governor:    r.text(path.Join(dir, "scaling_governor")),
			Energy:      r.text(path.Join(dir, "energy_performance_preference")),
			Current:     kilohertz("scaling_cur_freq"),
			Min:         kilohertz("scaling_min_freq"),
			Max:         kilohertz("scaling_max_freq"),
			HardwareMin: kilohertz("cpuinfo_min_freq"),
			HardwareMax: kilohertz("cpuinfo_max_freq"),
		})
	}
	return out
}

// policy returns the policy of a name; nothing but the name if it is gone: processors come and go.
func (r reader) policy(name string) Policy {
	policies := r.policies()
	if i := slices.IndexFunc(policies, func(p Policy) bool { return p.Name == name }); i >= 0 {
		return policies[i]
	}
	return Policy{Name: name}
}

// boost reads the switch of acpi-cpufreq and amd-pstate, or that of intel_pstate, which is inverted.
func (r reader) boost() string {
	if s := onOff(r.text("sys/devices/system/cpu/cpufreq/boost"), "1"); s != "" {
		return s
	}
	return onOff(r.text("sys/devices/system/cpu/intel_pstate/no_turbo"), "0")
}

func (r reader) devices() (out []Device) {
	for _, dir := range r.list("sys/class/devfreq", "") {
		out = append(out, r.device(clean(path.Base(dir)), path.Join(dir, "governor"), path.Join(dir, "cur_freq"), path.Join(dir, "min_freq"), path.Join(dir, "max_freq")))
	}
	if d := r.device(emcName, "", emcDir+"rate", emcDir+"min_rate", emcDir+"max_rate"); d.Current > 0 {
		d.Locked = r.text(emcDir+"mrq_rate_locked") == "1"
		out = append(out, d)
	}
	return out
}

func (r reader) device(name, governor, current, least, most string) Device {
	d := Device{Name: name}
	if governor != "" {
		d.Governor = r.text(governor)
	}
	d.Current, d.Min, d.Max = r.hertz(current, 1), r.hertz(least, 1), r.hertz(most, 1)
	return d
}
