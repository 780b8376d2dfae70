package lut

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// Calibration maps a raw sum over blocks to a network's latency: Offset + Scale * sum. The zero
// value is the identity.
type Calibration struct {
	Offset unit.Nanoseconds
	Scale  float64 // 0 stands for 1
}

// Apply returns the calibrated latency of a sum.
func (c Calibration) Apply(sum unit.Nanoseconds) unit.Nanoseconds {
	if c.Scale == 0 {
		return sum + c.Offset
	}
	return unit.Nanoseconds(float64(sum)*c.Scale) + c.Offset
}

// validate returns an error for a calibration that maps a latency to none: NaN, an infinity or a
// negative scale.
func (c Calibration) validate() error {
	if offset := float64(c.Offset); !(c.Scale >= 0) || math.IsInf(c.Scale, 0) || math.IsNaN(offset) || math.IsInf(offset, 0) {
		return fmt.Errorf("calibration scale %g or offset %g ns is not usable", c.Scale, offset)
	}
	return nil
}

// MissingError says that a table lacks an entry that a prediction needs.
type MissingError struct {
	Key     Key
	Nearest []Key // keys of the table most like it, best first; at most 3
}

// Error names the key and its nearest neighbours in the table.
func (e *MissingError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "the table has no entry %v", e.Key)
	for i, k := range e.Nearest {
		s.WriteString([]string{"; nearest are ", ", "}[min(i, 1)])
		s.WriteString(k.String())
	}
	return s.String()
}

// Predictor predicts latencies of a space's sub-networks from a table. It is compiled to a dense
// index: predicting allocates nothing. It is safe for concurrent use.
type Predictor struct {
	space       *supernet.Space
	table       map[Key]unit.Nanoseconds
	spreads     map[Key]spread
	power       unit.Watts
	calibration Calibration
	resolutions []int
	sumsAt      []*resolutionSums // by resolution in pixels; nil where the table has none
	layout      *layout
	regular     *regular // nil if the layout is not
	point       OperatingPoint
	doubts      doubts
}

// resolutionSums holds one resolution's latencies. A network is what all have plus one cell per
// active place with a choice.
type resolutionSums struct {
	fixed float64
	cells []float64 // in the order of layout; NaN where the table has no entry
}

// NewPredictor compiles a table for a space. It returns an error if the table is for another space
// or has no entry of it; single missing entries show up only when a network needs them.
func NewPredictor(t *Table, s *supernet.Space) (*Predictor, error) {
	if t.Space != s.Name {
		return nil, fmt.Errorf("lut: the table of %s/%s is for space %q, not %q", t.Point.Device, t.Point.Processor, t.Space, s.Name)
	}
	p := &Predictor{space: s, table: make(map[Key]unit.Nanoseconds, len(t.Entries)), spreads: make(map[Key]spread, len(t.Entries)), power: t.Power, calibration: t.Calibration, point: t.Point}
	for _, e := range t.Entries {
		p.table[e.Key] = e.Latency.Central()
		p.spreads[e.Key] = spreadOf(e.Latency)
	}
	p.resolutions = t.Resolutions()
	if len(p.resolutions) > 0 && p.resolutions[0] == 0 { // entries that serve every resolution
		p.resolutions = mergeSorted(p.resolutions[1:], s.Resolutions)
	}
	p.layout = newLayout(s)
	p.regular = newRegular(p.layout, s)
	p.sumsAt = make([]*resolutionSums, maxResolution+1)
	usable := 0
	for _, r := range p.resolutions {
		sums, n, err := p.compile(r) // an error for a resolution that networks cannot have
		if err != nil {
			return nil, fmt.Errorf("lut: %w", err)
		}
		usable += n
		p.sumsAt[r] = &sums
	}
	if usable == 0 {
		return nil, fmt.Errorf("lut: the table of %s/%s has no entry of space %q", t.Point.Device, t.Point.Processor, s.Name)
	}
	p.judge(t)
	return p, nil
}

func mergeSorted(a, b []int) []int {
	c := slices.Concat(a, b)
	slices.Sort(c)
	return slices.Compact(c)
}

// compile fills the cells of one resolution and counts the blocks that have a value.
func (p *Predictor) compile(r int) (resolutionSums, int, error) {
	if _, err := p.space.BlocksByPlace(r); err != nil {
		return resolutionSums{}, 0, err
	}
	sums := resolutionSums{cells: make([]float64, 0, p.layout.cells)}
	usable := 0
	slots := p.space.Slots(r)
	for i := range slots {
		for _, b := range slots[i].Blocks() {
			v := p.lookup(Key{r, b})
			if !math.IsNaN(v) {
				usable++
			}
			if constant(&slots[i]) {
				sums.fixed += v
			} else {
				sums.cells = append(sums.cells, v)
			}
		}
	}
	return sums, usable, nil
}

