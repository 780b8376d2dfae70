package serve

import (
	"context"
	"fmt"
)

// room bounds the memory of the pictures that are there at a time: a file of a few hundred kilobytes may hold a picture of half a
// gigabyte, and a device that serves many clients has room for few of them.
type room struct {
	turn chan struct{} // held by who takes room: one at a time, so that nobody waits for what another one who waits has
	free chan struct{} // units that are taken; its capacity is the room
}

// roomUnit is the memory that a unit stands for, in bytes.
const roomUnit = 1 << 20

func newRoom(bytes int64) *room {
	return &room{turn: make(chan struct{}, 1), free: make(chan struct{}, max(1, bytes/roomUnit))}
}

// take waits for room for so many bytes, all there is for more than that, and returns what gives it back. It returns an error if ctx
// ends before.
func (m *room) take(ctx context.Context, bytes int64) (give func(), err error) {
	units := int(min(max(1, (bytes+roomUnit-1)/roomUnit), int64(cap(m.free))))
	took := 0
	give = func() {
		for range took {
			<-m.free
		}
	}
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("no room for a picture of %d bytes: %w", bytes, ctx.Err())
	}
	for took < units {
		select {
		case m.free <- struct{}{}:
			took++
		case <-ctx.Done():
			give()
			return nil, fmt.Errorf("no room for a picture of %d bytes: %w", bytes, ctx.Err())
		}
	}
	return give, nil
}
