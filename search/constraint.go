package search

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Constraint bounds a quantity from one side, as in "latency(cpu) <= 600ms", "accuracy >= 75%" or
// "params <= 6M".
type Constraint struct {
	Quantity Quantity
	Side     Side
	Bound    float64 // in the unit of the quantity's kind
}

// Side says on which side of its bound a quantity must lie; the bound itself is allowed.
type Side string

// The sides.
const (
	AtMost  Side = "<="
	AtLeast Side = ">="
)

// SyntaxError says where an expression cannot be read.
type SyntaxError struct {
	Text    string
	Offset  int // of the byte, from 0
	Message string
}

// Error names the position, from 1.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%q: column %d: %s", e.Text, e.Offset+1, e.Message)
}

// maxExpression bounds the length of an expression in bytes.
const maxExpression = 256

// ParseConstraint reads a constraint: a quantity (accuracy, latency, p99, meets, energy, macs, params, memory
// or activations), for a latency, p99 or energy the name of an operating point in brackets or none for the
// first, <= or >=, and a number with a unit. meets is the probability to end in time: "meets(60ms) >= 99%",
// "meets(gpu,60ms) >= 0.99". Accuracies and probabilities are "75%" or "0.75"; latencies have ns, us, ms or
// s; energies uJ, mJ or J; counts may have k, M or G; memory and activations have B, kB, MB, GB, KiB, MiB or
// GiB. Errors are *SyntaxError.
func ParseConstraint(text string) (Constraint, error) {
	p := parser{text: text}
	q, err := p.quantity()
	if err != nil {
		return Constraint{}, err
	}
	p.space()
	c := Constraint{Quantity: q}
	switch rest := p.text[p.at:]; {
	case strings.HasPrefix(rest, string(AtMost)):
		c.Side = AtMost
	case strings.HasPrefix(rest, string(AtLeast)):
		c.Side = AtLeast
	default:
		return Constraint{}, p.failf("want <= or >=")
	}
	p.at += len(c.Side)
	p.space()
	if c.Bound, err = p.bound(q.Kind); err != nil {
		return Constraint{}, err
	}
	return c, nil
}

// ParseQuantity reads a quantity as ParseConstraint does. Errors are *SyntaxError.
func ParseQuantity(text string) (Quantity, error) {
	p := parser{text: text}
	q, err := p.quantity()
	if err != nil {
		return Quantity{}, err
	}
	if p.space(); p.at < len(text) {
		return Quantity{}, p.failf("text follows the quantity")
	}
	return q, nil
}

// String returns the text form, which ParseConstraint reads back to the same constraint.
func (c Constraint) String() string {
	number := strconv.FormatFloat(c.Bound, 'g', -1, 64)
	switch c.Quantity.Kind {
	case KindLatency, KindP99:
		number = latencyText(c.Bound)
	case KindEnergy:
		number += "J"
	case KindMemory, KindActivations:
		number += "B"
	case KindMACs, KindParams:
		if m := strconv.FormatFloat(c.Bound/1e6, 'g', -1, 64); c.Bound >= 1e5 && sameNumber(m, 1e6, c.Bound) {
			number = m + "M"
		}
	}
	return fmt.Sprintf("%v %s %s", c.Quantity, c.Side, number)
}

// sameNumber reports whether a text is read as the value again, which rounding may prevent.
func sameNumber(text string, factor, value float64) bool {
	f, err := strconv.ParseFloat(text, 64)
	return err == nil && float64(f*factor) == value
}

// MarshalText implements encoding.TextMarshaler.
func (c Constraint) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Constraint) UnmarshalText(text []byte) (err error) {
	*c, err = ParseConstraint(string(text))
	return err
}

// violation returns by which part of the bound a value misses it, 0 if it does not.
func (c Constraint) violation(value float64) float64 {
	over := value - c.Bound
	if c.Side == AtLeast {
		over = -over
	}
	if !(over > 0) {
		return 0
	}
	return over / math.Max(math.Abs(c.Bound), 1e-300)
}

// parser reads an expression from left to right.
type parser struct {
	text string
	at   int
}

func (p *parser) failf(format string, args ...any) error {
	return &SyntaxError{p.text, p.at, fmt.Sprintf(format, args...)}
}

