package formats

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// Bounds on benchmark files.
const (
	maxBenchBytes = 256 << 20
	maxBenchFacts = 100     // configuration that is not dynofa's
	maxBenchLines = 1 << 22 // benchmark lines
)

// ReadGoBench reads what WriteGoBench writes, and what other programs write in the same form: then
// several lines of one name are samples of its latency, and a single one is a mean over its
// iterations. Configuration that is not dynofa's becomes provenance ("goos"), lines that are neither
// configuration nor benchmarks are passed over as the format asks. Benchmarks of other names are
// errors, as are two tables in one file. Errors wrap *Error with the line. The table is not validated
// as a whole; Read does that.
func ReadGoBench(r io.Reader) (*lut.Table, error) {
	b := &benchReader{
		rows: rowReader{b: bufio.NewReaderSize(&boundedReader{r, maxBenchBytes, maxBenchBytes}, maxCSVLine)},
		t:    &lut.Table{}, seen: map[string]string{}, headerSeen: map[string]bool{}, blocks: map[lut.Key]int{}, networks: map[string]int{},
	}
	for {
		b.rows.line++
		line, err := b.rows.next()
		if err != nil && err != io.EOF {
			return nil, &Error{Line: b.rows.line, Err: err}
		}
		done := err == io.EOF
		if err := b.line(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))); err != nil {
			return nil, &Error{Line: b.rows.line, Err: err}
		}
		if done {
			break
		}
	}
	if b.row != nil {
		return nil, &Error{Line: b.rows.line, Err: errors.New("the last row has no benchmark")}
	}
	return b.table()
}

// benchReader is a file being read.
type benchReader struct {
	rows    rowReader
	t       *lut.Table
	title   bool              // the file is one of WriteGoBench
	seen    map[string]string // configuration
	headers int
	// headerSeen has the names of "# name: value" lines.
	headerSeen map[string]bool
	row        *lut.Table      // the row before a benchmark, as a table of one
	samples    int             // the benchmarks that are the row's samples, and still to come
	plain      []sampled       // benchmarks without a row, by name in order of appearance
	blocks     map[lut.Key]int // into plain
	networks   map[string]int
	lines      int
}

// sampled collects the lines of one benchmark.
type sampled struct {
	key        lut.Key
	arch       string
	values     []unit.Nanoseconds
	iterations int // of the line read last
	many       bool
}

func (b *benchReader) line(line []byte) error {
	if b.row != nil && !bytes.HasPrefix(line, []byte("Benchmark")) {
		if b.samples > 0 || !bytes.HasPrefix(line, []byte(samplesPrefix)) {
			return errors.New("a row is not followed by its benchmark")
		}
		return b.setSamples(line[len(samplesPrefix):])
	}
	switch {
	case string(line) == benchTitle:
		if b.title {
			return errors.New("a second table begins")
		}
		b.title = true
	case bytes.HasPrefix(line, []byte(rowPrefix)) && b.title:
		return b.setRow(line[len(rowPrefix):])
	case bytes.HasPrefix(line, []byte("# ")) && b.title:
		return b.header(string(line))
	case bytes.HasPrefix(line, []byte("Benchmark")):
		return b.benchmark(line)
	default:
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && isConfigName(name) {
			return b.configure(string(name), strings.TrimSpace(string(value)))
		}
	}
	return nil
}

// header takes a line "# name: value" of what is not configuration.
func (b *benchReader) header(line string) error {
	if b.headers++; b.headers > maxCSVHeader {
		return fmt.Errorf("more than the %d lines of header allowed", maxCSVHeader)
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(line, "# "), ": ")
	if slices.ContainsFunc(headerFields[:operatingPointFields], func(f headerField) bool { return f.name == name }) {
		return fmt.Errorf("%s must be configuration, without #", name)
	}
	return setHeader(b.t, b.headerSeen, line)
}

