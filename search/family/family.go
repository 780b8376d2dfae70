// Package family holds families of sub-networks as data: the levels that a runtime manager
// switches among. How a family is chosen is package selection's business, how it is stored
// package store's.
package family

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// Family is an ordered set of sub-networks of one supernet.
type Family struct {
	Name  string `json:"name"`
	Space string `json:"space"` // name of the supernet space
	// SpaceDescription describes a space of the user's own, as supernet.Space.Description does; it is
	// empty where the name says everything. Supernet reads both.
	SpaceDescription string   `json:"space_description,omitempty"`
	Source           string   `json:"source"`           // one line: how the family came about
	Rule             string   `json:"rule,omitempty"`   // how the levels were chosen, for people
	Levels           []Level  `json:"levels"`           // ascending accuracy; level 0 is the least accurate
	Clocks           []Clocks `json:"clocks,omitempty"` // of processors whose clock may be chosen
	Notes            []string `json:"notes,omitempty"`  // doubts that travel with every number of the family
}

// AccuracyOrigin says what kind of number a level's accuracy is.
type AccuracyOrigin string

// Origins of an accuracy.
const (
	AccuracyMeasured  AccuracyOrigin = "measured"  // on labelled images by this program
	AccuracyPublished AccuracyOrigin = "published" // measured by somebody else and published
	AccuracyPredicted AccuracyOrigin = "predicted" // by an accuracy predictor
	AccuracyStandIn   AccuracyOrigin = "stand-in"  // no accuracy at all: a number that stands in for one
)

// Level is one sub-network of a Family.
type Level struct {
	Arch           supernet.Arch  `json:"arch"` // canonical
	Accuracy       unit.Accuracy  `json:"accuracy"`
	AccuracyOrigin AccuracyOrigin `json:"accuracy_origin"`
	MACs           int64          `json:"macs"`
	Params         int64          `json:"params"`
	// Latencies has one entry per processor, in the same order at every level.
	Latencies []Latency `json:"latencies"`
}

// Latency is a level's latency on one processor.
type Latency struct {
	Processor string           `json:"processor"`
	Latency   unit.Nanoseconds `json:"latency_ns"`
	Origin    lut.Origin       `json:"origin"` // measured, imported or modelled (a sum over table entries counts as what the table is)
	Source    string           `json:"source"` // one line
	// Batches has the latencies of batches of 2, 3 and so on, at most MaxBatch-1; nil if they are not known.
	Batches []unit.Nanoseconds `json:"batches_ns,omitempty"`
	// Points has an operating point for each step of the processor's Clocks; without those, one for the clock as it is,
	// whose energy alone counts, or none.
	Points []Point `json:"points,omitempty"`
}

// Equal reports whether two latencies are the same in every field.
func (l Latency) Equal(m Latency) bool {
	return l.Processor == m.Processor && l.Latency == m.Latency && l.Origin == m.Origin && l.Source == m.Source &&
		slices.Equal(l.Batches, m.Batches) && slices.Equal(l.Points, m.Points)
}

// MaxBatch is the largest batch that a latency is given for.
const MaxBatch = 8

// Supernet returns the space of the family's sub-networks.
func (f *Family) Supernet() (*supernet.Space, error) {
	return supernet.Resolve(f.Space, f.SpaceDescription)
}

// Processors returns the processors that the family's levels have latencies for, in order.
func (f *Family) Processors() []string {
	if len(f.Levels) == 0 {
		return nil
	}
	names := make([]string, len(f.Levels[0].Latencies))
	for i, l := range f.Levels[0].Latencies {
		names[i] = l.Processor
	}
	return names
}

// Latency returns the latency of a level on a processor, and whether it is known.
func (f *Family) Latency(level int, processor string) (Latency, bool) {
	if level < 0 || level >= len(f.Levels) {
		return Latency{}, false
	}
	for _, l := range f.Levels[level].Latencies {
		if l.Processor == processor {
			return l, true
		}
	}
	return Latency{}, false
}

// MaxLevels bounds the levels of a family; published ones have four to seven.
const MaxLevels = 64

// Validate returns every problem that makes the family unusable: no name or space, no levels or
// more than MaxLevels, accuracies outside [0, 1] or not ascending, levels without positive finite
// latencies or with different processors, architectures that are equal.
func (f *Family) Validate() error {
	var errs []error
	if f.Name == "" || f.Space == "" {
		errs = append(errs, errors.New("name or space is empty"))
	}
	if n := len(f.Levels); n < 1 || n > MaxLevels {
		errs = append(errs, fmt.Errorf("it has %d levels, want 1 to %d", n, MaxLevels))
	}
	if err := f.checkClocks(); err != nil {
		errs = append(errs, err)
	}
	processors := f.Processors()
	for i, l := range f.Levels {
		if err := l.Accuracy.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("level %d: %w", i, err))
		}
		if i > 0 && l.Accuracy < f.Levels[i-1].Accuracy {
			errs = append(errs, fmt.Errorf("level %d is less accurate than level %d", i, i-1))
		}
		switch l.AccuracyOrigin {
		case AccuracyMeasured, AccuracyPublished, AccuracyPredicted, AccuracyStandIn:
		default:
			errs = append(errs, fmt.Errorf("level %d: accuracy origin %q is unknown", i, l.AccuracyOrigin))
		}
		if len(l.Latencies) == 0 || len(l.Latencies) != len(processors) {
			errs = append(errs, fmt.Errorf("level %d: latencies for %d processors, level 0 has %d", i, len(l.Latencies), len(processors)))
			continue
		}
		for j, lat := range l.Latencies {
			if lat.Processor != processors[j] || lat.Processor == "" {
				errs = append(errs, fmt.Errorf("level %d: processor %d is %q, level 0 has %q", i, j, lat.Processor, processors[j]))
			}
			if !(lat.Latency > 0 && lat.Latency < 1e15) {
				errs = append(errs, fmt.Errorf("level %d: latency %g ns on %q is not in (0, 1e15)", i, float64(lat.Latency), lat.Processor))
			}
			if err := f.checkPoints(&lat); err != nil {
				errs = append(errs, fmt.Errorf("level %d: %w", i, err))
			}
			if len(lat.Batches) > MaxBatch-1 {
				errs = append(errs, fmt.Errorf("level %d: latencies of %d batch sizes beside 1 on %q, at most %d are allowed", i, len(lat.Batches), lat.Processor, MaxBatch-1))
			}
			for b, batch := range lat.Batches {
				if !(batch > 0 && batch < 1e15) {
					errs = append(errs, fmt.Errorf("level %d: latency %g ns of a batch of %d on %q is not in (0, 1e15)", i, float64(batch), b+2, lat.Processor))
				}
			}
		}
		for j := range i {
			if f.Levels[j].Arch.Equal(l.Arch) {
				errs = append(errs, fmt.Errorf("levels %d and %d are the same architecture", j, i))
			}
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("family %q: %w", f.Name, errors.Join(errs...))
	}
	return nil
}
