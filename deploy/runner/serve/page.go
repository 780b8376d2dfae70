package serve

import (
	_ "embed"
	"net/http"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/deploy/trace"
)

//go:embed page.html
var pageHTML []byte

// page answers with the status page: one file that loads nothing but /status.json.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'")
	_, _ = w.Write(pageHTML) // who asked may have gone
}

// statusJSON is what the page shows.
type statusJSON struct {
	Program      string                   `json:"program"`
	Model        string                   `json:"model"`
	Policy       string                   `json:"policy"`
	Uptime       float64                  `json:"uptime_s"`
	Ready        bool                     `json:"ready"`
	Limit        float64                  `json:"limit_s"`
	Deadline     float64                  `json:"deadline_s"`
	MinAccuracy  float64                  `json:"min_accuracy"`
	Level        int                      `json:"level"`
	Switches     uint64                   `json:"switches"`
	Waiting      int                      `json:"waiting"`
	Outcomes     map[trace.Outcome]uint64 `json:"outcomes"`
	MeanAccuracy float64                  `json:"mean_accuracy"`
	Levels       []levelJSON              `json:"levels"`
	Processors   []processorJSON          `json:"processors"` // that serve, in the order of Recent's numbers
	Recent       []shown                  `json:"recent"`
	Clocks       []host.Policy            `json:"clocks,omitempty"`
	Temperatures []host.Temperature       `json:"temperatures,omitempty"`
	Rails        []host.Rail              `json:"rails,omitempty"`
	Notes        []string                 `json:"notes,omitempty"`
}

// levelJSON is a level on all processors together.
type levelJSON struct {
	Accuracy  float64 `json:"accuracy"`
	Origin    string  `json:"accuracy_origin"`
	Predicted float64 `json:"predicted_s"` // on the first processor
	Observed  float64 `json:"observed_s"`  // mean, 0 without answers
	Answers   uint64  `json:"answers"`
	Resident  bool    `json:"resident"` // for one of them
}

type processorJSON struct {
	Name     string  `json:"name"`
	Level    int     `json:"level"` // of its last answer, -1 before
	Answers  uint64  `json:"answers"`
	Switches uint64  `json:"switches"`
	Busy     float64 `json:"busy_s"` // time of its inferences
	// Levels are the levels as they run there.
	Levels []levelJSON `json:"levels"`
}

// level describes a level on some of the processors together. The caller holds the lock.
func (s *Server) level(i int, lanes []laneStats) levelJSON {
	l := &s.cfg.Run.Family.Levels[i]
	level := levelJSON{Accuracy: float64(l.Accuracy), Origin: string(l.AccuracyOrigin), Predicted: lanes[0].levels[i].predictedByInference.Seconds()}
	observed := 0.
	for p := range lanes {
		t := &lanes[p].levels[i]
		level.Answers += t.inference.n
		observed += t.observed
		level.Resident = level.Resident || lanes[p].session(i) != nil
	}
	if level.Answers > 0 {
		level.Observed = observed / float64(level.Answers)
	}
	return level
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.snapshot())
}

func (s *Server) snapshot() statusJSON {
	j := statusJSON{
		Program: s.cfg.Program, Model: s.cfg.Name + " " + s.cfg.Version, Policy: s.cfg.Run.Policy.Spec, Uptime: time.Since(s.began).Seconds(),
		Ready: !s.draining.Load(), Limit: s.control.Limit().Seconds(), Deadline: s.control.Deadline().Seconds(),
		MinAccuracy: float64(s.control.MinAccuracy()), Outcomes: map[trace.Outcome]uint64{}, Notes: s.cfg.Run.Notes,
	}
	s.stats.mu.Lock()
	for o, n := range s.stats.outcomes {
		j.Outcomes[o] = n
	}
	j.Level, j.Switches, j.Waiting = s.stats.last, s.stats.switches, s.stats.waiting
	if answers := s.stats.request.n; answers > 0 {
		j.MeanAccuracy = s.stats.served / float64(answers)
	}
	for i := range s.cfg.Run.Family.Levels {
		j.Levels = append(j.Levels, s.level(i, s.stats.lanes))
	}
	for p := range s.stats.lanes {
		lane := &s.stats.lanes[p]
		processor := processorJSON{Name: lane.name, Level: lane.last, Answers: lane.answers, Switches: lane.switches, Busy: lane.busy}
		for i := range lane.levels {
			processor.Levels = append(processor.Levels, s.level(i, s.stats.lanes[p:p+1]))
		}
		j.Processors = append(j.Processors, processor)
	}
	if n := len(s.stats.shown); n < recent {
		j.Recent = slices.Clone(s.stats.shown)
	} else { // the ring, oldest first
		j.Recent = append(slices.Clone(s.stats.shown[s.stats.at%n:]), s.stats.shown[:s.stats.at%n]...)
	}
	s.stats.mu.Unlock()
	if s.cfg.State != nil {
		state := s.cfg.State()
		j.Clocks, j.Temperatures, j.Rails = state.Policies, state.Temperatures, state.Rails
	}
	return j
}
