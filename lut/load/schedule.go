package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Span is a load that is at work from From up to, but not including, To, both since the start of a run.
type Span struct {
	Spec     Spec
	From, To time.Duration
}

// String is the form that ParseSchedule reads: "cpu:2@4s-8s".
func (s Span) String() string { return fmt.Sprintf("%s@%v-%v", s.Spec, s.From, s.To) }

// Schedule says which loads run when; spans of different loads may overlap.
type Schedule []Span

// MaxSpans bounds a schedule.
const MaxSpans = 10_000

// Validate returns an error unless there are at most MaxSpans, each of a valid load that ends after it begins, and none
// overlaps another of the same load.
func (s Schedule) Validate() error {
	if len(s) > MaxSpans {
		return fmt.Errorf("load: %d spans, %d are allowed", len(s), MaxSpans)
	}
	for i, a := range s {
		if err := a.Spec.Validate(); err != nil {
			return err
		}
		if a.From < 0 || a.To <= a.From {
			return fmt.Errorf("load: %v: want KIND:THREADS@FROM-TO with FROM before TO", a)
		}
		for _, b := range s[:i] {
			if a.Spec == b.Spec && a.From < b.To && b.From < a.To {
				return fmt.Errorf("load: %v overlaps %v", a, b)
			}
		}
	}
	return nil
}

// ParseSchedule reads spans KIND:THREADS@FROM-TO, separated by commas; empty text is none.
func ParseSchedule(text string) (Schedule, error) {
	if text == "" {
		return nil, nil
	}
	var s Schedule
	for item := range strings.SplitSeq(text, ",") {
		what, when, _ := strings.Cut(strings.TrimSpace(item), "@")
		spec, err := ParseSpec(what)
		if err != nil {
			return nil, err
		}
		from, to, ok := strings.Cut(when, "-")
		begin, err1 := time.ParseDuration(from)
		end, err2 := time.ParseDuration(to)
		if !ok || err1 != nil || err2 != nil {
			return nil, fmt.Errorf("load: %q: want KIND:THREADS@FROM-TO, such as cpu:2@4s-8s", item)
		}
		s = append(s, Span{spec, begin, end})
	}
	slices.SortStableFunc(s, func(a, b Span) int {
		return cmp.Or(cmp.Compare(a.From, b.From), strings.Compare(a.Spec.String(), b.Spec.String()))
	})
	return s, s.Validate()
}

// Prepare starts a process for each load of the schedule and pauses it, so that its memory is there when its time
// comes. The caller calls Begin on the result, or Stop.
func (s Schedule) Prepare(ctx context.Context) (*Prepared, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	p := &Prepared{schedule: s}
	for _, span := range s {
		if slices.ContainsFunc(p.loads, func(l *scheduled) bool { return l.spec == span.Spec }) {
			continue
		}
		process, err := Start(ctx, span.Spec)
		if err == nil {
			err = process.Pause()
		}
		if process != nil {
			p.loads = append(p.loads, &scheduled{spec: span.Spec, process: process})
		}
		if err != nil {
			return nil, errors.Join(err, p.Stop())
		}
	}
	return p, nil
}

// scheduled is a load of a schedule.
type scheduled struct {
	spec    Spec
	process *Process
}

// Prepared are the paused loads of a schedule.
type Prepared struct {
	schedule Schedule
	loads    []*scheduled
	group    sync.WaitGroup
	mu       sync.Mutex
	err      error
}

// Begin lets time begin: loads go on and pause as the schedule says, until ctx ends.
func (p *Prepared) Begin(ctx context.Context) {
	began := time.Now()
	for _, l := range p.loads {
		p.group.Go(func() {
			for _, span := range p.schedule {
				if span.Spec != l.spec {
					continue
				}
				err := at(ctx, began.Add(span.From))
				if err == nil {
					err = l.process.Resume()
				}
				if err == nil {
					err = at(ctx, began.Add(span.To))
				}
				if err == nil {
					err = l.process.Pause()
				}
				if err != nil {
					if ctx.Err() == nil {
						p.fail(err)
					}
					return
				}
			}
		})
	}
}

// Stop ends the loads, once the context of Begin has, and returns what went wrong with them.
func (p *Prepared) Stop() error {
	p.group.Wait()
	for _, l := range p.loads {
		if err := l.process.Stop(); err != nil {
			p.fail(err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *Prepared) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// at waits until t, or returns the context's error.
func at(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
