package fit

// Penalties relative to Settings.Ridge, from cross-validation on reference/measured; results are flat
// within a factor of 10 around each.
const (
	depthPenalty     = 10   // of how an effect at one depth of the stage differs from that at all depths
	deviationPenalty = 10   // of the deviations of a resolution
	offsetPenalty    = 1e-3 // of the runs' offsets, absolute: next to nothing
	meanPenalty      = 1e6  // of their mean over a resolution's rows, absolute: it is the ceiling's business
	basePenalty      = 1e-9 // of the constants, absolute: nothing
)

// setRuns makes room for the offsets of the n runs in f.run and forgets those that there were.
func (f *fitter) setRuns(n int) {
	f.runs = n
	x := make([]float64, f.runsAt+n)
	copy(x, f.x[:min(len(f.x), f.runsAt)])
	f.x = x
	f.penalty = f.effectPenalty()
	for i := f.extraAt; i < len(x); i++ {
		v := offsetPenalty
		switch {
		case i < f.deviationAt:
			v = f.settings.Ridge
		case i < f.baseAt:
			v = f.settings.Ridge * deviationPenalty
		case i < f.runsAt:
			v = basePenalty
		}
		f.penalty = append(f.penalty, entry{i, i, v})
	}
	f.penalty = append(f.penalty, f.meanPenalty()...)
}

// meanPenalty is that of the squared mean offset of each resolution's rows.
func (f *fitter) meanPenalty() []entry {
	level, n := make([]int, f.runs), make([]float64, f.runs)
	rows := make([]float64, f.levels)
	for i, r := range f.rows {
		level[f.run[i]] = r.Resolution
		n[f.run[i]]++
		rows[r.Resolution]++
	}
	var out []entry
	for i := range f.runs {
		for j := i; j < f.runs && level[j] == level[i]; j++ {
			share := n[i] * n[j] / (rows[level[i]] * rows[level[i]])
			out = append(out, entry{f.runsAt + i, f.runsAt + j, meanPenalty * share})
		}
	}
	return out
}

// effectPenalty is that of effects which are the sum of one for the block, at any depth, with penalty
// lambda, and one for the depth, with penalty mu = depthPenalty*lambda. Minimising over the parts of n
// sums leaves mu (sum of their squares) - mu^2/(lambda + n mu) (sum of them)^2.
func (f *fitter) effectPenalty() []entry {
	l := f.layout
	lambda := f.settings.Ridge
	mu := lambda * depthPenalty
	var out []entry
	add := func(from, width int) {
		for stage, s := range l.Stages {
			for j := range s.Positions() {
				var cells []int // of block j, ascending
				for depth, blocks := range s {
					if j < blocks {
						cells = append(cells, l.Cell(stage, depth, j))
					}
				}
				shared := mu * mu / (lambda + float64(len(cells))*mu)
				for c := range width {
					for a, first := range cells {
						out = append(out, entry{from + first*width + c, from + first*width + c, mu - shared})
						for _, second := range cells[a+1:] {
							out = append(out, entry{from + first*width + c, from + second*width + c, -shared})
						}
					}
				}
			}
		}
	}
	add(0, len(l.Kernels))
	add(f.expandAt, len(l.Expands))
	return out
}
