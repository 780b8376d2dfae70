package accuracy

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// A Measurement is a sub-network's measured top-1.
type Measurement struct {
	Arch supernet.Arch // of the space at hand
	Top1 unit.Accuracy
}

// WriteCSV writes measurements in the form that FitCSV reads. Equal measurements give equal bytes. It
// returns an error if one is not of the space.
func WriteCSV(w io.Writer, space *supernet.Space, rows []Measurement) error {
	out := csv.NewWriter(w)
	head := []string{"r", "ks", "e", "d"}
	if space.WidthEntries() > 0 {
		head = append(head, "w")
	}
	if err := out.Write(append(head, "top1")); err != nil {
		return err
	}
	for i, row := range rows {
		a, err := space.Canonical(row.Arch)
		if err == nil {
			err = row.Top1.Validate()
		}
		if err != nil {
			return fmt.Errorf("accuracy: measurement %d: %w", i, err)
		}
		record := []string{strconv.Itoa(a.R), joined(a.KS, strconv.Itoa), joined(a.E, formatFloat), joined(a.D, strconv.Itoa)}
		if space.WidthEntries() > 0 {
			record = append(record, joined(a.W, strconv.Itoa))
		}
		if err := out.Write(append(record, formatFloat(float64(row.Top1)))); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func joined[T any](list []T, format func(T) string) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = format(v)
	}
	return strings.Join(words, " ")
}

// Compare scores a predictor on measured sub-networks that it has not seen.
func Compare(p Predictor, rows []Measurement) (Score, error) {
	archs, predicted := make([]supernet.Arch, len(rows)), make([]unit.Accuracy, len(rows))
	measured := make([]float64, len(rows))
	for i, row := range rows {
		archs[i], measured[i] = row.Arch, float64(row.Top1)
	}
	if err := p.Predict(archs, predicted); err != nil {
		return Score{}, err
	}
	values := make([]float64, len(rows))
	for i, a := range predicted {
		values[i] = float64(a)
	}
	return newScore(values, measured), nil
}
