package search_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/search"
)

func TestParseConstraint(t *testing.T) {
	latency := func(point string) search.Quantity { return search.Quantity{Kind: search.KindLatency, Point: point} }
	for text, want := range map[string]search.Constraint{
		"latency(cpu) <= 600ms":     {latency("cpu"), search.AtMost, 600e6},
		"latency(gpu)<=25ms":        {latency("gpu"), search.AtMost, 25e6},
		"latency(cpu,15W) <= 0.6 s": {latency("cpu,15W"), search.AtMost, 6e8},
		"latency >= 1.5us":          {latency(""), search.AtLeast, 1500},
		"accuracy >= 75%":           {search.Quantity{Kind: search.KindAccuracy}, search.AtLeast, 0.75},
		"accuracy >= 0.7553":        {search.Quantity{Kind: search.KindAccuracy}, search.AtLeast, 0.7553},
		"  macs <= 300M ":           {search.Quantity{Kind: search.KindMACs}, search.AtMost, 300e6},
		"macs <= 1000":              {search.Quantity{Kind: search.KindMACs}, search.AtMost, 1000},
		"params <= 6M":              {search.Quantity{Kind: search.KindParams}, search.AtMost, 6e6},
		"memory <= 20MiB":           {search.Quantity{Kind: search.KindMemory}, search.AtMost, 20 << 20},
		"memory <= 1e3 B":           {search.Quantity{Kind: search.KindMemory}, search.AtMost, 1000},
		"activations <= 4MiB":       {search.Quantity{Kind: search.KindActivations}, search.AtMost, 4 << 20},
		"p99(gpu) <= 40ms":          {search.Quantity{Kind: search.KindP99, Point: "gpu"}, search.AtMost, 40e6},
		"energy(cpu, 15W) <= 2.5mJ": {search.Quantity{Kind: search.KindEnergy, Point: "cpu, 15W"}, search.AtMost, 2.5e-3},
		"meets(60ms) >= 99%":        {search.Quantity{Kind: search.KindMeets, Limit: 60e6}, search.AtLeast, 0.99},
		"meets(cpu,15W, 0.1s) >= 1": {search.Quantity{Kind: search.KindMeets, Point: "cpu,15W", Limit: 1e8}, search.AtLeast, 1},
	} {
		got, err := search.ParseConstraint(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, error %v, want %+v", text, got, err, want)
		}
		if back, err := search.ParseConstraint(got.String()); err != nil || back != got {
			t.Errorf("%q prints as %q, which reads as %+v, error %v", text, got, back, err)
		}
	}
}

func TestParseConstraintErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "column 1: a quantity is missing",
		"latancy <= 5ms":           `column 1: unknown quantity "latancy", want one of accuracy, latency`,
		"latency":                  "column 8: want <= or >=",
		"latency < 5ms":            "column 9: want <= or >=",
		"latency(cpu <= 5ms":       "column 8: the bracket is not closed",
		"latency() <= 5ms":         "column 9: operating point",
		"latency(a(b) <= 5ms":      "column 9: operating point",
		"macs(cpu) <= 5M":          "column 5: macs has no operating point",
		"latency <= ":              "column 12: a number is missing",
		"latency <= ms":            `column 12: "" is not a number`,
		"latency <= 5":             `column 13: unit "" of latency is none of ns, us, ms or s`,
		"latency <= 5 min":         `column 13: unit "min"`,
		"latency <= 5ms or so":     `unit "ms or so"`,
		"latency <= -5ms":          `"-5" is not a number that is not negative`,
		"latency <= 1e999ms":       "is not a number",
		"latency <= 1e305s":        "too large",
		"accuracy >= 75":           "above 1: write",
		"accuracy >= 101%":         "outside [0, 1]",
		"params <= 6MB":            `unit "MB" of params`,
		"memory <= 6M":             `unit "M" of memory`,
		"meets >= 99%":             "column 6: meets wants a latency in brackets",
		"meets(gpu) >= 99%":        `column 7: "gpu" does not end in a latency like 60ms`,
		"meets(,5ms) >= 99%":       "does not end in a latency",
		"meets(0ms) >= 99%":        "does not end in a latency",
		"meets(5ms) >= 99":         "above 1: write",
		"latency(5ms) <= 5ms":      "and is no time",
		"energy <= 5W":             `unit "W" of energy is none of uJ, mJ or J`,
		"p98 <= 5ms":               `unknown quantity "p98"`,
		strings.Repeat(" ", 300):   "more than 256 bytes",
		"LATENCY <= 5ms":           "column 1: a quantity is missing",
		"latency(cpu)) <= 5ms":     "column 13: want <= or >=",
		"latency(x\ny) <= 5ms":     "operating point",
		"accuracy >= NaN":          "not a number",
		"macs <= 0x10":             `unit "x10"`,
		"macs <= 1_000":            `unit "_000"`,
		"latency(cpu) <= 5\u00b5s": "unit",
	} {
		_, err := search.ParseConstraint(text)
		var syntax *search.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), want) || syntax.Offset > len(text) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
	if _, err := search.ParseQuantity("latency(gpu) x"); err == nil || !strings.Contains(err.Error(), "column 14") {
		t.Errorf("text after a quantity: error %v", err)
	}
}

// Whatever is accepted prints to something that reads as the same.
func FuzzParseConstraint(f *testing.F) {
	for _, text := range []string{"latency(cpu,15W) <= 600ms", "accuracy >= 75%", "accuracy >= 1e-320", "macs <= 300M", "params <= 6.02e6", "memory >= 3.3MiB", "latency <= 0.1us", "latency( <= 1s", "meets(gpu,60ms) >= 99%", "p99(cpu) <= 1s", "energy <= 3mJ", "activations <= 1MiB", "meets(a,1e-300s,2ms) >= 0.5", "macs <= 1e308G"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := search.ParseConstraint(text)
		if err != nil {
			var syntax *search.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(text) {
				t.Fatalf("%q: error %v", text, err)
			}
			return
		}
		back, err := search.ParseConstraint(c.String())
		if err != nil || back != c {
			t.Fatalf("%q is %+v, prints as %q and reads as %+v, error %v", text, c, c, back, err)
		}
		if q, err := search.ParseQuantity(c.Quantity.String()); err != nil || q != c.Quantity {
			t.Fatalf("%q: quantity %v reads as %v, error %v", text, c.Quantity, q, err)
		}
	})
}

func ExampleParseConstraint() {
	c, err := search.ParseConstraint("latency(gpu) <= 25ms")
	fmt.Println(c.Quantity.Point, c.Side, c.Bound, err)
	_, err = search.ParseConstraint("latency(gpu) = 25ms")
	fmt.Println(err)
	// Output:
	// gpu <= 2.5e+07 <nil>
	// "latency(gpu) = 25ms": column 14: want <= or >=
}
