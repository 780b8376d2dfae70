package search

import (
	"fmt"
	"strconv"
	"strings"
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
)

// kinds lists them as messages do.
var kinds = []Kind{KindAccuracy, KindLatency, KindMACs, KindParams, KindMemory}

// bytesPerParam is the size of a float32.
const bytesPerParam = 4

// Quantity is something that a network is judged by. Its text form is as in "latency(gpu)" or "macs".
type Quantity struct {
	Kind Kind
	// Point names the operating point of a latency; empty stands for that of Problem.Latency.
	Point string
}

// String returns the text form.
func (q Quantity) String() string {
	if q.Point == "" {
		return string(q.Kind)
	}
	return fmt.Sprintf("%s(%s)", q.Kind, q.Point)
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
	case KindLatency:
		return strconv.FormatFloat(value/1e6, 'f', 3, 64) + "ms"
	case KindMemory:
		return strconv.FormatFloat(value/(1<<20), 'f', 2, 64) + "MiB"
	}
	return strconv.FormatFloat(value/1e6, 'f', 2, 64) + "M"
}

// minimised flips the sign of what is to be maximised; it is its own inverse.
func (q Quantity) minimised(value float64) float64 {
	if q.Kind == KindAccuracy {
		return -value
	}
	return value
}

// scale is the unit in which hypervolumes count the quantity: milliseconds, millions, MiB.
func (q Quantity) scale() float64 {
	switch q.Kind {
	case KindAccuracy:
		return 1
	case KindMemory:
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

// checkPointName returns an error for a name that cannot stand in an expression.
func checkPointName(name string) error {
	if name == "" || len(name) > maxExpression || strings.ContainsAny(name, "()<>=\n") || strings.TrimSpace(name) != name {
		return fmt.Errorf("operating point %q: a name has no brackets, comparisons or outer spaces", name)
	}
	return nil
}
