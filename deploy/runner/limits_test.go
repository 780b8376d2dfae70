package runner_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/runner"
)

// TestLimits applies changes as a whole or not at all, the power mode last.
func TestLimits(t *testing.T) {
	c := runner.NewControl(10*ms, 20*ms, 0.7)
	apply := func(text string) error {
		l, err := runner.ReadLimits(strings.NewReader(text))
		if err != nil {
			return err
		}
		return c.Apply(l)
	}
	if err := apply(`{"limit": "30ms", "min_accuracy": "76%"}`); err != nil || c.Limit() != 30*ms || c.Deadline() != 20*ms || c.MinAccuracy() != 0.76 {
		t.Errorf("%v, %v, %v, %v", c.Limit(), c.Deadline(), c.MinAccuracy(), err)
	}
	for _, bad := range []string{"", "[]", `{"limit": 3}`, `{"limit": "3"}`, `{"limit": "-1ms"}`, `{"deadline": "1ms", "min_accuracy": "half"}`, `{"other": "1ms"}`, `{} {}`, `{"limit":"1ms"` + strings.Repeat(" ", 5000) + "}"} {
		if err := apply(bad); err == nil || c.Deadline() != 20*ms {
			t.Errorf("%.40q: %v, deadline %v", bad, err, c.Deadline())
		}
	}
	for text, want := range map[string]string{
		"\n":                                   "there is nothing",
		"[1]":                                  "line 1: a array instead of limits",
		"{\n\n\"limit\": 3}":                   "line 3: limit is a number",
		"{\"limit\": \"3ms\",\n\"limits\": 1}": `line 2: there is no limit "limits"`,
		"{\"limit\": \"3ms\"":                  "line 1: the text ends before",
		"{\"limit\": \"3ms\"}\n]":              "line 2: something follows",
		"{\n\"limit\" 3}":                      "line 2: invalid character",
		`{"min_accuracy": "76"}`:               "min_accuracy: ",
		strings.Repeat(" ", 5000):              "more than 4096 bytes",
	} {
		if err := apply(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %q", text, err, want)
		}
	}
	if err := apply(`{"power_mode": "15W", "deadline": "40ms"}`); !errors.Is(err, runner.ErrPowerMode) || c.Deadline() != 40*ms {
		t.Errorf("a power mode that nobody sets: %v, deadline %v", err, c.Deadline())
	}
	asked := ""
	c.OnPowerMode(func(mode string) error {
		if asked += mode + " "; mode == "99W" {
			return errors.New("there is no such mode")
		}
		return nil
	})
	for _, mode := range []string{"15W", "15W", "99W", "10W"} {
		err := apply(`{"power_mode": "` + mode + `"}`)
		if (err != nil) != (mode == "99W") {
			t.Errorf("%s: %v", mode, err)
		}
	}
	if asked != "15W 99W 10W " || c.PowerMode() != "10W" || *c.Limits().PowerMode != "10W" || *c.Limits().Limit != (30*time.Millisecond).String() {
		t.Errorf("asked for %q, in force %q", asked, c.PowerMode())
	}
}
