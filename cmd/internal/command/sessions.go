package command

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
)

// plainSessions is the --prepared argument that asks for sessions without preparation.
const plainSessions = "none"

// serving returns what --processors and --ep make of a bundle's processors.
func (o *runOptions) serving(m *bundle.Manifest) ([]bundle.Processor, error) {
	providers, err := ParseProviders(o.providers)
	if err != nil {
		return nil, err
	}
	names := o.processors
	if names == "" { // all, whatever --ep names
		names = namesOf(m.Serving())
	}
	return ChooseProcessors(m.Serving(), names, providers)
}

// asked reports whether the user named the processor or its provider.
func (o *runOptions) asked() bool { return o.processors != "" || o.providers != "" }

// load makes the sessions of every processor that serves. The function that it returns closes them.
func (o *runOptions) load(c *cli.Context, b *bundle.Bundle, rt *ort.Runtime, serving []bundle.Processor) (func() error, error) {
	serving, err := o.offered(c, rt, serving)
	if err != nil {
		return nil, err
	}
	if len(serving) == 1 {
		o.cfg.Processor = serving[0].Name
		if o.plain(serving[0]) {
			options := o.options(serving[0])
			sessions, err := runner.Load(c.Context, b, func(model []byte) (runner.Session, error) { return rt.NewSession(model, options) })
			o.cfg.Sessions = sessions
			ort.Trim()
			return func() error { return runner.Close(sessions) }, err
		}
	}
	var closers []func() error
	closeAll := func() error {
		var err error
		for _, f := range closers {
			err = errors.Join(err, f())
		}
		return err
	}
	var pools []runner.Processor
	for _, p := range serving {
		pool, closePool, err := o.loadPool(c, b, rt, p)
		if err != nil && len(serving) > 1 {
			err = fmt.Errorf("processor %s: %w", p.Name, err)
		}
		switch {
		case err == nil:
			closers = append(closers, closePool)
			pools = append(pools, runner.Processor{Name: p.Name, Pool: pool})
		case c.Context.Err() == nil && o.canDoWithout(p, serving):
			o.without(c, runner.ReasonSessionFailed, err)
		default:
			return nil, errors.Join(err, closeAll())
		}
	}
	o.cfg.Processors = pools // of one alone the run makes the single one that it is
	o.cfg.Processor = ""
	ort.Trim()
	return closeAll, nil
}

// options are those of a processor's sessions.
func (o *runOptions) options(p bundle.Processor) ort.Options {
	return ort.Options{Threads: o.threads, Provider: p.Provider}
}

// plain reports whether a processor's sessions are made from the models as they are. Graphs with nodes that a GPU's
// provider has compiled cannot be written down, and its weights are copied anyway.
func (o *runOptions) plain(p bundle.Processor) bool {
	return o.prepared == plainSessions || p.Provider != "cpu"
}

// offered returns the processors whose execution provider works here. One that the library lacks, or that finds no device, is an error,
// unless the run can do without.
func (o *runOptions) offered(c *cli.Context, rt *ort.Runtime, serving []bundle.Processor) ([]bundle.Processor, error) {
	var have []bundle.Processor
	for _, p := range serving {
		if p.Provider == "cpu" { // every library has it
			have = append(have, p)
			continue
		}
		_, err := probe(rt, o.options(p))
		if err == nil {
			have = append(have, p)
			continue
		}
		err = fmt.Errorf("processor %s: %w", p.Name, err)
		if !o.canDoWithout(p, serving) {
			return nil, err
		}
		o.without(c, runner.ReasonProviderMissing, err)
	}
	return have, nil
}

// canServeWithout reports whether the others of the processors that serve can do without one: one of them is the CPU's.
func canServeWithout(p bundle.Processor, serving []bundle.Processor) bool {
	return p.Provider != "cpu" && slices.ContainsFunc(serving, func(o bundle.Processor) bool { return o.Name != p.Name && o.Provider == "cpu" })
}

// canDoWithout reports whether the run goes on without a processor that does not work: if another is the CPU's, and the user did
// not ask for this one.
func (o *runOptions) canDoWithout(p bundle.Processor, serving []bundle.Processor) bool {
	return canServeWithout(p, serving) && !o.asked()
}

// without says that a processor does not serve.
func (o *runOptions) without(c *cli.Context, reason policy.Reason, err error) {
	fmt.Fprintf(c.App.ErrWriter, "%s: %v; the other processors serve without it\n", c.App.Name, err)
	o.health.Raise(runner.Alarm{Reason: reason, Detail: err.Error()})
	o.cfg.Notes = append(o.cfg.Notes, "served without "+err.Error())
}

// loadPool makes the sessions of one processor.
func (o *runOptions) loadPool(c *cli.Context, b *bundle.Bundle, rt *ort.Runtime, p bundle.Processor) (*runner.Pool, func() error, error) {
	options := o.options(p)
	if o.plain(p) {
		pool, err := runner.LoadPlain(c.Context, b, func(model []byte) (runner.Session, error) { return rt.NewSession(model, options) })
		if err != nil {
			return nil, nil, err
		}
		return pool, pool.Close, nil
	}
	target, err := rt.Target(options)
	if err != nil {
		return nil, nil, err
	}
	cache, err := cacheFolder(o.prepared)
	if err != nil {
		return nil, nil, err
	}
	var once sync.Once
	pool, repaired, err := runner.LoadPrepared(c.Context, b, bundle.Preparation{Cache: cache, Target: target,
		Optimise: func(model []byte, dir, name string) ([]byte, error) {
			return rt.Optimise(model, dir, name, options)
		},
	}, func(graph []byte, dir string) (runner.Session, error) {
		once.Do(func() {
			if tight(o.fsys, dir) {
				ort.SmallPages()
			}
		})
		return rt.NewMappedSession(graph, dir, options)
	})
	if err != nil {
		return nil, nil, err
	}
	if repaired {
		fmt.Fprintf(c.App.ErrWriter, "%s: prepared files in %s were damaged and have been made again\n", c.App.Name, cache)
	}
	if o.ladder == nil { // one ladder, for the first pool
		if err := o.newLadder(c, pool); err != nil {
			return nil, nil, errors.Join(err, pool.Close())
		}
	}
	return pool, o.loadBehind(c, pool, o.loadLevels(c, pool)), nil
}

// loadLevels loads the levels of a pool but the first, which is there, and returns those that are to come behind: all of a server,
// which level 0 answers for meanwhile, and those that there is no room for. A level whose session cannot be made is an alarm;
// the others serve.
func (o *runOptions) loadLevels(c *cli.Context, pool *runner.Pool) (behind []int) {
	for level := 1; level < pool.Len(); level++ {
		if o.listen != "" || !o.ladder.Admits(level) {
			behind = append(behind, level)
			continue
		}
		if err := pool.Load(level); err != nil {
			o.notLoaded(c, level, err)
			o.cfg.Notes = append(o.cfg.Notes, "not loaded at the start: "+err.Error())
		}
	}
	return behind
}

// notLoaded tells that a level's session could not be made.
func (o *runOptions) notLoaded(c *cli.Context, level int, err error) {
	fmt.Fprintf(c.App.ErrWriter, "%s: level %d cannot be loaded: %v\n", c.App.Name, level, err)
	o.health.Raise(runner.Alarm{Reason: runner.ReasonSessionFailed, Detail: err.Error()})
}
