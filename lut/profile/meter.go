package profile

import (
	"context"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Meter makes things measurable. Run calls it from one goroutine.
type Meter interface {
	// Prepare makes one block ready to be timed. Run keeps all probes open until it returns, so a
	// probe of a whole space's several hundred must be small. Equal blocks are prepared once.
	Prepare(ctx context.Context, b supernet.Block) (Probe, error)
	// PrepareNetwork makes a whole canonical sub-network ready to be timed.
	PrepareNetwork(ctx context.Context, a supernet.Arch) (Probe, error)
	// TimedRegion says in one line what the time that a probe returns includes and excludes. It
	// becomes a fact of the table.
	TimedRegion() string
}

// Probe is a block or network that is ready to run.
type Probe interface {
	// Run runs it once and returns how long the timed region took; more than zero.
	Run() (time.Duration, error)
	// Close frees what the probe holds. The probe is not used afterwards.
	Close() error
}
