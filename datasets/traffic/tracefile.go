package traffic

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of trace files.
const (
	MaxTraceBytes = 1 << 30
	MaxRows       = 1 << 22    // arrivals, or intervals
	MaxSpeed      = 1_000_000. // of playing
	MinSpeed      = 1e-6
	maxTraceLine  = 1 << 16 // bytes
)

// lines reads a text file line by line, with its position for errors.
type lines struct {
	name string
	scan *bufio.Scanner
	read *io.LimitedReader
	at   int
}

func newLines(name string, r io.Reader) *lines {
	l := &lines{name: name, read: &io.LimitedReader{R: r, N: MaxTraceBytes + 1}}
	l.scan = bufio.NewScanner(l.read)
	l.scan.Buffer(make([]byte, 0, 1<<12), maxTraceLine)
	return l
}

// next returns the next line without its end, false at the end of the file.
func (l *lines) next() (string, bool, error) {
	if !l.scan.Scan() {
		switch err := l.scan.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			l.at++
			return "", false, l.fail("", "is longer than %d bytes", maxTraceLine)
		case err != nil:
			return "", false, fmt.Errorf("traffic: %s: %w", l.name, err)
		}
		return "", false, nil
	}
	l.at++
	if l.read.N <= 0 {
		return "", false, l.fail("", "the file is larger than %d bytes", MaxTraceBytes)
	}
	text := strings.TrimSuffix(l.scan.Text(), "\r")
	if l.at == 1 {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	if _, ok := printable([]byte(text)); !ok {
		return "", false, l.fail("", "holds a control character or is not valid UTF-8")
	}
	return text, true, nil
}

func (l *lines) fail(column, format string, args ...any) error {
	return &Error{File: l.name, Line: l.at, Key: column, Problem: fmt.Sprintf(format, args...)}
}

// header reads the first line, which names columns.
func (l *lines) header() ([]string, error) {
	text, ok, err := l.next()
	if err != nil {
		return nil, err
	}
	if !ok {
		l.at = 1
		return nil, l.fail("", "is empty")
	}
	columns := strings.Split(text, ",")
	for i, c := range columns {
		columns[i] = strings.TrimSpace(c)
		if slices.Contains(columns[:i], columns[i]) {
			return nil, l.fail(clip(columns[i]), "is named twice")
		}
	}
	return columns, nil
}

// column returns the index of a column, an error if there is none of that name.
func (l *lines) column(columns []string, name string) (int, error) {
	i := slices.Index(columns, name)
	if i < 0 {
		return 0, l.fail(name, "the first line does not name this column")
	}
	return i, nil
}

// row returns the fields of the next line that is not blank, nil at the end of the file.
func (l *lines) row(columns int) ([]string, error) {
	for {
		text, ok, err := l.next()
		if err != nil || !ok {
			return nil, err
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		fields := strings.Split(text, ",")
		if len(fields) != columns {
			return nil, l.fail("", "has %d columns, want the %d of the first line", len(fields), columns)
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		return fields, nil
	}
}

// ReadCSV reads a trace of arrivals: a first line that names the columns, then a line per arrival in any
// order. Columns are
//
//	time      since the start, such as 12.5ms; or time_s, time_ms, time_us, time_ns: numbers of that unit
//	deadline  relative to the arrival, in the same forms; optional, 0 or empty: the scenario's
//	class     a name; optional
//
// and no others. Errors are of type [*Error] with line and column. Memory grows with the arrivals, up to
// MaxRows; a class, unless empty, leaves out the others.
func ReadCSV(name string, r io.Reader, class string) (*Recorded, error) {
	l := newLines(name, r)
	columns, err := l.header()
	if err != nil {
		return nil, err
	}
	at, due, kind := -1, -1, -1
	for i, c := range columns {
		base, unit, _ := strings.Cut(c, "_")
		_, known := unitsOf[unit]
		switch {
		case base == "time" && known && at < 0:
			at = i
		case base == "deadline" && known && due < 0:
			due = i
		case c == "class":
			kind = i
		default:
			return nil, l.fail(clip(c), "unknown or repeated column; known are time, deadline (or with _s, _ms, _us, _ns) and class")
		}
	}
	if at < 0 {
		return nil, l.fail("time", "the first line does not name this column")
	}
	t := &Recorded{Origin: Origin{File: name, Format: FormatCSV, Class: class}}
	for {
		fields, err := l.row(len(columns))
		if err != nil || fields == nil {
			return sorted(t, l, err)
		}
		var row Row
		if row.At, err = l.time(fields[at], columns[at], false); err != nil {
			return nil, err
		}
		if due >= 0 {
			if row.Limit, err = l.time(fields[due], columns[due], true); err != nil {
				return nil, err
			}
		}
		if kind >= 0 {
			if row.Class = fields[kind]; len(row.Class) > maxLine/5 {
				return nil, l.fail("class", "is longer than %d bytes", maxLine/5)
			}
		}
		if err := l.add(t, row); err != nil {
			return nil, err
		}
	}
}

// add appends a row of the class that is asked for.
func (l *lines) add(t *Recorded, row Row) error {
	if t.Class != "" && row.Class != t.Class {
		return nil
	}
	if len(t.Rows) == MaxRows {
		return l.fail("", "more than %d arrivals", MaxRows)
	}
	t.Rows = append(t.Rows, row)
	return nil
}

// sorted brings the rows in order of time; those of one time keep theirs.
func sorted(t *Recorded, l *lines, err error) (*Recorded, error) {
	if err != nil {
		return nil, err
	}
	if len(t.Rows) == 0 {
		l.at = max(1, l.at)
		return nil, l.fail("", "has no arrivals%s", ofClass(t.Class))
	}
	slices.SortStableFunc(t.Rows, func(a, b Row) int { return cmp.Compare(a.At, b.At) })
	return t, nil
}

func ofClass(class string) string {
	if class == "" {
		return ""
	}
	return fmt.Sprintf(" of class %q", clip(class))
}

// unitsOf maps the suffix of a column's name to nanoseconds; none is a duration with its unit.
var unitsOf = map[string]float64{"": 0, "s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1}

// time reads a duration that is not negative in the form that the column's name says.
func (l *lines) time(text, column string, mayBeEmpty bool) (time.Duration, error) {
	if text == "" && mayBeEmpty {
		return 0, nil
	}
	_, suffix, _ := strings.Cut(column, "_")
	unit := unitsOf[suffix]
	if unit == 0 {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > MaxDuration {
			return 0, l.fail(column, "%q is no duration like 12.5ms in [0s, %v]", clip(text), MaxDuration)
		}
		return d, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && suffix == "ns" { // exact
		if n < 0 || n > int64(MaxDuration) {
			return 0, l.fail(column, "%q is outside [0s, %v]", clip(text), MaxDuration)
		}
		return time.Duration(n), nil
	}
	return l.scaled(text, column, unit)
}

// scaled reads a number of a unit.
func (l *lines) scaled(text, column string, unit float64) (time.Duration, error) {
	f, err := decimal(text)
	ns := math.Round(f * unit)
	if err != nil || !(ns >= 0 && ns <= float64(MaxDuration)) {
		return 0, l.fail(column, "%q is no number in [0, %g]", clip(text), float64(MaxDuration)/unit)
	}
	return time.Duration(ns), nil
}
