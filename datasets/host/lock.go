package host

import (
	"strings"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Clocks returns the clocks that are held, and so known while something runs: those whose lowest and
// highest allowed value agree, the same for all CPU policies, and a memory controller whose rate is
// locked. A clock that governors may move, or that the system does not tell, is 0.
func (s State) Clocks() (cpu, gpu, memory unit.Hertz) {
	for i, p := range s.Policies {
		if p.Min == 0 || p.Min != p.Max || i > 0 && p.Min != cpu {
			cpu = 0
			break
		}
		cpu = p.Min
	}
	for _, d := range s.Devices {
		held := d.Current
		if !d.Locked {
			if held = d.Min; d.Min != d.Max || isEMC(d) {
				held = 0
			}
		}
		switch d.kind() {
		case gpuDevice:
			gpu = held
		case memoryDevice:
			memory = held
		}
	}
	return cpu, gpu, memory
}

// deviceKind says what a Device clocks.
type deviceKind int

const (
	otherDevice deviceKind = iota
	gpuDevice
	memoryDevice
)

// kind goes by the names that drivers give: NVIDIA's gv11b (Xavier), ga10b (Orin), gp10b (TX2), gm20b
// (Nano), Arm's mali, Broadcom's v3d; dmc and emc are memory controllers.
func (d Device) kind() deviceKind {
	name := strings.ToLower(d.Name)
	for _, part := range []string{"gpu", "gv11b", "ga10b", "gp10b", "gm20b", "mali", "v3d"} {
		if strings.Contains(name, part) {
			return gpuDevice
		}
	}
	for _, part := range []string{"emc", "dmc", "memory-controller"} {
		if strings.Contains(name, part) {
			return memoryDevice
		}
	}
	return otherDevice
}

// isEMC reports whether a device is the memory controller that Jetsons show to root alone, whose lowest
// and highest rates are what it can do, not what it is held to.
func isEMC(d Device) bool { return d.Name == emcName }
