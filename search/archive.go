package search

import "github.com/dynofa/dynofa/search/pareto"

// archive keeps the front of everything evaluated.
type archive interface {
	insert(values []float64, id int)
	ids() []int // ascending in the first objective
	len() int
	hypervolume(reference []float64) float64
}

// newArchive returns one for a number of objectives, at least two.
func newArchive(objectives int) archive {
	if objectives == 2 {
		return &planar{}
	}
	return &spatial{}
}

// planar is an archive for two objectives.
type planar struct{ pareto.Archive }

func (a *planar) insert(values []float64, id int) { a.Insert(values[0], values[1], id) }
func (a *planar) len() int                        { return a.Len() }
func (a *planar) hypervolume(r []float64) float64 { return a.Hypervolume(r[0], r[1]) }

func (a *planar) ids() []int {
	var ids []int
	for _, e := range a.Entries() {
		ids = append(ids, e.ID)
	}
	return ids
}

// spatial is an archive for more.
type spatial struct{ pareto.ArchiveN }

func (a *spatial) insert(values []float64, id int) { a.Insert(values, id) }
func (a *spatial) len() int                        { return a.Len() }
func (a *spatial) hypervolume(r []float64) float64 { return a.Hypervolume(r) }
func (a *spatial) ids() []int                      { return a.IDs() }
