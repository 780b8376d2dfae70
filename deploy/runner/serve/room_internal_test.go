package serve

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRoom: there is never more than there is room for, everybody gets it in the end, and who gives up leaves none taken.
func TestRoom(t *testing.T) {
	const units = 8
	m := newRoom(units * roomUnit)
	var there, most atomic.Int64
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 7))
			for range 100 {
				n := 1 + rng.Int64N(2*units) // more than all counts as all
				ctx, cancel := context.WithCancel(t.Context())
				if rng.IntN(4) == 0 {
					cancel()
				}
				give, err := m.take(ctx, n*roomUnit)
				if err == nil {
					now := there.Add(min(n, units))
					for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
					}
					time.Sleep(time.Duration(rng.IntN(100)) * time.Microsecond)
					there.Add(-min(n, units))
					give()
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	group.Wait()
	if most.Load() > units || len(m.free) != 0 || len(m.turn) != 0 {
		t.Errorf("at most %d of %d units at a time; %d left taken", most.Load(), units, len(m.free))
	}
}
