package board_test

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
)

var update = flag.Bool("update", false, "write the golden files")

func builtin(t testing.TB, name string) *board.Board {
	t.Helper()
	b, err := board.Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBuiltins(t *testing.T) {
	want := []string{"jetson-orin-nano", "jetson-xavier-nx", "raspberry-pi-4", "raspberry-pi-5"}
	if diff := cmp.Diff(want, board.Builtins()); diff != "" {
		t.Error(diff)
	}
	for _, name := range board.Builtins() {
		b := builtin(t, name)
		if b.Name != name {
			t.Errorf("%s calls itself %s", name, b.Name)
		}
		if err := b.Validate(); err != nil {
			t.Error(err)
		}
		data, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := board.Parse(name+".yaml", data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, again); diff != "" {
			t.Errorf("%s, written and read (-was +is):\n%s", name, diff)
		}
	}
	if _, err := board.Builtin("jetson-nano"); err == nil || !strings.Contains(err.Error(), "jetson-orin-nano, jetson-xavier-nx") {
		t.Errorf("error %v, want the names that there are", err)
	}
	if _, err := board.Builtin("../boards/raspberry-pi-4"); err == nil {
		t.Error("a path is taken for a name")
	}
}

// TestDescribe compares with golden files, which people read: -update writes them.
func TestDescribe(t *testing.T) {
	for _, name := range board.Builtins() {
		b := builtin(t, name)
		var got bytes.Buffer
		if err := b.Describe(&got); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		keys := b.Assumptions()
		if n := strings.Count(got.String(), "ASSUMED: "); n < len(keys)-countModes(b) {
			t.Errorf("%s marks %d assumptions of %d", name, n, len(keys))
		}
		if last := fmt.Sprintf("\n%d of ", len(keys)); !strings.Contains(got.String(), last) {
			t.Errorf("%s does not count its %d assumptions", name, len(keys))
		}
		for _, s := range b.Sources {
			if !strings.Contains(got.String(), s.Text) {
				t.Errorf("%s does not show source %s", name, s.ID)
			}
		}
	}
}

// countModes returns how many assumptions stand in the table of modes, where a row has one mark.
func countModes(b *board.Board) int {
	n := 0
	for _, key := range b.Assumptions() {
		if strings.HasPrefix(key, "modes.") {
			n++
		}
	}
	return n
}

// TestXavierNX: the numbers are those of nvpmodel_t194_p3668.conf, the devfreq table and the thermal
// device tree, copied by hand.
func TestXavierNX(t *testing.T) {
	b := builtin(t, "jetson-xavier-nx")
	cpu, gpu := b.Processor("cpu"), b.Processor("gpu")
	if cpu.Cores.Value != 6 || cpu.Clusters.Value != 3 || len(cpu.Clocks.Values) != 25 || len(gpu.Clocks.Values) != 15 {
		t.Errorf("cpu %v cores, %v clusters, %v; gpu %v", cpu.Cores, cpu.Clusters, cpu.Clocks, gpu.Clocks)
	}
	for k, c := range cpu.Clocks.Values[:24] {
		if want := 115.2e6 + 76.8e6*float64(k); math.Abs(float64(c)-want) > 1 {
			t.Errorf("cpu step %d is %v, want %v", k, c, want)
		}
	}
	if top := cpu.Clocks.Values[24]; top != 1907.2e6 {
		t.Errorf("the cpu's top clock is %v", top)
	}
	wantGPU := []unit.Hertz{114750000, 204000000, 306000000, 408000000, 510000000, 599250000, 701250000, 752250000,
		803250000, 854250000, 905250000, 956250000, 1007250000, 1058250000, 1109250000}
	if diff := cmp.Diff(wantGPU, gpu.Clocks.Values); diff != "" {
		t.Errorf("gpu steps (-want +got):\n%s", diff)
	}
	if d := [...]time.Duration{cpu.Stall.Value, cpu.Effect.Value, gpu.Effect.Value, b.Memory.Effect.Value}; d != [...]time.Duration{
		100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 8 * time.Millisecond} {
		t.Errorf("clock changes take %v", d)
	}
	if got := b.Memory.Bandwidth(1866e6).String() + ", " + b.Memory.Bandwidth(1600e6).String(); got != "59.7 GB/s, 51.2 GB/s" {
		t.Errorf("bandwidth %s", got)
	}
	var modes []string
	for _, m := range b.Modes {
		limit := func(limits []board.ClockLimit, p string) unit.Hertz {
			i := slices.IndexFunc(limits, func(l board.ClockLimit) bool { return l.Processor == p })
			return limits[i].Clock.Value / 1e3
		}
		modes = append(modes, fmt.Sprintf("%d %s %d %.0f %.0f %.0f %.0f %.0f/%.0f", m.ID, m.Name, m.Cores.Value,
			float64(limit(m.Min, "cpu")), float64(limit(m.Max, "cpu")), float64(limit(m.Max, "gpu")), float64(m.Memory.Value/1e3),
			float64(m.Warn.Value), float64(m.Critical.Value)))
	}
	if diff := cmp.Diff([]string{
		"0 MODE_15W_2CORE 2 1190400 1907200 1109250 1600000 3/5",
		"1 MODE_15W_4CORE 4 1190400 1420800 1109250 1600000 3/5",
		"2 MODE_15W_6CORE 6 1190400 1420800 1109250 1600000 3/5",
		"3 MODE_10W_2CORE 2 1190400 1497600 803250 1600000 3/5",
		"4 MODE_10W_4CORE 4 1190400 1190400 803250 1600000 3/5",
		"5 MODE_10W_DESKTOP 4 1190400 1907200 510000 1600000 3/5",
		"6 MODE_20W_2CORE 2 1190400 1907200 1109250 1866000 4/5",
		"7 MODE_20W_4CORE 4 1190400 1420800 1109250 1866000 4/5",
		"8 MODE_20W_6CORE 6 1190400 1420800 1109250 1866000 4/5",
	}, modes); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
	trips := map[string]unit.Celsius{}
	for _, trip := range b.Thermal.Trips {
		trips[trip.Name] = trip.At.Value
	}
	if diff := cmp.Diff(map[string]unit.Celsius{
		"cpu_throttle": 90.5, "gpu_throttle": 91.5, "aux_throttle": 90, "cpu_critical": 96, "gpu_critical": 97, "aux_critical": 95.5,
		"fan_1": 46, "fan_2": 60, "fan_3": 68, "fan_4": 76,
	}, trips); diff != "" {
		t.Errorf("trips (-want +got):\n%s", diff)
	}
	for _, key := range b.Assumptions() {
		for _, documented := range []string{"modes.", "thermal.trips.", "processors.cpu.clocks", "processors.gpu.clocks", "memory.clocks"} {
			if strings.HasPrefix(key, documented) {
				t.Errorf("%s is documented, not assumed", key)
			}
		}
	}
	for _, assumed := range []string{"thermal.die_resistance", "thermal.sink_capacity", "power.parts.gpu.full", "processors.gpu.effect"} {
		if !slices.Contains(b.Assumptions(), assumed) {
			t.Errorf("%s is not marked as assumed", assumed)
		}
	}
}

// TestOthers: top clocks, steps, memory and trips of the other boards, by their documents.
func TestOthers(t *testing.T) {
	for _, c := range []struct {
		board, processor string
		cores, steps     int
		low, high        unit.Hertz
		bandwidth        string
		throttle         unit.Celsius
	}{
		{"jetson-orin-nano", "cpu", 6, 22, 115.2e6, 1728e6, "102.4 GB/s", 99},
		{"jetson-orin-nano", "gpu", 1024, 8, 306e6, 1020e6, "102.4 GB/s", 99},
		{"raspberry-pi-4", "cpu", 4, 13, 600e6, 1800e6, "12.8 GB/s", 80},
		{"raspberry-pi-5", "cpu", 4, 10, 1500e6, 2400e6, "17.1 GB/s", 80},
	} {
		b := builtin(t, c.board)
		p := b.Processor(c.processor)
		clocks := p.Clocks.Values
		if p.Cores.Value != c.cores || len(clocks) != c.steps || clocks[0] != c.low || clocks[len(clocks)-1] != c.high {
			t.Errorf("%s: %v cores, %v", c.board, p.Cores, p.Clocks)
		}
		if got := b.Memory.Bandwidth(b.Memory.Clocks.Values[len(b.Memory.Clocks.Values)-1]).String(); got != c.bandwidth {
			t.Errorf("%s: bandwidth %s, want %s", c.board, got, c.bandwidth)
		}
		i := slices.IndexFunc(b.Thermal.Trips, func(t board.Trip) bool { return t.Kind == board.Throttle })
		if at := b.Thermal.Trips[i].At.Value; at != c.throttle {
			t.Errorf("%s throttles at %v", c.board, at)
		}
	}
}

func TestSteps(t *testing.T) {
	b := builtin(t, "jetson-xavier-nx")
	if got := b.Steps("cpu", b.Mode("MODE_10W_4CORE")); !slices.Equal(got, []unit.Hertz{1190.4e6}) {
		t.Errorf("MODE_10W_4CORE leaves the cpu %v", got)
	}
	if got := b.Steps("gpu", b.Mode("5")); len(got) != 5 || got[4] != 510e6 {
		t.Errorf("mode 5 leaves the gpu %v", got)
	}
	if got := b.Steps("cpu", nil); len(got) != 25 {
		t.Errorf("without a mode the cpu has %d steps", len(got))
	}
	if b.Steps("dla", nil) != nil || b.Processor("dla") != nil || b.Mode("9") != nil {
		t.Error("there is a DLA or a mode 9")
	}
}

// TestOverride: assumptions can be overridden, stay marked, and nothing else can.
func TestOverride(t *testing.T) {
	b := builtin(t, "jetson-xavier-nx")
	before, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.Override(
		board.Override{Key: "thermal.sink_resistance", Value: "3.5 K/W", Reason: "measured without a fan"},
		board.Override{Key: "processors.gpu.effect", Value: "4ms"},
		board.Override{Key: "power.energy", Value: "70 pJ/B"},
	)
	if err != nil {
		t.Fatal(err)
	}
	r, e := c.Thermal.SinkResistance, c.Processor("gpu").Effect
	if r.Value != 3.5 || !r.Assumption || r.Source != "measured without a fan" {
		t.Errorf("sink resistance %+v", r)
	}
	if e.Value != 4*time.Millisecond || !e.Assumption || e.Source != "given by the user" || c.Power.Energy.Value != 70e-12 {
		t.Errorf("effect %+v, energy %v", e, c.Power.Energy)
	}
	after, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the board itself has changed")
	}
	for _, bad := range []struct {
		override board.Override
		want     string
	}{
		{board.Override{Key: "thermal.trips.cpu_throttle.at", Value: "80 C"}, "it is no assumption but comes from device-tree"},
		{board.Override{Key: "modes.MODE_15W_2CORE.cores", Value: "6"}, "it is no assumption but comes from nvpmodel"},
		{board.Override{Key: "processors.cpu.clocks", Value: "1 GHz"}, "it is no assumption but comes from cpu-steps"},
		{board.Override{Key: "thermal.nothing", Value: "1"}, "no number has that key; the assumptions are processors.cpu.stall, "},
		{board.Override{Key: "thermal.sink_resistance", Value: "3.5"}, `"3.5" is no number like 2.5 K/W`},
		{board.Override{Key: "thermal.sink_resistance", Value: "-3 K/W"}, "-3 K/W is outside"},
		{board.Override{Key: "thermal.sink_resistance", Value: "3 K/W", Reason: "two\nlines"}, "holds a control character or a line break"},
	} {
		if c, err := b.Override(bad.override); err == nil || !strings.Contains(err.Error(), bad.want) || c != nil {
			t.Errorf("%+v: error %v, want %s", bad.override, err, bad.want)
		}
	}
	twice := board.Override{Key: "power.leakage", Value: "0"}
	if _, err := b.Override(twice, twice); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("overridden twice: %v", err)
	}
}

