package runner

import (
	"testing"
	"time"
)

// closing counts how often it is closed.
type closing struct{ n *int }

func (closing) Input() []float32  { return nil }
func (closing) Output() []float32 { return nil }
func (closing) Run() error        { return nil }
func (c closing) Close() error    { *c.n++; return nil }

// TestEvictOfAHungLevel leaves a session alone whose inference hangs, even if that turns out while Evict waits, and closes it when it has
// ended after all.
func TestEvictOfAHungLevel(t *testing.T) {
	closed := 0
	p := PoolOf([]Session{closing{&closed}, closing{&closed}})
	s := p.acquire(1)
	evicted := make(chan error)
	go func() { evicted <- p.Evict(1) }()
	for p.Resident(1) { // until it waits
		time.Sleep(time.Millisecond)
	}
	p.abandon(1, true)
	if err := <-evicted; err != nil || closed != 0 || !p.Resident(1) {
		t.Fatalf("%v, closed %d times, resident %v", err, closed, p.Resident(1))
	}
	if err := p.Close(); err != nil || closed != 1 || p.Session(1) != s {
		t.Errorf("%v, closed %d times", err, closed)
	}
	p.release(1)
	p.abandon(1, false)
	if err := p.Close(); err != nil || closed != 2 {
		t.Errorf("%v, closed %d times", err, closed)
	}
}
