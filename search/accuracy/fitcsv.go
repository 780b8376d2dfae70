package accuracy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/search/accuracy/internal/fit"
)

// csvFolds is the number of parts in the cross-validation of FitCSV.
const csvFolds = 5

// minNetworks is how many different sub-networks FitCSV asks for at each resolution, so that every
// part of the cross-validation leaves enough to fit to.
const minNetworks = 20

// The settings that FitCSV begins with and what it tries instead: first ridges, then ceilings. Few and
// noisy rows want 20 or 200, many precise ones 0.2 to 2.
var (
	csvSettings = fit.Settings{Ceiling: 0.18, Ridge: 2}
	csvRidges   = []float64{0.2, 20, 200}
	csvCeilings = []float64{0.1, 0.4}
)

// FitCSV fits a predictor for a space to measured accuracies, as comma-separated values with the
// columns, in any order,
//
//	r     resolution, pixels
//	ks    kernel size per position, separated by single spaces; of inactive positions anything
//	e     expand ratio per position, likewise
//	d     depth per stage, likewise
//	w     index of the width multiplier per entry, likewise; only for spaces with elastic width
//	top1  accuracy: a fraction, or with a per cent sign
//
// and perhaps source, macs and params, which do not count; if macs are far from the space's own, which those
// of another width are, the Description says so. For spaces with one kernel size, ks may be
// missing. A network may have several rows; each counts
// once. The model is that of Builtin, with settings chosen by cross-validation in five parts; the
// Validation of the result is that of the settings chosen. Rows are taken to have been measured
// under the same conditions. Fitting takes seconds: 5 CPU-seconds for 4,000 rows.
//
// It returns an error that names the file, and the line where there is one, if the file is malformed,
// a row is not of the space, or there are fewer than 20 different networks at one of its resolutions.
func FitCSV(name string, r io.Reader, space *supernet.Space) (*Fitted, error) {
	digest := sha256.New()
	rows, err := readCSV(io.TeeReader(r, digest), space)
	if err != nil {
		return nil, fmt.Errorf("accuracy: %s: %w", name, err)
	}
	f, err := fitRows(rows, space)
	if err != nil {
		return nil, fmt.Errorf("accuracy: %s: %w", name, err)
	}
	doubt, err := macsDoubt(rows, space)
	if err != nil {
		return nil, fmt.Errorf("accuracy: %s: %w", name, err)
	}
	v := f.validation
	f.description = Description{
		Name:   builtinName,
		Origin: Predicted,
		Source: fmt.Sprintf("top-1 of %d rows of %s", v.All.Rows, filepath.Base(name)),
		SHA256: hex.EncodeToString(digest.Sum(nil)),
		Note: fmt.Sprintf("Accuracies are predicted by a fit to measured ones, %.2f points off on average on networks that it had not seen (tau %.2f).%s",
			v.All.MAE.Percent(), v.All.Tau, doubt),
	}
	return f, nil
}

// fitRows chooses the settings and fits.
func fitRows(rows []measurement, space *supernet.Space) (*Fitted, error) {
	d, err := newData(rows, space)
	if err != nil {
		return nil, err
	}
	best := csvSettings
	held, err := d.crossValidate(best, csvFolds)
	if err != nil {
		return nil, err
	}
	least := d.loss(held)
	try := func(s fit.Settings) error {
		h, err := d.crossValidate(s, csvFolds)
		if err != nil {
			return err
		}
		if e := d.loss(h); e < least {
			least, best, held = e, s, h
		}
		return nil
	}
	for _, ridge := range csvRidges {
		if err := try(fit.Settings{Ceiling: csvSettings.Ceiling, Ridge: ridge}); err != nil {
			return nil, err
		}
	}
	for _, ceiling := range csvCeilings {
		if err := try(fit.Settings{Ceiling: ceiling, Ridge: best.Ridge}); err != nil {
			return nil, err
		}
	}
	return d.fit(best, csvFolds, held)
}

// data are measurements in the form that package fit takes.
type data struct {
	space       *supernet.Space
	layout      *layout
	resolutions []int // ascending
	networks    int
	rows        []fit.Row
}

