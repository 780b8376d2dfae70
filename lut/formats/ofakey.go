package formats

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// OFAKey returns the name that Once-for-all's tables give a block, for example
// "expanded_conv-input:10x10x96-output:10x10x136-expand:288-kernel:3-stride:1-idskip:0-se:1-hs:1".
// The name leaves out the activation of stem and head, so it can only be read back with the space
// at hand.
//
// Source: the key format of the tables that Cai et al. publish with Once-for-all (LatencyTable in
// the authors' latency estimator), which Dynamic-OFA's tables share.
func OFAKey(b supernet.Block) string {
	in, out := shapeText(b.In), shapeText(b.Out)
	switch b.Op {
	case supernet.OpStem:
		return "Conv-input:" + in + "-output:" + out
	case supernet.OpExpand:
		return "Conv_1-input:" + in + "-output:" + out
	case supernet.OpPool:
		return "AvgPool2D-input:" + in + "-output:" + out
	case supernet.OpMix:
		return "Conv_2-input:" + in + "-output:" + out
	case supernet.OpClassifier:
		return fmt.Sprintf("Logits-input:%s-output:%d", in, b.Out.Channels)
	}
	expand := b.Mid
	if b.Op == supernet.OpSepConv { // written as an inverted residual that does not expand
		expand = b.In.Channels
	}
	return fmt.Sprintf("expanded_conv-input:%s-output:%s-expand:%d-kernel:%d-stride:%d-idskip:%d-se:%d-hs:%d",
		in, out, expand, b.Kernel, b.Stride, digit(b.Residual), digit(b.SE), digit(b.Act == supernet.HSwish))
}

// keyTable maps the keys of a space's blocks at a resolution to the blocks. An entry of several is
// their latency together.
type keyTable struct {
	blocks map[string][]supernet.Block
	order  []string // by block
	n      int      // blocks
}

func (t *keyTable) add(key string, blocks ...supernet.Block) error {
	if other, ok := t.blocks[key]; ok {
		return fmt.Errorf("%v and %v have the same key %q", other[0], blocks[0], key)
	}
	t.blocks[key] = blocks
	t.order = append(t.order, key)
	t.n += len(blocks)
	return nil
}

// ofaKeys returns the keys of Once-for-all's tables. Only spaces of inverted residuals have them.
func ofaKeys(s *supernet.Space, r int) (*keyTable, error) {
	blocks, err := s.DistinctBlocks(r)
	if err != nil {
		return nil, err
	}
	t := &keyTable{blocks: make(map[string][]supernet.Block, len(blocks))}
	for _, b := range blocks {
		if b.Op == supernet.OpBottleneck || b.Op == supernet.OpMaxPool {
			return nil, fmt.Errorf("space %s: Once-for-all's tables have no key for a %s", s.Name, b.Op)
		}
		if err := t.add(OFAKey(b), b); err != nil {
			return nil, fmt.Errorf("space %s: %w", s.Name, err)
		}
	}
	return t, nil
}

// proxylessKeys returns the keys of ProxylessNAS's tables, which name an inverted residual by its
// expand ratio, not its channels, and have one entry, "Logits", for pooling and classifier together.
// Only spaces of inverted residuals without squeeze-and-excitation have them.
//
// Source: Cai et al., "ProxylessNAS", ICLR 2019, and the key format of the latency estimator that
// was published with it (ProxylessNASLatencyTable in Once-for-all).
func proxylessKeys(s *supernet.Space, r int) (*keyTable, error) {
	if _, err := s.DistinctBlocks(r); err != nil { // checks the resolution
		return nil, err
	}
	t := &keyTable{blocks: map[string][]supernet.Block{}}
	var pool supernet.Block
	slots := s.Slots(r)
	for i := range slots {
		sl := &slots[i]
		blocks := sl.Blocks()
		b := blocks[0]
		in, out := shapeText(b.In), shapeText(b.Out)
		var err error
		switch {
		case len(blocks) > 1 && (sl.In >= 0 || sl.Out >= 0), b.SE:
			err = fmt.Errorf("%v has no key in ProxylessNAS's tables", b)
		case b.Op == supernet.OpStem:
			err = t.add("Conv-input:"+in+"-output:"+out, b)
		case b.Op == supernet.OpExpand:
			err = t.add("Conv_1-input:"+in+"-output:"+out, b)
		case b.Op == supernet.OpPool:
			pool = b
		case b.Op == supernet.OpClassifier && pool.Op == supernet.OpPool:
			err = t.add(fmt.Sprintf("Logits-input:%s-output:%d", shapeText(pool.In), b.Out.Channels), b, pool)
		case b.Op == supernet.OpSepConv:
			err = t.add(proxylessKey(b, 1), b)
		case b.Op == supernet.OpMBConv:
			err = t.addChoices(s, sl)
		default:
			err = fmt.Errorf("a %s has no key in ProxylessNAS's tables", b.Op)
		}
		if err != nil {
			return nil, fmt.Errorf("space %s: %w", s.Name, err)
		}
	}
	return t, nil
}

// addChoices adds the blocks of an elastic slot that another slot has not added.
func (t *keyTable) addChoices(s *supernet.Space, sl *supernet.Slot) error {
	for _, e := range s.Expands {
		for _, k := range s.Kernels {
			b := sl.Block(supernet.Choice{Kernel: k, Expand: e})
			key := proxylessKey(b, e)
			if e != math.Trunc(e) {
				return fmt.Errorf("expand ratio %g has no key in ProxylessNAS's tables", e)
			}
			if there, ok := t.blocks[key]; ok && there[0] == b {
				continue
			}
			if err := t.add(key, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func proxylessKey(b supernet.Block, expand float64) string {
	return fmt.Sprintf("expanded_conv-input:%s-output:%s-expand:%.0f-kernel:%d-stride:%d-idskip:%d",
		shapeText(b.In), shapeText(b.Out), expand, b.Kernel, b.Stride, digit(b.Residual))
}

// ofaKeyForm is what any OFA key looks like.
var ofaKeyForm = regexp.MustCompile(`^(Conv|Conv_1|Conv_2|AvgPool2D)-input:\d+x\d+x\d+-output:\d+x\d+x\d+$|` +
	`^Logits-input:\d+x\d+x\d+-output:\d+$|` +
	`^expanded_conv-input:\d+x\d+x\d+-output:\d+x\d+x\d+-expand:\d+-kernel:\d+-stride:\d+-idskip:[01](-se:[01]-hs:[01])?$`)

// stemPrefix is how the stem's key begins.
const stemPrefix = "Conv-input:"

// explainKey says why a key is none of a space's at a resolution.
func explainKey(key string, s *supernet.Space, r int) error {
	if !ofaKeyForm.MatchString(key) {
		return fmt.Errorf("it is no key of an OFA table")
	}
	if shape, ok := strings.CutPrefix(key, stemPrefix); ok {
		shape, _, _ = strings.Cut(shape, "-")
		if want := shapeText(supernet.Shape{Size: r, Channels: s.InChannels}); shape != want {
			return fmt.Errorf("the stem's input is %s, but by its name the file is for resolution %d (%s)", shape, r, want)
		}
	}
	return fmt.Errorf("space %s has no such block at resolution %d", s.Name, r)
}

func shapeText(s supernet.Shape) string {
	return fmt.Sprintf("%dx%dx%d", s.Size, s.Size, s.Channels)
}

func digit(b bool) int {
	if b {
		return 1
	}
	return 0
}
