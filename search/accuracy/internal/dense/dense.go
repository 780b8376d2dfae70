// Package dense computes fully connected layers for batches of vectors in float32, with a kernel in
// assembly where the processor has one (Available). It has no other way to compute them: where there is
// no kernel, callers use their own.
//
// Each element of a result is one chain of fused multiply-adds, from the bias on and in the order of
// the inputs, so that it depends on its own row and column only: not on how many rows there are, what
// they hold, or how they are divided among calls.
package dense

import "fmt"

// A tile is what the kernel computes at once: as many rows and columns as registers hold.
const (
	TileRows    = 6
	tileColumns = 16
)

// Padded returns the number of floats that a row of n elements takes in memory: n rounded up to whole
// tiles.
func Padded(n int) int { return (n + tileColumns - 1) / tileColumns * tileColumns }

// PaddedRows returns the number of rows that a batch of n takes in memory.
func PaddedRows(n int) int { return (n + TileRows - 1) / TileRows * TileRows }

// Layer is y = W x + b with W and b in the kernel's order. It does not change after NewLayer.
type Layer struct {
	in, out int
	panels  []float32 // [panel][input][tileColumns], zero beyond out
	bias    []float32 // Padded(out)
}

// NewLayer packs a layer of in inputs and len(bias) outputs; columns[i*len(bias)+j] is the weight of
// input i for output j. It panics if there are not in*len(bias) weights.
func NewLayer(columns, bias []float32, in int) *Layer {
	out := len(bias)
	if len(columns) != in*out {
		panic(fmt.Sprintf("dense: %d weights for %d inputs and %d outputs", len(columns), in, out))
	}
	l := &Layer{in: in, out: out, panels: make([]float32, in*Padded(out)), bias: make([]float32, Padded(out))}
	copy(l.bias, bias)
	for i := range in {
		for j, w := range columns[i*out : (i+1)*out] {
			l.panels[(j/tileColumns*in+i)*tileColumns+j%tileColumns] = w
		}
	}
	return l
}

// Out returns the number of outputs.
func (l *Layer) Out() int { return l.out }

// Apply sets y to W x + b, each element at least floor: 0 for a ReLU, negative infinity for none. x
// holds rows vectors, stride floats apart, and y gets them Padded(l.Out()) floats apart; what y holds
// beyond l.Out() is unspecified. Both have PaddedRows(rows) rows, the last ones being computed without
// being of interest. A NaN stays one. It panics if x or y is too short, or where there is no kernel.
func (l *Layer) Apply(rows int, x []float32, stride int, y []float32, floor float32) {
	width, padded := Padded(l.out), PaddedRows(rows)
	if rows == 0 || l.in == 0 || l.out == 0 {
		panic("dense: nothing to compute")
	}
	if stride < l.in || len(x) < (padded-1)*stride+l.in || len(y) < padded*width {
		panic(fmt.Sprintf("dense: %d rows of %d and %d floats do not fit into %d and %d", padded, stride, width, len(x), len(y)))
	}
	c := 0
	for ; wide && c+4*tileColumns <= width; c += 4 * tileColumns {
		for r := 0; r < padded; r += TileRows {
			tile4(l.in, &x[r*stride], stride, &l.panels[c*l.in], &l.bias[c], &y[r*width+c], width, floor)
		}
	}
	for ; c < width; c += tileColumns {
		for r := 0; r < padded; r += TileRows {
			tile(l.in, &x[r*stride], stride, &l.panels[c*l.in], &l.bias[c], &y[r*width+c], width, floor)
		}
	}
}

// Table holds vectors to be summed, such as the columns of a first layer whose inputs are 0 or 1. It
// does not change after NewTable.
type Table struct {
	width int // Padded
	rows  int
	data  []float32
}

// NewTable makes a table of vectors of n elements, in rows.
func NewTable(n int, rows [][]float32) *Table {
	t := &Table{width: Padded(n), rows: len(rows), data: make([]float32, len(rows)*Padded(n))}
	for i, row := range rows {
		if len(row) != n {
			panic(fmt.Sprintf("dense: row %d of a table has %d elements, want %d", i, len(row), n))
		}
		copy(t.data[i*t.width:], row)
	}
	return t
}

// Sum sets y, of Padded(n) floats, to the sum of the rows that idx names, added in its order, each
// element at least floor. It panics if idx is empty or names a row that there is not, if y is too short,
// or where there is no kernel.
func (t *Table) Sum(idx []int32, y []float32, floor float32) {
	if len(idx) == 0 || t.width == 0 || len(y) < t.width {
		panic("dense: nothing to sum, or no room for it")
	}
	for _, i := range idx {
		if uint(i) >= uint(t.rows) {
			panic(fmt.Sprintf("dense: row %d of a table of %d", i, t.rows))
		}
	}
	sum(len(idx), &idx[0], &t.data[0], t.width, &y[0], floor)
}
