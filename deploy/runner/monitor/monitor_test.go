package monitor_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
)

// jetson is a board with two zones, a GPU, a rail and a CPU clock.
func jetson() fstest.MapFS {
	m := fstest.MapFS{}
	for name, data := range map[string]string{
		"proc/stat":                            "cpu  1000 0 0 9000 0 0 0 0 0 0\n",
		"proc/meminfo":                         "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\n",
		"proc/pressure/memory":                 "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"sys/class/thermal/thermal_zone0/type": "CPU-therm\n", "sys/class/thermal/thermal_zone0/temp": "41500\n",
		"sys/class/thermal/thermal_zone1/type": "GPU-therm\n", "sys/class/thermal/thermal_zone1/temp": "40000\n",
		"sys/class/devfreq/17000000.gv11b/cur_freq": "114750000\n", "sys/class/devfreq/17000000.gv11b/device/load": "437\n",
		"sys/class/hwmon/hwmon4/name": "ina3221\n", "sys/class/hwmon/hwmon4/in1_label": "VDD_IN\n", "sys/class/hwmon/hwmon4/in1_input": "5000\n", "sys/class/hwmon/hwmon4/curr1_input": "1000\n",
		"sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1190400\n",
	} {
		m[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return m
}

func set(m fstest.MapFS, name, data string) { m[name] = &fstest.MapFile{Data: []byte(data)} }

// clocks are a clock that nobody sets and the time of day.
type clocks struct {
	now  time.Duration
	wall time.Time
}

func (c *clocks) pass(d time.Duration) { c.now += d; c.wall = c.wall.Add(d) }

const period = 500 * time.Millisecond

func newMonitor(t *testing.T, m fstest.MapFS, ladder *monitor.Ladder) (*monitor.Monitor, *clocks, *runner.Health) {
	t.Helper()
	c := &clocks{now: time.Hour, wall: time.Unix(1e9, 0)}
	health := runner.NewHealth()
	mon, err := monitor.New(monitor.Config{FS: m, Health: health, Ladder: ladder, Period: period, Now: func() time.Duration { return c.now }, Wall: func() time.Time { return c.wall }})
	if err != nil {
		t.Fatal(err)
	}
	return mon, c, health
}

// TestReadings reads a whole board twice.
func TestReadings(t *testing.T) {
	m := jetson()
	mon, c, health := newMonitor(t, m, nil)
	if _, ok := mon.Last(); ok {
		t.Error("there is a sample before the first")
	}
	mon.Sample()
	c.pass(period)
	set(m, "proc/stat", "cpu  1030 0 0 9060 0 0 0 10 0 0\n")
	r := mon.Sample()
	if r.Busy != 0.3 || r.Stolen != 0.1 || !r.Known || len(r.Lost) != 0 || r.Jumps != 0 {
		t.Errorf("readings %+v", r)
	}
	if w, ok := monitor.Watts(r.State.Rails); w != 5 || !ok {
		t.Errorf("%v of %v", w, r.State.Rails)
	}
	if len(r.State.Utilisation) != 1 || r.State.Utilisation[0].Share != 0.437 {
		t.Errorf("GPU %v", r.State.Utilisation)
	}
	for _, reason := range []policy.Reason{runner.ReasonSensorLost, runner.ReasonClockJump} {
		if n := health.Count(reason); n != 0 {
			t.Errorf("%d alarms %s on a healthy board", n, reason)
		}
	}
}

// TestSensorLost takes every sensor away, in turn: one alarm each, none for staying away, and none for coming back.
func TestSensorLost(t *testing.T) {
	for file, name := range map[string]string{
		"sys/class/thermal/thermal_zone1/temp":                    "temperature of GPU-therm",
		"sys/class/hwmon/hwmon4/curr1_input":                      "power of VDD_IN",
		"sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "clock of policy0",
		"sys/class/devfreq/17000000.gv11b/cur_freq":               "clock of 17000000.gv11b",
		"sys/class/devfreq/17000000.gv11b/device/load":            "utilisation of 17000000.gv11b",
	} {
		m := jetson()
		mon, c, health := newMonitor(t, m, nil)
		mon.Sample()
		before := m[file]
		for i := range 3 {
			if delete(m, file); i == 1 {
				set(m, file, "\x00nonsense") // as good as gone
			}
			c.pass(period)
			if r := mon.Sample(); len(r.Lost) != 1 || r.Lost[0] != name {
				t.Errorf("%s: lost %q", name, r.Lost)
			}
		}
		if n := health.Count(runner.ReasonSensorLost); n != 1 {
			t.Errorf("%s: %d alarms", name, n)
		}
		m[file] = before
		c.pass(period)
		if r := mon.Sample(); len(r.Lost) != 0 || health.Count(runner.ReasonSensorLost) != 1 {
			t.Errorf("%s: lost %q after it came back", name, r.Lost)
		}
	}
}

// TestTimeJumps sets the time of day, stops the machine, and lets the other clock fall.
func TestTimeJumps(t *testing.T) {
	for name, c := range map[string]struct {
		now, day time.Duration
		jumps    int
	}{
		"steady": {period, period, 0}, "slewed": {period, period + 100*time.Millisecond, 0}, "busy": {5 * period, 5 * period, 0},
		"set forward": {period, time.Hour, 1}, "set back": {period, -time.Hour, 1}, "slept": {period, 20 * time.Minute, 1},
		"stopped": {time.Minute, time.Minute, 1}, "fell": {-time.Second, period, 1},
	} {
		mon, clock, health := newMonitor(t, jetson(), nil)
		mon.Sample()
		clock.now, clock.wall = clock.now+c.now, clock.wall.Add(c.day)
		mon.Sample()
		clock.pass(period)
		if r := mon.Sample(); r.Jumps != c.jumps || health.Count(runner.ReasonClockJump) != uint64(c.jumps) {
			t.Errorf("%s: %d jumps, %d alarms", name, r.Jumps, health.Count(runner.ReasonClockJump))
		}
	}
}

// TestEnergy integrates known powers: exact for constant and linear ones, within a few standard errors for a square wave
// that is sampled at random moments; time without the sensor counts as missed.
func TestEnergy(t *testing.T) {
	m := jetson()
	mon, c, _ := newMonitor(t, m, nil)
	var r monitor.Readings
	for i := range 11 { // 1.0 to 2.0 A at 5 V in 5 s: 37.5 J
		set(m, "sys/class/hwmon/hwmon4/curr1_input", fmt.Sprintln(1000+100*i))
		r = mon.Sample()
		c.pass(period)
	}
	e := r.Energy[0]
	if e.Rail != "VDD_IN" || math.Abs(float64(e.Joules)-37.5) > 1e-9 || e.Span != 5*time.Second || e.Missed != 0 || math.Abs(float64(e.Mean())-7.5) > 1e-9 {
		t.Errorf("energy %+v", e)
	}
	// Ten intervals of 0.5 s with 0.5 W between their ends: 0.25/sqrt(12) J each, independent.
	if want := 0.25 / math.Sqrt(12) * math.Sqrt(10); math.Abs(float64(e.Error)-want) > 1e-9 {
		t.Errorf("error %v, want %g", e.Error, want)
	}
	delete(m, "sys/class/hwmon/hwmon4/curr1_input")
	for range 20 {
		mon.Sample()
		c.pass(period)
	}
	set(m, "sys/class/hwmon/hwmon4/curr1_input", "2000\n")
	r = mon.Sample()
	c.pass(period)
	r = mon.Sample()
	if e := r.Energy[0]; e.Span != 5*time.Second+period || e.Missed != 10*time.Second+period || math.Abs(float64(e.Joules)-42.5) > 1e-9 {
		t.Errorf("energy after a loss %+v", e)
	}
}

// TestEnergyError samples a power that wanders: the truth is within three standard errors, which are not three times too large.
func TestEnergyError(t *testing.T) {
	const step = 10 * time.Millisecond
	m := jetson()
	mon, c, _ := newMonitor(t, m, nil)
	truth, watts := 0.0, func(i int) float64 { return 5 + 2*math.Sin(float64(i)/37) + math.Sin(float64(i)/11) }
	var r monitor.Readings
	for i := range 6000 { // a minute
		if i%50 == 0 {
			set(m, "sys/class/hwmon/hwmon4/curr1_input", fmt.Sprintf("%.0f\n", watts(i)/5*1000))
			r = mon.Sample()
		}
		if r.At > 0 && i < 5950 {
			truth += (watts(i) + watts(i+1)) / 2 * step.Seconds()
		}
		c.pass(step)
	}
	e := r.Energy[0]
	off := math.Abs(float64(e.Joules) - truth)
	t.Logf("%.3f J, truth %.3f, standard error %.3f", float64(e.Joules), truth, float64(e.Error))
	if off > 3*float64(e.Error) || float64(e.Error) > 0.02*truth {
		t.Errorf("off by %g J, the standard error is %v", off, e.Error)
	}
}

// TestSickFileSystems holds the monitor to never failing, whatever a file system says.
func TestSickFileSystems(t *testing.T) {
	for _, junk := range []string{"", "-1", "max", strings.Repeat("9", 100), "\x00\xff", "cpu", "NaN", "1e400"} {
		m := jetson()
		mon, c, _ := newMonitor(t, m, nil)
		mon.Sample()
		for name := range m {
			set(m, name, junk)
		}
		set(m, "proc/self/cgroup", "0::/"+junk+"\n")
		for range 3 {
			c.pass(period)
			mon.Sample()
		}
	}
	if _, ok := monitor.Watts(nil); ok {
		t.Error("watts without rails")
	}
	if w, _ := monitor.Watts([]host.Rail{{Name: "a", Watts: 1}, {Name: "b", Watts: 2}}); w != 3 {
		t.Errorf("two rails without a common one give %v", w)
	}
}
