package command

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/serve"
)

// serve answers HTTP requests until ctx ends.
func (o *runOptions) serve(ctx context.Context, c *cli.Context, b *bundle.Bundle) (*runner.Report, error) {
	s, err := serve.New(serve.Config{
		Run: o.cfg, Name: o.model, Version: b.Digest()[:12], Program: o.cfg.Program,
		Monitor: o.watching.monitor, Drift: o.watching.drift,
		State:  func() host.State { return host.ReadState(o.fsys) },
		Logger: slog.New(slog.NewTextHandler(c.App.ErrWriter, nil)),
	})
	if err != nil {
		return nil, err
	}
	address, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return nil, err // refused with the command line
	}
	if address == "" {
		address = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(address, port))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c.App.ErrWriter, "%s: serving model %s, version %s, at http://%s\n", c.App.Name, o.model, b.Digest()[:12], l.Addr())
	o.ready(c) // connections wait in the listener's queue from now on
	return s.Serve(ctx, l)
}

// loadBehind loads levels in the background, and those that are asked for later. The function that it returns stops that
// and closes all.
func (o *runOptions) loadBehind(c *cli.Context, pool *runner.Pool, levels []int) func() error {
	ctx, cancel := context.WithCancel(c.Context)
	pool.LoadBehind(ctx, func(level int, err error) { o.notLoaded(c, level, err) }, levels...)
	return func() error { cancel(); return pool.Close() }
}
