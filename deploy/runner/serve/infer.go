package serve

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
)

// statusGone is what requests count as whose client has gone before the answer; nobody gets to see it. It is nginx's number
// for that.
const statusGone = 499

// infer answers a request for inference.
func (s *Server) infer(w http.ResponseWriter, r *http.Request) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		_, _ = io.CopyN(io.Discard, r.Body, 1<<20) // so that a small request gets the answer
		fail(w, &httpError{http.StatusServiceUnavailable, runner.ErrFull})
		return
	}
	give := func() {} // back the room of the picture
	q, err := readInfer(r, s.cfg.MaxBody, func(bytes int64) error {
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Timeout)
		defer cancel()
		got, err := s.room.take(ctx, bytes)
		if err != nil {
			return &httpError{http.StatusServiceUnavailable, err}
		}
		give = got
		return nil
	})
	if err != nil {
		give()
		fail(w, err)
		return
	}
	type result struct {
		runner.Result
		logits []float32
	}
	done := make(chan result, 1)
	err = s.inbox.Send(runner.Call{
		Deadline: q.deadline,
		Fill: func(dst []float32, resolution int) error {
			return q.picture.fill(dst, resolution, s.makers[resolution])
		},
		Done: func(res runner.Result) {
			give()
			done <- result{res, slices.Clone(res.Logits)}
		},
	})
	if err != nil {
		give()
		fail(w, &httpError{http.StatusServiceUnavailable, err})
		return
	}
	timer := time.NewTimer(s.cfg.Timeout)
	defer timer.Stop()
	select {
	case res := <-done:
		s.answer(w, q, &res.Result, res.logits)
	case <-timer.C:
		fail(w, &httpError{http.StatusGatewayTimeout, fmt.Errorf("no answer within %v", s.cfg.Timeout)})
	case <-r.Context().Done(): // gone; the run finishes the request all the same
		w.WriteHeader(statusGone)
	}
}

// answer turns a result into a response.
func (s *Server) answer(w http.ResponseWriter, q *inferRequest, res *runner.Result, logits []float32) {
	switch {
	case res.Outcome.Answered():
	case res.Outcome == trace.Failed:
		fail(w, fmt.Errorf("the inference failed: %w", res.Err))
		return
	default: // dropped or refused
		fail(w, &httpError{http.StatusServiceUnavailable, fmt.Errorf("%s: %s", res.Outcome, res.Decision.Reason)})
		return
	}
	level := s.cfg.Run.Family.Levels[res.Decision.Level]
	response := &inferResponse{ModelName: s.cfg.Name, ModelVersion: s.cfg.Version, ID: q.ID, Parameters: map[string]any{
		"level": res.Decision.Level, "processor": s.stats.lanes[res.Decision.Processor].name, "accuracy": float64(level.Accuracy), "accuracy_origin": string(level.AccuracyOrigin), "reason": string(res.Decision.Reason),
		"outcome": string(res.Outcome), "predicted_latency_ns": int64(res.Predicted), "observed_latency_ns": int64(res.End - res.Start),
		"waited_ns": int64(res.Decided - res.Arrival), "request_latency_ns": int64(res.End - res.Arrival),
	}}
	if err := response.write(w, q, res.Class, logits); err != nil {
		s.cfg.Logger.Debug("an answer was not taken", "error", err)
	}
}
