package formats

import (
	"bytes"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// parseBlock is supernet.ParseBlock without garbage: where it can be sure of the outcome it decides
// by itself, and asks otherwise. Its blocks do not hold on to the text.
func parseBlock(text []byte) (supernet.Block, error) {
	if b, ok := plainBlock(text); ok {
		return b, nil
	}
	b, err := supernet.ParseBlock(string(text))
	b.Op, b.Act = intern(b.Op, ops), intern(b.Act, activations)
	return b, err
}

// Operations and activations by name, so that every block shares their texts.
var (
	ops = map[string]supernet.Op{
		string(supernet.OpStem): supernet.OpStem, string(supernet.OpMaxPool): supernet.OpMaxPool, string(supernet.OpSepConv): supernet.OpSepConv,
		string(supernet.OpMBConv): supernet.OpMBConv, string(supernet.OpBottleneck): supernet.OpBottleneck, string(supernet.OpExpand): supernet.OpExpand,
		string(supernet.OpPool): supernet.OpPool, string(supernet.OpMix): supernet.OpMix, string(supernet.OpClassifier): supernet.OpClassifier,
	}
	activations = map[string]supernet.Activation{
		string(supernet.ReLU): supernet.ReLU, string(supernet.ReLU6): supernet.ReLU6, string(supernet.HSwish): supernet.HSwish,
	}
)

func intern[T ~string](name T, known map[string]T) T {
	if k, ok := known[string(name)]; ok {
		return k
	}
	return name
}

// plainBlock reads "OP in=NxNxC out=NxNxC[ mid=N][ k=N s=N][ act=NAME][ se=0|1 res=0|1]"; ok is false
// for anything else, and for a block that is not valid.
func plainBlock(text []byte) (b supernet.Block, ok bool) {
	c := cursor{text: text, ok: true}
	b.Op, c.ok = ops[string(c.word())]
	b.In, b.Out = c.shape("in="), c.shape("out=")
	if c.has("mid=") {
		b.Mid = c.number(' ')
	}
	if c.has("k=") {
		b.Kernel = c.number(' ')
		c.must("s=")
		b.Stride = c.number(' ')
	}
	if c.has("act=") {
		b.Act = activations[string(c.word())]
		c.ok = c.ok && b.Act != supernet.None
	}
	if b.Op == supernet.OpMBConv || b.Op == supernet.OpSepConv {
		b.SE, b.Residual = c.flag("se="), c.flag("res=")
	} else if b.Op == supernet.OpBottleneck {
		b.Residual = c.flag("res=")
	}
	return b, c.ok && len(c.text) == 0 && b.Validate() == nil
}

// cursor walks through a text of words separated by one space each; ok turns false at the first
// thing out of place.
type cursor struct {
	text []byte
	ok   bool
}

// word returns the text up to the next space, or the end.
func (c *cursor) word() []byte {
	i := bytes.IndexByte(c.text, ' ')
	if i < 0 {
		w := c.text
		c.text = nil
		return w
	}
	w := c.text[:i]
	c.text = c.text[i+1:]
	c.ok = c.ok && len(c.text) > 0
	return w
}

// has passes over a name if it comes next.
func (c *cursor) has(name string) bool {
	if len(c.text) < len(name) || string(c.text[:len(name)]) != name {
		return false
	}
	c.text = c.text[len(name):]
	return true
}

func (c *cursor) must(name string) { c.ok = c.has(name) && c.ok }

// number returns a number from 1 to 65536 that ends in the given byte or, for a space, at the end.
func (c *cursor) number(end byte) int {
	n, i := 0, 0
	for i < len(c.text) && i < 6 && c.text[i] >= '0' && c.text[i] <= '9' {
		n = 10*n + int(c.text[i]-'0')
		i++
	}
	if i == 0 || c.text[0] == '0' || n > 1<<16 {
		c.ok = false
	}
	c.text = c.text[i:]
	switch {
	case len(c.text) > 1 && c.text[0] == end:
		c.text = c.text[1:]
	case len(c.text) > 0 || end != ' ':
		c.ok = false
	}
	return n
}

// shape reads NxNxC.
func (c *cursor) shape(name string) supernet.Shape {
	c.must(name)
	size := c.number('x')
	again := c.number('x')
	c.ok = c.ok && size == again
	return supernet.Shape{Size: size, Channels: c.number(' ')}
}

// flag reads one digit.
func (c *cursor) flag(name string) bool {
	c.must(name)
	w := c.word()
	c.ok = c.ok && len(w) == 1 && (w[0] == '0' || w[0] == '1')
	return c.ok && w[0] == '1'
}
