package main

import (
	"context"
	"errors"
	"time"

	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/search/store"
)

// study is an open study file with the stores that live in it.
type study struct {
	*sqlite.Study
	*store.Store
}

// openStudy opens an existing study.
func openStudy(ctx context.Context, path string) (*study, error) {
	return newStudy(sqlite.Open(ctx, path))
}

// createStudy opens a study, making the file if there is none.
func createStudy(ctx context.Context, path string) (*study, error) {
	return newStudy(sqlite.Create(ctx, path))
}

func newStudy(s *sqlite.Study, err error) (*study, error) {
	if err != nil {
		return nil, err
	}
	return &study{s, store.New(s)}, nil
}

// findFamily returns a family by name: a built-in one, or one of the study at path (the newest if
// name is empty).
func findFamily(ctx context.Context, path, name string) (*family.Family, error) {
	if name == family.PaperGPU6Name {
		return family.PaperGPU6()
	}
	study, err := openStudy(ctx, path)
	if err != nil {
		return nil, err
	}
	defer study.Close()
	return study.Family(ctx, name)
}

// Family returns a family by name: a built-in one, or one of the study (the newest if name is empty).
func (s *study) Family(ctx context.Context, name string) (*family.Family, error) {
	if name == family.PaperGPU6Name {
		return family.PaperGPU6()
	}
	return s.Store.Family(ctx, name)
}

// findRun returns the stored search of the same inputs, nil if there is none.
func (s *study) findRun(ctx context.Context, in store.Inputs) (*store.Run, error) {
	digest, err := in.Digest()
	if err != nil {
		return nil, err
	}
	run, err := s.FindRun(ctx, digest)
	if errors.Is(err, store.ErrNoRun) {
		return nil, nil
	}
	return run, err
}

// now is the time that goes into the study.
func now() time.Time { return time.Now().UTC() }
