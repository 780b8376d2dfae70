package command

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/runner"
)

// What run does with clocks that the policy chooses. Clocks are the whole machine's, so they are set on request alone.
const (
	leaveClocks = "leave"
	setClocks   = "set"
)

func clocksFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "clocks", Value: leaveClocks, Destination: to,
		Usage: "clocks that the policy chooses, if it does: leave them as they are, which the policy is told, or set them, which takes permission (see doctor) and is undone at the end"}
}

func systemFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "system", Value: "/", Destination: to,
		Usage: "`FOLDER` in which sys, proc and etc of the machine lie: those of the host, in a container"}
}

// openSystem opens the machine that lies in a folder.
func openSystem(root string) (fsys fs.FS, changer host.Changer, err error) {
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return nil, nil, Usagef("--system %q is no folder", root)
	}
	return os.DirFS(root), host.ChangesAt(root), nil
}

// openSystem checks --system and --clocks.
func (o *runOptions) openSystem() (err error) {
	if o.clocks != leaveClocks && o.clocks != setClocks {
		return Usagef("--clocks %q is neither %s nor %s", o.clocks, leaveClocks, setClocks)
	}
	if o.fsys, o.changer, err = openSystem(o.system); err == nil {
		o.system, err = filepath.Abs(o.system)
	}
	return err
}

// governor is the machine's, as the runner sees it.
type governor struct{ *host.Governor }

// Read implements runner.Clocks.
func (g governor) Read(processor string) runner.Held { return runner.Held(g.Governor.Read(processor)) }

// govern lets the run read the machine's clocks, and set them if that was asked for. The function that it returns puts back what
// was found, once, and says what could not be.
func (o *runOptions) govern(c *cli.Context) (func() error, error) {
	g := governor{host.NewGovernor(o.fsys, o.changer)}
	o.cfg.Clocks, o.governor = g, g
	if o.clocks != setClocks {
		return func() error { return nil }, nil
	}
	tell := func(format string, args ...any) {
		fmt.Fprintf(c.App.ErrWriter, "%s: %s\n", c.App.Name, fmt.Sprintf(format, args...))
	}
	var err error
	if g.Save, err = o.putBackLeft(tell); err != nil {
		return nil, err
	}
	o.cfg.Governor = g
	return sync.OnceValue(func() error {
		err := g.Restore()
		if err != nil {
			err = fmt.Errorf("clocks were not put back: %w", err)
			tell("%v", err)
		}
		return err
	}), nil
}

// noteClocks says what became of clocks that the policy chooses.
func noteClocks(g *Grid, list []runner.ClockReport) {
	for _, k := range list {
		if !k.Set {
			g.Note("the policy chooses among %d clocks of %s, which stay as they are: it reckoned with %v in the end; --clocks set lets it set them", k.Steps, k.Processor, k.Clock)
			continue
		}
		var uses []string
		for _, u := range k.At {
			uses = append(uses, fmt.Sprintf("%d at %v", u.Inferences, u.Clock))
		}
		g.Note("inferences on %s: %s", k.Processor, strings.Join(uses, ", "))
		g.Note("clock of %s: asked for %d times among %d steps, which took %v at the median (measured); lost %d times; at %v in the end", k.Processor, k.Changes, k.Steps, k.Setting.P50, k.Lost, k.Clock)
		g.Note("clock of %s: in force %v after it is asked for, as the bundle says, not measured here; operating points: %s", k.Processor, unit.Nanos(k.Effect), k.Source)
	}
}
