package lut

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/internal/stats"
)

// FitOptions says how FitBlocks fits, and what the table that comes out is of.
type FitOptions struct {
	Point   OperatingPoint // where the networks were measured; device and processor are required
	Source  string         // one line: where the measurements come from; required
	Created time.Time
	// Resolutions are those of the table's entries, each between the outer knots; empty: all of the
	// space's between them.
	Resolutions []int
	// Knots are the resolutions at which a block has a cost of its own, ascending, 1 to 8; between
	// them costs are linear in the block's input pixels. They must enclose the networks'
	// resolutions. Empty: the lowest and the highest of the networks. A third knot pays from about
	// 1,000 networks on.
	Knots []int
	// Ridge is how strongly a cost is drawn to the prior, in squared relative errors of a network
	// per squared relative deviation of a cost; 0 stands for DefaultRidge.
	Ridge float64
}

// DefaultRidge suits networks whose measurements scatter by a few per cent. On published
// measurements of 5,000 networks any value from 0.001 to 0.01 gives the same error within a tenth.
const DefaultRidge = 0.004

// FitBlocks returns a table of block costs fitted to measurements of whole networks, for devices of
// which nothing else is known: the costs whose sums come closest to the measurements in squared
// relative error, none below zero. A cost is drawn to a prior, the one proportional to
// multiply-accumulates that fits best; a block that no network contains stays there and says so in
// a warning. What all networks share (the layers outside the elastic positions) can only be fitted
// as a whole; it is divided by multiply-accumulates.
//
// The costs belong to sums: one of them is no measurement of its block. The table's origin is
// Modelled, it has no whole networks (those it was fitted to would flatter it) and its provenance
// gives the error on the networks fitted to. Fewer networks than costs, some 90 per knot, leave most
// of the work to the prior.
//
// It returns an error for fewer than 10 networks, latencies that are not positive, networks outside
// the space or the knots, or options that contradict themselves.
//
// Source: the additive model of Cai et al., "ProxylessNAS", ICLR 2019, section 3.2 (there measured
// block by block, here solved for), with non-negative ridge regression.
func FitBlocks(s *supernet.Space, networks []NetworkLatency, o FitOptions) (*Table, error) {
	f := &blockFit{space: s, ridge: o.Ridge, at: map[int]map[string]place{}}
	if o.Ridge == 0 {
		f.ridge = DefaultRidge
	}
	archs, err := f.read(networks)
	if err == nil {
		err = f.setKnots(archs, o.Knots)
	}
	if err == nil {
		err = f.solve(archs, networks)
	}
	var t *Table
	if err == nil {
		t, err = f.table(archs, networks, o)
	}
	if err != nil {
		return nil, fmt.Errorf("lut: fit: %w", err)
	}
	return t, nil
}

// Bounds on a fit.
const (
	minFitNetworks = 10
	maxKnots       = 8
	maxCosts       = 3000 // whose normal equations take 72 MB
	fitTolerance   = 1e-6
	maxFitSweeps   = 50000
)

func (f *blockFit) read(networks []NetworkLatency) ([]supernet.Arch, error) {
	if len(networks) < minFitNetworks {
		return nil, fmt.Errorf("%d networks are fewer than the %d needed", len(networks), minFitNetworks)
	}
	archs := make([]supernet.Arch, len(networks))
	for i, n := range networks {
		a, err := supernet.ParseArch([]byte(n.Arch))
		if err == nil {
			archs[i], err = f.space.Canonical(a)
		}
		if err != nil {
			return nil, fmt.Errorf("network %d: %w", i, err)
		}
		if y := float64(n.Latency.Central()); !(y > 0) || math.IsInf(y, 0) {
			return nil, fmt.Errorf("network %d: latency %g ns is not positive", i, y)
		}
	}
	return archs, nil
}

func (f *blockFit) setKnots(archs []supernet.Arch, knots []int) error {
	low, high := archs[0].R, archs[0].R
	for _, a := range archs {
		low, high = min(low, a.R), max(high, a.R)
	}
	f.knots = slices.Compact([]int{low, high})
	if len(knots) > 0 {
		f.knots = knots
	}
	n := len(f.knots)
	for i := 1; i < n; i++ {
		if f.knots[i] <= f.knots[i-1] {
			return fmt.Errorf("knots %v are not ascending", f.knots)
		}
	}
	if n > maxKnots || f.knots[0] > low || f.knots[n-1] < high {
		return fmt.Errorf("%d knots %v: at most %d, which enclose the networks' resolutions %d..%d", n, f.knots, maxKnots, low, high)
	}
	if !(f.ridge > 0) || math.IsInf(f.ridge, 0) {
		return fmt.Errorf("ridge %g is not positive", f.ridge)
	}
	return f.setCells()
}