func TestDraw(t *testing.T) {
	nx, pi := builtin(t, "jetson-xavier-nx"), builtin(t, "raspberry-pi-4")
	busy := func(clock unit.Hertz, share float64) []board.PartActivity {
		return []board.PartActivity{{Processor: "cpu", Clock: clock, Utilisation: share}}
	}
	for _, c := range []struct {
		name     string
		board    *board.Board
		activity board.Activity
		want     unit.Watts
		within   float64
		rails    []unit.Watts
	}{
		// The published tegrastats line: VDD_IN 6.14, VDD_CPU_GPU_CV 2.71, VDD_SOC 1.07 W. It gave some of the
		// coefficients, so this checks the arithmetic, not the model.
		{"tegrastats", nx, board.Activity{Temperature: 33.5, Parts: busy(1420.8e6, 0.4)}, 6.14, 0.03, []unit.Watts{2.71, 1.07}},
		// MLPerf v1.0, NVIDIA MaxQ: 4.58 W idle at the wall, less 10% for the supply.
		{"idle NX", nx, board.Activity{Temperature: 25}, 4.58 * 0.9, 0.02, nil},
		// Raspberry Pi documentation: 0.6 A idle and 1.2 A under stress at 5.1 V and 1500 MHz.
		{"idle Pi", pi, board.Activity{Temperature: 25}, 3.06, 0.01, nil},
		{"stress Pi", pi, board.Activity{Temperature: 25, Parts: busy(1500e6, 1)}, 6.12, 0.01, nil},
	} {
		total, rails, err := c.board.Draw(c.activity)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(total/c.want)-1) > c.within {
			t.Errorf("%s: %v, want %v", c.name, total, c.want)
		}
		for i, want := range c.rails {
			if math.Abs(float64(rails[i].Draw/want)-1) > c.within {
				t.Errorf("%s: rail %s draws %v, want %v", c.name, rails[i].Rail, rails[i].Draw, want)
			}
		}
	}
}

