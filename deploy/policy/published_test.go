package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
)

// lone is a request with the given slack, alone in the queue.
func lone(slack time.Duration) *policy.Observation {
	return &policy.Observation{Now: time.Second, Level: -1, Processor: -1, Waiting: 1,
		Queue: []policy.Request{{ID: 1, Arrival: time.Second, Deadline: time.Second + slack}}}
}

// Each case is worked by hand from the rule.
func TestSlackFitRule(t *testing.T) {
	even := model(10*ms, 20*ms, 30*ms, 40*ms)
	for _, c := range []struct {
		m       *policy.Model
		params  string
		slack   time.Duration
		want    int // level, -1: drop
		because string
	}{
		{even, "buckets=3", 25 * ms, 1, "edges 10, 20, 30, 40"},
		{even, "buckets=3", 20 * ms, 1, "an edge that is just covered counts"},
		{even, "buckets=3", 20*ms - 1, 0, ""},
		{even, "buckets=3", time.Second, 3, ""},
		{even, "buckets=3", 9 * ms, 0, "nothing fits: the fastest"},
		{even, "buckets=3;hopeless=drop", 9 * ms, -1, ""},
		{even, "buckets=1", 39 * ms, 0, "edges 10, 40"},
		{even, "buckets=1", 40 * ms, 3, ""},
		{model(10*ms, 14*ms, 40*ms), "buckets=2", 24 * ms, 0, "edges 10, 25, 40: level 1 of 14 ms is in the bucket up to 25"},
		{model(10*ms, 14*ms, 40*ms), "buckets=2", 25 * ms, 1, ""},
		{even, "buckets=3;margin=50%", 29 * ms, 0, "edges 15, 30, 45, 60"},
		{even, "buckets=3;margin=50%", 30 * ms, 1, ""},
	} {
		d := mustNew(t, "slackfit", parameters(c.params), c.m).Decide(lone(c.slack))
		if c.want < 0 != (d.Action == policy.Drop) || c.want >= 0 && d.Level != c.want {
			t.Errorf("%s, slack %v: %v, want level %d (%s)", c.params, c.slack, d, c.want, c.because)
		}
	}
	// The queue does not matter to it.
	o := waiting(0, 45*ms, 0, 0, 0, 0)
	if d := mustNew(t, "slackfit", nil, even).Decide(o); d.Level != 3 {
		t.Errorf("with a queue: %v, want level 3 for the head's slack of 45 ms", d)
	}
}

// Expected accuracy: with sigma = sqrt(.1) = .316 and slack 42 ms, level 0 (40 ms, 70%) has probability
// Phi(.05/.316) = .563 and level 1 (41 ms, 74%) Phi(.0244/.316) = .531: worth .394. At an accuracy of 72% level 1 is
// worth .382, at 76% .404.
func TestAlertExpectedAccuracy(t *testing.T) {
	for _, c := range []struct {
		accuracy float64
		want     int
	}{{0.72, 0}, {0.76, 1}} {
		m := model(40*ms, 41*ms)
		m.Levels[1].Accuracy = unit.Accuracy(c.accuracy)
		if d := mustNew(t, "alert", nil, m).Decide(lone(42 * ms)); d.Level != c.want || d.Reason != policy.ReasonExpected {
			t.Errorf("accuracy %g: %v, want level %d", c.accuracy, d, c.want)
		}
	}
	d := mustNew(t, "alert", nil, model(40*ms, 41*ms)).Decide(lone(-ms))
	if d.Level != 0 || d.Reason != policy.ReasonLate {
		t.Errorf("past the deadline: %v", d)
	}
}

// Low load: the most accurate level. From the load on that a level cannot bear, a faster one.
func TestModelSwitchingLoad(t *testing.T) {
	m := model(10*ms, 40*ms, 90*ms)
	for _, c := range []struct {
		gap    time.Duration
		want   int
		reason policy.Reason
	}{
		{time.Second, 2, policy.ReasonLoad},
		{40 * ms, 0, policy.ReasonLoad},    // 25/s: level 1 has load 1
		{9 * ms, 0, policy.ReasonOverload}, // 111/s: every level has load over 1
	} {
		p := mustNew(t, "model-switching", nil, m)
		var d policy.Decision
		for at := time.Duration(0); at < 3*time.Second; at += c.gap {
			d = p.Decide(&policy.Observation{Now: at, Level: -1, Processor: -1, Waiting: 1,
				Queue: []policy.Request{{ID: int64(at), Arrival: at, Deadline: at + 200*ms}}})
		}
		if d.Level != c.want || d.Reason != c.reason {
			t.Errorf("every %v: %v, want level %d (%s)", c.gap, d, c.want, c.reason)
		}
	}
}

