package sim

import (
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
)

// Compliance says how a run kept its limit after the slow-down rose.
//
// The frames of a rise are the requests that it touches: those whose inference starts before the
// next step of the slow-down and ends after the rise, and those given up in between. A frame breaks
// the limit if its inference takes longer than the limit asked for when it was decided, or if it
// gets no answer at all. Waiting and switching do not count, as in the published figures.
//
// The run complies again at the start of the first frame of 20 in a row that all keep the limit: 20 is
// the window of the published ladder, and longer than luck lasts for a level that breaks the limit now
// and then. This is how figure 7 of the Dynamic-OFA paper is read as 6.15 s: from the disturbance to
// the start of the first level that keeps the limit. Whether it lasts is another question, since a
// policy may leave that level again: compliance is lasting if no two later frames less than 20 apart
// break the limit.
type Compliance struct {
	At   time.Duration `json:"at_ns"`
	What string        `json:"what"` // what happens, may be empty
	From float64       `json:"from"` // slow-down before
	To   float64       `json:"to"`   // slow-down from At on
	// Complied reports whether the run complied before the next step, Lasting whether that lasted until
	// then.
	Complied bool `json:"complied"`
	Lasting  bool `json:"lasting"`
	// After is the time from At to the start of the first complying frame, 0 if that began before.
	// Without compliance it is the time until the next step or the end of the last frame.
	After time.Duration `json:"after_ns"`
	// Before is the number of frames before the first complying one; without compliance all of them.
	Before int `json:"frames_before"`
	Over   int `json:"frames_over"` // frames that break the limit
	Frames int `json:"frames"`      // all frames of the rise
}

// complianceWindow is the number of frames in a row that compliance takes.
const complianceWindow = 20

// compliances returns an entry for each step of the profile that raises the slow-down and has
// frames with a limit.
func compliances(records []trace.Record, profile traffic.Profile) []Compliance {
	var all []Compliance
	from := 1.0
	for i, step := range profile {
		if step.Slowdown > from {
			end := maxTime
			if i+1 < len(profile) {
				end = profile[i+1].At
			}
			if c, ok := complianceOf(records, step, end); ok {
				c.From = from
				all = append(all, c)
			}
		}
		from = step.Slowdown
	}
	return all
}

// frame is a request after a rise.
type frame struct {
	start, end time.Duration
	over       bool
}

func complianceOf(records []trace.Record, step traffic.Step, end time.Duration) (Compliance, bool) {
	c := Compliance{At: step.At, What: step.What, To: step.Slowdown}
	var frames []frame
	for i := range records {
		r := &records[i]
		answered := r.Outcome.Answered()
		if r.Observation.Limit <= 0 || r.Start >= end || r.End < step.At || answered && r.End == step.At {
			continue
		}
		over := !answered || r.End-r.Start > r.Observation.Limit
		frames = append(frames, frame{r.Start, r.End, over})
		if over {
			c.Over++
		}
	}
	c.Frames = len(frames)
	if c.Frames == 0 {
		return c, false
	}
	first := firstKept(frames)
	if first == len(frames) {
		c.Before = first
		c.After = max(0, min(end, frames[first-1].end)-step.At)
		return c, true
	}
	c.Complied, c.Lasting = true, lasts(frames[first:])
	c.Before = first
	c.After = max(0, frames[first].start-step.At)
	return c, true
}

// firstKept returns the index of the first of complianceWindow frames in a row that keep the limit, or
// len(frames) if there are none.
func firstKept(frames []frame) int {
	kept := 0
	for i, f := range frames {
		kept++
		if f.over {
			kept = 0
		}
		if kept == complianceWindow {
			return i + 1 - kept
		}
	}
	return len(frames)
}

// lasts reports whether no two frames less than complianceWindow apart break the limit.
func lasts(frames []frame) bool {
	last := -complianceWindow
	for i, f := range frames {
		if !f.over {
			continue
		}
		if i-last < complianceWindow {
			return false
		}
		last = i
	}
	return true
}