func (p *parser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

func (p *parser) quantity() (Quantity, error) {
	if len(p.text) > maxExpression {
		p.text = p.text[:maxExpression]
		return Quantity{}, p.failf("an expression of more than %d bytes", maxExpression)
	}
	p.space()
	from := p.at
	for p.at < len(p.text) && (p.text[p.at] >= 'a' && p.text[p.at] <= 'z' || p.at > from && p.text[p.at] >= '0' && p.text[p.at] <= '9') {
		p.at++
	}
	q := Quantity{Kind: Kind(p.text[from:p.at])}
	known := false
	for _, k := range kinds {
		known = known || k == q.Kind
	}
	if !known {
		name := q.Kind
		p.at = from
		return Quantity{}, p.failf("%s", unknownKind(string(name)))
	}
	if p.at == len(p.text) || p.text[p.at] != '(' {
		if q.Kind == KindMeets {
			return Quantity{}, p.failf("meets wants a latency in brackets, as in meets(60ms)")
		}
		return q, nil
	}
	if !q.Kind.atPoint() {
		return Quantity{}, p.failf("%s has no operating point", q.Kind)
	}
	end := strings.IndexByte(p.text[p.at:], ')')
	if end < 0 {
		return Quantity{}, p.failf("the bracket is not closed")
	}
	q.Point = strings.TrimSpace(p.text[p.at+1 : p.at+end])
	if q.Kind == KindMeets {
		var ok bool
		if q.Point, q.Limit, ok = cutLimit(q.Point); !ok {
			p.at++
			return Quantity{}, p.failf("%q does not end in a latency like 60ms", q.Point)
		}
	}
	if q.Kind != KindMeets || q.Point != "" {
		if err := checkPointName(q.Point); err != nil {
			p.at++
			return Quantity{}, p.failf("%v", err)
		}
	}
	p.at += end + 1
	return q, nil
}

// cutLimit takes the latency off the end of "60ms" or "gpu,60ms".
func cutLimit(text string) (point string, limit unit.Nanoseconds, ok bool) {
	comma := strings.LastIndexByte(text, ',')
	p := parser{text: text, at: comma + 1}
	p.space()
	ns, err := p.bound(KindLatency)
	if err != nil || ns == 0 {
		return text, 0, false
	}
	if comma < 0 {
		return "", unit.Nanoseconds(ns), true
	}
	if point = strings.TrimSpace(text[:comma]); point == "" {
		return text, 0, false
	}
	return point, unit.Nanoseconds(ns), true
}

// unitFactors are the units that a number of each kind may have; "" is no unit.
var unitFactors = map[Kind]map[string]float64{
	KindLatency: {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9},
	KindP99:     {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9},
	KindEnergy:  {"uJ": 1e-6, "mJ": 1e-3, "J": 1},
	KindMACs:    {"": 1, "k": 1e3, "M": 1e6, "G": 1e9},
	KindParams:  {"": 1, "k": 1e3, "M": 1e6, "G": 1e9},
	KindMemory:  {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},

	KindActivations: {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},
}

// unitNames lists them for messages.
var unitNames = map[Kind]string{
	KindLatency: "ns, us, ms or s", KindP99: "ns, us, ms or s", KindEnergy: "uJ, mJ or J", KindActivations: "B, kB, MB, GB, KiB, MiB or GiB", KindMACs: "k, M, G or none", KindParams: "k, M, G or none", KindMemory: "B, kB, MB, GB, KiB, MiB or GiB",
}

// bound reads the rest of the text as a number with a unit.
func (p *parser) bound(kind Kind) (float64, error) {
	rest := strings.TrimRight(p.text[p.at:], " \t")
	if rest == "" {
		return 0, p.failf("a number is missing")
	}
	if kind == KindAccuracy || kind == KindMeets {
		a, err := unit.ParseAccuracy(rest)
		if err != nil {
			return 0, p.failf("%v", err)
		}
		return math.Abs(float64(a)), nil // no negative zero
	}
	digits := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("0123456789.eE+-", r) })
	if digits < 0 {
		digits = len(rest)
	}
	number, err := strconv.ParseFloat(rest[:digits], 64)
	if err != nil || !(number >= 0) {
		return 0, p.failf("%q is not a number that is not negative", rest[:digits])
	}
	p.at += digits
	name := strings.TrimLeft(rest[digits:], " \t")
	factor, ok := unitFactors[kind][name]
	if !ok {
		return 0, p.failf("unit %q of %s is none of %s", name, kind, unitNames[kind])
	}
	value := math.Abs(float64(number * factor))
	if math.IsInf(value, 0) {
		return 0, p.failf("the number is too large")
	}
	return value, nil
}
