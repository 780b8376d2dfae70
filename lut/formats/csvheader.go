package formats

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dynofa/dynofa/lut"
)

// headerField is one "# name: value" line of a CSV table. get returns "" for a value that is left
// out because it is zero.
type headerField struct {
	name string
	get  func(t *lut.Table) string
	set  func(t *lut.Table, value string) error
}

// headerFields lists the lines in the order in which they are written; facts and warnings, which
// may come several times, follow them.
var headerFields = []headerField{
	textField("space", func(t *lut.Table) *string { return &t.Space }),
	textField("device", func(t *lut.Table) *string { return &t.Point.Device }),
	textField("processor", func(t *lut.Table) *string { return &t.Point.Processor }),
	numberField("cpu_clock_hz", func(t *lut.Table) *float64 { return (*float64)(&t.Point.CPUClock) }),
	numberField("gpu_clock_hz", func(t *lut.Table) *float64 { return (*float64)(&t.Point.GPUClock) }),
	numberField("memory_clock_hz", func(t *lut.Table) *float64 { return (*float64)(&t.Point.MemoryClock) }),
	textField("power_mode", func(t *lut.Table) *string { return &t.Point.PowerMode }),
	intField("threads", func(t *lut.Table) *int { return &t.Point.Threads }),
	textField("runtime", func(t *lut.Table) *string { return &t.Point.Runtime }),
	textField("runtime_version", func(t *lut.Table) *string { return &t.Point.RuntimeVersion }),
	textField("provider", func(t *lut.Table) *string { return &t.Point.Provider }),
	textField("precision", func(t *lut.Table) *string { return &t.Point.Precision }),
	intField("batch", func(t *lut.Table) *int { return &t.Point.Batch }),
	textField("co_runner", func(t *lut.Table) *string { return &t.Point.CoRunner }),
	{"period_ns",
		func(t *lut.Table) string { return zeroless(strconv.FormatInt(int64(t.Point.Period), 10)) },
		func(t *lut.Table, value string) error {
			n, err := strconv.ParseInt(value, 10, 64)
			t.Point.Period = time.Duration(n)
			return err
		}},
	textField("origin", func(t *lut.Table) *string { return (*string)(&t.Origin) }),
	textField("source", func(t *lut.Table) *string { return &t.Source }),
	{"created",
		func(t *lut.Table) string {
			if t.Created.IsZero() {
				return ""
			}
			return t.Created.UTC().Format(time.RFC3339Nano)
		},
		func(t *lut.Table, value string) (err error) {
			t.Created, err = time.Parse(time.RFC3339Nano, value)
			return err
		}},
	numberField("calibration_scale", func(t *lut.Table) *float64 { return &t.Calibration.Scale }),
	numberField("calibration_offset_ns", func(t *lut.Table) *float64 { return (*float64)(&t.Calibration.Offset) }),
	textField("grade", func(t *lut.Table) *string { return (*string)(&t.Grade) }),
	numberField("power_w", func(t *lut.Table) *float64 { return (*float64)(&t.Power) }),
	textField("space_description", func(t *lut.Table) *string { return &t.SpaceDescription }),
}

const (
	factField    = "fact"    // value: JSON list of name and value
	warningField = "warning" // value: JSON string
)

func writeCSVHeader(w *bufio.Writer, t *lut.Table) error {
	w.WriteString(csvTitle + "\n")
	for _, f := range headerFields {
		if v := f.get(t); v != "" {
			fmt.Fprintf(w, "# %s: %s\n", f.name, v)
		}
	}
	writeLists(w, t)
	return w.Flush()
}

// writeLists writes what comes several times.
func writeLists(w *bufio.Writer, t *lut.Table) {
	for _, f := range t.Provenance {
		fmt.Fprintf(w, "# %s: %s\n", factField, jsonList([]string{f.Name, f.Value}))
	}
	for _, text := range t.Warnings {
		fmt.Fprintf(w, "# %s: %s\n", warningField, jsonText(text))
	}
}