// solve fits the costs.
func (f *blockFit) solve(archs []supernet.Arch, networks []NetworkLatency) error {
	n := len(f.prior)
	gram, right := make([]float64, n*n), make([]float64, n) // of multiply-accumulates per nanosecond
	macs, squares := 0.0, 0.0
	row := make([]float64, n)
	for i, a := range archs {
		clear(row)
		y := float64(networks[i].Latency.Central())
		err := f.each(a, func(cell, knot int, factor float64) {
			f.seen[cell] = true
			j := cell*len(f.knots) + knot
			row[j] += factor * f.prior[j] / y
		})
		if err != nil {
			return err
		}
		sum := addRow(gram, right, row)
		macs += sum
		squares += float64(sum * sum)
	}
	scale := macs / squares // ns per multiply-accumulate that fits best: the prior
	for j := range gram {
		gram[j] *= scale * scale
	}
	for j := range right {
		right[j] = float64(right[j]*scale) + f.ridge
		gram[j*n+j] += f.ridge
	}
	x := slices.Repeat([]float64{1}, n) // costs relative to the prior
	if sweeps, ok := stats.NonNegative(gram, right, x, fitTolerance, maxFitSweeps); !ok {
		return fmt.Errorf("no solution within %d sweeps", sweeps)
	}
	f.cost = make([]float64, n)
	for j := range x {
		f.cost[j] = x[j] * scale * f.prior[j]
	}
	return nil
}

// addRow adds one observation to the normal equations, whose right-hand side is 1 throughout, and
// returns the sum of the row.
func addRow(gram, right, row []float64) float64 {
	var used []int
	sum := 0.0
	for j, v := range row {
		if v != 0 {
			used = append(used, j)
			right[j] += v
			sum += v
		}
	}
	for _, j := range used {
		for _, k := range used {
			gram[j*len(row)+k] += float64(row[j] * row[k])
		}
	}
	return sum
}

// table spreads the costs over the blocks of the asked resolutions.
func (f *blockFit) table(archs []supernet.Arch, networks []NetworkLatency, o FitOptions) (*Table, error) {
	low, high := f.knots[0], f.knots[len(f.knots)-1]
	resolutions := slices.Compact(slices.Sorted(slices.Values(o.Resolutions)))
	if len(resolutions) == 0 {
		for _, r := range f.space.Resolutions {
			if r >= low && r <= high {
				resolutions = append(resolutions, r)
			}
		}
	}
	if len(resolutions) == 0 || resolutions[0] < low || resolutions[len(resolutions)-1] > high {
		return nil, fmt.Errorf("resolutions %v do not all lie between the outer knots %d and %d: %w", resolutions, low, high, ErrExtrapolation)
	}
	t := &Table{Space: f.space.Name, SpaceDescription: f.space.Description(), Point: o.Point, Origin: Modelled, Source: o.Source, Created: o.Created}
	for _, r := range resolutions {
		entries, err := f.entries(r)
		if err != nil {
			return nil, err
		}
		t.Entries = append(t.Entries, entries...)
	}
	t.Sort()
	t.Provenance = []Fact{
		{"fit", "block costs from whole-network latencies: non-negative least squares of relative errors, drawn to costs proportional to multiply-accumulates"},
		{"fit networks", fmt.Sprint(len(networks))},
		{"fit knots", list(f.knots)},
		{"fit ridge", fmt.Sprint(f.ridge)},
	}
	t.Warnings = []string{fmt.Sprintf("block costs are fitted to %d whole networks: only their sums mean anything", len(networks))}
	if costs := len(f.prior); len(networks) < costs {
		t.Warnings = append(t.Warnings, fmt.Sprintf("%d networks for %d costs: multiply-accumulates decide much of the table", len(networks), costs))
	}
	if err := t.Validate(); err != nil {
		return nil, errors.Join(errors.New("options or result are not usable"), err)
	}
	mape, err := f.error(archs, networks)
	if err != nil {
		return nil, err
	}
	t.Provenance = append(t.Provenance, Fact{"fit error", fmt.Sprintf("%.2f%% on average, on the networks fitted to", 100*mape)})
	return t, nil
}

// entries returns the table's entries at a resolution.
func (f *blockFit) entries(r int) ([]Entry, error) {
	at, err := f.placesOf(r)
	if err != nil {
		return nil, err
	}
	cost := func(cell int, c choice) float64 {
		sum := 0.0
		f.spread(r, c, func(k int, share float64) { sum += float64(share * f.cost[cell*len(f.knots)+k]) })
		return sum
	}
	shared, macs := cost(f.fixed(), f.typical()), 0.0
	for _, name := range f.order {
		if p := at[name]; p.always {
			macs += float64(p.blocks[0].MACs())
		}
	}
	var entries []Entry
	done := map[supernet.Block]bool{}
	for _, name := range f.order {
		p := at[name]
		for i, b := range p.blocks {
			if done[b] {
				continue
			}
			done[b] = true
			l := Unknown()
			c := choice{name, i}
			switch cell := f.cells[c]; {
			case p.always:
				l.Mean = unit.Nanoseconds(shared * float64(b.MACs()) / macs)
			default:
				l.Mean = unit.Nanoseconds(cost(cell, c))
				if !f.seen[cell] {
					l.Warnings = []string{"no network contains this block: its cost follows from multiply-accumulates alone"}
				}
			}
			entries = append(entries, Entry{Key{r, b}, l})
		}
	}
	return entries, nil
}

// error returns the mean relative error of sums over the networks.
func (f *blockFit) error(archs []supernet.Arch, networks []NetworkLatency) (float64, error) {
	sum := 0.0
	for i, a := range archs {
		total := 0.0
		err := f.each(a, func(cell, knot int, factor float64) { total += float64(factor * f.cost[cell*len(f.knots)+knot]) })
		if err != nil {
			return 0, err
		}
		sum += math.Abs(total/float64(networks[i].Latency.Central()) - 1)
	}
	return sum / float64(len(archs)), nil
}
