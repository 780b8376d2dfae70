package host_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/unit"
)

// A board that is built in is known by its model; another machine is described by what its kernel tells, and the rest is
// marked.
func TestAsBoard(t *testing.T) {
	b, err := host.AsBoard(xavierNX())
	if err != nil {
		t.Fatal(err)
	}
	known, err := board.Builtin("jetson-xavier-nx")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(known.Processors, b.Processors); d != "" || b.Name != "host" || !strings.Contains(b.Description, "This machine calls itself") {
		t.Errorf("the Xavier NX is %s: %s\n%s", b.Name, b.Description, d)
	}

	pc := pc()
	pc["sys/class/thermal/thermal_zone0/trip_point_0_type"] = &fstest.MapFile{Data: []byte("critical\n")}
	pc["sys/class/thermal/thermal_zone0/trip_point_0_temp"] = &fstest.MapFile{Data: []byte("104000\n")}
	pc["sys/class/thermal/thermal_zone0/trip_point_1_type"] = &fstest.MapFile{Data: []byte("passive\n")}
	pc["sys/class/thermal/thermal_zone0/trip_point_1_temp"] = &fstest.MapFile{Data: []byte("95000\n")}
	pc["sys/class/thermal/thermal_zone0/trip_point_1_hyst"] = &fstest.MapFile{Data: []byte("2000\n")}
	machine := host.ReadMachine(pc)
	b, err = host.AsBoard(pc)
	if err != nil {
		t.Fatal(err)
	}
	cpu := b.Processor("cpu")
	if cpu.Cores.Value != machine.CPU.Present || cpu.Cores.Assumption || !cpu.Clocks.Assumption || cpu.Model != machine.CPU.Model ||
		b.Memory.Size.Value != board.Bytes(machine.MemoryBytes) || len(b.Modes) != 0 {
		t.Errorf("the PC is %+v", b)
	}
	state := host.ReadState(pc)
	clocks := cpu.Clocks.Values
	if clocks[0] != state.Policies[0].HardwareMin || clocks[len(clocks)-1] != state.Policies[0].HardwareMax {
		t.Errorf("clocks %v, the kernel tells %v to %v", clocks, state.Policies[0].HardwareMin, state.Policies[0].HardwareMax)
	}
	if trips := b.Thermal.Trips; len(trips) != 2 || trips[0].Kind != board.Critical || trips[0].At.Value != 104 || trips[1].Kind != board.Throttle || trips[1].Hysteresis.Value != 2 || trips[1].Assumption {
		t.Errorf("trips %+v", trips)
	}
	for _, key := range []string{"power.energy", "thermal.ambient", "power.parts.cpu.full", "memory.clocks"} {
		if !strings.Contains(strings.Join(b.Assumptions(), " "), key) {
			t.Errorf("%s is no assumption", key)
		}
	}
	data, err := b.Encode() // a file to start from
	if err != nil {
		t.Fatal(err)
	}
	if _, err := board.Parse("host.yaml", data); err != nil {
		t.Error(err)
	}

	policy := "sys/devices/system/cpu/cpufreq/policy0/scaling_available_frequencies"
	pc[policy] = &fstest.MapFile{Data: []byte("1800000 1200000 nonsense 600000 600000\n")}
	if b, err = host.AsBoard(pc); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]unit.Hertz{600e6, 1200e6, 1800e6}, b.Processor("cpu").Clocks.Values); d != "" || b.Processor("cpu").Clocks.Assumption {
		t.Errorf("clocks the kernel tells (-want +got):\n%s", d)
	}
	if b, err := host.AsBoard(fstest.MapFS{}); err == nil {
		t.Errorf("a machine that tells nothing is %+v", b)
	}
	for name, tree := range map[string]fstest.MapFS{"orin": orin(), "pi": raspberryPi4()} {
		if _, err := host.AsBoard(tree); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := host.AsBoard(host.FS()); err != nil {
		t.Logf("this machine: %v", err)
	}
}
