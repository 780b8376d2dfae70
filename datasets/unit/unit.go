// Package unit has the typed quantities that dynofa's packages exchange, and the one parser and
// printer of each. It converts nothing implicitly: a number enters with its unit or not at all.
package unit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Quantities in SI units.
type (
	// Joules is an energy in joules.
	Joules float64
	// Watts is a power in watts.
	Watts float64
	// Hertz is a frequency in hertz; zero means unknown where a field says so.
	Hertz float64
	// Celsius is a temperature in degrees Celsius.
	Celsius float64
)

// String prints joules with four significant digits, as in "1.25 J".
func (j Joules) String() string { return significant(float64(j), 4) + " J" }

// String prints watts with four significant digits, as in "10.2 W".
func (w Watts) String() string { return significant(float64(w), 4) + " W" }

// String prints a frequency scaled to Hz, kHz, MHz or GHz, as in "1.109 GHz".
func (h Hertz) String() string {
	for _, s := range []struct {
		factor float64
		name   string
	}{{1e9, "GHz"}, {1e6, "MHz"}, {1e3, "kHz"}} {
		if math.Abs(float64(h)) >= s.factor {
			return significant(float64(h)/s.factor, 4) + " " + s.name
		}
	}
	return significant(float64(h), 4) + " Hz"
}

// ParseHertz parses a clock with its unit, such as "1.9GHz", "803.25 MHz", "408000kHz" or "1Hz". It is
// above zero and below 1 THz.
func ParseHertz(s string) (Hertz, error) {
	for _, u := range []struct{ name, exponent string }{{"GHz", "e9"}, {"MHz", "e6"}, {"kHz", "e3"}, {"Hz", "e0"}} {
		text, ok := strings.CutSuffix(strings.TrimSpace(s), u.name)
		if !ok {
			continue
		}
		text = strings.TrimSpace(text)
		f, err := strconv.ParseFloat(text+u.exponent, 64) // rounds once
		if err == nil && f > 0 && f < 1e12 && !strings.ContainsAny(text, "xX") {
			return Hertz(f), nil
		}
		break
	}
	return 0, fmt.Errorf("clock %q is not a number with a unit like 1.9GHz or 803.25MHz", s)
}

// String prints degrees with one decimal, as in "47.5 C".
func (c Celsius) String() string { return strconv.FormatFloat(float64(c), 'f', 1, 64) + " C" }

// Nanoseconds is a duration inside statistics, where a fraction of a nanosecond matters (means,
// sums of table entries, fitted coefficients). Everything that happens at a time uses
// time.Duration instead. NaN means unknown where a field says so.
type Nanoseconds float64

// Nanos converts a duration exactly for |d| below 2^53 ns (104 days).
func Nanos(d time.Duration) Nanoseconds { return Nanoseconds(d) }

// Milliseconds converts from milliseconds, the unit of published tables.
func Milliseconds(ms float64) Nanoseconds { return Nanoseconds(ms * 1e6) }

// Milliseconds returns n in milliseconds.
func (n Nanoseconds) Milliseconds() float64 { return float64(n) / 1e6 }

// Duration rounds n to the nearest nanosecond. NaN and values beyond the range of a Duration
// saturate (NaN to zero).
func (n Nanoseconds) Duration() time.Duration {
	f := math.Round(float64(n))
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return time.Duration(f)
}

// String prints n with four significant digits in ns, us, ms or s, as in "41.16 ms"; NaN prints as "-".
func (n Nanoseconds) String() string {
	f := float64(n)
	if math.IsNaN(f) {
		return "-"
	}
	for _, s := range []struct {
		factor float64
		name   string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}} {
		if math.Abs(f) >= s.factor {
			return significant(f/s.factor, 4) + " " + s.name
		}
	}
	return significant(f, 4) + " ns"
}

// Bytes prints a byte count in B, KiB, MiB or GiB, as in "42.9 MiB".
func Bytes(n int64) string {
	const step = 1024
	if n > -step && n < step {
		return strconv.FormatInt(n, 10) + " B"
	}
	f := float64(n)
	for _, name := range []string{"KiB", "MiB"} {
		f /= step
		if math.Abs(f) < step {
			return strconv.FormatFloat(f, 'f', 1, 64) + " " + name
		}
	}
	return strconv.FormatFloat(f/step, 'f', 1, 64) + " GiB"
}

// Accuracy is a top-1 accuracy as a fraction in [0, 1].
type Accuracy float64

// ParseAccuracy reads "77.54%" or "0.7754". A bare number above 1 is refused, so that 77.54 is
// never taken for a fraction.
func ParseAccuracy(s string) (Accuracy, error) {
	text, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	text = strings.TrimSpace(text)
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && percent {
		// "77.54e-2" rounds once, to the same number as 0.7754; dividing by 100 would round twice.
		if scaled, tooMuch := strconv.ParseFloat(text+"e-2", 64); tooMuch == nil {
			f = scaled
		} else {
			f /= 100 // the text has an exponent of its own
		}
	}
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("accuracy %q is not a number like 77.54%% or 0.7754", s)
	}
	if !percent && f > 1 {
		return 0, fmt.Errorf("accuracy %q is above 1: write 77.54%% for per cent", s)
	}
	a := Accuracy(f)
	if err := a.Validate(); err != nil {
		return 0, err
	}
	return a, nil
}

// Validate returns an error unless a lies in [0, 1].
func (a Accuracy) Validate() error {
	if !(a >= 0 && a <= 1) {
		return fmt.Errorf("accuracy %g is outside [0, 1]", float64(a))
	}
	return nil
}

// Percent returns a in per cent.
func (a Accuracy) Percent() float64 { return float64(a) * 100 }

// String prints a in per cent with two decimals, as in "77.54%".
func (a Accuracy) String() string { return strconv.FormatFloat(a.Percent(), 'f', 2, 64) + "%" }

// significant prints f with n significant digits and no exponent for ordinary magnitudes.
func significant(f float64, n int) string {
	if f == 0 {
		return "0"
	}
	digits := n - 1 - int(math.Floor(math.Log10(math.Abs(f))))
	if digits < 0 {
		digits = 0
	}
	if digits > 9 {
		return strconv.FormatFloat(f, 'g', n, 64)
	}
	return strconv.FormatFloat(f, 'f', digits, 64)
}
