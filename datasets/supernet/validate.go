package supernet

import (
	"errors"
	"fmt"
	"math"
	"regexp"
)

// Bounds of a space. They are far above what anybody trains and keep hostile descriptions small.
const (
	maxName      = 64 // bytes
	maxStages    = 16
	maxPositions = 128
	maxChoices   = 8 // kernel sizes, expand ratios, depths
	maxDepth     = 16
	maxExpand    = 64
	maxChannels  = 1 << 10 // of the input picture
	maxSizes     = 255     // resolutions
)

// namePattern is what a space may be called: one word that stands in tables, file names and messages.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._,+-]*$`)

// FieldError is a problem with one field of a Space.
type FieldError struct {
	Field   string // its key in a description, for example "stages[1].width"
	Problem string
}

// Error formats as "stages[1].width: problem".
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// Validate returns every problem that keeps s from being a supernet, each a *FieldError, joined: a name
// that is no word, lists of choices that are empty, unordered or out of range, parts that do not go
// together, shapes that cannot be counted.
func (s *Space) Validate() error {
	var all []error
	for _, p := range s.problems() {
		all = append(all, p)
	}
	return errors.Join(all...)
}

func (s *Space) problems() []*FieldError {
	c := &checker{}
	s.checkChoices(c)
	s.checkEnds(c)
	s.checkStages(c)
	s.checkParts(c)
	if len(c.problems) == 0 {
		s.checkBlocks(c)
	}
	return c.problems
}

// checker collects problems.
type checker struct{ problems []*FieldError }

func (c *checker) fail(field, format string, args ...any) {
	c.problems = append(c.problems, &FieldError{field, fmt.Sprintf(format, args...)})
}

func (c *checker) within(field string, v, low, high int) {
	if v < low || v > high {
		c.fail(field, "%d is outside [%d, %d]", v, low, high)
	}
}

func (c *checker) activation(field string, a Activation) {
	if a == None || !a.Valid() {
		c.fail(field, "%q is none of %s, %s, %s", a, ReLU, ReLU6, HSwish)
	}
}

// choices checks a list that ascends within bounds.
func choices[T int | float64](c *checker, field string, values []T, most int, low, high T) {
	if len(values) < 1 || len(values) > most {
		c.fail(field, "it has %d values, want 1 to %d", len(values), most)
		return
	}
	for i, v := range values {
		at := fmt.Sprintf("%s[%d]", field, i)
		if !(v >= low && v <= high) {
			c.fail(at, "%v is outside [%v, %v]", v, low, high)
		} else if i > 0 && !(v > values[i-1]) {
			c.fail(at, "%v does not ascend from %v", v, values[i-1])
		}
	}
}

func (s *Space) checkChoices(c *checker) {
	if len(s.Name) > maxName || !namePattern.MatchString(s.Name) {
		c.fail("name", "%.80q is no word of 1 to %d letters, digits and ._,+-", s.Name, maxName)
	}
	choices(c, "resolutions", s.Resolutions, maxSizes, minResolution, maxResolution)
	choices(c, "kernels", s.Kernels, maxChoices, 1, maxKernel)
	for i, k := range s.Kernels {
		if k > 0 && k%2 == 0 {
			c.fail(fmt.Sprintf("kernels[%d]", i), "%d is even", k)
		}
	}
	choices(c, "expands", s.Expands, maxChoices, math.SmallestNonzeroFloat64, maxExpand)
	if len(s.Depths) > 0 || s.needsDepths() {
		choices(c, "depths", s.Depths, maxChoices, 0, maxDepth)
	}
	if len(s.Widths) > 0 {
		choices(c, "widths", s.Widths, maxWidths, math.SmallestNonzeroFloat64, maxMultiplier)
	}
}

// needsDepths reports whether something's depth is chosen from Depths.
func (s *Space) needsDepths() bool {
	if s.Stem == StemDeep {
		return true
	}
	for i, stage := range s.Stages {
		if !stage.Fixed && (i >= len(s.StageDepths) || len(s.StageDepths[i]) == 0) {
			return true
		}
	}
	return false
}