// readCSVHeader reads the lines that begin with '#' and returns their number.
func readCSVHeader(b *bufio.Reader, t *lut.Table) (lines int, err error) {
	seen := map[string]bool{}
	for {
		next, err := b.Peek(1)
		if err != nil && err != io.EOF {
			return lines, &Error{Line: lines + 1, Err: err}
		}
		if lines > 0 && (err == io.EOF || next[0] != '#') {
			return lines, nil
		}
		lines++
		raw, err := b.ReadSlice('\n')
		line := string(bytes.TrimRight(raw, "\r\n"))
		switch {
		case err == bufio.ErrBufferFull:
			return lines, &Error{Line: lines, Err: fmt.Errorf("the line is longer than %d bytes", maxCSVLine)}
		case err != nil && err != io.EOF:
			return lines, &Error{Line: lines, Err: err}
		case lines == 1:
			if line != csvTitle {
				return lines, &Error{Line: 1, Err: fmt.Errorf("the first line is not %q", csvTitle)}
			}
			continue
		case lines > maxCSVHeader:
			return lines, &Error{Line: lines, Err: fmt.Errorf("more than the %d lines of header allowed", maxCSVHeader)}
		}
		if err := setHeader(t, seen, line); err != nil {
			return lines, &Error{Line: lines, Err: err}
		}
	}
}

// setHeader stores one "# name: value" line.
func setHeader(t *lut.Table, seen map[string]bool, line string) error {
	name, value, ok := strings.Cut(strings.TrimPrefix(line, "# "), ": ")
	if !ok || !strings.HasPrefix(line, "# ") {
		return fmt.Errorf("%q is not of the form \"# name: value\"", clip(line))
	}
	switch name {
	case factField:
		var pair []string
		if err := json.Unmarshal([]byte(value), &pair); err != nil || len(pair) != 2 {
			return fmt.Errorf("%s is no JSON list of two texts", name)
		}
		t.Provenance = append(t.Provenance, lut.Fact{Name: pair[0], Value: pair[1]})
		return nil
	case warningField:
		var text string
		if err := unquote(value, &text); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
		t.Warnings = append(t.Warnings, text)
		return nil
	}
	i := slices.IndexFunc(headerFields, func(f headerField) bool { return f.name == name })
	if i < 0 {
		return fmt.Errorf("unknown name %q", clip(name))
	}
	if seen[name] {
		return fmt.Errorf("%s is repeated", name)
	}
	seen[name] = true
	if err := headerFields[i].set(t, value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if headerFields[i].get(t) != value {
		return fmt.Errorf("%s: %q is not written as dynofa writes it", name, clip(value))
	}
	return nil
}

func textField(name string, at func(*lut.Table) *string) headerField {
	return headerField{name,
		func(t *lut.Table) string {
			if *at(t) == "" {
				return ""
			}
			return jsonText(*at(t))
		},
		func(t *lut.Table, value string) error { return unquote(value, at(t)) },
	}
}

func numberField(name string, at func(*lut.Table) *float64) headerField {
	return headerField{name,
		func(t *lut.Table) string { return zeroless(strconv.FormatFloat(*at(t), 'g', -1, 64)) },
		func(t *lut.Table, value string) error {
			f, err := strconv.ParseFloat(value, 64)
			if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
				err = fmt.Errorf("%s is no finite number", value)
			}
			*at(t) = f
			return err
		},
	}
}

func intField(name string, at func(*lut.Table) *int) headerField {
	return headerField{name,
		func(t *lut.Table) string { return zeroless(strconv.Itoa(*at(t))) },
		func(t *lut.Table, value string) (err error) {
			*at(t), err = strconv.Atoi(value)
			return err
		},
	}
}

