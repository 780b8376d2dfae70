package lut

import (
	"fmt"
	"math"
	"slices"
)

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

// gradeWarning begins what GradeWarning returns.
const gradeWarning = "trust grade "

// GradeWarning sums up in one line how many entries have which grade, and what is wrong with one of the worst; empty unless the
// table's own grade is C or D.
func (t *Table) GradeWarning() string {
	if !t.Grade.Worse(GradeB) {
		return ""
	}
	counts := map[Grade]int{}
	for _, e := range t.Entries {
		counts[e.Latency.Grade]++
	}
	return fmt.Sprintf(gradeWarning+"%s: of %d entries %d are A, %d B, %d C and %d D%s", t.Grade, len(t.Entries),
		counts[GradeA], counts[GradeB], counts[GradeC], counts[GradeD], t.commonReason())
}

// commonReason quotes what is wrong with the entry that costs most among those graded worst.
func (t *Table) commonReason() string {
	bad := slices.DeleteFunc(slices.Clone(t.Entries), func(e Entry) bool { return len(e.Latency.Warnings) == 0 })
	if len(bad) == 0 {
		return ""
	}
	e := slices.MaxFunc(bad, func(a, b Entry) int {
		if a.Latency.Grade != b.Latency.Grade {
			if a.Latency.Grade.Worse(b.Latency.Grade) {
				return 1
			}
			return -1
		}
		return int(math.Copysign(1, float64(a.Latency.Central()-b.Latency.Central())))
	})
	return fmt.Sprintf("; for instance %v: %s", e.Key, e.Latency.Warnings[0])
}
