package sim_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
)

// randomScenario draws a small scenario of any kind.
func randomScenario(rng *rand.Rand) *traffic.Scenario {
	s := &traffic.Scenario{
		Name: "random", Family: "paper-gpu6", Processor: "gpu", InitialLevel: rng.IntN(6), Seed: rng.Uint64(),
		Requests: 1 + rng.Int64N(300), Accuracy: 0.76,
	}
	switch rng.IntN(4) {
	case 0:
		s.Arrivals = traffic.Periodic{Period: time.Duration(30+rng.IntN(60)) * ms, Jitter: time.Duration(rng.IntN(30)) * ms}
	case 1:
		s.Arrivals = traffic.Poisson{PerSecond: 5 + 25*rng.Float64()}
	case 2:
		s.Arrivals = traffic.ClosedLoop{Think: time.Duration(rng.IntN(3)) * 10 * ms}
	case 3: // all at once
		s.Arrivals = traffic.Poisson{PerSecond: 1e6}
	}
	if rng.IntN(4) > 0 {
		s.Limit = time.Duration(40+rng.IntN(200)) * ms
	}
	if rng.IntN(2) == 0 {
		s.Duration = time.Duration(1+rng.IntN(10)) * time.Second
	}
	switch rng.IntN(3) {
	case 0:
		s.Noise = traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.3}
	case 1:
		s.Noise = traffic.Noise{Kind: traffic.Exponential}
	}
	if rng.IntN(4) > 0 { // steps close enough that an inference straddles several
		var p traffic.Profile
		for at := time.Duration(0); len(p) < 1+rng.IntN(200); at += time.Duration(1 + rng.Int64N(int64(80*ms))) {
			p = append(p, traffic.Step{At: at, Slowdown: 0.5 + 3*rng.Float64()})
		}
		s.Disturbances = []traffic.Disturbance{{Processor: "gpu", Profile: p}}
	}
	if rng.IntN(2) == 0 {
		s.SwitchTimes = map[string]time.Duration{"ladder": 100 * ms, "slack": 3 * ms, "erratic": ms}
	}
	return s
}

// erratic is a policy that serves at any level, drops every seventh request and, at some point, may end.
func erratic(end int64) script {
	return func(o *policy.Observation) policy.Decision {
		id := o.Queue[0].ID
		switch {
		case id == end:
			return policy.Decision{Action: policy.Exit, Reason: "tired"}
		case id%7 == 6:
			return policy.Decision{Action: policy.Drop, Reason: "seventh"}
		}
		clear(o.Queue) // a policy may spoil what it is shown
		return serve(int(id*2654435761>>8) % 6)
	}
}

func randomConfig(t *testing.T, rng *rand.Rand) sim.Config {
	c := sim.Config{Scenario: randomScenario(rng), Family: paper(t), Replication: rng.IntN(3)}
	switch rng.IntN(5) {
	case 0:
		c.Policy = "ladder"
	case 1:
		c.Policy = "slack"
	case 2:
		c.Policy = fmt.Sprintf("static:%d", rng.IntN(6))
	default:
		c.Policy, c.NewPolicy = "erratic", scripted(erratic(rng.Int64N(1000)))
	}
	return c
}

// TestRandomRuns plays random scenarios and checks every record against the rules of the model, which
// checkRun applies to the trace alone.
func TestRandomRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	requests := 0
	outcomes := map[trace.Outcome]int{}
	for i := range 200 {
		c := randomConfig(t, rng)
		r := run(t, c)
		checkRun(t, c, r)
		if t.Failed() {
			t.Fatalf("run %d: %+v under %s", i, *c.Scenario, c.Policy)
		}
		requests += len(r.Trace.Records)
		for _, rec := range r.Trace.Records {
			outcomes[rec.Outcome]++
		}
	}
	t.Logf("%d requests: %v", requests, outcomes)
	for _, o := range []trace.Outcome{trace.OnTime, trace.Late, trace.Dropped, trace.Refused} {
		if outcomes[o] < 100 {
			t.Errorf("only %d requests were %s", outcomes[o], o)
		}
	}
}

