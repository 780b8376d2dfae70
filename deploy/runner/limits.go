package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
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

// limitsForm is an example of the JSON form, for messages.
const limitsForm = `{"limit": "30ms", "deadline": "50ms", "min_accuracy": "76%", "power_mode": "15W"}`

// ReadLimits reads the JSON form, at most 4 KiB of it. Unknown members are an error. Errors name the line and, where there is one,
// the member.
func ReadLimits(r io.Reader) (Limits, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxLimits+1))
	if err != nil {
		return Limits{}, err
	}
	if len(text) > maxLimits {
		return Limits{}, fmt.Errorf("the limits take more than %d bytes", maxLimits)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return Limits{}, fmt.Errorf("there is nothing, want limits such as %s", limitsForm)
	}
	var l Limits
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Limits{}, explainLimits(text, d.InputOffset(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Limits{}, fmt.Errorf("line %d: something follows the limits", lineOf(text, d.InputOffset()))
	}
	return l, nil
}

// explainLimits says what is wrong with a text, in terms of limits; at is how far it was read.
func explainLimits(text []byte, at int64, err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("line %d: %s is a %s, want a text in quotes as in %s", lineOf(text, kind.Offset), kind.Field, kind.Value, limitsForm)
	case errors.As(err, &kind):
		return fmt.Errorf("line %d: a %s instead of limits such as %s", lineOf(text, kind.Offset), kind.Value, limitsForm)
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", lineOf(text, syntax.Offset), err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("line %d: the text ends before the limits do", lineOf(text, int64(len(text))))
	}
	if _, name, ok := strings.Cut(err.Error(), "unknown field "); ok { // the decoder has no type for it
		return fmt.Errorf("line %d: there is no limit %.80s, want some of %s", lineOf(text, at), name, limitsForm)
	}
	return err
}

// lineOf returns the line of a byte, 1 for the first.
func lineOf(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(max(offset, 0), int64(len(text)))], []byte("\n"))
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
		if accuracy, err3 = unit.ParseAccuracy(*l.MinAccuracy); err3 != nil {
			err3 = fmt.Errorf("min_accuracy: %w", err3)
		}
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