// zeroless leaves out a zero, which stands for unknown.
func zeroless(text string) string {
	if text == "0" || text == "-0" {
		return ""
	}
	return text
}

func jsonText(s string) string {
	list := jsonList([]string{s})
	return list[1 : len(list)-1]
}

func unquote(value string, text *string) error {
	if !strings.HasPrefix(value, `"`) || json.Unmarshal([]byte(value), text) != nil {
		return errors.New("value is no quoted text")
	}
	return nil
}

// importCSV reads a CSV table as somebody else's. The file is read twice, to make room and to read
// it, and never as a whole.
func importCSV(s source, meta Meta) (*lut.Table, error) {
	rows := 0
	if err := s.stream(maxCSVBytes, func(r io.Reader) error {
		n, err := countRows(r)
		rows = n
		return err
	}); err != nil {
		return nil, err
	}
	var t *lut.Table
	digest := sha256.New()
	if err := s.stream(maxCSVBytes, func(r io.Reader) (err error) {
		t, err = readCSV(io.TeeReader(r, digest), rows)
		return err
	}); err != nil {
		return nil, inFile(s.shown, err)
	}
	if err := adopt(t, s, meta, CSV); err != nil {
		return nil, err
	}
	setFact(t, digestFact(path.Base(s.name), digest.Sum(nil), len(t.Entries)))
	return t, nil
}

// countRows returns an upper bound of the rows of a table, from lines and bytes.
func countRows(r io.Reader) (int, error) {
	const shortest = 60 // bytes of a row; fewer hold no block
	buffer := make([]byte, 1<<16)
	lines, size := 0, 0
	for {
		n, err := r.Read(buffer)
		lines += bytes.Count(buffer[:n], []byte{'\n'})
		size += n
		if err == io.EOF {
			return min(lines, size/shortest+1), nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// adopt completes a table that names its own device and space with meta, and marks it as somebody
// else's.
func adopt(t *lut.Table, s source, meta Meta, format Format) error {
	for _, f := range []struct {
		name       string
		file, want *string
	}{{"device", &t.Point.Device, &meta.Point.Device}, {"processor", &t.Point.Processor, &meta.Point.Processor}} {
		if *f.file == "" {
			*f.file = *f.want
		}
		if *f.want != "" && *f.file != *f.want {
			return &Error{File: s.shown, Err: fmt.Errorf("the file is for %s %q, not %q", f.name, *f.file, *f.want)}
		}
	}
	if meta.Space != nil && t.Space != meta.Space.Name {
		return &Error{File: s.shown, Err: fmt.Errorf("the file is for space %q, not %q", t.Space, meta.Space.Name)}
	}
	if meta.Space != nil {
		text := meta.Space.Description()
		if t.SpaceDescription != "" && t.SpaceDescription != text {
			return &Error{File: s.shown, Err: fmt.Errorf("the file describes space %q in another way", t.Space)}
		}
		t.SpaceDescription = text
	}
	t.Sort()
	if err := t.Validate(); err != nil {
		return &Error{File: s.shown, Err: err}
	}
	if !t.Created.IsZero() {
		setFact(t, lut.Fact{Name: "created, by the file", Value: t.Created.UTC().Format(time.RFC3339Nano)})
	}
	t.Created = meta.Created
	if t.Origin != lut.Modelled {
		setFact(t, lut.Fact{Name: "origin, by the file", Value: string(t.Origin)})
		t.Origin = lut.Imported
	}
	setFact(t, lut.Fact{Name: "source, by the file", Value: t.Source})
	t.Source = meta.Source
	setFact(t, lut.Fact{Name: "format", Value: string(format)})
	return nil
}

// setFact adds a fact, in place of one of the same name.
func setFact(t *lut.Table, f lut.Fact) {
	t.Provenance = slices.DeleteFunc(t.Provenance, func(g lut.Fact) bool { return g.Name == f.Name })
	t.Provenance = append(t.Provenance, f)
}
