package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Limits changes what a run is asked to keep, in the form of the control file and of PUT /control. What is nil stays as it is.
type Limits struct {
	Limit       *string `json:"limit,omitempty"`        // latency of an inference, such as "30ms"; "0s": none
	Deadline    *string `json:"deadline,omitempty"`     // from arrival to answer; "0s": none
	MinAccuracy *string `json:"min_accuracy,omitempty"` // such as "76%"
	PowerMode   *string `json:"power_mode,omitempty"`   // of the device, such as "MODE_15W_4CORE"
}

// maxLimits bounds the text of limits.
const maxLimits = 4 << 10

// ReadLimits reads the JSON form, at most 4 KiB of it. Unknown members are an error.
func ReadLimits(r io.Reader) (Limits, error) {
	var l Limits
	d := json.NewDecoder(io.LimitReader(r, maxLimits))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Limits{}, err
	}
	if d.More() {
		return Limits{}, errors.New("something follows the limits")
	}
	return l, nil
}

// Limits returns what is in force.
func (c *Control) Limits() Limits {
	limit, deadline, accuracy := c.Limit().String(), c.Deadline().String(), c.MinAccuracy().String()
	l := Limits{Limit: &limit, Deadline: &deadline, MinAccuracy: &accuracy}
	if mode := c.PowerMode(); mode != "" {
		l.PowerMode = &mode
	}
	return l
}

// ErrPowerMode is wrapped by Apply's error if the power mode could not be set; the other limits are in force then.
var ErrPowerMode = errors.New("the power mode is not in force")

// Apply changes everything that is given, or nothing if a value is malformed. The power mode is set last: if the device refuses it, the
// error wraps ErrPowerMode.
func (c *Control) Apply(l Limits) error {
	duration := func(name string, text *string) (time.Duration, error) {
		if text == nil {
			return 0, nil
		}
		d, err := time.ParseDuration(*text)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%s %.40q is no duration such as 30ms", name, *text)
		}
		return d, nil
	}
	limit, err := duration("limit", l.Limit)
	deadline, err2 := duration("deadline", l.Deadline)
	var accuracy unit.Accuracy
	var err3 error
	if l.MinAccuracy != nil {
		accuracy, err3 = unit.ParseAccuracy(*l.MinAccuracy)
	}
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	if l.Limit != nil {
		c.SetLimit(limit)
	}
	if l.Deadline != nil {
		c.SetDeadline(deadline)
	}
	if l.MinAccuracy != nil {
		c.SetMinAccuracy(accuracy)
	}
	if l.PowerMode != nil && *l.PowerMode != c.PowerMode() {
		return c.setPowerMode(*l.PowerMode)
	}
	return nil
}

// PowerMode returns the power mode that was asked for last and is in force; empty: none was asked for.
func (c *Control) PowerMode() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mode
}

// OnPowerMode says how a power mode is set; without it asking for one is an error.
func (c *Control) OnPowerMode(set func(mode string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setMode = set
}

func (c *Control) setPowerMode(mode string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.setMode == nil {
		return fmt.Errorf("%w: this run sets none", ErrPowerMode)
	}
	if err := c.setMode(mode); err != nil {
		return fmt.Errorf("%w: %w", ErrPowerMode, err)
	}
	c.mode = mode
	return nil
}
