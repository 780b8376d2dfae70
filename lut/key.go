package lut

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

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

// ParseKey reads what String writes.
func ParseKey(s string) (Key, error) {
	text, block, _ := strings.Cut(s, " ")
	number, ok := strings.CutPrefix(text, "r=")
	r, err := strconv.Atoi(number)
	if !ok || err != nil || r != 0 && checkResolution(r) != nil || strconv.Itoa(r) != number {
		return Key{}, fmt.Errorf("lut: key %.200q does not begin with a resolution, such as r=176", s)
	}
	b, err := supernet.ParseBlock(block)
	if err != nil {
		return Key{}, fmt.Errorf("lut: key: %w", err)
	}
	return Key{r, b}, nil
}

// Compare orders keys by resolution, then by the block's text form. It does not allocate where both
// blocks are valid, so that a million entries are sorted in seconds.
func (k Key) Compare(l Key) int {
	if c := cmp.Compare(k.Resolution, l.Resolution); c != 0 {
		return c
	}
	return compareBlocks(k.Block, l.Block)
}

// compareBlocks is strings.Compare of the text forms.
func compareBlocks(a, b supernet.Block) int {
	switch {
	case a == b:
		return 0
	case (a.Mid > 0) != (b.Mid > 0), (a.Kernel > 0) != (b.Kernel > 0), (a.Act == "") != (b.Act == ""),
		a.Op != b.Op && (strings.HasPrefix(string(a.Op), string(b.Op)) || strings.HasPrefix(string(b.Op), string(a.Op))),
		a.Act != b.Act && (strings.HasPrefix(string(a.Act), string(b.Act)) || strings.HasPrefix(string(b.Act), string(a.Act))),
		negative(a), negative(b): // other fields, or fields of which one is the beginning of the other
		return strings.Compare(a.String(), b.String())
	case a.Op != b.Op:
		return strings.Compare(string(a.Op), string(b.Op))
	}
	const times, space = false, true // what follows a number: "x" is above every digit, " " and the end below
	const stride = 6
	for i, f := range [...]struct {
		a, b  int
		below bool
	}{
		{a.In.Size, b.In.Size, times}, {a.In.Channels, b.In.Channels, space},
		{a.Out.Size, b.Out.Size, times}, {a.Out.Channels, b.Out.Channels, space},
		{a.Mid, b.Mid, space}, {a.Kernel, b.Kernel, space}, {a.Stride, b.Stride, space},
	} {
		if f.a != f.b && (i != stride || a.Kernel > 0) { // without a kernel there is no stride in the text
			return compareDigits(f.a, f.b, f.below)
		}
	}
	if a.Act != b.Act {
		return strings.Compare(string(a.Act), string(b.Act))
	}
	return strings.Compare(a.String(), b.String()) // they differ in a flag alone
}

func negative(b supernet.Block) bool {
	return min(b.In.Size, b.In.Channels, b.Out.Size, b.Out.Channels, b.Mid, b.Kernel, b.Stride) < 0
}

// compareDigits compares different numbers, neither negative, as text; below says that what follows
// the shorter one is below every digit.
func compareDigits(a, b int, below bool) int {
	x, y := a, b
	for x >= 10 && y >= 10 { // strip as many digits from both
		x, y = x/10, y/10
	}
	// At least one of x and y has one digit left; cut the other, which is the longer number, to the
	// length of the shorter.
	long := max(x, y)
	cut := 1
	for long >= 10 {
		long, cut = long/10, cut*10
	}
	if x > y {
		a /= cut
	} else {
		b /= cut
	}
	switch c := cmp.Compare(a, b); {
	case c != 0:
		return c
	case (x < y) == below: // a is the shorter one and what follows is below, or neither
		return -1
	}
	return 1
}
