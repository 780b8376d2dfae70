package serve

import (
	"strconv"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
)

// alarmReasons are the reasons of alarms, each of which is a series from the start.
var alarmReasons = []policy.Reason{runner.ReasonClockDenied, runner.ReasonClockJump, runner.ReasonClockLost, runner.ReasonProcessorLost, runner.ReasonProviderMissing,
	runner.ReasonSensorLost, runner.ReasonSessionFailed}

// device writes what is known about the device and about drift.
func (s *Server) device(p printer) {
	if h := s.cfg.Run.Health; h != nil {
		p.head("dynofa_alarms_total", "counter", "Alarms that put the safe level in service, by reason.")
		for _, reason := range alarmReasons {
			p.value("dynofa_alarms_total", float64(h.Count(reason)), "reason", string(reason))
		}
	}
	if s.cfg.Drift != nil {
		levels := s.cfg.Drift.Levels()
		p.head("dynofa_drift_ratio", "gauge", "Median of observed over predicted latency of a level's last inferences; absent before there are enough.")
		for _, l := range levels {
			if l.Ratio > 0 {
				p.value("dynofa_drift_ratio", l.Ratio, "processor", l.Processor, "level", strconv.Itoa(l.Level))
			}
		}
		p.head("dynofa_drift", "gauge", "Whether a level's latency has left what the table predicts.")
		for _, l := range levels {
			p.value("dynofa_drift", number(l.Out), "processor", l.Processor, "level", strconv.Itoa(l.Level))
		}
		p.head("dynofa_drifts_total", "counter", "How often a level's latency left what the table predicts.")
		for _, l := range levels {
			p.value("dynofa_drifts_total", float64(l.Left), "processor", l.Processor, "level", strconv.Itoa(l.Level))
		}
	}
	if s.cfg.Monitor == nil {
		return
	}
	r, ok := s.cfg.Monitor.Last()
	if !ok {
		return
	}
	p.head("dynofa_temperature_celsius", "gauge", "Temperature of a thermal zone.")
	for _, t := range r.State.Temperatures {
		p.value("dynofa_temperature_celsius", float64(t.Celsius), "zone", t.Zone)
	}
	p.head("dynofa_rail_watts", "gauge", "Power through a supply rail.")
	for _, rail := range r.State.Rails {
		p.value("dynofa_rail_watts", float64(rail.Watts), "rail", rail.Name)
	}
	p.head("dynofa_rail_joules_total", "counter", "Energy through a supply rail, integrated from samples.")
	for _, e := range r.Energy {
		p.value("dynofa_rail_joules_total", float64(e.Joules), "rail", e.Rail)
	}
	if r.Known {
		p.head("dynofa_cpu_busy_ratio", "gauge", "Share of the processors' time in use, all programs together.")
		p.value("dynofa_cpu_busy_ratio", r.Busy)
	}
	if limit := r.Memory.Limit(); limit > 0 {
		p.head("dynofa_memory_limit_used_ratio", "gauge", "Share of the memory limit in use that the kernel cannot take back.")
		p.value("dynofa_memory_limit_used_ratio", r.Memory.Used())
	}
	p.head("dynofa_sensors_lost", "gauge", "Sensors that answered at first and do not now.")
	p.value("dynofa_sensors_lost", float64(len(r.Lost)))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
