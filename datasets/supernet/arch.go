package supernet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// Arch is one sub-network in OFA's encoding. KS and E are indexed by elastic position
// (see Space.Positions), D by stage (see Space.DepthEntry), W by what has a width of its own (see
// Space.WidthEntries). Entries of inactive positions mean nothing; Space.Canonical sets them to
// zero.
type Arch struct {
	KS []int     // kernel size per position; may be left out where there is one size only
	E  []float64 // expand ratio per position
	D  []int     // active blocks per stage, beyond Stage.Base
	W  []int     // indices of width multipliers; empty without elastic width
	R  int       // input resolution in pixels
}

// maxArchBytes bounds the text of one architecture; OFA's largest takes some 200 bytes.
const maxArchBytes = 1 << 14

// ParseArch reads OFA's JSON form, {"ks":[...],"e":[...],"d":[...],"r":224}. r may be a number or a
// list of one; "w" is there with elastic width only, and then "ks" may be missing, as in OFA's
// ResNet50; "wid":null, which the authors' files carry, is allowed. Unknown, repeated and missing
// keys are errors that name the byte.
func ParseArch(text []byte) (Arch, error) {
	if len(text) > maxArchBytes {
		return Arch{}, fmt.Errorf("architecture: %d bytes are more than the %d allowed", len(text), maxArchBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	fail := func(format string, args ...any) (Arch, error) {
		return Arch{}, fmt.Errorf("architecture: byte %d: "+format, append([]any{dec.InputOffset()}, args...)...)
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fail("a JSON object is expected")
	}
	var a Arch
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return fail("%v", err)
		}
		key, _ := t.(string)
		if seen[key] {
			return fail("key %q is repeated", key)
		}
		seen[key] = true
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return fail("value of %q: %v", key, err)
		}
		if err := a.setKey(key, raw); err != nil {
			return fail("%w", err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return fail("the object does not end")
	}
	if _, err := dec.Token(); err != io.EOF {
		return fail("text follows the object")
	}
	for _, key := range []string{"ks", "e", "d", "r"} {
		if !seen[key] && (key != "ks" || !seen["w"]) {
			return fail("key %q is missing", key)
		}
	}
	return a, nil
}

func (a *Arch) setKey(key string, raw json.RawMessage) error {
	var err error
	switch key {
	case "ks":
		a.KS, err = list[int](raw)
	case "e":
		a.E, err = list[float64](raw)
	case "d":
		a.D, err = list[int](raw)
	case "w":
		a.W, err = list[int](raw)
	case "r":
		if json.Unmarshal(raw, &a.R) == nil && string(raw) != "null" {
			return nil
		}
		var rs []int
		if rs, err = list[int](raw); err == nil && len(rs) != 1 {
			err = fmt.Errorf("has %d values, want 1", len(rs))
		} else if err == nil {
			a.R = rs[0]
		}
	case "wid":
		if string(raw) != "null" {
			err = fmt.Errorf("must be null: elastic width is called \"w\"")
		}
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", key, err)
	}
	return nil
}

// list decodes a JSON list of numbers; null inside or instead of the list is an error.
func list[T int | float64](raw json.RawMessage) ([]T, error) {
	var items []*T
	if err := json.Unmarshal(raw, &items); err != nil { // the error speaks of Go's types
		kind := "numbers"
		if _, whole := any(items).([]*int); whole {
			kind = "whole numbers"
		}
		return nil, fmt.Errorf("%.40q is no list of %s", raw, kind)
	}
	if items == nil {
		return nil, fmt.Errorf("a list is expected")
	}
	out := make([]T, len(items))
	for i, p := range items {
		if p == nil {
			return nil, fmt.Errorf("value %d is null", i)
		}
		out[i] = *p
	}
	return out, nil
}

// String returns OFA's JSON form in one line without spaces. It is the architecture's text form
// everywhere in dynofa.
func (a Arch) String() string {
	b := []byte(`{`)
	if len(a.KS) > 0 || len(a.W) == 0 {
		b = append(appendInts(append(b, `"ks":`...), a.KS), ',')
	}
	b = append(b, `"e":[`...)
	for i, e := range a.E {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, e, 'g', -1, 64)
	}
	b = append(b, `],"d":`...)
	b = appendInts(b, a.D)
	if len(a.W) > 0 {
		b = appendInts(append(b, `,"w":`...), a.W)
	}
	b = append(b, `,"r":`...)
	b = strconv.AppendInt(b, int64(a.R), 10)
	return string(append(b, '}'))
}

func appendInts(b []byte, values []int) []byte {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(v), 10)
	}
	return append(b, ']')
}

