package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
)

// Inputs are everything that decides what a search finds, and what its numbers mean.
type Inputs struct {
	// Table is what Problem.Latency predicts from, as read from the study.
	Table   *lut.Table
	Problem search.Problem
	// Also are the tables that the latencies of Problem.Also are predicted from, in the same order.
	Also []*lut.Table
	// Settings decide the search; Workers, Progress, Observe, Resume and Record do not change its result
	// and are left out. Searches with a Terminate function cannot be told apart and are refused.
	Settings search.Settings
}

// revision is raised when the search or this package changes so that the same inputs give another
// result.
const revision = 1

// inputsDocument is what is digested, and kept beside the run. A method is known by its String.
type inputsDocument struct {
	Revision    int                  `json:"revision"`
	Table       string               `json:"table_sha256"`
	Space       *supernet.Space      `json:"space"`
	Resolutions []int                `json:"resolutions"`
	Accuracy    accuracy.Description `json:"accuracy"`
	Method      string               `json:"method"`
	Population  int                  `json:"population"`
	Evaluations int                  `json:"evaluations"`
	Seed        string               `json:"seed"`
	Initial     []string             `json:"initial"`
	Reference   [2]float64           `json:"reference"` // accuracy, latency in ns; zeros: by default
	Point       string               `json:"point,omitempty"`
	Also        []pointDocument      `json:"also,omitempty"`
	Objectives  []search.Quantity    `json:"objectives,omitempty"`
	Constraints []search.Constraint  `json:"constraints,omitempty"`
	Columns     []search.Quantity    `json:"columns,omitempty"`
}

// pointDocument is a further operating point.
type pointDocument struct {
	Name  string `json:"name"`
	Table string `json:"table_sha256"`
}

// Digest returns the SHA-256, in hexadecimal, of the inputs. Tables with the same content are the
// same input, whatever their ID and time of creation. It returns an error for an invalid problem or
// invalid settings, and for a search that cannot be recognised.
func (in Inputs) Digest() (string, error) {
	_, digest, err := in.document()
	return digest, err
}

// document returns the inputs as JSON, and its digest.
func (in Inputs) document() (text []byte, digest string, err error) {
	p, s := in.Problem, in.Settings
	if err := errors.Join(p.Validate(), s.Validate()); err != nil {
		return nil, "", err
	}
	switch {
	case in.Table == nil:
		return nil, "", errors.New("store: a search needs a latency table")
	case in.Table.Space != p.Space.Name:
		return nil, "", fmt.Errorf("store: the table is for space %q, the search for %q", in.Table.Space, p.Space.Name)
	case len(in.Also) != len(p.Also):
		return nil, "", fmt.Errorf("store: %d tables for %d further operating points", len(in.Also), len(p.Also))
	case s.Terminate != nil:
		return nil, "", errors.New("store: a search that a function ends cannot be found again")
	}
	d := inputsDocument{
		Revision: revision, Table: tableDigest(in.Table), Space: p.Space, Resolutions: p.Resolutions(), Accuracy: p.Accuracy.Describe(),
		Method: search.DefaultMethod().String(), Population: search.DefaultPopulation, Evaluations: search.DefaultEvaluations,
		Seed: strconv.FormatUint(s.Seed, 10), Initial: []string{}, Reference: [2]float64{float64(s.Reference.Accuracy), float64(s.Reference.Latency)},
	}
	d.Point, d.Objectives, d.Constraints, d.Columns = p.Point, p.Objectives, p.Constraints, p.Columns
	for i, t := range in.Also {
		d.Also = append(d.Also, pointDocument{p.Also[i].Name, tableDigest(t)})
	}
	if s.Method != nil {
		d.Method = s.Method.String()
	}
	if s.Population != 0 {
		d.Population = s.Population
	}
	if s.Evaluations != 0 {
		d.Evaluations = s.Evaluations
	}
	for _, a := range s.Initial {
		d.Initial = append(d.Initial, a.String())
	}
	if text, err = json.Marshal(d); err != nil {
		return nil, "", fmt.Errorf("store: %w", err)
	}
	sum := sha256.Sum256(text)
	return text, hex.EncodeToString(sum[:]), nil
}

// tableDigest is the SHA-256 of a table without its ID and time of creation: two imports of the same
// files are equal.
func tableDigest(t *lut.Table) string {
	c := *t
	c.Entries = slices.Clone(t.Entries)
	c.Sort()
	h := sha256.New()
	// %v and %+v print floats with as many digits as they need and unknown statistics as NaN.
	fmt.Fprintf(h, "%q %+v %q %q %q %v %v %q\n", c.Space, c.Point, c.Origin, c.Source, c.Provenance, float64(c.Calibration.Offset), c.Calibration.Scale, c.Warnings)
	for _, e := range c.Entries {
		fmt.Fprintf(h, "%v %s\n", e.Key, exact(e.Latency))
	}
	for _, n := range c.Networks {
		fmt.Fprintf(h, "%q %s\n", n.Arch, exact(n.Latency))
	}
	if c.Power != 0 {
		fmt.Fprintf(h, "%v W\n", float64(c.Power))
	}
	if c.SpaceDescription != "" {
		fmt.Fprintf(h, "%q\n", c.SpaceDescription)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// exact prints every bit of a latency.
func exact(l lut.Latency) string {
	return fmt.Sprintf("%d %v %v %v %v %v %v %v %v %q", l.N, float64(l.Min), float64(l.P50), float64(l.P90), float64(l.P99),
		float64(l.Mean), float64(l.Std), float64(l.CILow), float64(l.CIHigh), l.Warnings)
}
