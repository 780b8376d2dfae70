package lut

import (
	"fmt"
	"strings"

	"github.com/dynofa/dynofa/datasets/unit"
)

// PointError says that a table was measured at another operating point than asked for.
type PointError struct {
	Differences []Difference // A: the table's
}

// Error lists the differences.
func (e *PointError) Error() string {
	texts := make([]string, len(e.Differences))
	for i, d := range e.Differences {
		texts[i] = d.String()
	}
	return "the table was measured at another operating point: " + strings.Join(texts, "; ")
}

// Rescale is the model by which latencies are carried over to other clocks: a share of the time
// follows the memory clock, the rest the clock of the table's processor. It is crude (published
// measurements of a Xavier NX's CPU grow by 1.47 for a clock lowered by 1.17), so that a result says
// which model it comes from.
type Rescale struct {
	MemoryShare float64 // in [0, 1]
}

// At returns a predictor for another operating point. Fields that want does not know are not asked
// for; a field that the table does not know becomes a warning. If a field differs, At returns a
// *PointError, unless a model is given and only the memory clock or the clock of the table's
// processor (field Processor "cpu" or "gpu") differ: then latencies are rescaled and every prediction
// carries a warning. The rescaling's own error is not in a prediction's interval.
func (p *Predictor) At(want OperatingPoint, model *Rescale) (*Predictor, error) {
	q := *p
	q.doubts.table = p.Warnings()
	var differ []Difference
	for _, d := range p.point.Differences(want) {
		switch {
		case d.B == "":
		case d.A == "":
			q.doubts.table = append(q.doubts.table, "operating point of the table: "+d.String())
		default:
			differ = append(differ, d)
		}
	}
	if len(differ) == 0 {
		return &q, nil
	}
	if model == nil {
		return nil, fmt.Errorf("lut: %w", &PointError{differ})
	}
	if !(model.MemoryShare >= 0 && model.MemoryShare <= 1) {
		return nil, fmt.Errorf("lut: rescale: the share of the time that follows the memory clock is %g, not in [0, 1]", model.MemoryShare)
	}
	compute, memory := 1.0, 1.0
	var others []Difference
	for _, d := range differ {
		switch {
		case d.Field == "memory clock":
			memory = ratio(p.point.MemoryClock, want.MemoryClock)
		case d.Field == p.point.Processor+" clock" && p.point.Processor == "cpu":
			compute = ratio(p.point.CPUClock, want.CPUClock)
		case d.Field == p.point.Processor+" clock" && p.point.Processor == "gpu":
			compute = ratio(p.point.GPUClock, want.GPUClock)
		default:
			others = append(others, d)
		}
	}
	if len(others) > 0 {
		return nil, fmt.Errorf("lut: clocks can be rescaled, nothing else: %w", &PointError{others})
	}
	factor := float64(model.MemoryShare*memory) + float64((1-model.MemoryShare)*compute)
	if p.calibration.Scale == 0 {
		q.calibration.Scale = 1
	}
	q.calibration.Scale *= factor
	q.calibration.Offset = unit.Nanoseconds(float64(p.calibration.Offset) * factor)
	for _, d := range differ {
		q.doubts.table = append(q.doubts.table, fmt.Sprintf("latencies are rescaled by %.3f, not measured (%.0f%% of the time taken to follow the memory clock): the table's %s", factor, 100*model.MemoryShare, d))
	}
	q.point = want
	return &q, nil
}

func ratio(have, want unit.Hertz) float64 { return float64(have / want) }
