package search

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Kind is what is counted of a network.
type Kind string

// The kinds of quantities, with the unit of their values.
const (
	KindAccuracy Kind = "accuracy" // a fraction; to be maximised, all others to be minimised
	KindLatency  Kind = "latency"  // nanoseconds, at an operating point
	KindMACs     Kind = "macs"     // multiply-accumulates of one inference
	KindParams   Kind = "params"   // parameters
	KindMemory   Kind = "memory"   // bytes of the weights as float32: four for each parameter
	KindP99      Kind = "p99"      // nanoseconds that 99 of 100 inferences stay below, at an operating point
	KindEnergy   Kind = "energy"   // joules of one inference, at an operating point
	KindMeets    Kind = "meets"    // probability that an inference at an operating point ends in time; to be maximised
	// KindActivations counts bytes of activations as float32; see supernet.Block.Activations.
	KindActivations Kind = "activations"
)

// kinds lists them as messages do.
var kinds = []Kind{KindAccuracy, KindLatency, KindP99, KindMeets, KindEnergy, KindMACs, KindParams, KindMemory, KindActivations}

// atPoint reports whether quantities of the kind belong to an operating point.
func (k Kind) atPoint() bool {
	return k == KindLatency || k == KindP99 || k == KindMeets || k == KindEnergy
}

// maximised reports whether more of the kind is better.
func (k Kind) maximised() bool { return k == KindAccuracy || k == KindMeets }

// bytesPerParam is the size of a float32.
const bytesPerParam = 4

// Quantity is something that a network is judged by. Its text form is as in "latency(gpu)", "macs" or
// "meets(gpu,60ms)".
type Quantity struct {
	Kind Kind
	// Point names the operating point of a latency, p99, energy or probability; empty stands for that of
	// Problem.Latency.
	Point string
	// Limit is the latency of which a KindMeets is the probability; 0 for other kinds.
	Limit unit.Nanoseconds
}

// String returns the text form.
func (q Quantity) String() string {
	switch {
	case q.Kind == KindMeets && q.Point == "":
		return fmt.Sprintf("%s(%s)", q.Kind, latencyText(float64(q.Limit)))
	case q.Kind == KindMeets:
		return fmt.Sprintf("%s(%s,%s)", q.Kind, q.Point, latencyText(float64(q.Limit)))
	case q.Point == "":
		return string(q.Kind)
	}
	return fmt.Sprintf("%s(%s)", q.Kind, q.Point)
}

// latencyText prints a latency so that it is read back as the same number.
func latencyText(ns float64) string {
	if ms := strconv.FormatFloat(ns/1e6, 'g', -1, 64); sameNumber(ms, 1e6, ns) {
		return ms + "ms"
	}
	return strconv.FormatFloat(ns, 'g', -1, 64) + "ns"
}

// MarshalText implements encoding.TextMarshaler.
func (q Quantity) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (q *Quantity) UnmarshalText(text []byte) (err error) {
	*q, err = ParseQuantity(string(text))
	return err
}

// Format prints a value of the quantity with its unit.
func (q Quantity) Format(value float64) string {
	switch q.Kind {
	case KindAccuracy:
		return strconv.FormatFloat(100*value, 'f', 3, 64) + "%"
	case KindMeets: // no more exactly than it is known
		switch {
		case value > 0.99:
			return ">99%"
		case value < 0.01:
			return "<1%"
		}
		return strconv.FormatFloat(100*value, 'f', 0, 64) + "%"
	case KindLatency, KindP99:
		return strconv.FormatFloat(value/1e6, 'f', 3, 64) + "ms"
	case KindEnergy:
		if value >= 1 {
			return strconv.FormatFloat(value, 'f', 3, 64) + "J"
		}
		return strconv.FormatFloat(value*1e3, 'f', 3, 64) + "mJ"
	case KindMemory, KindActivations:
		return strconv.FormatFloat(value/(1<<20), 'f', 2, 64) + "MiB"
	}
	return strconv.FormatFloat(value/1e6, 'f', 2, 64) + "M"
}

// minimised flips the sign of what is to be maximised; it is its own inverse.
func (q Quantity) minimised(value float64) float64 {
	if q.Kind.maximised() {
		return -value
	}
	return value
}

// scale is the unit in which hypervolumes count the quantity: milliseconds, millijoules, millions, MiB.
func (q Quantity) scale() float64 {
	switch q.Kind {
	case KindAccuracy, KindMeets:
		return 1
	case KindEnergy:
		return 1e-3
	case KindMemory, KindActivations:
		return 1 << 20
	}
	return 1e6
}

// unknownKind says which kinds there are.
func unknownKind(name string) string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = string(k)
	}
	if name == "" {
		return "a quantity is missing: one of " + strings.Join(list, ", ")
	}
	return fmt.Sprintf("unknown quantity %q, want one of %s", name, strings.Join(list, ", "))
}

// Value is a quantity of a network.
type Value struct {
	Quantity Quantity
	Value    float64 // in the unit of its kind
}

// String returns "latency(gpu) 16.002ms".
func (v Value) String() string { return v.Quantity.String() + " " + v.Quantity.Format(v.Value) }

// Point is a further operating point that latencies are predicted for.
type Point struct {
	Name    string // as in "gpu" or "cpu,15W"
	Latency Latency
}

// looksLikeLimit reports whether the end of a name would be read as the limit of a KindMeets.
func looksLikeLimit(name string) bool {
	_, _, ok := cutLimit(name)
	return ok
}

// checkPointName returns an error for a name that cannot stand in an expression.
func checkPointName(name string) error {
	if name == "" || len(name) > maxExpression || strings.ContainsAny(name, "()<>=\n") || looksLikeLimit(name) || strings.TrimSpace(name) != name {
		return fmt.Errorf("operating point %q: a name has no brackets, comparisons or outer spaces, and is no time", name)
	}
	return nil
}
