package runner_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
)

// gate is a session that does what it is told to, in real time.
type gate struct {
	in, out []float32
	run     func(n int) error
	runs    int
}

func (s *gate) Input() []float32  { return s.in }
func (s *gate) Output() []float32 { return s.out }

func (s *gate) Run() error {
	s.runs++
	return s.run(s.runs - 1)
}

// either serves level 0 on whatever processor is free, the second one first, and waits if none is.
func either(_ int, o *policy.Observation) policy.Decision {
	for _, k := range []int{1, 0} {
		if o.Busy>>k&1 == 0 {
			return policy.Decision{Action: policy.Serve, Processor: k, Reason: "free"}
		}
	}
	return policy.Decision{}
}

// newReal returns a pair of processors by the machine's clock, whose level 0 does what it is told to.
func newReal(t *testing.T, cpu, gpu func(n int) error) *fixture {
	t.Helper()
	fx := newFixture(t)
	fx.cfg.Clock, fx.cfg.Sessions = nil, nil
	for k, run := range []func(int) error{cpu, gpu} {
		p := runner.Processor{Name: []string{"cpu", "gpu"}[k]}
		for _, l := range fx.cfg.Family.Levels {
			p.Sessions = append(p.Sessions, &gate{in: make([]float32, 3*l.Arch.R*l.Arch.R), out: make([]float32, 10), run: run})
		}
		fx.cfg.Processors = append(fx.cfg.Processors, p)
	}
	fx.use(&scripted{decide: either})
	fx.cfg.Arrivals, fx.cfg.Period = runner.Periodic, time.Microsecond
	return fx
}

// TestTogetherOverlaps has sessions that go on only when both processors are at work, which a runner that served one after the
// other would never reach.
func TestTogetherOverlaps(t *testing.T) {
	var mu sync.Mutex
	here, arrived := 0, make(chan struct{})
	meet := func(int) error {
		mu.Lock()
		here++
		wait := arrived
		if here == 2 {
			here = 0
			arrived = make(chan struct{})
			close(wait)
		}
		mu.Unlock()
		select {
		case <-wait:
			return nil
		case <-time.After(10 * time.Second):
			return errors.New("the other processor does not serve")
		}
	}
	fx := newReal(t, meet, meet)
	fx.cfg.Requests = 20
	rep := fx.run(t)
	if rep.Failed != 0 || rep.OnTime != 20 || rep.Processors[0].Answered != 10 || rep.Processors[1].Answered != 10 {
		t.Errorf("report %+v", rep)
	}
}

