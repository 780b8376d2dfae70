package lut

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Difference is a field in which two operating points differ, or may differ.
type Difference struct {
	Field string // as in "gpu clock"
	A, B  string // the values; empty: unknown
}

// Unknown reports whether either value is unknown, so that nothing is known to differ.
func (d Difference) Unknown() bool { return d.A == "" || d.B == "" }

// String returns "gpu clock is 1109.25 MHz, not 803.25 MHz".
func (d Difference) String() string {
	switch {
	case d.A == "":
		return fmt.Sprintf("%s is unknown, the other is %s", d.Field, d.B)
	case d.B == "":
		return fmt.Sprintf("%s is %s, the other is unknown", d.Field, d.A)
	}
	return fmt.Sprintf("%s is %s, not %s", d.Field, d.A, d.B)
}

// Differences returns the fields in which q differs from p, in the order of the struct. A field that
// one of them does not know is a difference too (see Difference.Unknown); one that neither knows is
// none. A period of 0 is known: back to back.
func (p OperatingPoint) Differences(q OperatingPoint) []Difference {
	var differ []Difference
	for _, f := range []struct{ name, a, b string }{
		{"device", p.Device, q.Device},
		{"processor", p.Processor, q.Processor},
		{"cpu clock", hertz(p.CPUClock), hertz(q.CPUClock)},
		{"gpu clock", hertz(p.GPUClock), hertz(q.GPUClock)},
		{"memory clock", hertz(p.MemoryClock), hertz(q.MemoryClock)},
		{"power mode", p.PowerMode, q.PowerMode},
		{"threads", number(p.Threads), number(q.Threads)},
		{"runtime", p.Runtime, q.Runtime},
		{"runtime version", p.RuntimeVersion, q.RuntimeVersion},
		{"provider", p.Provider, q.Provider},
		{"precision", p.Precision, q.Precision},
		{"batch", number(p.Batch), number(q.Batch)},
		{"co-runner", p.CoRunner, q.CoRunner},
		{"period", period(p.Period), period(q.Period)},
	} {
		if f.a != f.b {
			differ = append(differ, Difference{f.name, f.a, f.b})
		}
	}
	return differ
}

// hertz prints a clock in MHz without rounding, so that different clocks print differently.
func hertz(h unit.Hertz) string {
	if h == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(h)/1e6, 'g', -1, 64) + " MHz"
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func period(d time.Duration) string {
	if d == 0 {
		return "back to back"
	}
	return d.String()
}