// TestRandomReplays does the same with the arrivals of traces whose deadlines are in any order.
func TestRandomReplays(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	for i := range 100 {
		c := randomConfig(t, rng)
		recorded := run(t, c).Trace
		for j := range recorded.Records {
			r := &recorded.Records[j]
			r.Arrival = r.Arrival.Truncate(time.Duration(1+i%3*100) * ms) // many at one instant
			r.Deadline = 0
			if rng.IntN(5) > 0 {
				r.Deadline = r.Arrival + time.Duration(rng.IntN(500))*ms
			}
		}
		again, err := sim.ReplayArrivals(t.Context(), recorded, c)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []policy.Request
		for _, r := range recorded.Records {
			want = append(want, policy.Request{ID: r.Request, Arrival: r.Arrival, Deadline: r.Deadline})
		}
		for _, r := range again.Trace.Records {
			got = append(got, policy.Request{ID: r.Request, Arrival: r.Arrival, Deadline: r.Deadline})
		}
		byID := func(a, b policy.Request) int { return cmp.Compare(a.ID, b.ID) }
		slices.SortFunc(want, byID)
		slices.SortFunc(got, byID)
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatalf("replay %d changed the requests:\n%s", i, d)
		}
		checkRecords(t, c, again)
		if t.Failed() {
			t.Fatalf("replay %d: %+v under %s", i, *c.Scenario, c.Policy)
		}
	}
}

// checkRun checks arrivals and everything that checkRecords does.
func checkRun(t *testing.T, c sim.Config, r *sim.Result) {
	t.Helper()
	records := slices.Clone(r.Trace.Records)
	slices.SortFunc(records, func(a, b trace.Record) int { return cmp.Compare(a.Request, b.Request) })
	loop, closed := c.Scenario.Arrivals.(traffic.ClosedLoop)
	source, rng := c.Scenario.Arrivals.Source(), traffic.Stream(c.Scenario.Seed, c.Replication, "arrivals")
	var at time.Duration
	for i, rec := range records {
		if rec.Request != int64(i) {
			t.Errorf("request %d is missing or stands twice", i)
			return
		}
		if !closed {
			at, _ = source.Next(rng)
		}
		if rec.Arrival != at {
			t.Errorf("request %d arrives at %v, want %v", i, rec.Arrival, at)
		}
		if c.Scenario.Limit > 0 && rec.Deadline != at+c.Scenario.Limit || c.Scenario.Limit == 0 && rec.Deadline != 0 {
			t.Errorf("request %d arrives at %v and is due at %v", i, at, rec.Deadline)
		}
		if rec.Outcome.Answered() {
			at = rec.End + loop.Think
		} else {
			at = rec.End + max(loop.Think, cmp.Or(c.Scenario.Limit, 10*ms))
		}
	}
	if !closed {
		at, _ = source.Next(rng)
	}
	if at < cmp.Or(c.Scenario.Duration, math.MaxInt64) && int64(len(records)) != c.Scenario.Requests {
		t.Errorf("%d requests, the next would have arrived at %v", len(records), at)
	}
	checkRecords(t, c, r)
}

