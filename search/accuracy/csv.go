package accuracy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// Bounds of a file of measurements.
const (
	maxCSVBytes = 64 << 20
	maxCSVRows  = 50_000 // fitting to them takes minutes and 400 MiB
)

// measurement is a row of a file of measurements.
type measurement struct {
	arch supernet.Arch // canonical
	top1 unit.Accuracy
	macs float64 // multiply-accumulates by the file; 0: it does not say
}

// csvIgnored are columns of a file of measurements that decide nothing; macs may raise a doubt.
var csvIgnored = []string{"source", "macs", "params"}

// csvRequired are those that must be there.
func csvRequired(space *supernet.Space) []string {
	names := []string{"r", "e", "d", "top1"}
	if len(space.Kernels) > 1 {
		names = append(names, "ks")
	}
	if space.WidthEntries() > 0 {
		names = append(names, "w")
	}
	return names
}

// readCSV reads measurements; see FitCSV. Errors name the line.
func readCSV(r io.Reader, space *supernet.Space) ([]measurement, error) {
	limited := &io.LimitedReader{R: r, N: maxCSVBytes + 1}
	in := csv.NewReader(limited)
	in.ReuseRecord = true
	header, err := in.Read()
	if err == io.EOF {
		return nil, errors.New("no header line")
	}
	if err != nil {
		return nil, err // names the line
	}
	columns, err := csvColumns(header, space)
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	var out []measurement
	for {
		record, err := in.Read()
		if limited.N <= 0 {
			return nil, fmt.Errorf("more than %d bytes", maxCSVBytes)
		}
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := in.FieldPos(0)
		if len(out) == maxCSVRows {
			return nil, fmt.Errorf("line %d: more than %d rows", line, maxCSVRows)
		}
		m, err := readRow(record, columns, space)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		out = append(out, m)
	}
}

// csvColumns returns the index of each column that counts.
func csvColumns(header []string, space *supernet.Space) (map[string]int, error) {
	required := csvRequired(space)
	columns := map[string]int{}
	for i, name := range header {
		if !slices.Contains(required, name) && !slices.Contains(csvIgnored, name) && name != "ks" {
			return nil, fmt.Errorf("unknown column %.100q; known are %s, and %s, which do not count",
				name, strings.Join(required, ", "), strings.Join(csvIgnored, ", "))
		}
		if _, ok := columns[name]; ok {
			return nil, fmt.Errorf("column %q is there twice", name)
		}
		columns[name] = i
	}
	for _, name := range required {
		if _, ok := columns[name]; !ok {
			return nil, fmt.Errorf("column %q is missing", name)
		}
	}
	return columns, nil
}

// readRow reads a record, column by column.
func readRow(record []string, columns map[string]int, space *supernet.Space) (measurement, error) {
	var m measurement
	var a supernet.Arch
	for _, column := range []struct {
		name string
		read func(text string) error
	}{
		{"r", func(text string) (err error) { a.R, err = strconv.Atoi(text); return err }},
		{"ks", func(text string) (err error) { a.KS, err = csvList(text, strconv.Atoi); return err }},
		{"e", func(text string) (err error) { a.E, err = csvList(text, parseFloat); return err }},
		{"d", func(text string) (err error) { a.D, err = csvList(text, strconv.Atoi); return err }},
		{"w", func(text string) (err error) { a.W, err = csvList(text, strconv.Atoi); return err }},
		{"top1", func(text string) (err error) { m.top1, err = unit.ParseAccuracy(text); return err }},
	} {
		i, ok := columns[column.name]
		if !ok {
			continue
		}
		if err := column.read(record[i]); err != nil {
			return m, fmt.Errorf("%s: %w", column.name, err)
		}
	}
	if i, ok := columns["macs"]; ok {
		if v, err := parseFloat(record[i]); err == nil && v > 0 && !math.IsInf(v, 0) {
			m.macs = v
		}
	}
	var err error
	m.arch, err = space.Canonical(a)
	return m, err
}

// sameMACs is how far the multiply-accumulates of a file may be from the space's, as a share: projects
// count pooling, activations and biases in different ways.
const sameMACs = 0.05

// macsDoubt compares the multiply-accumulates that rows state with those of the space, and returns a sentence
// if they are of other networks: those of another width have the same architectures and other accuracies.
func macsDoubt(rows []measurement, space *supernet.Space) (string, error) {
	stated, ours := 0.0, 0.0
	for _, m := range rows {
		if m.macs == 0 {
			continue
		}
		n, err := space.MACs(m.arch)
		if err != nil {
			return "", err
		}
		stated, ours = stated+m.macs, ours+float64(n)
	}
	if ours == 0 || math.Abs(stated/ours-1) <= sameMACs {
		return "", nil
	}
	return fmt.Sprintf(" By the file its networks have %.3g times the multiply-accumulates that %s gives them: the measurements may be of another width or supernet.",
		stated/ours, space.Name), nil
}

func parseFloat(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

// csvList reads numbers separated by single spaces.
func csvList[T any](text string, parse func(string) (T, error)) ([]T, error) {
	var out []T
	for word := range strings.SplitSeq(text, " ") {
		v, err := parse(word)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
