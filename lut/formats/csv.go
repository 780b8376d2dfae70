package formats

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// csvTitle is the first line of a CSV table; the number is the version of the format.
const csvTitle = "# dynofa latency table, format 2"

// Bounds on CSV files.
const (
	maxCSVBytes  = 256 << 20
	maxCSVRows   = 1 << 20
	maxCSVHeader = 10000 // lines
	maxCSVLine   = 1 << 16
)

// csvColumns are the columns of a row. A block's name is its text form (supernet.ParseBlock), a
// network's its architecture (supernet.ParseArch); networks have no resolution of their own. Times
// are nanoseconds, empty where unknown. grade is A to D or empty; warnings is a JSON list of strings.
var csvColumns = []string{"kind", "resolution", "name", "n", "min_ns", "p50_ns", "p90_ns", "p99_ns", "mean_ns", "std_ns", "ci_low_ns", "ci_high_ns", "preempted", "grade", "warnings"}

const (
	kindBlock   = "block"
	kindNetwork = "network"
)

// WriteCSV writes a valid table with everything that is in it except its ID: lines "# name: value"
// for operating point, origin, provenance, calibration and warnings, then a header row, then a row
// per entry in key order and per network. ReadCSV reads it back unchanged. It does not change t.
func WriteCSV(w io.Writer, t *lut.Table) error {
	if err := t.Validate(); err != nil {
		return fmt.Errorf("lut: export: %w", err)
	}
	sorted := *t
	sorted.Entries = append([]lut.Entry(nil), t.Entries...)
	sorted.Sort()
	b := bufio.NewWriter(w)
	if err := writeCSVHeader(b, &sorted); err != nil {
		return fmt.Errorf("lut: export: %w", err)
	}
	c := csv.NewWriter(b)
	if err := c.Write(csvColumns); err != nil {
		return fmt.Errorf("lut: export: %w", err)
	}
	for _, e := range sorted.Entries {
		if err := c.Write(csvRow(kindBlock, strconv.Itoa(e.Key.Resolution), e.Key.Block.String(), e.Latency)); err != nil {
			return fmt.Errorf("lut: export: %w", err)
		}
	}
	for _, n := range sorted.Networks {
		if _, err := supernet.ParseArch([]byte(n.Arch)); err != nil {
			return fmt.Errorf("lut: export: %w", err)
		}
		if err := c.Write(csvRow(kindNetwork, "", n.Arch, n.Latency)); err != nil {
			return fmt.Errorf("lut: export: %w", err)
		}
	}
	c.Flush()
	if err := errors.Join(c.Error(), b.Flush()); err != nil {
		return fmt.Errorf("lut: export: %w", err)
	}
	return nil
}

func csvRow(kind, resolution, name string, l lut.Latency) []string {
	row := []string{kind, resolution, name, strconv.Itoa(l.N)}
	for _, v := range statistics(&l) {
		text := ""
		if !math.IsNaN(float64(*v)) {
			text = strconv.FormatFloat(float64(*v), 'g', -1, 64)
		}
		row = append(row, text)
	}
	return append(row, strconv.Itoa(l.Preempted), string(l.Grade), jsonList(l.Warnings))
}

// statistics returns the statistics of l in the order of the columns.
func statistics(l *lut.Latency) []*unit.Nanoseconds {
	return []*unit.Nanoseconds{&l.Min, &l.P50, &l.P90, &l.P99, &l.Mean, &l.Std, &l.CILow, &l.CIHigh}
}

