package host

import (
	"math"
	"path"
	"strconv"
	"strings"
	"time"
)

// Pressure is how much tasks waited for one resource (Linux's pressure stall information). Some counts
// time in which at least one task waited, Full time in which all of them did.
type Pressure struct {
	Resource string `json:"resource"` // "cpu", "io", "memory"
	// SomeAvg10 and FullAvg10 are fractions of the last ten seconds, 0..1.
	SomeAvg10 float64 `json:"some_avg10"`
	FullAvg10 float64 `json:"full_avg10"`
	// Some and Full are totals since boot.
	Some time.Duration `json:"some_ns"`
	Full time.Duration `json:"full_ns"`
}

func (r reader) loadAverage() []float64 {
	fields := strings.Fields(r.raw("proc/loadavg")) // "0.52 0.58 0.59 1/467 12345"
	if len(fields) < 3 {
		return nil
	}
	out := make([]float64, 3)
	for i := range out {
		f, ok := fraction(fields[i])
		if !ok {
			return nil
		}
		out[i] = f
	}
	return out
}

// CPUTime is what all processors together did since boot, in clock ticks of the kernel (hundredths of a second). Shares of two
// readings' differences say how busy they were in between.
type CPUTime struct {
	Busy int64 `json:"busy"` // for programs and the kernel
	Idle int64 `json:"idle"` // waiting for input and output included
	// Stolen is what the hypervisor gave to others while programs here could have run.
	Stolen int64 `json:"stolen"`
}

// Since returns the shares of busy and stolen time since an earlier reading, false if there is none to tell.
func (t CPUTime) Since(before CPUTime) (busy, stolen float64, ok bool) {
	b, i, s := t.Busy-before.Busy, t.Idle-before.Idle, t.Stolen-before.Stolen
	all := b + i + s
	if b < 0 || i < 0 || s < 0 || all <= 0 || before == (CPUTime{}) {
		return 0, 0, false
	}
	return float64(b) / float64(all), float64(s) / float64(all), true
}

// cpuTime reads the first line of /proc/stat: "cpu  user nice system idle iowait irq softirq steal guest guest_nice", where
// guests' time is part of user's.
func (r reader) cpuTime() CPUTime {
	line, _, _ := strings.Cut(r.raw("proc/stat"), "\n")
	fields := strings.Fields(line)
	if len(fields) < 8 || fields[0] != "cpu" {
		return CPUTime{}
	}
	var t CPUTime
	for i, f := range fields[1:min(len(fields), 9)] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || n < 0 || n > 1<<50 {
			return CPUTime{}
		}
		switch i {
		case 3, 4:
			t.Idle += n
		case 7:
			t.Stolen += n
		default:
			t.Busy += n
		}
	}
	return t
}

// Utilisation is how busy a GPU is, as its driver tells.
type Utilisation struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // 0..1
}

// utilisation reads what NVIDIA's Tegra drivers tell in thousandths: at the device behind each devfreq entry, or where older
// kernels have it.
func (r reader) utilisation() (out []Utilisation) {
	add := func(name, file string) {
		if n, ok := r.number(file); ok && n >= 0 && n <= 1000 {
			out = append(out, Utilisation{name, float64(n) / 1000})
		}
	}
	for _, dir := range r.list("sys/class/devfreq", "") {
		add(clean(path.Base(dir)), path.Join(dir, "device/load"))
	}
	if len(out) == 0 {
		for _, dir := range r.list("sys/devices", "gpu.") {
			add(clean(path.Base(dir)), path.Join(dir, "load"))
		}
	}
	return out
}

// memory reads a line of /proc/meminfo: "MemTotal:  7990468 kB".
func (r reader) memory(key string) int64 {
	for line := range strings.Lines(r.raw("proc/meminfo")) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == key+":" && fields[2] == "kB" {
			if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil && n > 0 && n < 1<<50 {
				return n << 10
			}
		}
	}
	return 0
}

// allowed reads this process's affinity.
func (r reader) allowed() string {
	for line := range strings.Lines(r.raw("proc/self/status")) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok && count(strings.TrimSpace(list)) > 0 {
			return clean(list)
		}
	}
	return ""
}

func (r reader) pressure() (out []Pressure) {
	for _, resource := range []string{"cpu", "io", "memory"} {
		p := Pressure{Resource: resource}
		known := false
		for line := range strings.Lines(r.raw("proc/pressure/" + resource)) {
			avg, total, ok := parsePressure(line)
			switch {
			case ok && strings.HasPrefix(line, "some "):
				p.SomeAvg10, p.Some, known = avg, total, true
			case ok && strings.HasPrefix(line, "full "):
				p.FullAvg10, p.Full, known = avg, total, true
			}
		}
		if known {
			out = append(out, p)
		}
	}
	return out
}

// parsePressure reads "some avg10=1.50 avg60=0.00 avg300=0.00 total=12345": per cent with two decimals,
// and microseconds.
func parsePressure(line string) (avg10 float64, total time.Duration, ok bool) {
	var okAvg, okTotal bool
	for _, field := range strings.Fields(line) {
		if text, is := strings.CutPrefix(field, "avg10="); is {
			avg10, okAvg = fraction(text)
		}
		if text, is := strings.CutPrefix(field, "total="); is {
			n, err := strconv.ParseInt(text, 10, 64)
			total, okTotal = time.Duration(n)*time.Microsecond, err == nil && n >= 0 && n < 1<<53
		}
	}
	return math.Round(avg10*100) / 1e4, total, okAvg && okTotal && avg10 <= 100
}
