package accuracy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// Bounds of a file of measurements.
const (
	maxCSVBytes = 64 << 20
	maxCSVRows  = 200_000
)

// measurement is a row of a file of measurements.
type measurement struct {
	arch supernet.Arch // canonical
	top1 unit.Accuracy
}

// The columns of a file of measurements: those that must be there, and those that may be.
var (
	csvRequired = []string{"r", "ks", "e", "d", "top1"}
	csvIgnored  = []string{"source", "macs", "params"}
)

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
	columns, err := csvColumns(header)
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

// csvColumns returns the index of each required column.
func csvColumns(header []string) (map[string]int, error) {
	columns := map[string]int{}
	for i, name := range header {
		if !slices.Contains(csvRequired, name) && !slices.Contains(csvIgnored, name) {
			return nil, fmt.Errorf("unknown column %.100q; known are %s, and %s, which do not count",
				name, strings.Join(csvRequired, ", "), strings.Join(csvIgnored, ", "))
		}
		if _, ok := columns[name]; ok {
			return nil, fmt.Errorf("column %q is there twice", name)
		}
		columns[name] = i
	}
	for _, name := range csvRequired {
		if _, ok := columns[name]; !ok {
			return nil, fmt.Errorf("column %q is missing", name)
		}
	}
	return columns, nil
}

func readRow(record []string, columns map[string]int, space *supernet.Space) (measurement, error) {
	var m measurement
	var a supernet.Arch
	var err error
	for _, name := range csvRequired {
		text := record[columns[name]]
		switch name {
		case "r":
			a.R, err = strconv.Atoi(text)
		case "ks":
			a.KS, err = csvList(text, strconv.Atoi)
		case "e":
			a.E, err = csvList(text, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
		case "d":
			a.D, err = csvList(text, strconv.Atoi)
		case "top1":
			m.top1, err = unit.ParseAccuracy(text)
		}
		if err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
	}
	m.arch, err = space.Canonical(a)
	return m, err
}

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
