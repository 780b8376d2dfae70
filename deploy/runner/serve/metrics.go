package serve

import (
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/deploy/trace"
)

// metrics answers GET /metrics, in the format with native histograms if that is asked for, else in the text format. Names
// and units follow https://prometheus.io/docs/practices/naming/.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	if wantsProto(r.Header.Get("Accept")) {
		w.Header().Set("Content-Type", protoFormat)
		p := &proto{}
		s.writeMetrics(p)
		_, _ = w.Write(p.bytes()) // who asked may have gone
		return
	}
	w.Header().Set("Content-Type", textFormat)
	var b strings.Builder
	s.writeMetrics(&text{&b})
	_, _ = io.WriteString(w, b.String())
}

func (s *Server) writeMetrics(p printer) {
	p.head("dynofa_build_info", "gauge", "The program and the bundle it runs.")
	p.value("dynofa_build_info", 1, "version", s.cfg.Program, "goversion", runtime.Version(), "model", s.cfg.Name, "model_version", s.cfg.Version)

	s.stats.mu.Lock()
	p.head("dynofa_requests_total", "counter", "Requests that are done with, by outcome.")
	for _, o := range []trace.Outcome{trace.OnTime, trace.Late, trace.Dropped, trace.Refused, trace.Failed} {
		p.value("dynofa_requests_total", float64(s.stats.outcomes[o]), "outcome", string(o))
	}
	p.head("dynofa_level_switches_total", "counter", "Answers by another level than the processor's answer before.")
	for i := range s.stats.lanes {
		p.value("dynofa_level_switches_total", float64(s.stats.lanes[i].switches), "processor", s.stats.lanes[i].name)
	}
	p.head("dynofa_decisions_overridden_total", "counter", "Decisions that the runner took in the policy's place.")
	p.value("dynofa_decisions_overridden_total", float64(s.stats.overrides))
	p.head("dynofa_inference_duration_seconds", "histogram", "Time of one inference alone, by processor and level; its sum is the time for which the processor was at work.")
	s.eachLevel(func(l *levelStats, labels ...string) {
		p.histogram("dynofa_inference_duration_seconds", &l.inference, labels...)
	})
	p.head("dynofa_request_duration_seconds", "histogram", "Time from arrival to the end of the inference, of answered requests.")
	p.histogram("dynofa_request_duration_seconds", &s.stats.request)
	p.head("dynofa_inference_predicted_seconds_total", "counter", "Sum of the latencies that the table predicts for the answers given, by processor and level; over dynofa_inference_duration_seconds_sum it shows drift.")
	s.eachLevel(func(l *levelStats, labels ...string) {
		p.value("dynofa_inference_predicted_seconds_total", l.predicted, labels...)
	})
	p.head("dynofa_accuracy_served_sum", "counter", "Sum of the levels' accuracies over answers; over the answers it is the mean accuracy, from 0 to 1.")
	p.value("dynofa_accuracy_served_sum", s.stats.served)
	p.head("dynofa_level", "gauge", "Level of the processor's last answer, -1 before the first.")
	for i := range s.stats.lanes {
		p.value("dynofa_level", float64(s.stats.lanes[i].last), "processor", s.stats.lanes[i].name)
	}
	p.head("dynofa_queue_requests", "gauge", "Requests that waited at the last decision.")
	p.value("dynofa_queue_requests", float64(s.stats.waiting))
	s.stats.mu.Unlock()

	p.head("dynofa_level_resident", "gauge", "Whether a level is in memory for a processor.")
	for k := range s.stats.lanes { // names and sessions of processors need no lock
		lane := &s.stats.lanes[k]
		for i := range lane.levels {
			p.value("dynofa_level_resident", number(lane.session(i) != nil), "processor", lane.name, "level", strconv.Itoa(i))
		}
	}
	p.head("dynofa_limit_seconds", "gauge", "Latency that an inference is asked to keep, 0 without.")
	p.value("dynofa_limit_seconds", s.control.Limit().Seconds())
	p.head("dynofa_deadline_seconds", "gauge", "Time by which a request is due, 0 without.")
	p.value("dynofa_deadline_seconds", s.control.Deadline().Seconds())
	p.head("dynofa_http_responses_total", "counter", "HTTP responses by status code.")
	s.codes.mu.Lock()
	codes := make([]int, 0, len(s.codes.n))
	for c := range s.codes.n {
		codes = append(codes, c)
	}
	slices.Sort(codes)
	for _, c := range codes {
		p.value("dynofa_http_responses_total", float64(s.codes.n[c]), "code", strconv.Itoa(c))
	}
	s.codes.mu.Unlock()
	s.device(p)
	p.head("go_goroutines", "gauge", "Goroutines that exist.")
	p.value("go_goroutines", float64(runtime.NumGoroutine()))
	if rss, ok := residentBytes(); ok {
		p.head("process_resident_memory_bytes", "gauge", "Resident memory.")
		p.value("process_resident_memory_bytes", rss)
	}
}

// eachLevel calls f for every level of every processor, with its labels. The caller holds the lock.
func (s *Server) eachLevel(f func(l *levelStats, labels ...string)) {
	for i := range s.stats.lanes {
		lane := &s.stats.lanes[i]
		for level := range lane.levels {
			f(&lane.levels[level], "processor", lane.name, "level", strconv.Itoa(level))
		}
	}
}

// residentBytes returns the process's resident memory, on Linux.
func residentBytes() (float64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseFloat(words[1], 64)
	return pages * float64(os.Getpagesize()), err == nil
}
