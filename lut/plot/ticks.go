package plot

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// Ticks marks an axis at about Want round values, and labels each with as many decimals as the step
// needs and commas between thousands. There are no minor ticks.
type Ticks struct{ Want int }

var _ plot.Ticker = Ticks{}

// Ticks returns the multiples of 1, 2 or 5 times a power of ten that lie in [low, high].
func (t Ticks) Ticks(low, high float64) []plot.Tick {
	if !(high > low) || math.IsInf(high-low, 0) || t.Want < 1 {
		return nil
	}
	power := math.Floor(math.Log10((high - low) / float64(t.Want)))
	step := math.Pow(10, power)
	for _, factor := range []float64{1, 2, 5, 10} {
		if step = factor * math.Pow(10, power); (high-low)/step <= float64(t.Want)+0.5 {
			break
		}
	}
	decimals := int(max(0, -math.Floor(math.Log10(step)+1e-9)))
	var ticks []plot.Tick
	// Multiples of the step, not sums of it, so that rounding does not add up.
	for i := math.Ceil(low/step - 1e-9); i*step <= high+1e-9*step && len(ticks) <= 2*t.Want+2; i++ {
		ticks = append(ticks, plot.Tick{Value: float64(i * step), Label: commas(strconv.FormatFloat(float64(i*step)+0, 'f', decimals, 64))})
	}
	return ticks
}

// Count prints a whole number with commas between thousands.
func Count(n int) string { return commas(strconv.Itoa(n)) }

// commas puts commas between the thousands of a decimal number.
func commas(s string) string {
	whole, fraction, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return b.String()
}