// Ten answers in time make a level, a late one takes a tenth away.
func TestClipperRule(t *testing.T) {
	p := mustNew(t, "clipper", map[string]string{"initial_level": "2"}, model(10*ms, 20*ms, 30*ms, 40*ms))
	answer := func(late bool) {
		c := policy.Completion{End: 10 * ms, Deadline: 20 * ms}
		if late {
			c.Deadline = 5 * ms
		}
		p.Observe(c)
	}
	level := func() int { return p.Decide(lone(50 * ms)).Level }
	for range 9 {
		answer(false)
	}
	if level() != 2 {
		t.Errorf("level %d after 9 answers in time, want 2 (2.9)", level())
	}
	answer(false)
	answer(false) // 3.1 but for rounding, cut to the highest level 3
	if level() != 3 {
		t.Errorf("level %d after 11 answers in time, want 3", level())
	}
	answer(true) // 2.7
	if level() != 2 {
		t.Errorf("level %d after a late answer, want 2 (2.7)", level())
	}
	if d := p.Decide(lone(0)); d.Action != policy.Drop || d.Reason != policy.ReasonExpired {
		t.Errorf("at the deadline: %v, want it dropped", d)
	}
}

func TestStaticDropRule(t *testing.T) {
	p := mustNew(t, "static-drop", map[string]string{"level": "1", "margin": "4ms"}, model(10*ms, 20*ms))
	for slack, want := range map[time.Duration]policy.Action{24 * ms: policy.Serve, 24*ms - 1: policy.Drop, -ms: policy.Drop} {
		if d := p.Decide(lone(slack)); d.Action != want || want == policy.Serve && d.Level != 1 {
			t.Errorf("slack %v: %v, want %s", slack, d, want)
		}
	}
	if d := p.Decide(&policy.Observation{Waiting: 1, Queue: []policy.Request{{}}}); d.Action != policy.Serve {
		t.Errorf("without a deadline: %v", d)
	}
}

