package host

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Temperature is one thermal zone's reading. Zones that do not answer are left out.
type Temperature struct {
	Zone    string       `json:"zone"` // its type: "CPU-therm"
	Celsius unit.Celsius `json:"celsius"`
}

// Rail is the power through one supply rail, averaged over the sensor's own interval.
type Rail struct {
	Name  string     `json:"name"` // "VDD_IN"
	Watts unit.Watts `json:"watts"`
}

// Throttling is a counter or level that tells of throttling. A value that differs between two readings,
// or a level over zero, means that clocks were held down.
type Throttling struct {
	// Name is "core_throttle_count" (x86, summed over the logical processors), "package_throttle_count" (x86, the
	// largest), "cooling_device0 Processor" (a level, 0 is none), or "get_throttled" (Raspberry Pi's bits:
	// 0 undervoltage, 1 capped, 2 throttled, 3 soft limit, now; the same plus 16 since boot).
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// The range of temperatures that is believed: sensors that are off report values like -256 or 2^31.
const (
	coldest = -100_000 // thousandths of a degree
	hottest = 250_000
)

// counted tells names apart that occur more than once: the second "acpitz" of a PC is "acpitz 2".
type counted map[string]int

func (c counted) unique(name string) string {
	c[name]++
	if n := c[name]; n > 1 {
		return name + " " + strconv.Itoa(n)
	}
	return name
}

func (r reader) temperatures() (out []Temperature) {
	names := counted{}
	for _, dir := range r.list("sys/class/thermal", "thermal_zone") {
		name := r.text(path.Join(dir, "type"))
		if name == "" {
			name = clean(path.Base(dir))
		}
		name = names.unique(name) // whether it answers or not
		milli, ok := r.number(path.Join(dir, "temp"))
		if !ok || milli < coldest || milli > hottest {
			continue
		}
		out = append(out, Temperature{Zone: name, Celsius: unit.Celsius(float64(milli) / 1e3)})
	}
	return out
}

// rails reads INA3221 sensors through hwmon (current kernels) and through NVIDIA's own driver (L4T R32).
func (r reader) rails() (out []Rail) {
	names := counted{}
	for _, dir := range r.list("sys/class/hwmon", "hwmon") {
		if !strings.HasPrefix(r.text(path.Join(dir, "name")), "ina") {
			continue
		}
		for channel := 1; channel <= 3; channel++ {
			name := names.unique(r.rail(fmt.Sprintf("%s/in%d_label", dir, channel), path.Base(dir), channel))
			millivolts, okV := r.number(fmt.Sprintf("%s/in%d_input", dir, channel))
			milliamperes, okA := r.number(fmt.Sprintf("%s/curr%d_input", dir, channel))
			if okV && okA {
				out = append(out, Rail{Name: name, Watts: unit.Watts(float64(millivolts) * float64(milliamperes) / 1e6)})
			}
		}
	}
	for _, chip := range r.list("sys/bus/i2c/drivers/ina3221x", "") {
		for _, dir := range r.list(chip, "iio:device") {
			for channel := range 3 {
				name := names.unique(r.rail(fmt.Sprintf("%s/rail_name_%d", dir, channel), path.Base(dir), channel))
				if milliwatts, ok := r.number(fmt.Sprintf("%s/in_power%d_input", dir, channel)); ok {
					out = append(out, Rail{Name: name, Watts: unit.Watts(float64(milliwatts) / 1e3)})
				}
			}
		}
	}
	return out
}

// rail returns the name of a channel.
func (r reader) rail(label, sensor string, channel int) string {
	if name := r.text(label); name != "" {
		return name
	}
	return clean(sensor) + " " + strconv.Itoa(channel)
}

func (r reader) throttling() (out []Throttling) {
	var cores, packages int64
	var okC, okP bool
	for _, dir := range r.list("sys/devices/system/cpu", "cpu") {
		if n, ok := r.number(path.Join(dir, "thermal_throttle/core_throttle_count")); ok && n >= 0 && n < 1<<40 {
			cores, okC = cores+n, true
		}
		if n, ok := r.number(path.Join(dir, "thermal_throttle/package_throttle_count")); ok && n >= 0 {
			packages, okP = max(packages, n), true
		}
	}
	if okC {
		out = append(out, Throttling{"core_throttle_count", cores})
	}
	if okP {
		out = append(out, Throttling{"package_throttle_count", packages})
	}
	for _, dir := range r.list("sys/class/thermal", "cooling_device") {
		if n, ok := r.number(path.Join(dir, "cur_state")); ok {
			out = append(out, Throttling{clean(path.Base(dir) + " " + r.text(path.Join(dir, "type"))), n})
		}
	}
	bits := strings.TrimSpace(r.raw("sys/devices/platform/soc/soc:firmware/get_throttled"))
	if n, err := strconv.ParseInt(strings.TrimPrefix(bits, "0x"), 16, 64); err == nil {
		out = append(out, Throttling{"get_throttled", n})
	}
	return out
}
