package runner

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dynofa/dynofa/search/family"
)

// Processor is one of several processors that serve at the same time.
type Processor struct {
	// Name is one of the family's processors.
	Name     string
	Sessions []Session // one per level of the family; or:
	Pool     *Pool     // as Config.Pool
}

// Session returns a level's session, nil if it is not resident.
func (p *Processor) Session(level int) Session {
	if p.Pool != nil {
		return p.Pool.Session(level)
	}
	return p.Sessions[level]
}

// maxTogether bounds the processors of a run. Boards have two or three.
const maxTogether = 16

// Serving returns the processors that serve, in the order in which the policy knows them: those of Processors, or the one
// that the other fields describe.
func (c Config) Serving() []Processor {
	if len(c.Processors) > 0 {
		return c.Processors
	}
	c = c.withDefaults()
	return []Processor{{Name: c.Processor, Sessions: c.Sessions, Pool: c.Pool}}
}

// together reports whether several processors serve.
func (c *Config) together() bool { return len(c.Processors) > 1 }

// oneOnly makes a single processor the only one, which needs no worker.
func (c Config) oneOnly() Config {
	if len(c.Processors) == 1 && c.Processor == "" && c.Sessions == nil && c.Pool == nil {
		p := c.Processors[0]
		c.Processor, c.Sessions, c.Pool, c.Processors = p.Name, p.Sessions, p.Pool, nil
	}
	return c
}

// checkProcessors returns an error unless the processors are the family's, each once, with sessions of the right shape.
func (c Config) checkProcessors() error {
	known := c.Family.Processors()
	switch {
	case len(c.Processors) > maxTogether:
		return fmt.Errorf("%d processors, at most %d are allowed", len(c.Processors), maxTogether)
	case len(c.Processors) > 0 && (c.Processor != "" || c.Sessions != nil || c.Pool != nil):
		return errors.New("sessions or a pool are given beside processors that have their own")
	}
	var errs []error
	for i, p := range c.Serving() {
		switch {
		case !slices.Contains(known, p.Name):
			errs = append(errs, fmt.Errorf("processor %q is none of the family's %q", p.Name, known))
			continue
		case slices.ContainsFunc(c.Serving()[:i], func(o Processor) bool { return o.Name == p.Name || p.Pool != nil && o.Pool == p.Pool }):
			errs = append(errs, fmt.Errorf("processor %q, or its pool, is given twice", p.Name))
			continue
		}
		if err := c.checkSessions(p); err != nil {
			if c.together() {
				err = fmt.Errorf("processor %s: %w", p.Name, err)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// latencies returns a level's latencies as the policy sees them, for the processors that serve.
func (c Config) latencies(level int) []family.Latency {
	var list []family.Latency
	for _, p := range c.Serving() {
		l, _ := c.Family.Latency(level, p.Name)
		l.Batches = nil
		if n := len(l.Points); n > 0 {
			l.Points = l.Points[n-1:]
		}
		list = append(list, l)
	}
	return list
}

// lane is what the run knows about the sessions of one processor.
type lane struct {
	name     string
	pool     *Pool
	resting  []time.Duration // per level, until when; 0: in service
	failures []int           // per level
}

func newLane(p Processor, levels int) *lane {
	l := &lane{name: p.Name, pool: p.Pool, resting: make([]time.Duration, levels), failures: make([]int, levels)}
	if l.pool == nil {
		l.pool = PoolOf(p.Sessions)
	}
	return l
}
