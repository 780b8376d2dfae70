package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/deploy/policy"
)

var ruthless = map[string]string{"drops": "1000000", "hopeless": "drop"}

// What makes every level late, and then goes, must not stop the service for ever: what would be in time by the table is tried.
func TestQDPComesBack(t *testing.T) {
	m := faster(paperModel(t), 0.5) // 20.6 ms at the fastest level
	for _, noise := range []float64{0, 0.02, 0.1} {
		s := server{arrivals: poisson(12, 3000, 5), due: 30 * ms, noise: noise, factor: onOff(2)}
		got := s.run(t, mustNew(t, "qdp", ruthless, m), m)
		want := s.run(t, mustNew(t, "static-drop", nil, m), m)
		t.Logf("noise %g: in time %.3f, static-drop %.3f", noise, got.inTime, want.inTime)
		if got.inTime < want.inTime-0.02 {
			t.Errorf("noise %g: %.3f are in time, with static-drop %.3f", noise, got.inTime, want.inTime)
		}
	}
}

// A head that waits alone with a small chance is given up where those to come need the time more; static-drop goes by the
// expected latency, and is close to the best at this load.
func TestQDPGivesUpSmallChances(t *testing.T) {
	if reftest.RaceDetector {
		t.Skip("long, and without goroutines")
	}
	m := faster(paperModel(t), 0.5)
	s := server{arrivals: poisson(22, 10000, 5), due: 29 * ms, noise: 0.1}
	got := s.run(t, mustNew(t, "qdp", ruthless, m), m)
	want := s.run(t, mustNew(t, "static-drop", nil, m), m)
	t.Logf("effective accuracy %.4f, static-drop %.4f", got.effective, want.effective)
	if got.effective < want.effective {
		t.Errorf("effective accuracy %.4f, static-drop has %.4f", got.effective, want.effective)
	}
}

// With doubt it begins at the fastest level, and a camera leaves no doubt soon after.
func TestQDPDoubt(t *testing.T) {
	m := faster(paperModel(t), 0.5)
	decide := func(doubt string, gap func(i int) time.Duration) (levels []int) {
		p := mustNew(t, "qdp", map[string]string{"doubt": doubt}, m)
		now := time.Duration(0)
		for i := range 400 {
			d := p.Decide(&policy.Observation{Now: now, Level: -1, Processor: -1, Waiting: 1, Queue: []policy.Request{{ID: int64(i), Arrival: now, Deadline: now + 70*ms}}})
			levels = append(levels, d.Level)
			p.Observe(policy.Completion{Request: int64(i), Level: d.Level, Start: now, End: now + m.Levels[d.Level].Latency[0]})
			now += gap(i)
		}
		return levels
	}
	camera := func(int) time.Duration { return 40 * ms }
	sure, doubtful := decide("0", camera), decide("2.5", camera)
	if sure[0] == 0 || doubtful[0] != 0 {
		t.Errorf("it begins at level %d, and with doubt at %d, want a higher one and 0", sure[0], doubtful[0])
	}
	for i, level := range doubtful[100:] {
		if level != sure[100+i] {
			t.Fatalf("camera, request %d: level %d, without doubt %d", 100+i, level, sure[100+i])
		}
	}
	// Requests at random leave it.
	sum := func(doubt string) (n int) {
		rng := rand.New(rand.NewPCG(1, 1))
		for _, level := range decide(doubt, func(int) time.Duration { return time.Duration(30e6 * rng.ExpFloat64()) })[100:] {
			n += level
		}
		return n
	}
	if a, b := sum("0"), sum("4"); b >= a {
		t.Errorf("sum of levels %d, with doubt %d, want less", a, b)
	}
}