// isConfigName reports whether a text is the name of a configuration: no upper case, no space.
func isConfigName(name []byte) bool {
	if len(name) == 0 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	return !bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 'A' && r <= 'Z' || r > '~' })
}

// configure takes a line "name: value". Nothing may change in the middle of a table.
func (b *benchReader) configure(name, value string) error {
	if before, ok := b.seen[name]; ok {
		if before != value {
			return fmt.Errorf("%s changes from %q to %q: one file holds one table", name, clip(before), clip(value))
		}
		return nil
	}
	if b.seen[name] = value; len(b.seen) > maxBenchFacts {
		return fmt.Errorf("more than %d lines of configuration", maxBenchFacts)
	}
	i := slices.IndexFunc(headerFields[:operatingPointFields], func(f headerField) bool { return f.name == name })
	if i < 0 {
		b.t.Provenance = append(b.t.Provenance, lut.Fact{Name: name, Value: value})
		return nil
	}
	if err := headerFields[i].set(b.t, value); err != nil {
		if quoted := jsonText(value); headerFields[i].set(b.t, quoted) == nil { // another program's plain text
			return nil
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (b *benchReader) setRow(text []byte) error {
	cells, err := b.rows.split(text)
	if err != nil {
		return err
	}
	b.row = &lut.Table{}
	return addCSVRow(b.row, cells)
}

// setSamples takes the number of samples of the row.
func (b *benchReader) setSamples(text []byte) error {
	l := b.rowLatency()
	n, ok := parseCount(text)
	if !ok || n == 0 || n != l.N {
		return fmt.Errorf("%q is not the row's number of samples, %d", clip(string(text)), l.N)
	}
	b.samples = n
	l.Samples = &lut.Samples{}
	return nil
}

// rowLatency is the row's only latency.
func (b *benchReader) rowLatency() *lut.Latency {
	if len(b.row.Entries) == 1 {
		return &b.row.Entries[0].Latency
	}
	return &b.row.Networks[0].Latency
}

// benchmark reads "NAME ITERATIONS VALUE UNIT [VALUE UNIT]...".
func (b *benchReader) benchmark(line []byte) error {
	if b.lines++; b.lines > maxBenchLines {
		return fmt.Errorf("more than %d benchmarks", maxBenchLines)
	}
	fields := bytes.Fields(line)
	if len(fields) < 4 || len(fields)%2 != 0 {
		return errors.New("a benchmark is not of the form NAME ITERATIONS VALUE UNIT")
	}
	iterations, ok := parseCount(fields[1])
	if !ok {
		return fmt.Errorf("iterations %q are not a count", clip(string(fields[1])))
	}
	at := slices.IndexFunc(fields, func(f []byte) bool { return string(f) == unitLatency })
	if at < 3 || at%2 == 0 {
		return fmt.Errorf("a benchmark has no value in %s", unitLatency)
	}
	value, err := parseStatistic(fields[at-1])
	if err != nil {
		return fmt.Errorf("%s %w", unitLatency, err)
	}
	name := fields[0]
	s := sampled{iterations: iterations}
	switch {
	case bytes.HasPrefix(name, []byte(blockPrefix)):
		if s.key, err = parseBenchName(withoutProcessors(name)); err != nil {
			return err
		}
	case bytes.HasPrefix(name, []byte(networkPrefix)):
		s.arch = string(withoutProcessors(name)[len(networkPrefix):])
		a, err := supernet.ParseArch([]byte(s.arch))
		if err != nil {
			return err
		}
		if a.String() != s.arch {
			return fmt.Errorf("architecture is not in canonical form %s", a)
		}
	default:
		return fmt.Errorf("benchmark %q is none of a block or a network", clip(string(name)))
	}
	if b.row != nil {
		return b.take(s, value)
	}
	b.sample(s, unit.Nanoseconds(value))
	return nil
}

// withoutProcessors cuts off the number of processors that package testing appends to names.
func withoutProcessors(name []byte) []byte {
	i := bytes.LastIndexByte(name, '-')
	if i < 0 || i == len(name)-1 || len(bytes.TrimLeft(name[i+1:], "0123456789")) > 0 {
		return name
	}
	return name[:i]
}

// take moves the row into the table after comparing it with its benchmark.
func (b *benchReader) take(s sampled, value float64) error {
	row, l := b.row, b.rowLatency()
	same := len(row.Networks) == 1 && row.Networks[0].Arch == s.arch
	if len(row.Entries) == 1 {
		same = s.arch == "" && row.Entries[0].Key == s.key
	}
	if b.samples > 0 {
		d := time.Duration(value)
		if !same || s.iterations != 1 || value >= math.MaxInt64 || float64(d) != value {
			return errors.New("a benchmark is not a sample of the row before it, in whole nanoseconds")
		}
		l.Samples.Times = append(l.Samples.Times, d)
		if b.samples--; b.samples > 0 {
			return nil
		}
	} else if !same || float64(l.Central()) != value || l.N != s.iterations {
		return errors.New("a benchmark differs from the row before it")
	}
	b.row = nil
	b.t.Entries = append(b.t.Entries, row.Entries...)
	b.t.Networks = append(b.t.Networks, row.Networks...)
	return nil
}

// sample adds a line without a row.
func (b *benchReader) sample(s sampled, value unit.Nanoseconds) {
	i, ok := b.blocks[s.key]
	if s.arch != "" {
		i, ok = b.networks[s.arch]
	}
	if !ok {
		i = len(b.plain)
		b.plain = append(b.plain, s)
		if s.arch != "" {
			b.networks[s.arch] = i
		} else {
			b.blocks[s.key] = i
		}
	}
	p := &b.plain[i]
	p.values = append(p.values, value)
	p.iterations = s.iterations
	p.many = p.many || s.iterations > 1
}

// table adds the plain benchmarks.
func (b *benchReader) table() (*lut.Table, error) {
	for _, p := range b.plain {
		l := lut.Summarize(p.values)
		switch {
		case len(p.values) == 1:
			l = lut.Unknown()
			l.N, l.Mean = p.iterations, p.values[0]
		case !p.many:
			l.Samples = wholeSamples(p.values)
		default:
			l.Warnings = []string{"its samples are means over several iterations, whose extremes are lost"}
		}
		if err := l.Validate(); err != nil {
			return nil, &Error{Err: err}
		}
		if p.arch != "" {
			b.t.Networks = append(b.t.Networks, lut.NetworkLatency{Arch: p.arch, Latency: l})
		} else {
			b.t.Entries = append(b.t.Entries, lut.Entry{Key: p.key, Latency: l})
		}
	}
	if !b.title {
		b.t.Origin, b.t.Source = lut.Imported, "benchmark results that do not say where they come from"
	}
	return b.t, nil
}

// wholeSamples returns samples that are all whole nanoseconds; nil otherwise.
func wholeSamples(values []unit.Nanoseconds) *lut.Samples {
	s := &lut.Samples{Times: make([]time.Duration, len(values))}
	for i, v := range values {
		if s.Times[i] = time.Duration(v); float64(v) >= math.MaxInt64 || unit.Nanos(s.Times[i]) != v {
			return nil
		}
	}
	return s
}

// importGoBench reads a table in the Go benchmark format as somebody else's.
func importGoBench(s source, meta Meta) (*lut.Table, error) {
	var t *lut.Table
	data, err := s.readFile(maxBenchBytes)
	if err != nil {
		return nil, err
	}
	if t, err = ReadGoBench(bytes.NewReader(data)); err != nil {
		return nil, inFile(s.shown, err)
	}
	if meta.Space == nil && t.Space == "" {
		meta.Space = meta.DefaultSpace
	}
	if t.Space == "" && meta.Space != nil {
		t.Space = meta.Space.Name
	}
	if err := adopt(t, s, meta, GoBench); err != nil {
		return nil, err
	}
	setFact(t, fileFact(path.Base(s.name), data, len(t.Entries)))
	return t, nil
}
