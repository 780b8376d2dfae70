package unit_test

import (
	"math"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

func TestParseAccuracy(t *testing.T) {
	for _, c := range []struct {
		in   string
		want unit.Accuracy
	}{{"77.54%", 0.7754}, {"0.7754", 0.7754}, {" 100 % ", 1}, {"0", 0}, {"1", 1}, {"7e1%", 0.7}} {
		got, err := unit.ParseAccuracy(c.in)
		if err != nil || got != c.want {
			t.Errorf("ParseAccuracy(%q) = %v, %v; want %v", c.in, got, err, c.want)
		}
	}
	for _, bad := range []string{"77.54", "-1%", "101%", "NaN", "inf", "", "%", "76,5%"} {
		if got, err := unit.ParseAccuracy(bad); err == nil {
			t.Errorf("ParseAccuracy(%q) = %v, want an error", bad, got)
		}
	}
}

func FuzzParseAccuracy(f *testing.F) {
	for _, s := range []string{"77.54%", "0.5", "1e-3", "0x1p-2", "NaN%", "1_0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := unit.ParseAccuracy(s)
		if err != nil {
			return
		}
		if err := a.Validate(); err != nil {
			t.Fatalf("%q was accepted: %v", s, err)
		}
		back, err := unit.ParseAccuracy(a.String())
		if err != nil || math.Abs(float64(back-a)) > 0.5e-4+1e-12 {
			t.Fatalf("%q prints as %q, which reads as %v, %v", s, a, back, err)
		}
	})
}

func TestStrings(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{unit.Accuracy(0.7754).String(), "77.54%"},
		{unit.Milliseconds(41.15893814).String(), "41.16 ms"},
		{unit.Nanoseconds(1.639e9).String(), "1.639 s"},
		{unit.Nanoseconds(12.5).String(), "12.50 ns"},
		{unit.Nanoseconds(math.NaN()).String(), "-"},
		{unit.Hertz(1109.25e6).String(), "1.109 GHz"},
		{unit.Hertz(114.75e6).String(), "114.8 MHz"},
		{unit.Watts(10.234).String(), "10.23 W"},
		{unit.Joules(0).String(), "0 J"},
		{unit.Celsius(47.54).String(), "47.5 C"},
		{unit.Bytes(999), "999 B"},
		{unit.Bytes(42_900_000), "40.9 MiB"},
		{unit.Bytes(3 << 30), "3.0 GiB"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestNanosecondsDuration(t *testing.T) {
	for _, c := range []struct {
		in   unit.Nanoseconds
		want time.Duration
	}{
		{1.4, 1}, {1.6, 2}, {-2.6, -3},
		{unit.Nanoseconds(math.NaN()), 0},
		{unit.Nanoseconds(math.Inf(1)), math.MaxInt64},
		{unit.Nanoseconds(math.Inf(-1)), math.MinInt64},
	} {
		if got := c.in.Duration(); got != c.want {
			t.Errorf("Nanoseconds(%v).Duration() = %v, want %v", float64(c.in), got, c.want)
		}
	}
}

func TestParseHertz(t *testing.T) {
	for text, want := range map[string]unit.Hertz{
		"1.9GHz": 1.9e9, " 803.25 MHz": 803.25e6, "408000kHz": 408e6, "50Hz": 50, "1.1 GHz": 1.1e9,
		"": 0, "1.9": 0, "GHz": 0, "-1GHz": 0, "0Hz": 0, "1000GHz": 0, "NaNGHz": 0, "InfHz": 0, "0x1p3Hz": 0, "1ghz": 0, "1 GHz x": 0,
	} {
		if got, err := unit.ParseHertz(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}
