package supernet

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Resolve returns the space that something refers to by name: the one that description describes, or
// if it is empty the one that ByName knows. What is derived from a space keeps both (see
// Space.Description), so that the file that a description came from is needed no more.
func Resolve(name, description string) (*Space, error) {
	if description == "" {
		return ByName(name)
	}
	s, err := ParseSpace(fmt.Sprintf("description of space %q", name), []byte(description))
	if err != nil {
		return nil, err
	}
	if s.Name != name {
		return nil, fmt.Errorf("supernet: space %q has the description of %q", name, s.Name)
	}
	return s, nil
}

// Description returns what keeps the space beside its name: nothing if ByName gives it (with the same
// resolutions or others), else its YAML as Describe writes it.
func (s *Space) Description() string {
	if _, err := ByName(s.Name); err == nil {
		return ""
	}
	return string(s.Describe())
}

// Describe returns the space as YAML, in the form that ParseSpace explains. Of a space that ByName
// knows it is a description to start one's own from, under another name.
func (s *Space) Describe() []byte {
	stride := whole(s.StemStride)
	if stride == 0 {
		stride = defaultStemStride
	}
	channels := whole(s.InChannels)
	f := spaceFile{
		Name: s.Name, InChannels: &channels, Classes: whole(s.Classes), Resolutions: convert[whole](s.Resolutions),
		Kernels: convert[whole](s.Kernels), Expands: s.Expands, Depths: convert[whole](s.Depths), Widths: s.Widths,
		Body: s.Body, BNEps: &s.BNEps,
		Stem: stemFile{string(s.Stem), whole(s.StemWidth), &stride, s.StemAct},
	}
	if s.FirstWidth > 0 {
		residual := !s.FirstPlain
		f.First = &firstFile{whole(s.FirstWidth), s.FirstAct, &residual}
	}
	if s.ExpandWidth > 0 || s.MixWidth > 0 {
		f.Head = &headFile{whole(s.ExpandWidth), whole(s.MixWidth), s.HeadAct}
	}
	for i, g := range s.Stages {
		stride := whole(g.Stride)
		stage := stageFile{Width: whole(g.Width), Stride: &stride, Activation: g.Act, SE: g.SE, Base: whole(g.Base), Fixed: g.Fixed}
		if i < len(s.StageDepths) && !slices.Equal(s.StageDepths[i], s.Depths) {
			stage.Depths = convert[whole](s.StageDepths[i])
		}
		f.Stages = append(f.Stages, stage)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&f); err != nil {
		panic("supernet: " + err.Error()) // strings, numbers and lists have a YAML form
	}
	return out.Bytes()
}
