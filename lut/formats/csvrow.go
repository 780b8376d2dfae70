package formats

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// rowReader reads rows of len(csvColumns) cells, one per line. It makes no garbage for a row without
// quotes: a table of a million entries is read in little more memory than it takes.
type rowReader struct {
	b     *bufio.Reader
	line  int    // of the row read last, in the file
	long  []byte // a line that b's buffer does not hold
	cells [][]byte
}

// read returns the next row's cells, which hold until the next call, and passes over empty lines.
func (r *rowReader) read() ([][]byte, error) {
	for {
		r.line++
		line, err := r.next()
		if err != nil && (err != io.EOF || len(line) == 0) {
			return nil, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) > 0 {
			return r.split(line)
		}
	}
}

// next returns the next line with its end.
func (r *rowReader) next() ([]byte, error) {
	line, err := r.b.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, err
	}
	r.long = r.long[:0]
	for err == bufio.ErrBufferFull {
		if r.long = append(r.long, line...); len(r.long) > maxCSVRow {
			return nil, fmt.Errorf("the row is longer than %d bytes", maxCSVRow)
		}
		line, err = r.b.ReadSlice('\n')
	}
	r.long = append(r.long, line...)
	return r.long, err
}

// split divides a row into cells.
func (r *rowReader) split(line []byte) ([][]byte, error) {
	r.cells = r.cells[:0]
	if bytes.IndexByte(line, '"') >= 0 {
		record, err := csv.NewReader(bytes.NewReader(line)).Read()
		var p *csv.ParseError
		if errors.As(err, &p) {
			err = p.Err // its line is that of the row alone
		}
		if err != nil {
			return nil, err
		}
		for _, cell := range record {
			r.cells = append(r.cells, []byte(cell))
		}
	} else {
		for rest, more := line, true; more; {
			var cell []byte
			cell, rest, more = bytes.Cut(rest, comma)
			r.cells = append(r.cells, cell)
		}
	}
	if len(r.cells) != len(csvColumns) {
		return nil, csv.ErrFieldCount
	}
	return r.cells, nil
}

var comma = []byte(",")

func addCSVRow(t *lut.Table, cells [][]byte) error {
	l, err := csvLatency(cells[3:])
	if err != nil {
		return err
	}
	switch string(cells[0]) {
	case kindBlock:
		r, ok := parseCount(cells[1])
		if !ok {
			return fmt.Errorf("resolution %q is not a number of pixels, or 0 for all", clip(string(cells[1])))
		}
		b, err := parseBlock(cells[2])
		if err != nil {
			return err
		}
		t.Entries = append(t.Entries, lut.Entry{Key: lut.Key{Resolution: r, Block: b}, Latency: l})
	case kindNetwork:
		if len(cells[1]) > 0 {
			return fmt.Errorf("a network has no resolution of its own, got %q", clip(string(cells[1])))
		}
		a, err := supernet.ParseArch(cells[2])
		if err != nil {
			return err
		}
		text := string(cells[2])
		if a.String() != text {
			return fmt.Errorf("architecture is not in canonical form %s", a)
		}
		t.Networks = append(t.Networks, lut.NetworkLatency{Arch: text, Latency: l})
	default:
		return fmt.Errorf("kind %q is neither %s nor %s", clip(string(cells[0])), kindBlock, kindNetwork)
	}
	return nil
}

// csvLatency reads the columns from n on.
func csvLatency(cells [][]byte) (lut.Latency, error) {
	l := lut.Unknown()
	var ok bool
	if l.N, ok = parseCount(cells[0]); !ok {
		return l, fmt.Errorf("n %q is not a count", clip(string(cells[0])))
	}
	for i, v := range statistics(&l) {
		cell := cells[1+i]
		if len(cell) == 0 {
			continue
		}
		f, err := parseStatistic(cell)
		if err != nil {
			return l, fmt.Errorf("%s %w", csvColumns[4+i], err)
		}
		*v = unit.Nanoseconds(f)
	}
	rest := cells[1+len(statistics(&l)):]
	if l.Preempted, ok = parseCount(rest[0]); !ok {
		return l, fmt.Errorf("preempted %q is not a count", clip(string(rest[0])))
	}
	var err error
	if l.Grade, err = parseGrade(rest[1]); err != nil {
		return l, err
	}
	if l.Warnings, err = parseWarnings(rest[2]); err != nil {
		return l, err
	}
	return l, l.Validate()
}

// parseWarnings reads a JSON list of texts.
func parseWarnings(cell []byte) ([]string, error) {
	if string(cell) == "[]" {
		return nil, nil
	}
	var texts []string
	if err := json.Unmarshal(cell, &texts); err != nil {
		return nil, fmt.Errorf("warnings are no JSON list of texts: %v", err)
	}
	if len(texts) == 0 {
		return nil, nil
	}
	return texts, nil
}

func parseGrade(cell []byte) (lut.Grade, error) {
	for _, g := range []lut.Grade{lut.Ungraded, lut.GradeA, lut.GradeB, lut.GradeC, lut.GradeD} {
		if string(g) == string(cell) {
			return g, nil
		}
	}
	g := lut.Grade(clip(string(cell)))
	return g, g.Validate()
}

// parseCount reads a whole number of at least 0 without a leading zero or sign.
func parseCount(cell []byte) (int, bool) {
	if len(cell) == 0 || len(cell) > 1 && cell[0] == '0' {
		return 0, false
	}
	n, err := strconv.Atoi(string(cell))
	return n, err == nil && n >= 0 && cell[0] != '+' && cell[0] != '-'
}

// parseStatistic reads a time in nanoseconds.
func parseStatistic(cell []byte) (float64, error) {
	if !decimal(cell) {
		return 0, fmt.Errorf("%q is not a decimal number", clip(string(cell)))
	}
	f, err := strconv.ParseFloat(string(cell), 64)
	switch {
	case f < 0:
		return 0, errors.New("is negative")
	case err != nil:
		return 0, errors.New("is too large")
	}
	return f, nil
}

// decimal reports whether a text has the form of a decimal number as JSON writes it, but for digits
// after the point, of which there may be none. YAML's other ways (hexadecimal, octal with a leading
// zero, underscores) are refused.
func decimal[T string | []byte](text T) bool {
	i, n := 0, len(text)
	digits := func() int {
		first := i
		for i < n && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i - first
	}
	if i < n && text[i] == '-' {
		i++
	}
	zero := i < n && text[i] == '0'
	if whole := digits(); whole == 0 || zero && whole > 1 {
		return false
	}
	if i < n && text[i] == '.' {
		i++
		digits()
	}
	if i < n && (text[i] == 'e' || text[i] == 'E') {
		i++
		if i < n && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if digits() == 0 {
			return false
		}
	}
	return i == n
}
