package search

// MaxObjectives bounds the objectives of a problem.
const MaxObjectives = 4

// Score is what a method goes by.
type Score struct {
	Objectives
	// Values are the values of the problem's objectives, in their order and with the sign with which they
	// are to be minimised; the rest are zero.
	Values [MaxObjectives]float64
	// Violation is 0 if the network keeps every constraint, and otherwise the sum over the constraints of
	// the part of its bound by which each is missed.
	Violation float64
	n         uint8 // objectives
}

// Minimised returns the values of the objectives, all to be minimised.
func (s *Score) Minimised() []float64 { return s.Values[:s.n] }

// Feasible reports whether every constraint is kept.
func (s *Score) Feasible() bool { return s.Violation == 0 }

// NewScore returns a score with the given values of objectives, all to be minimised, for methods of one's
// own and their tests. It panics if there are more than MaxObjectives.
func NewScore(o Objectives, violation float64, values ...float64) Score {
	s := Score{Objectives: o, Violation: violation, n: uint8(len(values))}
	if copy(s.Values[:], values) < len(values) {
		panic("search: too many objectives")
	}
	return s
}
