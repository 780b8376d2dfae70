package board

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Quantities that only boards have.
type (
	// Bytes is a size.
	Bytes int64
	// BytesPerSecond is a bandwidth.
	BytesPerSecond float64
	// FLOPS is a rate of floating-point operations per second.
	FLOPS float64
	// Amperes is a current.
	Amperes float64
	// Volts is a voltage.
	Volts float64
	// KelvinPerWatt is a thermal resistance.
	KelvinPerWatt float64
	// JoulesPerKelvin is a heat capacity.
	JoulesPerKelvin float64
	// JoulesPerByte is the energy of moving data.
	JoulesPerByte float64
)

// Quantity is what a Number can be.
type Quantity interface {
	int | float64 | time.Duration | unit.Hertz | unit.Watts | unit.Celsius |
		Bytes | FLOPS | Amperes | Volts | KelvinPerWatt | JoulesPerKelvin | JoulesPerByte
}

// Number is a value with its origin. A zero origin means that the value is not known.
type Number[T Quantity] struct {
	Value T
	Origin
}

// Known reports whether there is a value.
func (n *Number[T]) Known() bool { return n.Source != "" }

// String prints the value with its unit, as files have it, or "unknown".
func (n Number[T]) String() string {
	if !n.Known() {
		return "unknown"
	}
	return format(n.Value)
}

// Clocks is a list of clock steps with its origin.
type Clocks struct {
	Values []unit.Hertz
	Origin
}

// Known reports whether there are values.
func (c *Clocks) Known() bool { return c.Source != "" }

// String prints the first and the last step and how many there are.
func (c Clocks) String() string {
	switch n := len(c.Values); {
	case !c.Known() || n == 0:
		return "unknown"
	case n == 1:
		return format(c.Values[0])
	default:
		return fmt.Sprintf("%s to %s in %d steps", format(c.Values[0]), format(c.Values[n-1]), n)
	}
}

// quantity is a Number or Clocks.
type quantity interface {
	Known() bool
	fmt.Stringer
	origin() *Origin
	set(text string) error
}

func (n *Number[T]) origin() *Origin { return &n.Origin }
func (c *Clocks) origin() *Origin    { return &c.Origin }

// set takes the value from a text with its unit.
func (n *Number[T]) set(text string) error {
	v, err := parse[T](text)
	if err == nil {
		n.Value = v
	}
	return err
}

func (c *Clocks) set(string) error {
	return errors.New("is a list of clock steps, which cannot be overridden")
}

// unitName is a unit as files write it, and the power of ten that it stands for.
type unitName struct {
	name     string
	exponent int
}

// unitsOf returns the units of a quantity, the usual one first, and an example.
func unitsOf(value any) (units []unitName, example string) {
	switch value.(type) {
	case unit.Hertz:
		return []unitName{{"MHz", 6}, {"GHz", 9}, {"kHz", 3}, {"Hz", 0}}, "1907.2 MHz"
	case unit.Watts:
		return []unitName{{"W", 0}, {"mW", -3}}, "2.4 W"
	case unit.Celsius:
		return []unitName{{"C", 0}}, "90.5 C"
	case FLOPS:
		return []unitName{{"GFLOP/s", 9}, {"TFLOP/s", 12}, {"FLOP/s", 0}}, "852 GFLOP/s"
	case Amperes:
		return []unitName{{"A", 0}, {"mA", -3}}, "3 A"
	case Volts:
		return []unitName{{"V", 0}}, "5 V"
	case KelvinPerWatt:
		return []unitName{{"K/W", 0}}, "2.5 K/W"
	case JoulesPerKelvin:
		return []unitName{{"J/K", 0}}, "60 J/K"
	case JoulesPerByte:
		return []unitName{{"pJ/B", -12}, {"J/B", 0}}, "40 pJ/B"
	}
	return []unitName{{"", 0}}, "2.5"
}

// binary prefixes of Bytes.
var binary = []struct {
	name  string
	shift uint
}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}

