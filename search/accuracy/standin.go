package accuracy

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// StandIn is no accuracy predictor: it gives a number that grows with a sub-network's
// multiply-accumulates m and saturates,
//
//	0.8 m / (m + 0.6 m0),
//
// where m0 belongs to the smallest sub-network of the space. That is 0.5 there, always below 0.8,
// and strictly increasing. It lets every later stage run where no accuracies are known, such as on
// random weights; both constants are chosen, not fitted to anything. Prediction allocates.
type StandIn struct {
	space    *supernet.Space
	smallest float64 // m0
}

var _ Predictor = (*StandIn)(nil)

const (
	standInLimit = 0.8
	standInHalf  = 0.6
)

// NewStandIn returns the stand-in for a space's sub-networks. It returns an error if the space is
// not valid.
func NewStandIn(space *supernet.Space) (*StandIn, error) {
	m, err := space.MACs(space.Smallest())
	if err != nil {
		return nil, fmt.Errorf("accuracy: smallest sub-network of %s: %w", space.Name, err)
	}
	return &StandIn{space: space, smallest: float64(m)}, nil
}

// Describe says that the numbers are no accuracies.
func (s *StandIn) Describe() Description {
	return Description{
		Name:   "macs-curve",
		Origin: Standin,
		Source: s.space.Name,
		Note:   "Accuracies are a stand-in, a monotone function of multiply-accumulates: no accuracy was measured or predicted.",
	}
}

// Predict implements Predictor. An *Error names an architecture that is not of the space.
func (s *StandIn) Predict(archs []supernet.Arch, out []unit.Accuracy) error {
	checkLengths(archs, out)
	for i, a := range archs {
		n, err := s.space.MACs(a)
		if err != nil {
			return &Error{i, a, err}
		}
		m := float64(n)
		out[i] = unit.Accuracy(standInLimit * (m / (m + float64(standInHalf*s.smallest))))
	}
	return nil
}
