package supernet

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dynofa/dynofa/datasets/regular"
)

// MaxDescription is the size of the largest description that is read, in bytes.
const MaxDescription = 1 << 16

// spaceFile is a description as YAML. Pointers are keys with a default.
type spaceFile struct {
	Name        string      `yaml:"name"`
	InChannels  *whole      `yaml:"in_channels"`
	Classes     whole       `yaml:"classes"`
	Resolutions []whole     `yaml:"resolutions,flow"`
	Kernels     []whole     `yaml:"kernels,flow"`
	Expands     []float64   `yaml:"expands,flow"`
	Depths      []whole     `yaml:"depths,flow,omitempty"`
	Widths      []float64   `yaml:"widths,flow,omitempty"`
	Body        Op          `yaml:"body,omitempty"`
	BNEps       *float64    `yaml:"bn_eps"`
	Stem        stemFile    `yaml:"stem,flow"`
	First       *firstFile  `yaml:"first,flow,omitempty"`
	Stages      []stageFile `yaml:"stages"`
	Head        *headFile   `yaml:"head,flow,omitempty"`
}

type stemFile struct {
	Kind       string     `yaml:"kind,omitempty"`
	Width      whole      `yaml:"width"`
	Stride     *whole     `yaml:"stride"`
	Activation Activation `yaml:"activation"`
}

type firstFile struct {
	Width      whole      `yaml:"width"`
	Activation Activation `yaml:"activation"`
	Residual   *bool      `yaml:"residual,omitempty"`
}

type stageFile struct {
	Width      whole      `yaml:"width"`
	Stride     *whole     `yaml:"stride"`
	Activation Activation `yaml:"activation"`
	SE         bool       `yaml:"se,omitempty"`
	Depths     []whole    `yaml:"depths,flow,omitempty"`
	Base       whole      `yaml:"base,omitempty"`
	Fixed      bool       `yaml:"fixed,omitempty"`
}

type headFile struct {
	Expand     whole      `yaml:"expand,omitempty"`
	Mix        whole      `yaml:"mix,omitempty"`
	Activation Activation `yaml:"activation"`
}

// Defaults of a description.
const (
	defaultInChannels = 3
	defaultStemStride = 2
	defaultStride     = 1
	defaultBNEps      = 1e-5

	stemConvName = "conv" // what StemConv is called
)

// whole is a whole number; the decoder alone would cut off fractions.
type whole int

func (w *whole) UnmarshalYAML(n *yaml.Node) error {
	v, err := strconv.Atoi(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: %.80q is no whole number", n.Line, n.Value)
	}
	*w = whole(v)
	return nil
}

// convert returns list with elements of another type, nil for an empty one.
func convert[To, From int | whole](list []From) []To {
	var out []To
	for _, v := range list {
		out = append(out, To(v))
	}
	return out
}

// space returns what f describes, not validated.
func (f *spaceFile) space() *Space {
	s := &Space{
		Name: f.Name, InChannels: int(or(f.InChannels, defaultInChannels)), Classes: int(f.Classes),
		Kernels: convert[int](f.Kernels), Expands: f.Expands, Depths: convert[int](f.Depths),
		Resolutions: convert[int](f.Resolutions), Widths: f.Widths,
		Stem: Stem(f.Stem.Kind), StemWidth: int(f.Stem.Width), StemStride: int(or(f.Stem.Stride, defaultStemStride)), StemAct: f.Stem.Activation,
		BNEps: or(f.BNEps, defaultBNEps),
	}
	if f.Body != OpMBConv {
		s.Body = f.Body
	}
	if f.Stem.Kind == stemConvName {
		s.Stem = StemConv
	}
	if f.First != nil {
		s.FirstWidth, s.FirstAct, s.FirstPlain = int(f.First.Width), f.First.Activation, !or(f.First.Residual, true)
	}
	if f.Head != nil && (f.Head.Expand != 0 || f.Head.Mix != 0) {
		s.ExpandWidth, s.MixWidth, s.HeadAct = int(f.Head.Expand), int(f.Head.Mix), f.Head.Activation
	}
	for i, g := range f.Stages {
		s.Stages = append(s.Stages, Stage{
			Width: int(g.Width), Stride: int(or(g.Stride, defaultStride)), Act: g.Activation, SE: g.SE, Base: int(g.Base), Fixed: g.Fixed,
		})
		if len(g.Depths) > 0 && !slices.Equal(g.Depths, f.Depths) {
			if s.StageDepths == nil {
				s.StageDepths = make([][]int, len(f.Stages))
			}
			s.StageDepths[i] = convert[int](g.Depths)
		}
	}
	return s
}

