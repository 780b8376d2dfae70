package runner

import (
	"context"
	"errors"
	"fmt"
	"io"

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
	var errs []error
	for _, s := range sessions {
		if c, ok := s.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