// TestTogetherGoesOnWithoutOne lets one processor fail every time, or hang: the other one serves.
func TestTogetherGoesOnWithoutOne(t *testing.T) {
	good := func(int) error { return nil }
	t.Run("fails", func(t *testing.T) {
		fx := newReal(t, good, func(int) error { return errors.New("no kernel") })
		fx.cfg.Requests, fx.cfg.RetryAfter = 50, time.Hour
		rep := fx.run(t)
		// The three levels of the second processor fail once each; then it is left alone.
		if rep.Failed != 3 || rep.Processors[1].Failed != 3 || rep.Processors[0].Answered != 47 {
			t.Errorf("report %+v", rep)
		}
	})
	t.Run("hangs", func(t *testing.T) {
		forever := make(chan struct{})
		defer close(forever)
		fx := newReal(t, good, func(int) error { <-forever; return nil })
		fx.cfg.Requests, fx.cfg.HangAfter, fx.cfg.Health = 50, 100*ms, runner.NewHealth()
		rep := fx.run(t)
		if rep.Failed != 1 || rep.Processors[1].Lost != 1 || rep.Processors[0].Answered != 49 || fx.cfg.Health.Count(runner.ReasonProcessorLost) != 1 {
			t.Errorf("report %+v", rep)
		}
		if r := fx.memory.records[0]; r.Outcome != trace.Failed || r.Decision.Processor != 1 || r.End-r.Observation.Now < 100*ms {
			t.Errorf("record of the inference that hangs: %+v", r)
		}
		if len(fx.memory.records) != 50 {
			t.Errorf("%d records", len(fx.memory.records))
		}
	})
	t.Run("hangs and comes back", func(t *testing.T) {
		back := make(chan struct{})
		fx := newReal(t, good, func(n int) error {
			if n == 0 {
				<-back
			}
			return nil
		})
		fx.cfg.Requests, fx.cfg.Period, fx.cfg.HangAfter, fx.cfg.Health = 0, ms, 100*ms, runner.NewHealth()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		release := sync.OnceFunc(func() { close(back) })
		fx.cfg.Answer = func(a runner.Answer) {
			if fx.cfg.Health.Count(runner.ReasonProcessorLost) > 0 {
				release()
			}
			if a.Processor == 1 {
				cancel()
			}
		}
		rep, err := runner.Run(ctx, fx.cfg)
		if err != nil || rep.Processors[1].Lost != 1 || rep.Processors[1].Answered == 0 || rep.Failed != 1 {
			t.Errorf("report %+v, %v", rep, err)
		}
	})
	t.Run("the policy waits for it", func(t *testing.T) {
		forever := make(chan struct{})
		defer close(forever)
		fx := newReal(t, good, func(int) error { <-forever; return nil })
		p := &scripted{decide: func(_ int, o *policy.Observation) policy.Decision {
			if o.Busy>>1&1 == 1 {
				return policy.Decision{Action: policy.Wait, Reason: policy.ReasonBusy}
			}
			return policy.Decision{Action: policy.Serve, Level: 2, Processor: 1, Reason: "mine"}
		}}
		fx.use(p)
		fx.cfg.Requests, fx.cfg.HangAfter = 10, 100*ms
		rep := fx.run(t)
		if rep.Failed != 1 || rep.Processors[0].Answered != 9 {
			t.Errorf("report %+v", rep)
		}
		for _, r := range fx.memory.records[1:] {
			if r.Decision != (policy.Decision{Action: policy.Serve, Reason: runner.ReasonProcessorLost}) {
				t.Errorf("decision %+v", r.Decision)
			}
		}
	})
}

// TestSubstitute lets the only processor that a policy manages hang: the same policy for the other one decides meanwhile, and not for the
// least accurate level alone. All that the runner decided in its place is marked, and the rest replays.
func TestSubstitute(t *testing.T) {
	forever := make(chan struct{})
	defer close(forever)
	fx := newReal(t, func(n int) error {
		if n == 5 {
			<-forever
		}
		return nil
	}, func(int) error { return nil })
	fx.cfg.NewPolicy, fx.cfg.Policy.Spec, fx.cfg.HangAfter, fx.cfg.Health = nil, "slack", 100*ms, runner.NewHealth() // a busy machine holds up the good one for some time
	fx.cfg.Warmup, fx.cfg.Arrivals, fx.cfg.Period, fx.cfg.Requests, fx.cfg.Deadline = -1, runner.Periodic, 10*ms, 160, 200*ms
	tr, rep := fx.traced(t)
	replay, err := trace.Replay(tr)
	if err != nil || replay.First != nil || replay.Overridden < 20 {
		t.Errorf("replay %+v, first difference %v, %v", replay, replay.First, err)
	}
	top := 0
	for _, r := range tr.Records {
		if r.Decision.Reason == runner.ReasonProcessorLost && r.Decision.Processor == 1 && r.Decision.Level == 2 {
			top++
		}
	}
	// In the alarm's second the least accurate level serves 100 requests.
	if rep.Failed != 1 || rep.Processors[0].Lost != 1 || rep.Processors[1].Answered != 154 || top < 20 {
		t.Errorf("%d at the top level meanwhile, report %+v", top, rep)
	}
}

// traced runs with a trace and returns it, read again.
func (fx *fixture) traced(t *testing.T) (*trace.Trace, *runner.Report) {
	t.Helper()
	h, err := fx.cfg.Header()
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := trace.NewWriter(&file, h)
	if err != nil {
		t.Fatal(err)
	}
	fx.cfg.Trace = w
	rep := fx.run(t)
	tr, err := trace.Read("memory", &file)
	if err != nil {
		t.Fatal(err)
	}
	return tr, rep
}

