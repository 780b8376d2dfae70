package formats

import (
	"fmt"
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

// ofaKeys maps the keys of a space's blocks at a resolution to the blocks.
func ofaKeys(s *supernet.Space, r int) (map[string]supernet.Block, error) {
	blocks, err := s.DistinctBlocks(r)
	if err != nil {
		return nil, err
	}
	keys := make(map[string]supernet.Block, len(blocks))
	for _, b := range blocks {
		k := OFAKey(b)
		if other, ok := keys[k]; ok {
			return nil, fmt.Errorf("space %s: %v and %v have the same key %q", s.Name, other, b, k)
		}
		keys[k] = b
	}
	return keys, nil
}

// ofaKeyForm is what any OFA key looks like.
var ofaKeyForm = regexp.MustCompile(`^(Conv|Conv_1|Conv_2|AvgPool2D)-input:\d+x\d+x\d+-output:\d+x\d+x\d+$|` +
	`^Logits-input:\d+x\d+x\d+-output:\d+$|` +
	`^expanded_conv-input:\d+x\d+x\d+-output:\d+x\d+x\d+-expand:\d+-kernel:\d+-stride:\d+-idskip:[01]-se:[01]-hs:[01]$`)

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
