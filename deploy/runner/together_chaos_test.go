package runner_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
)

// chaos returns a session's run that takes any time up to half a millisecond, fails now and then, and hangs seldom, for longer than the
// runner has patience. Only one goroutine calls it at a time.
func chaos(seed uint64, hung *atomic.Int64) func(int) error {
	rng := rand.New(rand.NewPCG(seed, 17))
	return func(n int) error {
		switch x := rng.IntN(100); {
		case x < 2 || n == 10:
			hung.Add(1)
			time.Sleep(40 * ms)
		case x < 8:
			return errors.New("no memory")
		}
		time.Sleep(time.Duration(rng.IntN(500)) * time.Microsecond)
		return nil
	}
}

// TestTogetherChaos sends calls from several goroutines to two processors that fail and hang at random, and cancels in the middle or closes the
// inbox: every call gets one result, the trace holds each once and replays, and no goroutine is left.
func TestTogetherChaos(t *testing.T) {
	before := goruntime.NumGoroutine()
	for _, cancels := range []bool{false, true} {
		var hung, done, sent atomic.Int64
		fx := newReal(t, chaos(1, &hung), chaos(2, &hung))
		fx.cfg.NewPolicy, fx.cfg.Policy.Spec, fx.cfg.Pictures, fx.cfg.Warmup = nil, "qdp", nil, -1
		fx.cfg.HangAfter, fx.cfg.RetryAfter, fx.cfg.Deadline, fx.cfg.Health = 20*ms, 5*ms, 50*ms, runner.NewHealth()
		inbox := runner.NewInbox(1000, nil)
		fx.cfg.Inbox = inbox
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
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for g := range 4 {
			group.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(g), 3))
				for range 60 {
					var once atomic.Bool
					err := inbox.Send(runner.Call{
						Fill: func([]float32, int) error { return nil },
						Done: func(runner.Result) {
							if once.Swap(true) {
								t.Error("a call has two results")
							}
							done.Add(1)
						},
					})
					if err == nil {
						sent.Add(1)
					}
					time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
				}
			})
		}
		go func() {
			if cancels {
				time.Sleep(60 * ms)
				cancel()
			}
			group.Wait()
			inbox.Close()
		}()
		rep, err := runner.Run(ctx, fx.cfg)
		if err != nil {
			t.Fatal(err)
		}
		group.Wait()
		cancel()
		tr, err := trace.Read("memory", &file)
		if err != nil {
			t.Fatal(err)
		}
		replay, err := trace.Replay(tr)
		if err != nil || replay.First != nil {
			t.Errorf("replay %+v, first difference %v, %v", replay, replay.First, err)
		}
		if done.Load() != sent.Load() || rep.Requests != sent.Load() || int64(len(tr.Records)) != sent.Load() || fx.cfg.Health.Count(runner.ReasonProcessorLost) != uint64(rep.Processors[0].Lost+rep.Processors[1].Lost) {
			t.Errorf("%d calls, %d results, %d records, report %+v", sent.Load(), done.Load(), len(tr.Records), rep)
		}
		if !cancels && (hung.Load() == 0 || rep.Failed == 0 || rep.OnTime == 0 || rep.Processors[0].Lost+rep.Processors[1].Lost == 0) {
			t.Errorf("%d hung, report %+v: the test shows nothing", hung.Load(), rep)
		}
		t.Logf("%d calls: %d on time, %d late, %d failed, %d dropped, %d refused; %d hung; replay %+v", sent.Load(), rep.OnTime, rep.Late, rep.Failed, rep.Dropped, rep.Refused, hung.Load(), replay)
	}
	for range 200 {
		if goruntime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * ms)
	}
	t.Errorf("%d goroutines before, %d after", before, goruntime.NumGoroutine())
}
