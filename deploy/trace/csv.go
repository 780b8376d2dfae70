package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/deploy/policy"
)

// columns returns the names of the columns of the trace.
func (h *Header) columns() []string {
	names := []string{"request", "arrival_ns", "deadline_ns", "now_ns", "last_level", "last_processor"}
	if h.Concurrent {
		names = append(names, "busy")
	}
	names = append(names, "waiting", "limit_ns", "min_accuracy")
	if h.Steps {
		names = append(names, "steps")
	}
	names = append(names, "queue", "action", "level", "processor")
	if h.Concurrent {
		names = append(names, "batch")
	}
	if h.clocked() {
		names = append(names, "clock")
	}
	return append(names, "reason", "start_ns", "end_ns", "outcome")
}

// clocked reports whether decisions may be for a clock step.
func (h *Header) clocked() bool { return len(h.Family.Clocks) > 0 }

// extra says which columns there are beside those of every trace.
type extra struct{ concurrent, clocked, steps bool }

func (h *Header) extra() extra { return extra{h.Concurrent, h.clocked(), h.Steps} }

// Limits of a file. What the writer would write beyond them it refuses as well.
const (
	MaxBytes   = 1 << 30 // of a file
	MaxRecords = 1 << 22 // in a file
	maxHeader  = 1 << 20 // bytes of the header's line
	maxRow     = 1 << 11 // bytes of any other line; the longest valid one takes some 1,100
)

// firstRow is the line of the first record.
const firstRow = 3

// appendHeader appends the header's line.
func appendHeader(b []byte, h *Header) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(h); err != nil {
		return nil, err
	}
	b = append(append(b, "# "...), text.Bytes()...) // Encode ends the line
	if len(b) > maxHeader {
		return nil, fmt.Errorf("the header takes %d bytes, %d are allowed", len(b), maxHeader)
	}
	return b, nil
}

// parseHeader reads the header's line, without its line feed. It takes what appendHeader writes
// and nothing else.
func parseHeader(line []byte) (*Header, error) {
	text, ok := bytes.CutPrefix(line, []byte("# "))
	if !ok {
		return nil, errors.New(`it does not start with "# {": not a trace`)
	}
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if version.Version > FormatVersion {
		return nil, fmt.Errorf("header: format version %d is newer than %d, the newest that this program knows", version.Version, FormatVersion)
	}
	h := new(Header)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	again, err := appendHeader(nil, h)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	again = again[:len(again)-1]
	for i := range min(len(line), len(again)) {
		if line[i] != again[i] {
			return nil, fmt.Errorf("header: byte %d is not as dynofa writes it (a repeated or misplaced key, spacing, or edited by hand)", i+1)
		}
	}
	if len(line) != len(again) {
		return nil, errors.New("header: text follows it")
	}
	return h, nil
}

// appendRecord appends one record's line, with the columns that the header asks for.
func appendRecord(b []byte, r *Record, with extra) []byte {
	o, d := &r.Observation, &r.Decision
	number := func(n int64) {
		b = strconv.AppendInt(b, n, 10)
		b = append(b, ',')
	}
	word := func(s string) {
		b = append(b, s...)
		b = append(b, ',')
	}
	number(r.Request)
	number(int64(r.Arrival))
	number(int64(r.Deadline))
	number(int64(o.Now))
	number(int64(o.Level))
	number(int64(o.Processor))
	if with.concurrent {
		b = append(strconv.AppendUint(b, o.Busy, 10), ',')
	}
	number(int64(o.Waiting))
	number(int64(o.Limit))
	b = strconv.AppendFloat(b, float64(o.MinAccuracy), 'g', -1, 64)
	b = append(b, ',')
	if with.steps {
		b = append(appendSteps(b, o.Steps), ',')
	}
	for i, q := range o.Queue {
		if i > 0 {
			b = append(b, ';')
		}
		b = strconv.AppendInt(b, q.ID, 10)
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(q.Arrival), 10)
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(q.Deadline), 10)
	}
	b = append(b, ',')
	word(string(d.Action))
	number(int64(d.Level))
	number(int64(d.Processor))
	if with.concurrent {
		number(int64(d.Batch))
	}
	if with.clocked {
		number(int64(d.Clock))
	}
	word(string(d.Reason))
	number(int64(r.Start))
	number(int64(r.End))
	b = append(b, r.Outcome...)
	return append(b, '\n')
}

// parseRecord reads one record's line, without its line feed. It checks the text only.
func parseRecord(line []byte, h *Header, columns []string) (Record, error) {
	fields := strings.Split(string(line), ",")
	if len(fields) != len(columns) {
		return Record{}, fmt.Errorf("it has %d columns, want %d", len(fields), len(columns))
	}
	p := rowParser{fields: fields, columns: columns}
	var r Record
	o, d := &r.Observation, &r.Decision
	r.Request = p.integer(math.MaxInt64)
	r.Arrival, r.Deadline = p.time(), p.time()
	o.Now = p.time()
	o.Level, o.Processor = p.small(), p.small()
	if h.Concurrent {
		o.Busy = p.bits()
	}
	o.Waiting = p.small()
	o.Limit = p.time()
	o.MinAccuracy = p.accuracy()
	if h.Steps {
		o.Steps = p.steps()
	}
	o.Queue = p.queue()
	d.Action = policy.Action(p.word())
	d.Level, d.Processor = p.small(), p.small()
	if h.Concurrent {
		d.Batch = p.small()
	}
	if h.clocked() {
		d.Clock = p.small()
	}
	d.Reason = policy.Reason(p.word())
	r.Start, r.End = p.time(), p.time()
	r.Outcome = Outcome(p.word())
	return r, p.err
}

// columnNames returns the second line of the trace.
func (h *Header) columnNames() string { return strings.Join(h.columns(), ",") }

// WriteTo writes the trace to w; it implements io.WriterTo. What NewWriter and Write refuse it
// refuses too.
func (t *Trace) WriteTo(w io.Writer) (int64, error) {
	counted := &countingWriter{w: w}
	tw, err := NewWriter(counted, t.Header)
	if err != nil {
		return counted.n, err
	}
	for i := range t.Records {
		if err := tw.Write(t.Records[i]); err != nil {
			return counted.n, err
		}
	}
	return counted.n, tw.Flush()
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Equal reports whether two records are the same in every field.
func (r *Record) Equal(s *Record) bool {
	a, b := r.Observation, s.Observation
	return r.Request == s.Request && r.Arrival == s.Arrival && r.Deadline == s.Deadline &&
		a.Now == b.Now && a.Level == b.Level && a.Processor == b.Processor && a.Busy == b.Busy && slices.Equal(a.Queue, b.Queue) &&
		a.Waiting == b.Waiting && a.Limit == b.Limit && a.MinAccuracy == b.MinAccuracy && slices.Equal(a.Steps, b.Steps) &&
		r.Decision == s.Decision && r.Start == s.Start && r.End == s.End && r.Outcome == s.Outcome
}
