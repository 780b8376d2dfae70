package formats

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
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
	maxCSVHeader = 10000   // lines
	maxCSVLine   = 1 << 16 // of the header
	maxCSVRow    = 1 << 22 // bytes
)

// csvColumns are the columns of a row. A block's name is its text form (supernet.ParseBlock), a
// network's its architecture (supernet.ParseArch); networks have no resolution of their own. Times
// are nanoseconds, empty where unknown. grade is A to D or empty; warnings is a JSON list of strings.
var csvColumns = []string{"kind", "resolution", "name", "n", "min_ns", "p50_ns", "p90_ns", "p99_ns", "mean_ns", "std_ns", "ci_low_ns", "ci_high_ns", "preempted", "grade", "warnings"}

const (
	kindBlock   = "block"
	kindNetwork = "network"
)

// WriteCSV writes a valid table with everything that is in it except its ID and its raw samples
// (which WriteGoBench writes): lines "# name: value"
// for operating point, origin, provenance, calibration and warnings, then a header row, then a row
// per entry in key order and per network. ReadCSV reads it back. It does not change t.
func WriteCSV(w io.Writer, t *lut.Table) error {
	if err := t.Validate(); err != nil {
		return fmt.Errorf("lut: export: %w", err)
	}
	sorted := sortedTable(t)
	b := bufio.NewWriter(w)
	if err := writeCSVHeader(b, sorted); err != nil {
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

// sortedTable returns t, or a copy whose entries are in order.
func sortedTable(t *lut.Table) *lut.Table {
	if slices.IsSortedFunc(t.Entries, func(a, b lut.Entry) int { return a.Key.Compare(b.Key) }) {
		return t
	}
	c := *t
	c.Entries = slices.Clone(t.Entries)
	c.Sort()
	return &c
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
func statistics(l *lut.Latency) [8]*unit.Nanoseconds {
	return [8]*unit.Nanoseconds{&l.Min, &l.P50, &l.P90, &l.P99, &l.Mean, &l.Std, &l.CILow, &l.CIHigh}
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
	return readCSV(&boundedReader{r, maxCSVBytes, maxCSVBytes}, 0)
}

// readCSV makes room for rows entries beforehand: a million of them take 224 MB, and letting a list
// grow takes that twice over.
func readCSV(r io.Reader, rows int) (*lut.Table, error) {
	b := bufio.NewReaderSize(r, maxCSVLine)
	t := &lut.Table{}
	lines, err := readCSVHeader(b, t)
	if err != nil {
		return nil, err
	}
	if rows > 0 {
		t.Entries = make([]lut.Entry, 0, min(rows, maxCSVRows))
	}
	reader := rowReader{b: b, line: lines}
	for row := 0; ; row++ {
		cells, err := reader.read()
		if err == io.EOF {
			if row == 0 {
				return nil, &Error{Line: lines, Err: errors.New("the row of column names is missing")}
			}
			return t, nil
		}
		switch {
		case err != nil:
		case row == 0:
			err = checkColumns(cells)
		case row > maxCSVRows:
			err = fmt.Errorf("more than the %d rows allowed", maxCSVRows)
		default:
			err = addCSVRow(t, cells)
		}
		if err != nil {
			return nil, &Error{Line: reader.line, Err: err}
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

func checkColumns(cells [][]byte) error {
	for i, want := range csvColumns {
		if string(cells[i]) != want {
			return fmt.Errorf("column %d is %q, want %q", i+1, clip(string(cells[i])), want)
		}
	}
	return nil
}