// TestDrawAscends: more clock, more work, more traffic and more heat never draw less.
func TestDrawAscends(t *testing.T) {
	for _, name := range board.Builtins() {
		b := builtin(t, name)
		for _, p := range b.Processors {
			last := unit.Watts(0)
			for _, clock := range p.Clocks.Values {
				for _, share := range []float64{0.5, 1} {
					total, _, err := b.Draw(board.Activity{Temperature: 50, Parts: []board.PartActivity{{p.Name, clock, share}}})
					if err != nil {
						t.Fatal(err)
					}
					if share == 1 && total < last {
						t.Errorf("%s: %s at %v draws %v, less than the step below", name, p.Name, clock, total)
					}
					last = max(last, total)
				}
			}
		}
		cool, _, _ := b.Draw(board.Activity{Temperature: 25})
		warm, _, _ := b.Draw(board.Activity{Temperature: 80, Bandwidth: 1e9})
		if warm <= cool {
			t.Errorf("%s draws %v warm and %v cool", name, warm, cool)
		}
	}
}

// TestBudgets: with every processor busy and half of the memory's bandwidth in use the power modes of the
// Jetsons draw of the order of their budgets. (They cap clocks and cores, not watts.)
func TestBudgets(t *testing.T) {
	for _, name := range []string{"jetson-xavier-nx", "jetson-orin-nano"} {
		b := builtin(t, name)
		for i := range b.Modes {
			m := &b.Modes[i]
			a := board.Activity{Temperature: 50, Bandwidth: b.Memory.Bandwidth(m.Memory.Value) / 2}
			for _, p := range b.Processors {
				steps, share := b.Steps(p.Name, m), 1.0
				if p.Kind == board.CPU {
					share = float64(m.Cores.Value) / float64(p.Cores.Value)
				}
				a.Parts = append(a.Parts, board.PartActivity{Processor: p.Name, Clock: steps[len(steps)-1], Utilisation: share})
			}
			total, _, err := b.Draw(a)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s, %s: %v when busy", name, m.Name, total)
			if m.Budget.Known() && (total > 1.4*m.Budget.Value || total < 0.6*m.Budget.Value) {
				t.Errorf("%s, %s: %v when busy, the budget is %v", name, m.Name, total, m.Budget)
			}
		}
	}
}

