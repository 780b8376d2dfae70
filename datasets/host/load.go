package host

import (
	"math"
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
