package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// TruncatedError says that a trace ends inside a line, as the file of a killed writer does. It is
// an ErrTruncated.
type TruncatedError struct {
	File string
	Line int // the line that is cut off
}

// Error implements error.
func (e *TruncatedError) Error() string {
	return fmt.Sprintf("trace: %s: line %d: %v", e.File, e.Line, ErrTruncated)
}

// Unwrap returns ErrTruncated.
func (e *TruncatedError) Unwrap() error { return ErrTruncated }

// Read reads a trace; name stands for it in errors. A trace that ends inside a line is returned as
// far as its complete lines go together with a *TruncatedError, or without a trace if not even
// header and column names are complete. Every other error names the line, and there is no trace.
func Read(name string, r io.Reader) (*Trace, error) {
	lines := &lineReader{name: name, r: bufio.NewReaderSize(r, 1<<16)}
	t, err := read(lines)
	var cut *TruncatedError
	switch {
	case err == nil:
		return t, nil
	case errors.As(err, &cut):
		return t, err
	}
	return nil, fmt.Errorf("trace: %s: line %d: %w", name, lines.line, err)
}

func read(lines *lineReader) (*Trace, error) {
	text, err := lines.next(maxHeader)
	if err != nil {
		return nil, noEOF(err)
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	check, err := newChecker(h)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if text, err = lines.next(maxRow); err != nil {
		return nil, noEOF(err)
	}
	if want := h.columnNames(); string(text) != want {
		return nil, fmt.Errorf("the columns are %.80q, want %s", text, want)
	}
	t := &Trace{Name: lines.name, Header: *h}
	columns := h.columns()
	for {
		text, err := lines.next(maxRow)
		switch {
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil:
			return t, err
		}
		record, err := parseRecord(text, h, columns)
		if err != nil {
			return nil, err
		}
		if err := check.check(&record); err != nil {
			return nil, err
		}
		if len(t.Records) == MaxRecords {
			return nil, fmt.Errorf("more than %d records", MaxRecords)
		}
		t.Records = append(t.Records, record)
	}
}

// noEOF makes a file that ends before its header an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the file ends before header and column names are complete")
	}
	return err
}

// lineReader reads bounded lines and counts them.
type lineReader struct {
	name string
	r    *bufio.Reader
	buf  []byte
	line int // of the text returned last
	size int64
}

// next returns the next line without its line feed, valid until the next call; io.EOF at the end,
// a *TruncatedError if the last line has no line feed.
func (l *lineReader) next(limit int) ([]byte, error) {
	l.line++
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		l.buf = append(l.buf, part...)
		l.size += int64(len(part))
		switch {
		case l.size > MaxBytes:
			return nil, fmt.Errorf("the file has more than %d bytes", int64(MaxBytes))
		case len(l.buf) > limit:
			return nil, fmt.Errorf("the line has more than %d bytes", limit)
		case err == nil:
			return l.buf[:len(l.buf)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(l.buf) == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			return nil, &TruncatedError{File: l.name, Line: l.line}
		default:
			return nil, err
		}
	}
}
