package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/deploy/bundle"
)

// Load makes a session of every level of a bundle. open turns a model, whose digest has been
// checked, into a session; it need not keep the bytes. If a level fails, the sessions made before
// are closed again and the error names the level.
func Load(ctx context.Context, b *bundle.Bundle, open func(model []byte) (Session, error)) ([]Session, error) {
	defer b.Forget()
	var sessions []Session
	for i := range b.Manifest().Family.Levels {
		err := ctx.Err()
		var model []byte
		if err == nil {
			model, err = b.Level(i)
		}
		var s Session
		if err == nil {
			s, err = open(model)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("runner: level %d: %w", i, err), Close(sessions))
		}
		sessions = append(sessions, s)
	}
	return sessions, nil
}

// Close closes the sessions that can be closed.
func Close(sessions []Session) error {
	var err error
	for _, s := range sessions {
		err = errors.Join(err, closeSession(s))
	}
	return err
}

// LoadPrepared returns a pool of a bundle's levels, made from the graphs that the bundle is prepared
// to (see bundle.Prepare), with level 0 resident. The bundle's own digests are checked first, then
// those of the prepared files. open makes a session of a graph whose tensors lie in dir. repaired
// says that prepared files were damaged and made again.
func LoadPrepared(ctx context.Context, b *bundle.Bundle, p bundle.Preparation, open func(graph []byte, dir string) (Session, error)) (pool *Pool, repaired bool, err error) {
	if err := b.CheckDigests(ctx); err != nil {
		return nil, false, err
	}
	prepared, graphs, repaired, err := b.PrepareRead(ctx, p)
	if err != nil {
		return nil, repaired, err
	}
	pool = NewPool(len(graphs), func(level int) (Session, error) { return open(graphs[level], prepared.Dir()) })
	if err := pool.Load(0); err != nil {
		return nil, repaired, err
	}
	return pool, repaired, nil
}

// LoadPlain returns a pool with a session of every level of a bundle, as Load makes them. A level that leaves memory is made again
// from the bundle, which must stay open.
func LoadPlain(ctx context.Context, b *bundle.Bundle, open func(model []byte) (Session, error)) (*Pool, error) {
	defer b.Forget()
	again := false
	pool := NewPool(len(b.Manifest().Family.Levels), func(level int) (Session, error) {
		if again { // one level, where memory is short
			defer b.Forget()
		}
		model, err := b.Level(level)
		if err != nil {
			return nil, err
		}
		return open(model)
	})
	for level := range pool.Len() {
		err := ctx.Err()
		if err == nil {
			err = pool.Load(level)
		}
		if err != nil {
			return nil, errors.Join(err, pool.Close())
		}
	}
	again = true
	return pool, nil
}