// jsonList encodes texts in one line; invalid UTF-8 becomes U+FFFD.
func jsonList(texts []string) string {
	if len(texts) == 0 {
		return "[]"
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(texts); err != nil {
		panic("formats: strings have a JSON form: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ReadCSV reads what WriteCSV writes, and nothing else. Errors wrap *Error with the line. The table
// is not validated as a whole; Read does that.
func ReadCSV(r io.Reader) (*lut.Table, error) {
	return readCSV(&boundedReader{r, maxCSVBytes, maxCSVBytes})
}

func readCSV(r io.Reader) (*lut.Table, error) {
	b := bufio.NewReaderSize(r, maxCSVLine)
	t := &lut.Table{}
	lines, err := readCSVHeader(b, t)
	if err != nil {
		return nil, err
	}
	c := csv.NewReader(b)
	c.ReuseRecord = true
	c.FieldsPerRecord = len(csvColumns)
	for row := 0; ; row++ {
		cells, err := c.Read()
		if err == io.EOF {
			if row == 0 {
				return nil, &Error{Line: lines, Err: errors.New("the row of column names is missing")}
			}
			return t, nil
		}
		if err != nil {
			return nil, csvError(lines, err)
		}
		line, _ := c.FieldPos(0)
		switch {
		case row == 0:
			err = checkColumns(cells)
		case row > maxCSVRows:
			err = fmt.Errorf("more than the %d rows allowed", maxCSVRows)
		default:
			err = addCSVRow(t, cells)
		}
		if err != nil {
			return nil, &Error{Line: lines + line, Err: err}
		}
	}
}

// boundedReader fails, instead of ending, when more than limit bytes come.
type boundedReader struct {
	r           io.Reader
	left, limit int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("it is larger than the %d bytes allowed", b.limit)
	}
	return n, err
}

// csvError adds the lines before the rows to the position that package csv gives.
func csvError(lines int, err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return &Error{Line: lines + p.Line, Err: p.Err}
	}
	return &Error{Err: err}
}

func checkColumns(cells []string) error {
	for i, want := range csvColumns {
		if cells[i] != want {
			return fmt.Errorf("column %d is %q, want %q", i+1, clip(cells[i]), want)
		}
	}
	return nil
}

func addCSVRow(t *lut.Table, cells []string) error {
	l, err := csvLatency(cells[3:])
	if err != nil {
		return err
	}
	switch cells[0] {
	case kindBlock:
		r, err := strconv.Atoi(cells[1])
		if err != nil || r < 0 || strconv.Itoa(r) != cells[1] {
			return fmt.Errorf("resolution %q is not a number of pixels, or 0 for all", clip(cells[1]))
		}
		b, err := supernet.ParseBlock(cells[2])
		if err != nil {
			return err
		}
		t.Entries = append(t.Entries, lut.Entry{Key: lut.Key{Resolution: r, Block: b}, Latency: l})
	case kindNetwork:
		if cells[1] != "" {
			return fmt.Errorf("a network has no resolution of its own, got %q", clip(cells[1]))
		}
		a, err := supernet.ParseArch([]byte(cells[2]))
		if err != nil {
			return err
		}
		if a.String() != cells[2] {
			return fmt.Errorf("architecture is not in canonical form %s", a)
		}
		t.Networks = append(t.Networks, lut.NetworkLatency{Arch: strings.Clone(cells[2]), Latency: l})
	default:
		return fmt.Errorf("kind %q is neither %s nor %s", clip(cells[0]), kindBlock, kindNetwork)
	}
	return nil
}

// csvLatency reads the columns from n on.
func csvLatency(cells []string) (lut.Latency, error) {
	l := lut.Unknown()
	n, err := strconv.Atoi(cells[0])
	if err != nil || n < 0 || strconv.Itoa(n) != cells[0] {
		return l, fmt.Errorf("n %q is not a count", clip(cells[0]))
	}
	l.N = n
	for i, v := range statistics(&l) {
		text := cells[1+i]
		if text == "" {
			continue
		}
		f, err := parseStatistic(text)
		if err != nil {
			return l, fmt.Errorf("%s %w", csvColumns[4+i], err)
		}
		*v = unit.Nanoseconds(f)
	}
	rest := cells[1+len(statistics(&l)):]
	if l.Preempted, err = strconv.Atoi(rest[0]); err != nil || strconv.Itoa(l.Preempted) != rest[0] {
		return l, fmt.Errorf("preempted %q is not a count", clip(rest[0]))
	}
	l.Grade = lut.Grade(strings.Clone(rest[1]))
	if err := json.Unmarshal([]byte(rest[2]), &l.Warnings); err != nil {
		return l, fmt.Errorf("warnings are no JSON list of texts: %v", err)
	}
	if len(l.Warnings) == 0 {
		l.Warnings = nil
	}
	return l, l.Validate()
}

// parseStatistic reads a time in nanoseconds.
func parseStatistic(text string) (float64, error) {
	if !numberForm.MatchString(text) {
		return 0, fmt.Errorf("%q is not a decimal number", clip(text))
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case f < 0:
		return 0, errors.New("is negative")
	case err != nil:
		return 0, errors.New("is too large")
	}
	return f, nil
}
