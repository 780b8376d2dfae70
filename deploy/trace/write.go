package trace

import (
	"errors"
	"fmt"
	"io"
)

// flushAt is how many bytes a Writer collects before it hands them on.
const flushAt = 1 << 16

// Writer writes a trace record by record. It is not safe for concurrent use.
//
// What it hands to the underlying writer is always whole lines, so that a reader of a file that is
// being written sees complete records. It hands on about every 64 KiB and on Flush.
type Writer struct {
	w       io.Writer
	check   *checker
	buf     []byte
	bytes   int64 // written and buffered
	records int
	err     error // first one; everything after it fails the same way
}

// NewWriter starts a trace. The header's Version may be zero or FormatVersion; the latter is
// written. It returns an error if the header is invalid or too large; nothing reaches w before the
// first Flush or 64 KiB.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if h.Version == 0 {
		h.Version = FormatVersion
	}
	check, err := newChecker(&h)
	if err != nil {
		return nil, fmt.Errorf("trace: header: %w", err)
	}
	buf, err := appendHeader(nil, &h)
	if err != nil {
		return nil, fmt.Errorf("trace: header: %w", err)
	}
	buf = append(append(buf, h.columnNames()...), '\n')
	return &Writer{w: w, check: check, buf: buf, bytes: int64(len(buf))}, nil
}

// Write adds a record; it keeps nothing of it. It returns an error, and writes nothing, if the
// record is not one that Read would take or the trace would grow beyond MaxRecords or MaxBytes.
// Such an error does not spoil the trace: what was written before and after it stands. An error of
// the underlying writer does, and is returned from then on.
func (w *Writer) Write(r Record) error {
	if w.err != nil {
		return w.err
	}
	if err := w.check.check(&r); err != nil {
		return fmt.Errorf("trace: record %d (request %d): %w", w.records+1, r.Request, err)
	}
	if w.records == MaxRecords {
		return fmt.Errorf("trace: more than %d records", MaxRecords)
	}
	n := len(w.buf)
	w.buf = appendRecord(w.buf, &r, w.check.extra)
	row := int64(len(w.buf) - n)
	if w.bytes+row > MaxBytes {
		w.buf = w.buf[:n]
		return fmt.Errorf("trace: more than %d bytes", int64(MaxBytes))
	}
	w.bytes += row
	w.records++
	if len(w.buf) >= flushAt {
		return w.Flush()
	}
	return nil
}

// Flush hands everything written so far to the underlying writer.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	n, err := w.w.Write(w.buf)
	if err == nil && n != len(w.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("trace: %w", err)
		return w.err
	}
	w.buf = w.buf[:0]
	return nil
}

// ErrTruncated is what a TruncatedError is.
var ErrTruncated = errors.New("the last line is cut off")