func TestDrawRefuses(t *testing.T) {
	b := builtin(t, "raspberry-pi-4")
	part := func(name string, clock unit.Hertz, share float64) board.PartActivity {
		return board.PartActivity{Processor: name, Clock: clock, Utilisation: share}
	}
	for _, a := range []board.Activity{
		{Bandwidth: -1},
		{Bandwidth: board.BytesPerSecond(math.NaN())},
		{Parts: []board.PartActivity{part("gpu", 1e9, 1)}},
		{Parts: []board.PartActivity{part("cpu", 1e9, 1.1)}},
		{Parts: []board.PartActivity{part("cpu", 1e9, math.NaN())}},
		{Parts: []board.PartActivity{part("cpu", -1, 1)}},
		{Parts: []board.PartActivity{part("cpu", 1e9, 0.5), part("cpu", 1e9, 0.5)}},
	} {
		if total, _, err := b.Draw(a); err == nil {
			t.Errorf("%+v draws %v", a, total)
		}
	}
}

func ExampleBuiltin() {
	b, err := board.Builtin("jetson-xavier-nx")
	if err != nil {
		fmt.Println(err)
		return
	}
	gpu := b.Processor("gpu")
	fmt.Println(gpu.Model, gpu.Clocks)
	fmt.Println(b.Steps("gpu", b.Mode(b.DefaultMode)))
	fmt.Println(b.Thermal.SinkResistance, b.Thermal.SinkResistance.Assumption)
	// Output:
	// NVIDIA Volta GV11B 114.75 MHz to 1109.25 MHz in 15 steps
	// [114.8 MHz 204.0 MHz 306.0 MHz 408.0 MHz 510.0 MHz]
	// 2 K/W true
}
