package command

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/systemd"
)

// statusEvery is how often a service manager without a watchdog is told how the run is.
const statusEvery = 10 * time.Second

// service connects the run to the service manager that started the program, if one did. What goes wrong with that is
// said once and ends nothing. The function that it returns ends the connection.
func (o *runOptions) service(c *cli.Context) func() {
	n, err := systemd.Open(os.Getenv, os.Getpid())
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "%s: %v\n", c.App.Name, err)
	}
	if n == nil {
		return func() {}
	}
	complained := false
	o.notifier, o.cfg.AliveEvery = n, statusEvery
	if w := n.Watchdog(); w > 0 {
		o.cfg.AliveEvery = w / 3
	}
	o.cfg.Alive = func(p runner.Progress) {
		if err := n.Alive(describe(p)); err != nil && !complained {
			complained = true
			fmt.Fprintf(c.App.ErrWriter, "%s: %v\n", c.App.Name, err)
		}
	}
	stopping := sync.OnceFunc(func() { _ = n.Stopping() })
	stop := context.AfterFunc(c.Context, stopping)
	return func() {
		stop()
		stopping() // a run that ends at once, or by itself, says so too
		_ = n.Close()
	}
}

// ready tells the service manager that requests are served.
func (o *runOptions) ready(c *cli.Context) {
	if err := o.notifier.Ready(); err != nil {
		fmt.Fprintf(c.App.ErrWriter, "%s: %v\n", c.App.Name, err)
	}
}

// describe is the line that systemctl status shows.
func describe(p runner.Progress) string {
	if p.Requests == 0 {
		return "no requests yet"
	}
	return fmt.Sprintf("level %d; %d requests, %.2f%% on time", p.Level, p.Requests, 100*float64(p.OnTime)/float64(p.Requests))
}
