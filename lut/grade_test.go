package lut_test

import (
	"testing"

	"github.com/dynofa/dynofa/lut"
)

func TestGrade(t *testing.T) {
	for _, c := range []struct {
		g, h lut.Grade
		want bool
	}{{"B", "A", true}, {"A", "B", false}, {"A", "A", false}, {"D", "", false}, {"", "D", false}} {
		if c.g.Worse(c.h) != c.want {
			t.Errorf("%q worse than %q: %v", c.g, c.h, !c.want)
		}
	}
	if lut.Grade("E").Validate() == nil || lut.Grade("a").Validate() == nil || lut.GradeD.Validate() != nil || lut.Ungraded.Validate() != nil {
		t.Error("validation")
	}
	l := lut.MeanOnly(3, 1, 1)
	l.Grade = "F"
	if l.Validate() == nil {
		t.Error("grade F is accepted")
	}
	l.Grade, l.Preempted = lut.GradeA, -1
	if l.Validate() == nil {
		t.Error("-1 preempted samples are accepted")
	}
}
