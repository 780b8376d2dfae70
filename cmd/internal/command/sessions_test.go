package command

import (
	"errors"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
)

// nothing is a session that computes nothing.
type nothing struct{}

func (nothing) Input() []float32  { return nil }
func (nothing) Output() []float32 { return nil }
func (nothing) Run() error        { return nil }

// TestLevelThatCannotBeLoaded: a run begins without it, and says so.
func TestLevelThatCannotBeLoaded(t *testing.T) {
	pool := runner.NewPool(3, func(level int) (runner.Session, error) {
		if level == 1 {
			return nil, errors.New("no memory")
		}
		return nothing{}, nil
	})
	ladder, err := monitor.NewLadder(monitor.LadderConfig{FS: host.FS(), Levels: pool})
	if err != nil {
		t.Fatal(err)
	}
	var stderr output
	app := &cli.App{Name: "dynofa-run", ErrWriter: &stderr}
	o := &runOptions{health: runner.NewHealth(), ladder: ladder}
	if behind := o.loadLevels(cli.NewContext(app, nil, nil), pool); len(behind) != 0 {
		t.Skipf("there is no room for levels %v", behind)
	}
	if pool.Resident(1) || !pool.Resident(2) || pool.Failure(1) == nil || o.health.Count(runner.ReasonSessionFailed) != 1 {
		t.Errorf("level 1 is resident: %v, level 2: %v; %d alarms", pool.Resident(1), pool.Resident(2), o.health.Count(runner.ReasonSessionFailed))
	}
	if !strings.Contains(stderr.String(), "level 1 cannot be loaded") || len(o.cfg.Notes) != 1 || !strings.Contains(o.cfg.Notes[0], "level 1: no memory") {
		t.Errorf("notes %q, printed %s", o.cfg.Notes, stderr.String())
	}
}