// newData numbers resolutions and networks. It returns an error if there are too few of either.
func newData(rows []measurement, space *supernet.Space) (*data, error) {
	l, err := newLayout(space)
	if err != nil {
		return nil, err
	}
	d := &data{space: space, layout: l}
	keys := make([]string, len(rows)) // of the network without its resolution
	networks := map[int]map[string]bool{}
	for i, m := range rows {
		a := m.arch
		a.R = 0
		keys[i] = a.String()
		if networks[m.arch.R] == nil {
			networks[m.arch.R] = map[string]bool{}
			d.resolutions = append(d.resolutions, m.arch.R)
		}
		networks[m.arch.R][keys[i]] = true
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no rows")
	}
	slices.Sort(d.resolutions)
	for _, r := range d.resolutions {
		if n := len(networks[r]); n < minNetworks {
			return nil, fmt.Errorf("%d different networks with resolution %d, at least %d are needed", n, r, minNetworks)
		}
	}
	groups := slices.Compact(slices.Sorted(slices.Values(keys)))
	d.networks = len(groups)
	for i, m := range rows {
		row := d.row(m)
		row.Group, _ = slices.BinarySearch(groups, keys[i])
		d.rows = append(d.rows, row)
	}
	return d, nil
}

// row turns the choices of a canonical architecture into indices.
func (d *data) row(m measurement) fit.Row {
	l, a := d.layout, m.arch
	row := fit.Row{Accuracy: float64(m.top1), Kernel: make([]uint8, l.positions), Expand: make([]uint8, l.positions)}
	row.Resolution, _ = slices.BinarySearch(d.resolutions, a.R)
	for i, s := range l.stages {
		depth := 0
		if s.entry >= 0 {
			depth = find(s.depths, a.D[s.entry])
		}
		row.Depth = append(row.Depth, uint8(depth))
		for p := s.position; p < s.position+l.Stages[i][depth]; p++ {
			row.Kernel[p] = uint8(find(l.kernels, a.KS[p]))
			row.Expand[p] = uint8(find(l.expands, a.E[p]))
		}
	}
	for _, e := range l.extras {
		list := a.D
		if e.width {
			list = a.W
		}
		row.Extra = append(row.Extra, uint8(find(e.choices, list[e.entry])))
	}
	return row
}

func (d *data) crossValidate(s fit.Settings, folds int) ([]fit.Held, error) {
	return fit.CrossValidate(&d.layout.Layout, d.rows, len(d.resolutions), s, folds)
}

// loss is what settings are chosen by: the mean absolute error on what was held back.
func (d *data) loss(held []fit.Held) float64 {
	all, _ := d.scores(held, -1)
	return float64(all.MAE)
}

// scores compares what was held back of the resolution with index level, or of all if that is negative,
// with the measurements. The second is with the offset of the run.
func (d *data) scores(held []fit.Held, level int) (score, inRun Score) {
	var p, q, y []float64
	for i, row := range d.rows {
		if level < 0 || row.Resolution == level {
			p, q, y = append(p, held[i].Accuracy), append(q, held[i].InRun), append(y, row.Accuracy)
		}
	}
	return newScore(p, y), newScore(q, y)
}

// fit makes a predictor of all rows. What was held back in folds gives its error bars.
func (d *data) fit(s fit.Settings, folds int, held []fit.Held) (*Fitted, error) {
	m, err := fit.Fit(&d.layout.Layout, d.rows, len(d.resolutions), s)
	if err != nil {
		return nil, err
	}
	v := Validation{Folds: folds, Networks: d.networks}
	v.All, _ = d.scores(held, -1)
	var levels []level
	for i, r := range d.resolutions {
		score, inRun := d.scores(held, i)
		v.Resolutions = append(v.Resolutions, ResolutionScore{r, score})
		levels = append(levels, newLevel(d.layout, m, i, r, ErrorBar{score.RMSE, inRun.RMSE}))
	}
	f, err := newFitted(d.space, d.layout, levels)
	if err != nil {
		return nil, err
	}
	f.validation = v
	return f, nil
}
