package host

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/unit"
)

// armParts names ARM processors by implementer and part of the main identification register.
//
// Source: Linux, arch/arm64/include/asm/cputype.h and arch/arm/include/asm/cputype.h.
var armParts = map[string]string{
	"0x41/0xc07": "Cortex-A7", "0x41/0xc09": "Cortex-A9", "0x41/0xc0f": "Cortex-A15",
	"0x41/0xd03": "Cortex-A53", "0x41/0xd04": "Cortex-A35", "0x41/0xd05": "Cortex-A55", "0x41/0xd07": "Cortex-A57",
	"0x41/0xd08": "Cortex-A72", "0x41/0xd09": "Cortex-A73", "0x41/0xd0a": "Cortex-A75", "0x41/0xd0b": "Cortex-A76",
	"0x41/0xd0c": "Neoverse-N1", "0x41/0xd0d": "Cortex-A77", "0x41/0xd40": "Neoverse-V1", "0x41/0xd41": "Cortex-A78",
	"0x41/0xd42": "Cortex-A78AE", "0x41/0xd44": "Cortex-X1", "0x41/0xd46": "Cortex-A510", "0x41/0xd47": "Cortex-A710",
	"0x41/0xd48": "Cortex-X2", "0x41/0xd49": "Neoverse-N2", "0x41/0xd4b": "Cortex-A78C", "0x41/0xd4d": "Cortex-A715",
	"0x41/0xd4e": "Cortex-X3", "0x41/0xd4f": "Neoverse-V2", "0x41/0xd80": "Cortex-A520", "0x41/0xd81": "Cortex-A720",
	"0x41/0xd82": "Cortex-X4", "0x41/0xd83": "Neoverse-V3AE", "0x41/0xd84": "Neoverse-V3",
	"0x4e/0x003": "NVIDIA Denver 2", "0x4e/0x004": "NVIDIA Carmel",
}

// cpuinfo is what /proc/cpuinfo tells, in x86's, ARM's or RISC-V's form.
type cpuinfo struct {
	processors  int
	name        string   // x86: "model name"; ARM's says next to nothing
	cores       []string // ARM: implementer/part of each processor; RISC-V: uarch
	flags       string   // x86 "flags", ARM "Features", of the first processor
	armVersion  string
	isa         string
	implementer string
	clock       unit.Hertz
}

func parseCPUInfo(text string) (c cpuinfo) {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch key {
		case "processor":
			// 32-bit ARM also has a "Processor" line, in capitals.
			c.processors++
		case "model name":
			first(&c.name, value)
		case "flags", "Features":
			first(&c.flags, value)
		case "CPU architecture":
			first(&c.armVersion, value)
		case "isa":
			first(&c.isa, value)
		case "CPU implementer":
			c.implementer = value
		case "CPU part":
			c.core(c.implementer + "/" + value)
		case "uarch":
			c.core(value)
		case "cpu MHz":
			if mhz, ok := fraction(value); ok && c.clock == 0 && mhz < 1e6 {
				c.clock = unit.Hertz(mhz * 1e6)
			}
		}
	}
	return c
}

func (c *cpuinfo) core(name string) {
	if len(c.cores) < maxCPUs {
		c.cores = append(c.cores, name)
	}
}

func first(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

func (c cpuinfo) has(flag string) bool { return strings.Contains(" "+c.flags+" ", " "+flag+" ") }

// model names the processors; several kinds with their numbers, in the order of the first of each.
func (c cpuinfo) model() string {
	var kinds []string
	counts := map[string]int{}
	for _, core := range c.cores {
		if counts[core]++; counts[core] == 1 {
			kinds = append(kinds, core)
		}
	}
	if len(kinds) == 0 {
		return clean(c.name)
	}
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = kind
		if implementer, part, ok := strings.Cut(kind, "/"); ok {
			names[i] = armParts[kind]
			if names[i] == "" {
				names[i] = fmt.Sprintf("ARM implementer %s part %s", implementer, part)
			}
		}
		if len(kinds) > 1 {
			names[i] = strconv.Itoa(counts[kind]) + "x " + names[i]
		}
	}
	return clean(strings.Join(names, " + "))
}

// architecture follows from the instruction set's marks, for kernels before 6.1, which do not tell it.
func (c cpuinfo) architecture() string {
	switch {
	case c.has("lm"):
		return "x86_64"
	case c.has("fpu") && c.has("cx8"):
		return "i686"
	case c.has("asimd"):
		return "aarch64"
	case strings.HasPrefix(c.armVersion, "7"):
		return "armv7l"
	case strings.HasPrefix(c.isa, "rv64"):
		return "riscv64"
	}
	return ""
}

func (r reader) cpu() CPU {
	const dir = "sys/devices/system/cpu/"
	info := parseCPUInfo(r.raw("proc/cpuinfo"))
	c := CPU{
		Model:        info.model(),
		Architecture: r.text("proc/sys/kernel/arch"),
		OnlineList:   r.cpuList(dir + "online"),
		Isolated:     r.cpuList(dir + "isolated"),
		SMT:          onOff(r.text(dir+"smt/active"), "1"),
		Hypervisor:   info.has("hypervisor"),
		Clock:        info.clock,
		Present:      count(r.cpuList(dir + "present")),
	}
	if c.Architecture == "" {
		c.Architecture = info.architecture()
	}
	if c.Online = count(c.OnlineList); c.Online == 0 {
		c.Online = info.processors
	}
	return c
}
