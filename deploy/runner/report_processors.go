package runner

import "time"

// ProcessorReport is the part of one of several processors in a run.
type ProcessorReport struct {
	Name     string
	Answered int64
	Failed   int64 // inferences that returned an error, no finite numbers, or nothing in time
	Switches int64
	// Busy is the time of the inferences that answered; over the report's Elapsed it is the processor's load.
	Busy   time.Duration
	Lost   int64         // times that the processor was taken out of service because an inference hung
	Levels []LevelReport // with what this processor did
}

// processorReports returns the parts of the processors.
func (r *run) processorReports() []ProcessorReport {
	var list []ProcessorReport
	for p := range r.lanes {
		t := &r.tally.lanes[p]
		rep := ProcessorReport{Name: r.lanes[p].name, Switches: t.switches, Busy: t.busy, Lost: t.lost}
		for i := range t.levels {
			l := r.levelOf(p, i).summary()
			rep.Answered += l.Answered
			rep.Failed += l.Failed
			rep.Levels = append(rep.Levels, l)
		}
		list = append(list, rep)
	}
	return list
}
