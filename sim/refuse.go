package sim

import (
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
)

// refuse returns an error for everything in a scenario that the model has no part for, so that nothing is
// passed over in silence.
func refuse(s *traffic.Scenario) error {
	var errs []error
	no := func(key, format string, args ...any) {
		errs = append(errs, &traffic.Error{Key: key, Problem: fmt.Sprintf(format, args...)})
	}
	if s.Board != "" {
		no("board", "the simulated processor has no board: no clocks, power or temperature")
	}
	if len(s.Apps) > 1 {
		no("apps", "%d applications: the simulator plays one", len(s.Apps))
	}
	for i := range s.Events {
		switch e := &s.Events[i]; e.Kind {
		case traffic.LimitEvent, traffic.AccuracyEvent:
		case traffic.SensorEvent:
			if e.Sensor != traffic.SensorLatency {
				no(fmt.Sprintf("events[%d].sensor", i), "the simulated board has no sensor of %s", e.Sensor)
			}
		default:
			no(fmt.Sprintf("events[%d].kind", i), "the simulated processor has no board, so no %s changes", e.Kind)
		}
	}
	return errors.Join(errs...)
}

// single returns a scenario with one application as one without a name, which is how it is played.
func single(s *traffic.Scenario) *traffic.Scenario {
	if len(s.Apps) != 1 {
		return s
	}
	one, app := *s, s.Apps[0]
	one.Apps = nil
	one.Family, one.Processor, one.Processors, one.Arrivals = app.Family, app.Processor, app.Processors, app.Arrivals
	one.Limit, one.Accuracy, one.InitialLevel = app.Limit, app.Accuracy, app.InitialLevel
	one.Events = append([]traffic.Event(nil), s.Events...)
	for i := range one.Events {
		one.Events[i].App = ""
	}
	return &one
}

// blind returns the times in which the manager is not told about completions.
func blind(s *traffic.Scenario) []trace.Span {
	var spans []trace.Span
	open := false
	for i := range s.Events {
		e := &s.Events[i]
		if e.Kind != traffic.SensorEvent || e.Sensor != traffic.SensorLatency || e.Lost == open {
			continue
		}
		if open = e.Lost; open {
			if n := len(spans); n > 0 && spans[n-1].To == e.At {
				spans[n-1].To = maxTime
				continue
			}
			spans = append(spans, trace.Span{From: e.At, To: maxTime})
			continue
		}
		n := len(spans) - 1
		if spans[n].To = e.At; spans[n].From == e.At {
			spans = spans[:n]
		}
	}
	return spans
}
