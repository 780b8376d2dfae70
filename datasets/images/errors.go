package images

import (
	"errors"
	"fmt"
)

// ErrTooLarge is wrapped by errors about files and pictures over a limit of [Limits].
var ErrTooLarge = errors.New("over the size limit")

// ErrEscape is wrapped by errors about names that lead out of their folder.
var ErrEscape = errors.New("leads out of the folder")

// A DecodeError is a picture that cannot be decoded: truncated, corrupt, of an unknown format, or
// over a limit. Callers that go through many pictures skip it and count it.
type DecodeError struct {
	File string // as the caller named it
	Err  error
}

func (e *DecodeError) Error() string { return fmt.Sprintf("images: decode %s: %v", e.File, e.Err) }
func (e *DecodeError) Unwrap() error { return e.Err }

// A FormatError is a data file (IDX, CIFAR, ground truth) that is not what it should be.
type FormatError struct {
	File   string
	Offset int64  // bytes from the start of the uncompressed data; -1 if Line tells the position
	Line   int    // counted from 1; 0 if Offset tells the position
	Reason string // lower case, no full stop
	Err    error  // cause, may be nil
}

func (e *FormatError) Error() string {
	where := fmt.Sprintf("offset %d", e.Offset)
	if e.Line > 0 {
		where = fmt.Sprintf("line %d", e.Line)
	}
	if e.Err != nil {
		return fmt.Sprintf("images: %s: %s: %s: %v", e.File, where, e.Reason, e.Err)
	}
	return fmt.Sprintf("images: %s: %s: %s", e.File, where, e.Reason)
}

func (e *FormatError) Unwrap() error { return e.Err }

// An EmptyClassError is a class folder that holds no picture.
type EmptyClassError struct {
	Folder string
	Class  string
}

func (e *EmptyClassError) Error() string {
	return fmt.Sprintf("images: %s: class %q holds no picture", e.Folder, e.Class)
}