// checkRecords checks order of service, work conservation, switching, latencies, outcomes and counts.
func checkRecords(t *testing.T, c sim.Config, r *sim.Result) {
	t.Helper()
	left := map[int64]policy.Request{}
	noise := map[int64]float64{}
	byArrival := slices.Clone(r.Trace.Records)
	slices.SortFunc(byArrival, func(a, b trace.Record) int {
		return cmp.Or(cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.Request, b.Request))
	})
	source := c.Scenario.Noise.Source(traffic.Stream(c.Scenario.Seed, c.Replication, "noise"))
	for _, rec := range byArrival {
		left[rec.Request] = policy.Request{ID: rec.Request, Arrival: rec.Arrival, Deadline: rec.Deadline}
		noise[rec.Request] = source.Next()
	}
	if len(left) != len(r.Trace.Records) {
		t.Errorf("%d records of %d requests", len(r.Trace.Records), len(left))
	}
	loaded, level := c.Scenario.InitialLevel, -1
	var free, now time.Duration
	ended := false
	for _, rec := range r.Trace.Records {
		o := rec.Observation
		if o.Now < now || rec.Start < o.Now || rec.End < rec.Start || o.Now < rec.Arrival {
			t.Errorf("request %d: times out of order: %+v", rec.Request, rec)
		}
		now = o.Now
		if o.Level != level || o.Limit != c.Scenario.Limit || o.MinAccuracy != c.Scenario.Accuracy {
			t.Errorf("request %d: observation %+v, last level was %d", rec.Request, o, level)
		}
		if !rec.Asked() {
			if !ended || rec.Outcome != trace.Refused {
				t.Errorf("request %d: %s without a question", rec.Request, rec.Outcome)
			}
			delete(left, rec.Request)
			continue
		}
		checkQueue(t, rec, left, free)
		delete(left, rec.Request)
		switch rec.Decision.Action {
		case policy.Serve:
			var gap time.Duration
			if rec.Decision.Level != loaded {
				gap = c.Scenario.SwitchTime(policy.Name(c.Policy))
			}
			if rec.Start != o.Now+gap {
				t.Errorf("request %d decided at %v starts at %v, want a gap of %v", rec.Request, o.Now, rec.Start, gap)
			}
			checkLatency(t, c, rec, noise[rec.Request])
			loaded, level, free = rec.Decision.Level, rec.Decision.Level, rec.End
			if late := rec.Deadline != 0 && rec.End > rec.Deadline; late != (rec.Outcome == trace.Late) || !late && rec.Outcome != trace.OnTime {
				t.Errorf("request %d ends at %v, is due at %v: %s", rec.Request, rec.End, rec.Deadline, rec.Outcome)
			}
		case policy.Drop:
			if rec.Outcome != trace.Dropped {
				t.Errorf("request %d was dropped, and %s", rec.Request, rec.Outcome)
			}
		case policy.Exit:
			ended = true
		}
	}
	if m := r.Metrics; m.Requests != len(r.Trace.Records) || m.OnTime+m.Late+m.Dropped+m.Refused != m.Requests || m.Failed != 0 {
		t.Errorf("counts do not add up: %+v", m)
	}
}

// checkQueue checks that the request is the first of those that wait, that the observation shows
// exactly them, and that it is decided as soon as it can be: when the processor gets free or, if that
// was earlier, when the first of them arrives.
func checkQueue(t *testing.T, rec trace.Record, left map[int64]policy.Request, free time.Duration) {
	t.Helper()
	var queue []policy.Request
	first := time.Duration(math.MaxInt64)
	for _, q := range left {
		if q.Arrival <= rec.Observation.Now {
			queue = append(queue, q)
			first = min(first, q.Arrival)
		}
	}
	urgency := func(q policy.Request) time.Duration { return cmp.Or(q.Deadline, math.MaxInt64) }
	slices.SortFunc(queue, func(a, b policy.Request) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(b)), cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.ID, b.ID))
	})
	if rec.Observation.Waiting != len(queue) || queue[0].ID != rec.Request {
		t.Errorf("request %d of %d waiting is decided, want request %d of %d", rec.Request, rec.Observation.Waiting, queue[0].ID, len(queue))
	}
	if d := gocmp.Diff(queue[:min(len(queue), policy.MaxQueue)], rec.Observation.Queue); d != "" {
		t.Errorf("request %d: visible queue (-want +got):\n%s", rec.Request, d)
	}
	if now := rec.Observation.Now; now != max(free, first) {
		t.Errorf("request %d is decided at %v, want %v: free at %v, first arrival at %v", rec.Request, now, max(free, first), free, first)
	}
}