// Every fidelity note of a published policy says what is not from the source.
func TestFidelityNotes(t *testing.T) {
	for _, name := range []string{"alert", "clipper", "model-switching", "slackfit"} {
		info, err := policy.About(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(info.Fidelity, "memory") && !strings.Contains(info.Fidelity, "adaptation") {
			t.Errorf("%s: %s", name, info.Fidelity)
		}
	}
}

// batched returns a model of levels of 10 and 20 ms, where each request more in a batch takes a fifth as long
// again, in batches of up to 8.
func batched() *policy.Model {
	m := model(10*ms, 20*ms)
	for i := range m.Levels {
		l := &m.Levels[i]
		l.Batches = make([][]time.Duration, 1)
		for b := 2; b <= policy.MaxBatch; b++ {
			l.Batches[0] = append(l.Batches[0], l.Latency[0]*time.Duration(4+b)/5)
		}
	}
	return m
}

// Proteus' batching: it waits until d - L[q], serves q then, or as many as fit if another request comes that
// does not, and drops a head that cannot make it.
func TestProteusBatches(t *testing.T) {
	p := mustNew(t, "proteus", nil, batched())
	at := func(now time.Duration, deadlines ...time.Duration) policy.Decision {
		return p.Decide(waiting(now, 60*ms, deadlines...))
	}
	// No demand is known: the most accurate level, 20 ms, 24 in a batch of two, 28, 32, 36, 40, 44, 48. Below half of
	// the deadline, 30 ms, are batches of up to three.
	for i, c := range []struct {
		now       time.Duration
		deadlines []time.Duration
		want      policy.Decision
	}{
		{0, []time.Duration{60 * ms}, policy.Decision{Action: policy.Wait, Until: 40 * ms, Reason: policy.ReasonGather}},
		{10 * ms, []time.Duration{60 * ms, 70 * ms}, policy.Decision{Action: policy.Wait, Until: 36 * ms, Reason: policy.ReasonGather}},
		{20 * ms, []time.Duration{60 * ms, 70 * ms, 80 * ms}, policy.Decision{Action: policy.Serve, Level: 1, Batch: 3, Reason: policy.ReasonFull}},
		{36 * ms, []time.Duration{60 * ms, 70 * ms}, policy.Decision{Action: policy.Serve, Level: 1, Batch: 2, Reason: policy.ReasonFull}},
		{38 * ms, []time.Duration{60 * ms, 70 * ms}, policy.Decision{Action: policy.Serve, Level: 1, Reason: policy.ReasonFull}}, // 24 ms do not fit
		{41 * ms, []time.Duration{60 * ms, 70 * ms}, policy.Decision{Action: policy.Drop, Reason: policy.ReasonHopeless}},
	} {
		if d := at(c.now, c.deadlines...); d != c.want {
			t.Errorf("%d: %v, want %v", i, d, c.want)
		}
	}
}

// Proteus' scaling: the most accurate level whose throughput bears 1.05 times the demand, chosen every period.
func TestProteusScales(t *testing.T) {
	p := mustNew(t, "proteus", map[string]string{"com": "0", "period": "2s"}, model(10*ms, 20*ms)) // 100 and 50 a second
	levels := map[time.Duration]int{}
	for i := range 250 { // 40 a second for three seconds, then 60
		now := time.Duration(i) * 25 * ms
		if i > 120 {
			now = 3*time.Second + time.Duration(i-120)*time.Second/60
		}
		o := waiting(now, 60*ms, now+60*ms)
		o.Queue[0].ID = int64(i)
		levels[now/time.Second*time.Second] = p.Decide(o).Level
	}
	// 1.05 x 40 = 42 is below 50, 1.05 x 60 = 63 is not. The choice at 4 s sees the second from 3 to 4 s.
	if levels[2*time.Second] != 1 || levels[3*time.Second] != 1 || levels[5*time.Second-time.Second] != 0 {
		t.Errorf("levels by second %v", levels)
	}
}

// SuperServe: inside a bucket the largest batch.
func TestSlackFitBatches(t *testing.T) {
	p := mustNew(t, "slackfit", map[string]string{"buckets": "4"}, batched())
	// Latencies from 10 to 48 ms, edges at 10, 19.5, 29, 38.5, 48. Level 0 in batches of b: 8 + 2b, level 1: 16 + 4b.
	// Buckets: (10, 19.5] has level 0 up to 5 requests; (19.5, 29] level 0 up to 8, level 1 up to 3; (29, 38.5] level 1
	// with 4 and 5; (38.5, 48] up to 8.
	for _, c := range []struct {
		slack        time.Duration
		waiting      int
		level, batch int
	}{
		{12 * ms, 9, 0, 0}, {20 * ms, 9, 0, 5}, {30 * ms, 9, 0, 8}, {30 * ms, 3, 0, 3}, {40 * ms, 9, 1, 5}, {50 * ms, 9, 1, 8}, {50 * ms, 1, 1, 0},
	} {
		var due []time.Duration
		for range c.waiting {
			due = append(due, c.slack)
		}
		if d := p.Decide(waiting(0, ms, due...)); d.Level != c.level || d.Batch != c.batch {
			t.Errorf("slack %v, %d waiting: %v, want level %d and batch %d", c.slack, c.waiting, d, c.level, c.batch)
		}
	}
}

// Clipper: the batch grows by one after each one in time and shrinks by 10% after each late one.
func TestClipperBatches(t *testing.T) {
	p := mustNew(t, "clipper", map[string]string{"initial_level": "1"}, batched())
	many := []time.Duration{ms, ms, ms, ms, ms, ms, ms, ms, ms, ms}
	var sizes []int
	for i := range 12 {
		d := p.Decide(waiting(0, ms, many...))
		if d.Level != 1 {
			t.Fatal(d)
		}
		sizes = append(sizes, d.Size())
		c := policy.Completion{Level: 1, Batch: d.Batch, End: 1, Deadline: 2}
		if i >= 8 {
			c.Deadline = 0
			c.Start, c.End, c.Deadline = 0, 3, 2
		}
		p.Observe(c)
	}
	// 8 x 0.9 = 7.2, 6.48, 5.8
	if want := []int{1, 2, 3, 4, 5, 6, 7, 8, 8, 7, 6, 5}; !slices.Equal(sizes, want) {
		t.Errorf("batches %v, want %v", sizes, want)
	}
}

func TestSchedutilAsksForItsGovernor(t *testing.T) {
	p := mustNew(t, "schedutil+static:1", nil, model(10*ms, 20*ms))
	if g, ok := p.(policy.Governed); !ok || g.Governor() != "schedutil" {
		t.Errorf("governor of %T", p)
	}
	if d := p.Decide(waiting(0, ms, ms)); d.Level != 1 || d.Reason != policy.ReasonStatic || p.Spec() != "schedutil+static:1" {
		t.Errorf("%s decides %v", p.Spec(), d)
	}
}

// Proteus at its very first call: that it waits leaves no trace, so that a replay, which shows it the recorded decisions only,
// chooses the level anew at the same times.
func TestProteusForgetsThatItWaited(t *testing.T) {
	levels := func(first time.Duration) (at []int) {
		p := mustNew(t, "proteus", map[string]string{"com": "0", "period": "2s"}, batched())
		o := waiting(first, 60*ms, 60*ms)
		if d := p.Decide(o); (d.Action == policy.Wait) != (first == 0) {
			t.Fatalf("at %v: %v", first, d)
		}
		if first == 0 {
			p.Decide(waiting(40*ms, 60*ms, 60*ms))
		}
		for i := range 260 { // 120 a second, more than the level bears that it begins with
			now := 100*ms + time.Duration(i)*time.Second/120
			o := waiting(now, 60*ms, now+20*ms)
			o.Queue[0].ID = int64(i + 1)
			at = append(at, p.Decide(o).Level)
		}
		return at
	}
	if asked, replayed := levels(0), levels(40*ms); !slices.Equal(asked, replayed) {
		t.Errorf("levels %v if it waited before, %v if it was not asked then", asked, replayed)
	}
}