// MarshalJSON writes the same text as String, with r as a number.
func (a Arch) MarshalJSON() ([]byte, error) {
	for _, e := range a.E {
		if math.IsNaN(e) || math.IsInf(e, 0) {
			return nil, fmt.Errorf("architecture: expand ratio %g has no JSON form", e)
		}
	}
	return []byte(a.String()), nil
}

// UnmarshalJSON reads what ParseArch reads.
func (a *Arch) UnmarshalJSON(text []byte) error {
	b, err := ParseArch(text)
	if err != nil {
		return err
	}
	*a = b
	return nil
}

// Equal reports whether a and b are the same text; canonicalise first to compare networks.
func (a Arch) Equal(b Arch) bool {
	return a.R == b.R && slices.Equal(a.KS, b.KS) && slices.Equal(a.E, b.E) && slices.Equal(a.D, b.D) && slices.Equal(a.W, b.W)
}

// Canonical returns a copy of a with the entries of inactive positions set to zero and the other
// entries that make no difference at their first equal value (see DepthChoices and WidthChoices),
// so that equal networks are equal values; only expand ratios that round to the same channels stay
// as they are. It returns an error that names the entry if a is no sub-network of s. Any resolution
// from 8 to 4096 is valid; s.Resolutions bounds searches only.
func (s *Space) Canonical(a Arch) (Arch, error) {
	n := s.Positions()
	if len(a.KS) == 0 && len(s.Kernels) == 1 {
		a.KS = slices.Repeat(s.Kernels, n)
	}
	if err := s.checkLengths(a, n); err != nil {
		return Arch{}, err
	}
	if err := checkResolution(a.R); err != nil {
		return Arch{}, err
	}
	c := Arch{KS: make([]int, n), E: make([]float64, n), D: slices.Clone(a.D), W: slices.Clone(a.W), R: a.R}
	for i, d := range a.D {
		choices := s.depths(i)
		if !slices.Contains(choices, d) {
			return Arch{}, fmt.Errorf("architecture: d[%d] is %d, choices are %v", i, d, choices)
		}
		if s.StageOfEntry(i) < 0 && d != last(choices) {
			c.D[i] = choices[0]
		}
	}
	for i, w := range a.W {
		if w < 0 || w >= len(s.Widths) {
			return Arch{}, fmt.Errorf("architecture: w[%d] is %d, choices are 0 to %d", i, w, len(s.Widths)-1)
		}
		channels := s.port(i).channels
		c.W[i] = slices.Index(channels, channels[w])
	}
	for stage := range s.Stages {
		first := s.FirstPosition(stage)
		for p := first; p < first+s.ActiveBlocks(stage, a.D); p++ {
			if !slices.Contains(s.Kernels, a.KS[p]) {
				return Arch{}, fmt.Errorf("architecture: ks[%d] is %d, choices are %v", p, a.KS[p], s.Kernels)
			}
			if !slices.Contains(s.Expands, a.E[p]) {
				return Arch{}, fmt.Errorf("architecture: e[%d] is %g, choices are %v", p, a.E[p], s.Expands)
			}
			c.KS[p], c.E[p] = a.KS[p], a.E[p]
		}
	}
	return c, nil
}

// checkLengths returns an error unless a's lists are as long as those of sub-networks of s, which
// has n positions.
func (s *Space) checkLengths(a Arch, n int) error {
	depths, widths := s.DepthEntries(), s.WidthEntries()
	switch {
	case len(a.KS) != n || len(a.E) != n || len(a.D) != depths:
		return fmt.Errorf("architecture: %s has %d kernel sizes, %d expand ratios and %d depths, got %d, %d and %d",
			s.Name, n, n, depths, len(a.KS), len(a.E), len(a.D))
	case len(a.W) != widths && widths == 0:
		return fmt.Errorf("architecture: w: %s has no elastic width", s.Name)
	case len(a.W) != widths:
		return fmt.Errorf("architecture: %s has %d widths, got %d", s.Name, widths, len(a.W))
	}
	return nil
}

// Bounds of a resolution.
const (
	minResolution = 8
	maxResolution = 4096
)

func checkResolution(r int) error {
	if r < minResolution || r > maxResolution {
		return fmt.Errorf("architecture: resolution %d is outside [%d, %d]", r, minResolution, maxResolution)
	}
	return nil
}

// ID returns the first 16 hexadecimal digits of the SHA-256 of a's text form. Only IDs of canonical
// architectures are comparable.
func (a Arch) ID() string {
	sum := sha256.Sum256([]byte(a.String()))
	return hex.EncodeToString(sum[:8])
}