// checkLatency checks that the work done between start and end, the integral of 1/slow-down, is the
// level's latency times the noise, within the rounding of one nanosecond.
func checkLatency(t *testing.T, c sim.Config, rec trace.Record, noise float64) {
	t.Helper()
	profile := c.Scenario.Profile("gpu")
	var work float64
	slow := 1.0
	from := rec.Start
	for _, step := range append(slices.Clone(profile), traffic.Step{At: math.MaxInt64}) {
		if upTo := min(step.At, rec.End); upTo > from {
			work += float64(upTo-from) / slow
			from = upTo
		}
		slow = step.Slowdown
	}
	latency, _ := c.Family.Latency(rec.Decision.Level, "gpu")
	want := float64(latency.Latency.Duration()) * noise
	if math.Abs(work-want) > 2 { // half a nanosecond at a slow-down of at least 0.5, at least one nanosecond
		t.Errorf("request %d: %g ns of work at level %d, want %g", rec.Request, work, rec.Decision.Level, want)
	}
}

// TestRepeatable runs everything twice, then all at once on one and on eight workers: the same bytes.
func TestRepeatable(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	var configs []sim.Config
	for len(configs) < 20 {
		if c := randomConfig(t, rng); c.NewPolicy == nil {
			configs = append(configs, c)
		}
	}
	var want [][]byte
	var prints []uint64
	for _, c := range configs {
		r := run(t, c)
		want, prints = append(want, bytesOf(t, r.Trace)), append(prints, r.Fingerprint)
	}
	for _, workers := range []int{1, 8, 0} {
		results, err := sim.RunAll(t.Context(), configs, workers)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if !bytes.Equal(bytesOf(t, r.Trace), want[i]) || r.Fingerprint != prints[i] {
				t.Errorf("%d workers: run %d under %s differs", workers, i, configs[i].Policy)
			}
		}
	}
}

// TestReadBackAndReplay: what is simulated can be written, read back, measured to the same metrics, and
// replayed to the same decisions.
func TestReadBackAndReplay(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	for range 40 {
		c := randomConfig(t, rng)
		r := run(t, c)
		back, err := trace.Read("run.csv", bytes.NewReader(bytesOf(t, r.Trace)))
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(r.Metrics, sim.Measure(back, c.Scenario.Profile("gpu"))); d != "" {
			t.Errorf("metrics after reading back (-want +got):\n%s", d)
		}
		if c.NewPolicy != nil {
			continue
		}
		report, err := trace.Replay(back)
		if err != nil {
			t.Fatal(err)
		}
		if report.First != nil || report.N+report.NotAsked != len(r.Trace.Records) {
			t.Errorf("policy %s replayed: %+v", c.Policy, report)
		}
	}
}

// TestCommonRandomNumbers: under every policy request n arrives at the same time and needs the same
// share more or less of its level's latency.
func TestCommonRandomNumbers(t *testing.T) {
	s := builtin(t, "poisson")
	s.Duration = 30 * time.Second
	f := paper(t)
	results, err := sim.Compare(t.Context(), sim.Config{Scenario: s, Family: f}, []string{"static:0", "ladder", "slack"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	type luck struct {
		arrival time.Duration
		noise   float64
	}
	var first map[int64]luck
	for _, r := range results {
		all := map[int64]luck{}
		for _, rec := range r.Trace.Records {
			latency, _ := f.Latency(rec.Decision.Level, "gpu")
			all[rec.Request] = luck{rec.Arrival, float64(rec.End-rec.Start) / float64(latency.Latency.Duration())}
		}
		if first == nil {
			first = all
		}
		if len(all) != len(first) {
			t.Errorf("%s: %d requests, static:0 has %d", r.Trace.Header.Policy, len(all), len(first))
		}
		for id, l := range all {
			if f := first[id]; l.arrival != f.arrival || math.Abs(l.noise-f.noise) > 1e-6 {
				t.Errorf("%s: request %d %+v, under static:0 %+v", r.Trace.Header.Policy, id, l, f)
			}
		}
	}
}
