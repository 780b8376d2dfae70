package profile

import (
	"context"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Meter makes things measurable. Run calls it from one goroutine.
type Meter interface {
	// Prepare makes blocks that run one after the other, each starting where the one before ends,
	// ready to be timed as one model: a single block, or a few to learn what joining them saves. Run
	// keeps all probes open until it returns, so a probe of a whole space's several hundred must be
	// small. Equal blocks are prepared once.
	Prepare(ctx context.Context, blocks ...supernet.Block) (Probe, error)
	// PrepareNetwork makes a whole canonical sub-network ready to be timed.
	PrepareNetwork(ctx context.Context, a supernet.Arch) (Probe, error)
	// TimedRegion says in one line what the time that a probe returns includes and excludes. It
	// becomes a fact of the table.
	TimedRegion() string
}

// Probe is a block, a chain of blocks or a network that is ready to run.
type Probe interface {
	// Run runs it once and returns how long the timed region took.
	Run() (Sample, error)
	// Close frees what the probe holds. The probe is not used afterwards.
	Close() error
}

// Sample is one timed run.
type Sample struct {
	// Wall is the time from start to end by a monotonic clock; more than zero.
	Wall time.Duration
	// CPU is the processor time that the calling thread spent. It is zero where that is not all the
	// work (several threads, an accelerator) or the system does not tell.
	CPU time.Duration
	// Preempted is whether the system took the processor away from the thread in between, where it
	// tells (Linux: involuntary context switches).
	Preempted bool
}

// Clock says which of a sample's times is the latency.
type Clock string

// The clocks.
const (
	// Auto is Thread where the meter tells processor time, Wall otherwise.
	Auto Clock = ""
	// Wall counts whatever happened between start and end, other programs' turns included.
	Wall Clock = "wall"
	// Thread counts what the measuring thread computed. On a machine that nobody else uses it is the
	// same as Wall within the cost of reading it; on a shared one it leaves the waiting out, but not
	// what the others do to caches and memory.
	Thread Clock = "thread"
)

// of returns the time of a sample.
func (c Clock) of(s Sample) time.Duration {
	if c == Thread {
		return s.CPU
	}
	return s.Wall
}
