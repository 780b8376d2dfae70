package lut

import (
	"cmp"
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Key names an entry of a Table.
type Key struct {
	// Resolution is the input resolution of the network in which the block was measured. Published
	// tables hold one value per resolution even for blocks that are the same at several of them.
	// Zero means that the value serves every resolution.
	Resolution int
	Block      supernet.Block
}

// String returns "r=176 mbconv in=...".
func (k Key) String() string { return fmt.Sprintf("r=%d %v", k.Resolution, k.Block) }

// Compare orders keys by resolution, then by the block's text form.
func (k Key) Compare(l Key) int {
	if c := cmp.Compare(k.Resolution, l.Resolution); c != 0 {
		return c
	}
	return cmp.Compare(k.Block.String(), l.Block.String())
}
