package study

import (
	"fmt"
	"strings"
)

// ParseSpecs reads a list of policies with commas between them, each NAME, NAME:ARGUMENT or either with parameters in
// braces and spaces between those: "slack,static:3,slackfit{margin=10% hopeless=drop}".
func ParseSpecs(text string) ([]Spec, error) {
	var all []Spec
	for _, word := range SplitOutside(text) {
		s, err := ParseSpec(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// ParseSpec reads what Spec.String writes.
func ParseSpec(text string) (Spec, error) {
	name, rest, braces := strings.Cut(text, "{")
	if name == "" {
		return Spec{}, fmt.Errorf("study: a policy in the list is empty")
	}
	s := Spec{Policy: name}
	if !braces {
		return s, nil
	}
	rest, closed := strings.CutSuffix(rest, "}")
	if !closed || strings.ContainsAny(rest, "{}") {
		return Spec{}, fmt.Errorf("study: policy %.80q: braces do not match", text)
	}
	for part := range strings.FieldsSeq(rest) {
		key, value, ok := strings.Cut(part, "=")
		if first, second, comma := strings.Cut(value, ","); comma && (second == "" || strings.Contains(second, "=")) {
			return Spec{}, fmt.Errorf("study: policy %.80q: a space, not a comma, stands behind the parameter %s=%.40s", text, key, first)
		}
		if _, twice := s.Params[key]; !ok || key == "" || twice {
			return Spec{}, fmt.Errorf("study: policy %.80q: %.80q is not NAME=VALUE, or repeated", text, part)
		}
		if s.Params == nil {
			s.Params = map[string]string{}
		}
		s.Params[key] = value
	}
	return s, nil
}

// SplitOutside splits a text at commas that are in no braces or brackets.
func SplitOutside(text string) []string {
	var parts []string
	depth, start := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, text[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, text[start:])
}

// Axis is a key of a scenario with the values that a sweep gives it.
type Axis struct {
	Key    string
	Values []string
}

// ParseAxis reads "KEY=VALUE,VALUE,...". Commas in braces and brackets belong to a value.
func ParseAxis(text string) (Axis, error) {
	key, rest, ok := strings.Cut(text, "=")
	a := Axis{Key: strings.TrimSpace(key)}
	if !ok || a.Key == "" {
		return a, fmt.Errorf("study: %.80q is not KEY and values: KEY=VALUE,VALUE", text)
	}
	for _, v := range SplitOutside(rest) {
		if v = strings.TrimSpace(v); v == "" {
			return a, fmt.Errorf("study: a value of %s is empty", a.Key)
		}
		a.Values = append(a.Values, v)
	}
	return a, nil
}

// Factorial calls a function with every combination of the axes' values, by axis; the last axis varies fastest. It
// returns the first error.
func Factorial(axes []Axis, each func(values []string) error) error {
	at := make([]int, len(axes))
	values := make([]string, len(axes))
	for {
		for i, a := range axes {
			values[i] = a.Values[at[i]]
		}
		if err := each(values); err != nil {
			return err
		}
		i := len(axes) - 1
		for ; i >= 0; i-- {
			if at[i]++; at[i] < len(axes[i].Values) {
				break
			}
			at[i] = 0
		}
		if i < 0 {
			return nil
		}
	}
}