// TestTogetherDrains cancels while both serve: what is under way is answered, what waits is refused, and nothing is left behind.
func TestTogetherDrains(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	serving, release := make(chan struct{}, 2), make(chan struct{})
	slow := func(int) error { serving <- struct{}{}; <-release; return nil }
	fx := newReal(t, slow, slow)
	fx.cfg.Requests = 0
	go func() {
		<-serving
		<-serving
		cancel()
		close(release)
	}()
	rep, err := runner.Run(ctx, fx.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Ended != "cancelled" || rep.OnTime < 2 || rep.OnTime+rep.Refused != rep.Requests || int64(len(fx.memory.records)) != rep.Requests {
		t.Errorf("report %+v, %d records", rep, len(fx.memory.records))
	}
	if fx.memory.flushes == 0 {
		t.Error("the trace was not flushed")
	}
}

// TestTogetherFromOutside serves calls of an inbox, each of which gets its own answer, and ends when the inbox is closed.
func TestTogetherFromOutside(t *testing.T) {
	fx := newReal(t, func(int) error { return nil }, func(int) error { return nil })
	inbox := runner.NewInbox(200, nil)
	fx.cfg.Pictures, fx.cfg.Inbox = nil, inbox
	var mu sync.Mutex
	filling := 0
	var got [2]int
	for i := range 100 {
		err := inbox.Send(runner.Call{
			Fill: func(dst []float32, resolution int) error {
				if !mu.TryLock() {
					filling++
					return nil
				}
				defer mu.Unlock()
				if len(dst) != 3*resolution*resolution || i%10 == 3 {
					return errors.New("no such picture")
				}
				return nil
			},
			Done: func(res runner.Result) {
				switch {
				case i%10 == 3:
					if res.Outcome != trace.Failed || res.Err == nil || !strings.Contains(res.Err.Error(), "no such picture") {
						t.Errorf("call %d: %+v", i, res)
					}
				case res.Outcome != trace.OnTime || len(res.Logits) != 10 || res.Predicted != []time.Duration{10 * ms, 5 * ms}[res.Decision.Processor]:
					t.Errorf("call %d: %+v", i, res)
				default:
					got[res.Decision.Processor]++
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	inbox.Close()
	rep := fx.run(t)
	if rep.Ended != "drained" || rep.OnTime != 90 || rep.Failed != 10 || got[0]+got[1] != 90 || filling != 0 {
		t.Errorf("report %+v, answered %v, %d filled together", rep, got, filling)
	}
	if !slices.IsSortedFunc(fx.memory.records, func(a, b trace.Record) int { return int(a.Observation.Now - b.Observation.Now) }) {
		t.Error("the trace is not in order of decision")
	}
}

// TestTogetherByTheWallClock replays a run of real goroutines in real time: whatever the order in which inferences ended, the policy is
// told the same at the same decisions.
func TestTogetherByTheWallClock(t *testing.T) {
	fx := newReal(t, func(int) error { time.Sleep(300 * time.Microsecond); return nil }, func(int) error { time.Sleep(100 * time.Microsecond); return nil })
	for i := range fx.cfg.Family.Levels {
		fx.cfg.Family.Levels[i].Latencies[0].Latency, fx.cfg.Family.Levels[i].Latencies[1].Latency = 3e5*(1+0.1*unit.Nanoseconds(i)), 1e5*(1+0.1*unit.Nanoseconds(i))
	}
	fx.cfg.NewPolicy, fx.cfg.Policy.Spec = nil, "qdp"
	fx.cfg.Arrivals, fx.cfg.Period, fx.cfg.Requests, fx.cfg.Deadline = runner.Poisson, 150*time.Microsecond, 500, 3*ms
	tr, _ := fx.traced(t)
	checkBusy(t, tr)
	replay, err := trace.Replay(tr)
	if err != nil || replay.First != nil || replay.Equal+replay.Overridden != 500 || // the policy waited for an inference that this machine kept waiting
		overlaps(tr) == 0 {
		t.Errorf("replay %+v, first difference %v, %v; %d together", replay, replay.First, err, overlaps(tr))
	}
}
