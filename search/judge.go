package search

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// judge turns predictions into scores. It is compiled from a problem and does not change.
type judge struct {
	space *supernet.Space
	// columns are the quantities that are worked out for each network: accuracy, the latency of the first
	// operating point, and what objectives and constraints add.
	columns    []column
	objectives []int // columns
	bounds     []bound
	slots      [][]supernet.Slot // by resolution in pixels; nil if no column needs blocks
}

// column is a quantity and how it comes about.
type column struct {
	Quantity
	latency Latency // of a latency
	// predict is what works out other quantities of an operating point.
	predict func(a supernet.Arch) (float64, error)
}

// bound is a constraint on a column.
type bound struct {
	Constraint
	column int
}

// The first columns of every judge.
const (
	columnAccuracy = iota
	columnLatency
)

// maxColumns bounds the quantities of a problem.
const maxColumns = 16

func newJudge(p Problem) (*judge, error) {
	j := &judge{space: p.Space, columns: []column{{Quantity: Quantity{Kind: KindAccuracy}}, {Quantity: Quantity{Kind: KindLatency, Point: p.Point}, latency: p.Latency}}}
	for _, q := range p.objectives() {
		i, err := j.column(p, q)
		if err != nil {
			return nil, fmt.Errorf("objective %v: %w", q, err)
		}
		for _, other := range j.objectives {
			if other == i {
				return nil, fmt.Errorf("objective %v is given twice", q)
			}
		}
		j.objectives = append(j.objectives, i)
	}
	for _, c := range p.Constraints {
		if c.Side != AtMost && c.Side != AtLeast || !(c.Bound >= 0) || math.IsInf(c.Bound, 0) {
			return nil, fmt.Errorf("constraint %v: no bound", c)
		}
		i, err := j.column(p, c.Quantity)
		if err != nil {
			return nil, fmt.Errorf("constraint %v: %w", c, err)
		}
		j.bounds = append(j.bounds, bound{c, i})
	}
	for _, q := range p.Columns {
		if _, err := j.column(p, q); err != nil {
			return nil, fmt.Errorf("column %v: %w", q, err)
		}
	}
	return j, nil
}

// column returns the index of a quantity, which it adds if need be.
func (j *judge) column(p Problem, q Quantity) (int, error) {
	if q.Kind.atPoint() && q.Point == "" {
		q.Point = p.Point
	}
	for i, c := range j.columns {
		if c.Quantity == q {
			return i, nil
		}
	}
	c := column{Quantity: q}
	switch q.Kind {
	case KindLatency, KindP99, KindEnergy, KindMeets:
		at := p.at(q.Point)
		if at == nil {
			return 0, fmt.Errorf("there is no operating point %q, only %s", q.Point, p.pointNames())
		}
		if q.Kind == KindLatency {
			c.latency = at
			break
		}
		var err error
		if c.predict, err = predictor(p, q, at); err != nil {
			return 0, err
		}
	case KindMACs, KindParams, KindMemory, KindActivations:
		if j.slots == nil {
			j.slots = slotsOf(p)
		}
	default:
		return 0, fmt.Errorf("%s", unknownKind(string(q.Kind)))
	}
	if len(j.columns) == maxColumns {
		return 0, fmt.Errorf("more than %d quantities", maxColumns)
	}
	j.columns = append(j.columns, c)
	return len(j.columns) - 1, nil
}

// costs fills all columns but accuracy with the quantities of a canonical architecture.
func (j *judge) costs(a supernet.Arch, row *[maxColumns]float64) error {
	var n counts
	if j.slots != nil {
		n = count(j.slots[a.R], &a)
	}
	for i := columnLatency; i < len(j.columns); i++ {
		switch c := &j.columns[i]; c.Kind {
		case KindLatency:
			latency, err := c.latency.Latency(a)
			if err != nil {
				return fmt.Errorf("latency of %v: %w", a, err)
			}
			if l := float64(latency); !(l > 0) || math.IsInf(l, 0) {
				return &PredictionError{a, quantityLatency, l}
			}
			row[i] = float64(latency)
		case KindP99, KindEnergy, KindMeets:
			v, err := c.predict(a)
			if err != nil {
				return fmt.Errorf("%v of %v: %w", c.Quantity, a, err)
			}
			if !(v >= 0) || math.IsInf(v, 0) {
				return &PredictionError{a, c.Quantity.String(), v}
			}
			row[i] = v
		case KindMACs:
			row[i] = float64(n.macs)
		case KindParams:
			row[i] = float64(n.params)
		case KindMemory:
			row[i] = float64(n.params) * bytesPerParam
		case KindActivations:
			row[i] = float64(n.activations) * bytesPerParam
		}
	}
	return nil
}

// score judges a complete row.
func (j *judge) score(row *[maxColumns]float64) Score {
	s := Score{
		Objectives: Objectives{unit.Accuracy(row[columnAccuracy]), unit.Nanoseconds(row[columnLatency])},
		Violation:  j.violation(row, columnAccuracy), n: uint8(len(j.objectives)),
	}
	for i, c := range j.objectives {
		s.Values[i] = j.columns[c].minimised(row[c])
	}
	return s
}

// violation sums the violations of constraints on columns from the given one on.
func (j *judge) violation(row *[maxColumns]float64, from int) float64 {
	sum := 0.0
	for _, b := range j.bounds {
		if b.column >= from {
			sum += b.violation(row[b.column])
		}
	}
	return sum
}

// hypervolumeUnit is the product of the units in which the objectives are counted.
func (j *judge) hypervolumeUnit() float64 {
	u := 1.0
	for _, c := range j.objectives {
		u *= j.columns[c].scale()
	}
	return u
}

// others returns the columns beyond accuracy and first latency, by name.
func (j *judge) others(row *[maxColumns]float64) []Value {
	var list []Value
	for i := columnLatency + 1; i < len(j.columns); i++ {
		list = append(list, Value{j.columns[i].Quantity, row[i]})
	}
	slices.SortFunc(list, func(a, b Value) int { return strings.Compare(a.Quantity.String(), b.Quantity.String()) })
	return list
}
