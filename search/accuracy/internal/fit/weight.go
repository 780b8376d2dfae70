package fit

import "math"

// minSigma, times the largest residual deviation of a resolution, bounds the weights.
const minSigma = 0.2

// reweigh finds the runs and gives each resolution the inverse of its residual variance as weight, 1
// for the most precise.
func (f *fitter) reweigh() {
	res := make([][]float64, f.levels)
	index := make([][]int, f.levels)
	for i, r := range f.rows {
		v, _ := f.residual(f.x, i)
		v += f.x[f.runsAt+f.run[i]] // find all runs afresh
		res[r.Resolution] = append(res[r.Resolution], v)
		index[r.Resolution] = append(index[r.Resolution], i)
	}
	runs := 0
	for level, list := range res {
		ends := []int{len(list)}
		if f.settings.Runs {
			ends = changes(list)
		}
		from, ss := 0, 0.0
		for _, to := range ends {
			m := mean(list[from:to])
			for i := from; i < to; i++ {
				f.run[index[level][i]] = runs
				ss += (list[i] - m) * (list[i] - m)
			}
			from = to
			runs++
		}
		f.sigma[level] = math.Sqrt(ss / float64(len(list)))
	}
	f.setRuns(runs)
	f.weigh()
}

func (f *fitter) weigh() {
	least, most := math.Inf(1), 0.0
	for _, s := range f.sigma {
		most = max(most, s)
	}
	if most == 0 {
		return
	}
	for _, s := range f.sigma {
		least = min(least, max(s, minSigma*most))
	}
	for i, s := range f.sigma {
		q := least / max(s, minSigma*most)
		f.weight[i] = q * q
	}
}