func (s *Space) checkEnds(c *checker) {
	c.within("in_channels", s.InChannels, 1, maxChannels)
	c.within("classes", s.Classes, 1, maxDimension)
	if s.Stem != StemConv && s.Stem != StemDeep {
		c.fail("stem.kind", "%q is neither %q nor %q", s.Stem, stemConvName, StemDeep)
	}
	c.within("stem.width", s.StemWidth, 1, maxDimension)
	c.within("stem.stride", s.StemStride, 0, maxStride) // 0 stands for 2
	c.activation("stem.activation", s.StemAct)
	c.within("first.width", s.FirstWidth, 0, maxDimension)
	if s.FirstWidth > 0 {
		c.activation("first.activation", s.FirstAct)
	}
	c.within("head.expand", s.ExpandWidth, 0, maxDimension)
	c.within("head.mix", s.MixWidth, 0, maxDimension)
	if s.ExpandWidth > 0 || s.MixWidth > 0 {
		c.activation("head.activation", s.HeadAct)
	}
	if !(s.BNEps > 0 && s.BNEps < 1) {
		c.fail("bn_eps", "%g is outside (0, 1)", s.BNEps)
	}
}

func (s *Space) checkStages(c *checker) {
	if n := len(s.Stages); n < 1 || n > maxStages {
		c.fail("stages", "there are %d, want 1 to %d", n, maxStages)
		return
	}
	if n := len(s.StageDepths); n != 0 && n != len(s.Stages) {
		c.fail("stages", "%d lists of depths for %d stages", n, len(s.Stages))
		return
	}
	for i, stage := range s.Stages {
		at := fmt.Sprintf("stages[%d]", i)
		c.within(at+".width", stage.Width, 1, maxDimension)
		c.within(at+".stride", stage.Stride, 1, maxStride)
		c.activation(at+".activation", stage.Act)
		c.within(at+".base", stage.Base, 0, maxDepth)
		own := i < len(s.StageDepths) && len(s.StageDepths[i]) > 0
		switch {
		case own && stage.Fixed:
			c.fail(at+".depths", "a fixed stage has no depths")
		case own:
			choices(c, at+".depths", s.StageDepths[i], maxChoices, 0, maxDepth)
		}
		if least := stage.Base + leastDepth(s.stageDepths(i), stage.Fixed); least < 1 {
			c.fail(at, "it may have no block: base plus the smallest depth is %d", least)
		}
	}
	if n := s.Positions(); len(c.problems) == 0 && n > maxPositions {
		c.fail("stages", "%d blocks are more than %d", n, maxPositions)
	}
}

// leastDepth returns the smallest of a stage's depths, and 1 where that is another field's problem.
func leastDepth(depths []int, fixed bool) int {
	switch {
	case fixed:
		return 0
	case len(depths) == 0:
		return 1
	}
	return depths[0]
}

// checkParts holds the parts against each other.
func (s *Space) checkParts(c *checker) {
	switch s.Body {
	case "", OpMBConv:
		if len(s.Widths) > 0 {
			c.fail("widths", "blocks of kind %s have fixed widths", OpMBConv)
		}
	case OpBottleneck:
		if len(s.Kernels) > 1 {
			c.fail("kernels", "a %s has one kernel size, not %d to choose from", OpBottleneck, len(s.Kernels))
		}
		for i, stage := range s.Stages {
			at := fmt.Sprintf("stages[%d]", i)
			if stage.SE {
				c.fail(at+".se", "a %s has no squeeze-and-excitation", OpBottleneck)
			}
			if stage.Stride > 2 {
				c.fail(at+".stride", "the shortcut of a %s has stride 1 or 2, not %d", OpBottleneck, stage.Stride)
			}
		}
	default:
		c.fail("body", "%q is neither %s nor %s", s.Body, OpMBConv, OpBottleneck)
	}
}

// checkBlocks holds the blocks of the ends of every choice against what a block may be.
func (s *Space) checkBlocks(c *checker) {
	for _, r := range []int{s.Resolutions[0], last(s.Resolutions)} {
		for _, sl := range s.Slots(r) {
			least := Choice{Kernel: s.Kernels[0], Expand: s.Expands[0]}
			most := Choice{Kernel: last(s.Kernels), Expand: last(s.Expands), In: sl.widths(sl.In) - 1, Out: sl.widths(sl.Out) - 1}
			for _, choice := range []Choice{least, most} {
				if err := sl.Block(choice).Validate(); err != nil {
					c.fail(fieldOf(s, &sl), "block %s at resolution %d: %v", sl.Name, r, err)
					return
				}
			}
		}
	}
}

// fieldOf returns the key of the part that a slot belongs to.
func fieldOf(s *Space, sl *Slot) string {
	for i := range s.Stages {
		if sl.Position >= s.FirstPosition(i) && sl.Position < s.FirstPosition(i+1) {
			return fmt.Sprintf("stages[%d]", i)
		}
	}
	switch sl.block.Op {
	case OpStem, OpMaxPool:
		return "stem"
	case OpSepConv:
		return "first"
	}
	return "head"
}
