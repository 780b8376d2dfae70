package runner

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
)

// TestQueueOrder holds the queue against sorting: random pushes and pops, deadlines with ties and
// without.
func TestQueueOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var q queue
	var want []policy.Request
	for id := range int64(20_000) {
		if rng.IntN(5) < 3 || len(want) == 0 {
			r := policy.Request{ID: id, Arrival: time.Duration(rng.IntN(50)), Deadline: time.Duration(rng.IntN(20))}
			q.push(r)
			want = append(want, r)
			slices.SortFunc(want, before)
		} else {
			if got := q.pop(); got != want[0] {
				t.Fatalf("popped %+v, want %+v", got, want[0])
			}
			want = want[1:]
		}
		if len(want) > 60 {
			want = want[:0]
			for q.len() > 0 {
				q.pop()
			}
		}
		if q.len() != len(want) || !slices.Equal(q.show(nil), want[:min(len(want), policy.MaxQueue)]) {
			t.Fatalf("the queue shows %v, want the start of %v", q.show(nil), want)
		}
	}
	if len(q.items) > 1000 {
		t.Errorf("the queue keeps %d items of %d", len(q.items), q.len())
	}
}

// Requests without a deadline come last, in order of arrival.
func TestQueueWithoutDeadline(t *testing.T) {
	var q queue
	for _, r := range []policy.Request{{ID: 0, Arrival: 1}, {ID: 1, Arrival: 2, Deadline: 100}, {ID: 2, Arrival: 0}, {ID: 3, Arrival: 3, Deadline: 50}} {
		q.push(r)
	}
	for _, id := range []int64{3, 1, 2, 0} {
		if got := q.pop(); got.ID != id {
			t.Errorf("popped %d, want %d", got.ID, id)
		}
	}
}
