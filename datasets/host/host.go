// Package host reads what this machine is and what state it is in: board, processors, clocks, governors,
// power mode, temperatures, power rails, throttling, load. It fills the provenance of measurements and
// feeds the runner's monitors.
//
// Everything comes from Linux's sysfs and procfs through an [io/fs.FS], so that tests show it machines
// that are not there. What is unknown stays zero or empty and is left out of the JSON form; nothing that
// cannot be read is an error, and nothing is guessed.
//
// Set changes clocks, governors and power modes through a Changer, for callers who were asked to. Reading
// runs no programs (tegrastats, nvpmodel, vcgencmd), reads no clock of its own and knows no network:
// whoever stores an Info adds the time.
package host

import (
	"io/fs"
	"os"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Schema is the version of Info's JSON form. Fields may be added without a new one.
const Schema = 1

// Info is a machine and its state at one moment.
type Info struct {
	Schema  int     `json:"schema"`
	Machine Machine `json:"machine"`
	State   State   `json:"state"`
}

// Machine is what does not change while a program runs.
type Machine struct {
	Board       Board  `json:"board,omitzero"`
	CPU         CPU    `json:"cpu,omitzero"`
	Kernel      Kernel `json:"kernel,omitzero"`
	MemoryBytes int64  `json:"memory_bytes,omitempty"` // what the kernel manages, not what is soldered
}

// Board names the computer.
type Board struct {
	Model  string `json:"model,omitempty"`  // device tree's or DMI's: "NVIDIA Jetson Xavier NX Developer Kit"
	Vendor string `json:"vendor,omitempty"` // DMI's; device trees name it in the model
	// Compatible lists what the device tree claims to be, most specific first: the last one names the
	// system on a chip ("nvidia,tegra194").
	Compatible []string `json:"compatible,omitempty"`
	// Release is the vendor's system release where it has one: "R35.4.1" of NVIDIA's L4T.
	Release string `json:"release,omitempty"`
}

// CPU describes the processors.
type CPU struct {
	Model        string `json:"model,omitempty"`        // "Intel(R) ...", "NVIDIA Carmel", "4x Cortex-A55 + 4x Cortex-A76"
	Architecture string `json:"architecture,omitempty"` // as uname -m: "x86_64", "aarch64"
	Present      int    `json:"present,omitempty"`      // logical processors that exist
	Online       int    `json:"online,omitempty"`       // those in use
	OnlineList   string `json:"online_list,omitempty"`  // "0-3,6"
	Isolated     string `json:"isolated,omitempty"`     // those the scheduler leaves alone
	SMT          string `json:"smt,omitempty"`          // "on" or "off"
	Hypervisor   bool   `json:"hypervisor,omitempty"`   // x86 under a hypervisor: clocks and caches are what it tells
	// Clock is what /proc/cpuinfo tells of the first processor (x86 only). In virtual machines it is
	// the nominal clock; where Policies are known they say more.
	Clock unit.Hertz `json:"clock_hz,omitempty"`
}

// Kernel names the operating system's kernel.
type Kernel struct {
	Name    string `json:"name,omitempty"`    // "Linux"
	Release string `json:"release,omitempty"` // "5.10.120-tegra"
	Version string `json:"version,omitempty"` // "#1 SMP PREEMPT ..."
}

// State is what changes while a program runs.
type State struct {
	PowerMode      PowerMode     `json:"power_mode,omitzero"`
	Boost          string        `json:"boost,omitempty"`        // "on" or "off": x86's turbo
	AllowedCPUs    string        `json:"allowed_cpus,omitempty"` // this process's affinity, "0-5"
	AvailableBytes int64         `json:"available_bytes,omitempty"`
	LoadAverage    []float64     `json:"load_average,omitempty"` // runnable tasks over 1, 5 and 15 minutes; empty if unknown
	CPUTime        CPUTime       `json:"cpu_time,omitzero"`
	Utilisation    []Utilisation `json:"utilisation,omitempty"`  // of GPUs, by name
	Policies       []Policy      `json:"policies,omitempty"`     // CPU clocks, by number
	Devices        []Device      `json:"devices,omitempty"`      // other clocks: GPU, memory, by name
	Temperatures   []Temperature `json:"temperatures,omitempty"` // by zone number
	Rails          []Rail        `json:"rails,omitempty"`        // power, by sensor and channel
	Throttling     []Throttling  `json:"throttling,omitempty"`
	Pressure       []Pressure    `json:"pressure,omitempty"` // cpu, io, memory
}

// FS is this machine's file system.
func FS() fs.FS { return os.DirFS("/") }

// Read reads the machine and its state. It takes a few milliseconds on a board.
func Read(fsys fs.FS) Info {
	return Info{Schema: Schema, Machine: ReadMachine(fsys), State: ReadState(fsys)}
}

// ReadMachine reads what does not change.
func ReadMachine(fsys fs.FS) Machine {
	r := reader{fsys}
	return Machine{
		Board:       r.board(),
		CPU:         r.cpu(),
		Kernel:      Kernel{Name: r.text("proc/sys/kernel/ostype"), Release: r.text("proc/sys/kernel/osrelease"), Version: r.text("proc/sys/kernel/version")},
		MemoryBytes: r.memory("MemTotal"),
	}
}

// ReadState reads what changes.
func ReadState(fsys fs.FS) State {
	r := reader{fsys}
	return State{
		PowerMode:      r.powerMode(),
		Boost:          r.boost(),
		AllowedCPUs:    r.allowed(),
		AvailableBytes: r.memory("MemAvailable"),
		LoadAverage:    r.loadAverage(),
		CPUTime:        r.cpuTime(),
		Utilisation:    r.utilisation(),
		Policies:       r.policies(),
		Devices:        r.devices(),
		Temperatures:   r.temperatures(),
		Rails:          r.rails(),
		Throttling:     r.throttling(),
		Pressure:       r.pressure(),
	}
}