// lookup returns the latency of a key, falling back to the entry for every resolution, or NaN.
func (p *Predictor) lookup(k Key) float64 {
	if v, ok := p.table[k]; ok {
		return float64(v)
	}
	if v, ok := p.table[Key{Block: k.Block}]; ok {
		return float64(v)
	}
	return math.NaN()
}

// Resolutions returns the resolutions that the table covers, ascending.
func (p *Predictor) Resolutions() []int { return slices.Clone(p.resolutions) }

// Space returns the space that the predictor was compiled for.
func (p *Predictor) Space() *supernet.Space { return p.space }

// Latency returns the predicted latency of a: the calibrated sum over its blocks. It returns an
// error if a is no sub-network of the space, and one that wraps a *MissingError if the table lacks
// a block of it, or if the calibration's offset leaves nothing. It takes O(positions), less than 100 ns for 20 of them, and does not allocate unless it
// fails.
func (p *Predictor) Latency(a supernet.Arch) (unit.Nanoseconds, error) {
	if uint(a.R) >= uint(len(p.sumsAt)) || p.sumsAt[a.R] == nil {
		return 0, p.explain(a)
	}
	sums := p.sumsAt[a.R]
	total, ok := 0.0, false
	if p.regular != nil {
		total, ok = p.regular.sum(sums.fixed, sums.cells, &a)
	} else {
		total, ok = p.layout.sum(sums.fixed, sums.cells, &a)
	}
	if !ok || math.IsNaN(total) {
		return 0, p.explain(a)
	}
	latency := p.calibration.Apply(unit.Nanoseconds(total))
	if !(latency > 0) {
		return 0, p.notPositive(unit.Nanoseconds(total))
	}
	return latency, nil
}

// notPositive says why a sum over blocks is no latency.
func (p *Predictor) notPositive(sum unit.Nanoseconds) error {
	return fmt.Errorf("lut: the table's calibration (offset %v, scale %g) makes %v of a sum of %v: it does not hold for networks as fast as that", p.calibration.Offset, p.calibration.Scale, p.calibration.Apply(sum), sum)
}

// explain finds out why a has no prediction.
func (p *Predictor) explain(a supernet.Arch) error {
	blocks, err := p.space.Blocks(a)
	if err != nil {
		return fmt.Errorf("lut: %w", err)
	}
	for _, b := range blocks {
		if k := (Key{a.R, b}); math.IsNaN(p.lookup(k)) {
			return fmt.Errorf("lut: %w", &MissingError{Key: k, Nearest: p.nearest(k)})
		}
	}
	return fmt.Errorf("lut: resolution %d is not in the table, which has %v", a.R, p.resolutions)
}

// Part is one block's share of a prediction.
type Part struct {
	Layer   supernet.Layer
	Latency unit.Nanoseconds
}

// Parts returns the uncalibrated latency of each layer of a, in network order, with the same errors
// as Latency.
func (p *Predictor) Parts(a supernet.Arch) ([]Part, error) {
	if _, err := p.Latency(a); err != nil {
		return nil, err
	}
	layers, err := p.space.Layers(a)
	if err != nil {
		return nil, err
	}
	parts := make([]Part, len(layers))
	for i, l := range layers {
		parts[i] = Part{l, unit.Nanoseconds(p.lookup(Key{a.R, l.Block}))}
	}
	return parts, nil
}

// nearest returns the at most three keys of the table that differ least from k: same operation
// first, then the smallest relative difference over all dimensions.
func (p *Predictor) nearest(k Key) []Key {
	keys := make([]Key, 0, len(p.table))
	for other := range p.table {
		if other.Block.Op == k.Block.Op {
			keys = append(keys, other)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int {
		if da, db := distance(a, k), distance(b, k); da != db {
			if da < db {
				return -1
			}
			return 1
		}
		return a.Compare(b)
	})
	return keys[:min(3, len(keys))]
}

func distance(a, b Key) float64 {
	d := 0.0
	for _, pair := range [][2]int{
		{a.Resolution, b.Resolution}, {a.Block.In.Size, b.Block.In.Size}, {a.Block.In.Channels, b.Block.In.Channels},
		{a.Block.Out.Size, b.Block.Out.Size}, {a.Block.Out.Channels, b.Block.Out.Channels},
		{a.Block.Mid, b.Block.Mid}, {a.Block.Kernel, b.Block.Kernel},
	} {
		d += math.Abs(math.Log(float64(1+pair[0]) / float64(1+pair[1])))
	}
	if a.Block.SE != b.Block.SE || a.Block.Act != b.Block.Act || a.Block.Residual != b.Block.Residual {
		d++
	}
	return d
}
