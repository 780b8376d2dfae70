package traffic

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// EventKind says what an Event changes.
type EventKind string

// Kinds of events, with what "to" is in a file.
const (
	ClockEvent    EventKind = "clock"    // of a processor: a frequency, as a clock governor or a user asks for it
	ModeEvent     EventKind = "mode"     // of the board: the name of a power mode
	AmbientEvent  EventKind = "ambient"  // around the board: a temperature such as 35C
	LimitEvent    EventKind = "limit"    // deadlines of requests that arrive from then on: a duration
	AccuracyEvent EventKind = "accuracy" // that the manager is asked to keep: an accuracy
	SensorEvent   EventKind = "sensor"   // what is measured: lost or back
)

// EventKinds lists the kinds of events.
var EventKinds = []EventKind{ClockEvent, ModeEvent, AmbientEvent, LimitEvent, AccuracyEvent, SensorEvent}

// Sensors lists what a SensorEvent may take away.
var Sensors = []string{SensorLatency, SensorTemperature, SensorPower}

// Sensors. Without SensorLatency completions reach the manager no more; without the others the board cannot read its
// temperature or power, so what it does about them stays as it is.
const (
	SensorLatency     = "latency"
	SensorTemperature = "temperature"
	SensorPower       = "power"
)

// Event is something that changes at a time. Which of the fields below What have a meaning depends on Kind;
// the others are zero.
type Event struct {
	At   time.Duration // since the start
	Kind EventKind
	What string // what happens, for people; optional

	Processor string        // of ClockEvent
	Clock     unit.Hertz    // of ClockEvent
	Mode      string        // of ModeEvent
	Ambient   unit.Celsius  // of AmbientEvent, in [MinAmbient, MaxAmbient]
	App       string        // of LimitEvent and AccuracyEvent: the only application that it is for; empty: all
	Limit     time.Duration // of LimitEvent, 0: none from then on
	Accuracy  unit.Accuracy // of AccuracyEvent, 0: none from then on
	Sensor    string        // of SensorEvent, one of Sensors
	Lost      bool          // of SensorEvent
}

func (e *Event) problems(r *report, apps []App) {
	r.between("at", e.At, 0, MaxDuration)
	r.text("what", e.What, maxLine)
	switch e.Kind {
	case ClockEvent:
		r.name("processor", e.Processor)
		if !(e.Clock > 0 && e.Clock <= MaxClock) {
			r.add("to", "%v is outside (0 Hz, %v]", e.Clock, unit.Hertz(MaxClock))
		}
	case ModeEvent:
		r.name("to", e.Mode)
	case AmbientEvent:
		if !(e.Ambient >= MinAmbient && e.Ambient <= MaxAmbient) {
			r.add("to", "%v is outside [%v, %v]", e.Ambient, unit.Celsius(MinAmbient), unit.Celsius(MaxAmbient))
		}
	case LimitEvent:
		r.between("to", e.Limit, 0, MaxDuration)
	case AccuracyEvent:
		if err := e.Accuracy.Validate(); err != nil {
			r.add("to", "%v", err)
		}
	case SensorEvent:
		if !slices.Contains(Sensors, e.Sensor) {
			r.add("sensor", "%q is none of %s", clip(e.Sensor), strings.Join(Sensors, ", "))
		}
	default:
		r.add("kind", "%q is none of %s", clip(string(e.Kind)), eventKinds())
	}
	if e.App != "" && !slices.ContainsFunc(apps, func(a App) bool { return a.Name == e.App }) {
		r.add("app", "%q is none of the scenario's applications", clip(e.App))
	}
}

func eventKinds() string {
	names := make([]string, len(EventKinds))
	for i, k := range EventKinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// LimitAt returns the deadline, relative to the arrival, of a request of an application that arrives at time
// t; 0 for none.
func (s *Scenario) LimitAt(app string, t time.Duration) time.Duration {
	limit := s.app(app).Limit
	for i := range s.Events {
		if e := &s.Events[i]; e.At > t {
			break
		} else if e.Kind == LimitEvent && (e.App == "" || e.App == app) {
			limit = e.Limit
		}
	}
	return limit
}

// AccuracyAt returns the accuracy that the manager of an application is asked to keep at time t.
func (s *Scenario) AccuracyAt(app string, t time.Duration) unit.Accuracy {
	accuracy := s.app(app).Accuracy
	for i := range s.Events {
		if e := &s.Events[i]; e.At > t {
			break
		} else if e.Kind == AccuracyEvent && (e.App == "" || e.App == app) {
			accuracy = e.Accuracy
		}
	}
	return accuracy
}

// App is an application with its own requests.
type App struct {
	Name   string
	Family string
	// Processor and Processors are as in Scenario.
	Processor  string
	Processors []string
	Arrivals   Arrivals
	// Limit, Accuracy and InitialLevel are as in Scenario.
	Limit        time.Duration
	Accuracy     unit.Accuracy
	InitialLevel int
}

// May returns the processors that may serve, Processor first.
func (a App) May() []string {
	if len(a.Processors) > 0 {
		return a.Processors
	}
	return []string{a.Processor}
}

// Applications returns the applications of the scenario in order: those of Apps, or a single one without a
// name that the scenario's own fields describe.
func (s *Scenario) Applications() []App {
	if len(s.Apps) > 0 {
		return s.Apps
	}
	return []App{{
		Family: s.Family, Processor: s.Processor, Processors: s.Processors, Arrivals: s.Arrivals,
		Limit: s.Limit, Accuracy: s.Accuracy, InitialLevel: s.InitialLevel,
	}}
}

func (s *Scenario) app(name string) App {
	for _, a := range s.Apps {
		if a.Name == name {
			return a
		}
	}
	if len(s.Apps) == 0 {
		return s.Applications()[0]
	}
	return App{}
}

func (a *App) problems(r *report) {
	r.name("name", a.Name)
	r.name("family", a.Family)
	r.name("processor", a.Processor)
	r.processors(a.Processor, a.Processors)
	r.between("limit", a.Limit, 0, MaxDuration)
	if err := a.Accuracy.Validate(); err != nil {
		r.add("accuracy", "%v", err)
	}
	if a.InitialLevel < 0 || a.InitialLevel > MaxLevel {
		r.add("initial_level", "%d is outside [0, %d]", a.InitialLevel, MaxLevel)
	}
	if a.Arrivals == nil {
		r.add("", "arrivals is missing")
		return
	}
	r.within("arrivals", a.Arrivals.problems)
}

func (s *Scenario) checkEvents(r *report) {
	r.size("events", len(s.Events), MaxSteps)
	for i := range s.Events {
		key := fmt.Sprintf("events[%d]", i)
		r.within(key, func(r *report) { s.Events[i].problems(r, s.Apps) })
		if i > 0 && s.Events[i].At < s.Events[i-1].At {
			r.add(key+".at", "%v is before the event before, at %v", s.Events[i].At, s.Events[i-1].At)
		}
	}
}

func (s *Scenario) checkApps(r *report) {
	r.size("apps", len(s.Apps), maxApps)
	if s.Family != "" || s.Processor != "" || s.Arrivals != nil || s.Limit != 0 || s.Accuracy != 0 || s.InitialLevel != 0 {
		r.add("apps", "family, processor, arrivals, limit, accuracy and initial_level belong into the applications")
	}
	for i := range s.Apps {
		key := fmt.Sprintf("apps[%d]", i)
		r.within(key, s.Apps[i].problems)
		for _, other := range s.Apps[:i] {
			if other.Name == s.Apps[i].Name && other.Name != "" {
				r.add(key+".name", "%q is given twice", clip(other.Name))
			}
		}
	}
}
