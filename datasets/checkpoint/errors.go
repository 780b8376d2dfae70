package checkpoint

import (
	"errors"
	"fmt"
)

// What can be wrong with a file. Every error of Read wraps one of these, or an error of the
// io.ReaderAt it read from.
var (
	// ErrRefused: the file asks for something that this package does not do, such as calling a
	// function or reading a quantised tensor. The message names it.
	ErrRefused = errors.New("refused")
	// ErrTruncated: a length in the file goes beyond its end.
	ErrTruncated = errors.New("truncated")
	// ErrTooLarge: a size in the file is beyond the limits of this package.
	ErrTooLarge = errors.New("too large")
	// ErrMalformed: the file contradicts its format or itself.
	ErrMalformed = errors.New("malformed")
	// ErrUnknownFormat: the file is in none of the formats this package reads.
	ErrUnknownFormat = errors.New("unknown format")
)

// Error says where in a file reading stopped and why.
type Error struct {
	// File is the name given to Read, or the path given to Open.
	File string
	// Entry is the entry of a zip archive, "" for a file that is not an archive and for the
	// archive as a whole.
	Entry string
	// Offset is the byte position of the opcode, value or tensor the error is about, from 0 at the
	// start of the entry if there is one, else of the file. It is -1 where no position applies.
	Offset int64
	// Err is the reason.
	Err error
}

// Error formats as "checkpoint: x.pth: archive/data.pkl: byte 123: reason".
func (e *Error) Error() string {
	s := "checkpoint: " + e.File + ": "
	if e.Entry != "" {
		s += e.Entry + ": "
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf("byte %d: ", e.Offset)
	}
	return s + e.Err.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// reason is a message of a kind; the kind itself is not part of the text.
type reason struct {
	kind error
	text string
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.kind }

func refused(format string, args ...any) error {
	return &reason{ErrRefused, fmt.Sprintf(format, args...)}
}

func truncated(format string, args ...any) error {
	return &reason{ErrTruncated, fmt.Sprintf(format, args...)}
}

func tooLarge(format string, args ...any) error {
	return &reason{ErrTooLarge, fmt.Sprintf(format, args...)}
}

func malformed(format string, args ...any) error {
	return &reason{ErrMalformed, fmt.Sprintf(format, args...)}
}

// at places an error in a file that is not an archive, or in an entry still to be named by within.
func at(offset int64, err error) error {
	var placed *Error
	if err == nil || errors.As(err, &placed) {
		return err
	}
	return &Error{Offset: offset, Err: err}
}

// within names the archive entry of a placed error.
func within(entry string, err error) error {
	var placed *Error
	if errors.As(err, &placed) && placed.Entry == "" {
		placed.Entry = entry
	}
	return err
}

// in names the file of an error.
func in(file string, err error) error {
	err = at(-1, err)
	var placed *Error
	if errors.As(err, &placed) {
		placed.File = file
	}
	return err
}
