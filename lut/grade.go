package lut

import "fmt"

// Grade says how far a measured number is to be trusted. The empty grade means that nobody graded it,
// as in every imported table.
type Grade string

// The grades, best first.
const (
	Ungraded Grade = ""
	GradeA   Grade = "A" // use it
	GradeB   Grade = "B" // use it; it could be sharper
	GradeC   Grade = "C" // use it knowing the warnings
	GradeD   Grade = "D" // do not use it
)

// Worse reports whether g is a worse grade than h. Ungraded is worse than none and better than none.
func (g Grade) Worse(h Grade) bool { return g != Ungraded && h != Ungraded && g > h }

// Validate returns an error for anything but the five values.
func (g Grade) Validate() error {
	switch g {
	case Ungraded, GradeA, GradeB, GradeC, GradeD:
		return nil
	}
	return fmt.Errorf("grade %q is none of A, B, C, D", string(g))
}