// parse reads a value with its unit. "1907.2 MHz" is read as 1907.2e6, so nothing is rounded twice.
func parse[T Quantity](text string) (T, error) {
	var zero T
	switch any(zero).(type) {
	case int:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return zero, fmt.Errorf("%q is no whole number", clip(text))
		}
		return any(int(n)).(T), nil
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil || !strings.ContainsAny(text, "smh") {
			return zero, fmt.Errorf("%q is no time like 5ms", clip(text))
		}
		return any(d).(T), nil
	case Bytes:
		b, err := parseBytes(text)
		return any(b).(T), err
	}
	f, err := parseFloat(text, any(zero))
	if err != nil {
		return zero, err
	}
	switch p := any(&zero).(type) {
	case *float64:
		*p = f
	case *unit.Hertz:
		*p = unit.Hertz(f)
	case *unit.Watts:
		*p = unit.Watts(f)
	case *unit.Celsius:
		*p = unit.Celsius(f)
	case *FLOPS:
		*p = FLOPS(f)
	case *Amperes:
		*p = Amperes(f)
	case *Volts:
		*p = Volts(f)
	case *KelvinPerWatt:
		*p = KelvinPerWatt(f)
	case *JoulesPerKelvin:
		*p = JoulesPerKelvin(f)
	case *JoulesPerByte:
		*p = JoulesPerByte(f)
	}
	return zero, nil
}

func parseFloat(text string, kind any) (float64, error) {
	units, example := unitsOf(kind)
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		number = strings.TrimSuffix(number, " ")
		if !ok || !plainDecimal(number) {
			continue
		}
		f, err := strconv.ParseFloat(number+"e"+strconv.Itoa(u.exponent), 64)
		if err != nil || math.IsInf(f, 0) {
			break
		}
		return f, nil
	}
	return 0, fmt.Errorf("%q is no number like %s", clip(text), example)
}

// plainDecimal reports whether s is digits with at most one point and a sign: no exponent, no
// hexadecimal, no words.
func plainDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, _ := strings.Cut(s, ".")
	return whole != "" && len(s) <= 40 && strings.Trim(whole+fraction, "0123456789") == "" && (fraction != "" || !strings.HasSuffix(s, "."))
}

func parseBytes(text string) (Bytes, error) {
	for _, u := range binary {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(number, " "), 10, 64)
		if err != nil || n > math.MaxInt64>>u.shift || n < 0 {
			break
		}
		return Bytes(n << u.shift), nil
	}
	return 0, fmt.Errorf("%q is no size like 8 GiB", clip(text))
}

// format writes a value so that parse reads the same.
func format[T Quantity](value T) string {
	switch v := any(value).(type) {
	case int:
		return strconv.Itoa(v)
	case time.Duration:
		return v.String()
	case Bytes:
		for _, u := range binary {
			if v&(1<<u.shift-1) == 0 {
				return strconv.FormatInt(int64(v>>u.shift), 10) + " " + u.name
			}
		}
	}
	units, _ := unitsOf(any(value))
	text := shifted(toFloat(value), -units[0].exponent)
	if units[0].name != "" {
		text += " " + units[0].name
	}
	return text
}

// shifted writes f x 10^by with the digits of f, so that reading it with the exponent -by gives f again.
func shifted(f float64, by int) string {
	text := strconv.FormatFloat(f, 'e', -1, 64) // -d.dddde+dd
	mantissa, exponent, ok := strings.Cut(text, "e")
	if !ok {
		return text // not finite
	}
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	digits := strings.Replace(mantissa, ".", "", 1)
	point, _ := strconv.Atoi(exponent)
	point += 1 + by // of the digits are before the decimal point
	switch {
	case digits == "0":
		return sign + "0"
	case point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + digits
	case point >= len(digits):
		return sign + digits + strings.Repeat("0", point-len(digits))
	}
	return sign + digits[:point] + "." + digits[point:]
}

// toFloat returns a value in its SI unit.
func toFloat[T Quantity](value T) float64 { return float64(value) }

// String prints the bandwidth in GB/s.
func (b BytesPerSecond) String() string {
	return strconv.FormatFloat(float64(b)/1e9, 'f', 1, 64) + " GB/s"
}