// problems returns those that the space does not show, where 0 would stand for something else.
func (f *spaceFile) problems() []*FieldError {
	c := &checker{}
	if f.First != nil {
		c.within("first.width", int(f.First.Width), 1, maxDimension)
	}
	if f.Stem.Stride != nil {
		c.within("stem.stride", int(*f.Stem.Stride), 1, maxStride)
	}
	return c.problems
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// LoadSpace reads the description of a supernet of the user's own from a file; see ParseSpace.
func LoadSpace(path string) (*Space, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("supernet: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxDescription+1))
	if err != nil {
		return nil, fmt.Errorf("supernet: %w", err)
	}
	return ParseSpace(path, data)
}

// ParseSpace reads a description: one YAML document of plain mappings, lists and values, of at most
// MaxDescription bytes, with the keys
//
//	name                  one word, which no space has that ByName knows
//	in_channels, classes  of the picture (default 3), of the answer
//	resolutions           [16, 20, 24, 28, 32]: what a search may use
//	kernels, expands      [3, 5, 7] and [3, 4, 6]: choices of every elastic block
//	depths                [2, 3, 4]: active blocks of a stage
//	widths                [0.65, 0.8, 1]: choices of multipliers; for bottlenecks only, default none
//	body                  mbconv (default) or bottleneck, which has one kernel size
//	bn_eps                epsilon of every batch normalisation, default 1e-5
//	stem                  {width: 16, stride: 1, activation: hswish}; stride 2 by default, kind: deep for ResNet-D's
//	first                 {width: 16, activation: relu, residual: true}: the fixed first block; may be missing
//	stages                a list of {width: 24, stride: 2, activation: relu, se: true}; stride 1 and no
//	                      squeeze-and-excitation by default; depths: [1, 2] of its own; base: blocks that are
//	                      active beyond the depth; fixed: true for exactly base blocks
//	head                  {expand: 960, mix: 1280, activation: hswish}; either or all may be missing
//
// that the fields of Space explain. Channel counts are final. Activations are relu, relu6 and hswish.
// The name of the file stands in errors, which join every problem found with its line.
func ParseSpace(name string, data []byte) (*Space, error) {
	s, err := parseSpace(data)
	if err != nil {
		return nil, fmt.Errorf("supernet: %s: %w", name, err)
	}
	return s, nil
}

func parseSpace(data []byte) (*Space, error) {
	root, err := document(data)
	if err != nil {
		return nil, err
	}
	var f spaceFile
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, explain(err)
	}
	s := f.space()
	problems := append(f.problems(), s.problems()...)
	if _, err := ByName(s.Name); err == nil {
		problems = append(problems, &FieldError{"name", fmt.Sprintf("%q is the name of a space that dynofa knows", s.Name)})
	}
	if len(problems) > 0 {
		return nil, located(problems, root)
	}
	return s, nil
}

// document returns the root of the only document in data, which has no anchors, aliases and tags.
func document(data []byte) (*yaml.Node, error) {
	if len(data) > MaxDescription {
		return nil, fmt.Errorf("it is longer than %d bytes", MaxDescription)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := d.Decode(&doc); err != nil {
		if err == io.EOF {
			return nil, errors.New("it is empty")
		}
		return nil, explain(err)
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		return nil, errors.New("it has more than one document, or ends in something else")
	}
	root := doc.Content[0]
	if err := plain(root); err != nil {
		return nil, err
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: a mapping is expected", root.Line)
	}
	return root, nil
}

// plain refuses what makes more of a file than stands in it.
func plain(n *yaml.Node) error {
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		return fmt.Errorf("line %d: anchors and aliases are not allowed", n.Line)
	}
	if n.Style&yaml.TaggedStyle != 0 {
		return fmt.Errorf("line %d: tags are not allowed", n.Line)
	}
	for _, c := range n.Content {
		if err := plain(c); err != nil {
			return err
		}
	}
	return nil
}

// unknownField is what the decoder says of a key that no struct has.
var unknownField = regexp.MustCompile(`field (.*) not found in type .*`)

// explain turns the decoder's errors into ours.
func explain(err error) error {
	var list *yaml.TypeError
	if !errors.As(err, &list) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var all []error
	for _, text := range list.Errors {
		all = append(all, errors.New(unknownField.ReplaceAllString(text, "unknown key $1")))
	}
	return errors.Join(all...)
}

// located joins problems in the order of their lines, which it puts before each.
func located(problems []*FieldError, root *yaml.Node) error {
	lines := make(map[*FieldError]int, len(problems))
	for _, p := range problems {
		lines[p] = lineOf(root, p.Field)
	}
	slices.SortStableFunc(problems, func(a, b *FieldError) int { return cmp.Compare(lines[a], lines[b]) })
	var all []error
	for _, p := range problems {
		all = append(all, fmt.Errorf("line %d: %w", lines[p], p))
	}
	return errors.Join(all...)
}

// lineOf returns the line of a key like "stages[1].width" or, if it does not stand there, of what lacks it.
func lineOf(n *yaml.Node, key string) int {
	line := n.Line
	for part := range strings.FieldsFuncSeq(key, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		next := -1
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == part {
					line, next = n.Content[i].Line, i+1
				}
			}
		case yaml.SequenceNode:
			var i int
			if _, err := fmt.Sscan(part, &i); err == nil && i < len(n.Content) {
				next = i
			}
		}
		if next < 0 {
			return line
		}
		if n = n.Content[next]; n.Kind != yaml.ScalarNode || n.Line > line {
			line = max(line, n.Line)
		}
	}
	return line
}
