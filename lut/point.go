package lut

import (
	"fmt"
	"strconv"
	"strings"
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

// Settings lists what is known of an operating point and is out of the ordinary, as in "803.25 MHz gpu, batch 4, beside
// mem": clocks, power mode, more than one thread, batches, a co-runner, a period.
func (p OperatingPoint) Settings() []string {
	var all []string
	for _, s := range []struct {
		is   bool
		text string
	}{
		{p.CPUClock != 0, hertz(p.CPUClock) + " cpu"},
		{p.GPUClock != 0, hertz(p.GPUClock) + " gpu"},
		{p.MemoryClock != 0, hertz(p.MemoryClock) + " memory"},
		{p.PowerMode != "", "power mode " + p.PowerMode},
		{p.Threads > 1, fmt.Sprintf("%d threads", p.Threads)},
		{p.Batch > 1, fmt.Sprintf("batch %d", p.Batch)},
		{p.CoRunner != "" && p.CoRunner != "none", "beside " + p.CoRunner},
		{p.Period != 0, "every " + p.Period.String()},
	} {
		if s.is {
			all = append(all, s.text)
		}
	}
	return all
}

// Label returns "xavier-nx/gpu", or "xavier-nx/gpu (batch 4, beside mem)" where Settings has any.
func (p OperatingPoint) Label() string {
	label := p.Device + "/" + p.Processor
	if settings := p.Settings(); len(settings) > 0 {
		label += " (" + strings.Join(settings, ", ") + ")"
	}
	return label
}

// Doubts says what is wrong with latencies of this operating point where those of one picture at a time are wanted.
func (p OperatingPoint) Doubts() []string {
	if p.Batch > 1 {
		return []string{fmt.Sprintf("latencies are those of batches of %d pictures, not of one", p.Batch)}
	}
	return nil
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
