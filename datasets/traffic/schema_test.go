package traffic_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/traffic"
)

// schema reads docs/scenario.schema.json.
func schema(t testing.TB) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(reftest.Root(t), "docs", "scenario.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// validator knows the part of JSON Schema (draft 2020-12) that the file uses, and fails on any other keyword.
type validator struct {
	t    testing.TB
	defs map[string]any
}

func (v validator) check(s map[string]any, value any, at string) error {
	for keyword, arg := range s {
		if err := v.keyword(s, keyword, arg, value, at); err != nil {
			return err
		}
	}
	return nil
}

func (v validator) keyword(s map[string]any, keyword string, arg, value any, at string) error {
	fail := func(format string, args ...any) error { return fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)) }
	number, isNumber := value.(float64)
	text, isText := value.(string)
	list, isList := value.([]any)
	object, isObject := value.(map[string]any)
	switch keyword {
	case "$schema", "$defs", "title", "description":
	case "$ref":
		return v.check(v.defs[strings.TrimPrefix(arg.(string), "#/$defs/")].(map[string]any), value, at)
	case "type":
		types, several := arg.([]any)
		if !several {
			types = []any{arg}
		}
		kinds := map[string]bool{"string": isText, "number": isNumber, "integer": isNumber && number == float64(int64(number)), "array": isList, "object": isObject, "boolean": value == true || value == false}
		if !slices.ContainsFunc(types, func(k any) bool { return kinds[k.(string)] }) {
			return fail("is no %v", arg)
		}
	case "const":
		if value != arg {
			return fail("is not %v", arg)
		}
	case "enum":
		if !slices.Contains(arg.([]any), value) {
			return fail("is none of %v", arg)
		}
	case "pattern":
		if isText && !regexp.MustCompile(arg.(string)).MatchString(text) {
			return fail("%q does not match %s", text, arg)
		}
	case "maxLength":
		if isText && float64(len([]rune(text))) > arg.(float64) {
			return fail("is too long")
		}
	case "minimum", "maximum", "exclusiveMinimum":
		if limit := arg.(float64); isNumber && (keyword == "minimum" && number < limit || keyword == "maximum" && number > limit || keyword == "exclusiveMinimum" && number <= limit) {
			return fail("%v is outside %s %v", number, keyword, limit)
		}
	case "minItems", "maxItems", "minProperties":
		n := float64(len(list) + len(object))
		if limit := arg.(float64); keyword == "maxItems" && n > limit || keyword != "maxItems" && n < limit {
			return fail("%v entries are outside %s %v", n, keyword, limit)
		}
	case "required":
		for _, name := range arg.([]any) {
			if _, ok := object[name.(string)]; isObject && !ok {
				return fail("%v is missing", name)
			}
		}
	case "properties":
		for name, sub := range arg.(map[string]any) {
			if item, ok := object[name]; ok {
				if err := v.check(sub.(map[string]any), item, at+"."+name); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		known, _ := s["properties"].(map[string]any)
		for name, item := range object {
			if _, ok := known[name]; ok {
				continue
			}
			if arg == false {
				return fail("unknown key %s", name)
			}
			if err := v.check(arg.(map[string]any), item, at+"."+name); err != nil {
				return err
			}
		}
	case "items":
		for i, item := range list {
			if err := v.check(arg.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case "oneOf", "anyOf":
		matches := 0
		var errs []error
		for _, sub := range arg.([]any) {
			if err := v.check(sub.(map[string]any), value, at); err == nil {
				matches++
			} else {
				errs = append(errs, err)
			}
		}
		if matches == 0 || keyword == "oneOf" && matches > 1 {
			return fmt.Errorf("%s: %d of %s match: %w", at, matches, keyword, errors.Join(errs...))
		}
	default:
		v.t.Fatalf("the schema uses %q, which this test does not know", keyword)
	}
	return nil
}

// validate checks a YAML document, whose scalars that the schema calls text are text also where YAML reads numbers.
func validate(t testing.TB, document string) error {
	t.Helper()
	s := schema(t)
	var value any
	if err := yaml.Unmarshal([]byte(document), &value); err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	return validator{t, s["$defs"].(map[string]any)}.check(s, value, "")
}

// Everything that ships, and the file with every field, is what the schema describes.
func TestSchemaAccepts(t *testing.T) {
	documents := map[string]string{"full": strings.Replace(full, "seed: 18446744073709551615", "seed: 1", 1), "base": base}
	for _, name := range traffic.Builtins() {
		data, err := os.ReadFile(filepath.Join("scenarios", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		documents[name] = string(data)
	}
	for name, text := range documents {
		if err := validate(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is wrong with the form of a file is wrong by the schema and by the reader.
func TestSchemaRefuses(t *testing.T) {
	for _, c := range []string{
		"limt: 60ms", "limit: 60", "limit: 60 ms", "accuracy: 76", "initial_level: -1", "initial_level: 2.5", "requests: -1", "sources: []",
		"arrivals: {kind: weibull}", "arrivals: {kind: poisson}", "arrivals: {kind: poisson, rate: 30}", "arrivals: {kind: poisson, rate: 30/s, period: 1s}",
		"arrivals: {kind: gamma, rate: 1/s, cv2: 0}", "arrivals: {kind: mmpp, states: [{rate: 1/s, stay: 1s}]}", "arrivals: {kind: ramp, rates: []}",
		"arrivals: {kind: superposition, of: [{kind: poisson, rate: 1/s}]}", "arrivals: {kind: trace}", "arrivals: {kind: trace, file: a.csv, format: xls}",
		"arrivals: {kind: offline}", "noise: pink", "noise: {kind: lognormal}", "noise: {kind: lognormal, sigma: 3}",
		"disturbances: {gpu: []}", "disturbances: {gpu: [{at: 1s}]}", "disturbances: {gpu: [{at: 1s, slowdown: 0}]}",
		"co_runners: [{processor: gpu, on: 1s, off: 1s}]", "co_runners: [{processor: gpu, on: 1s, off: 1s, slowdown: 2}]",
		"events: [{at: 1s, kind: clock, to: 510MHz}]", "events: [{at: 1s, kind: clock, processor: gpu, to: fast}]", "events: [{at: 1s, kind: ambient, to: 30}]",
		"events: [{at: 1s, kind: sensor, sensor: nose, to: lost}]", "events: [{at: 1s, kind: sensor, sensor: power, to: found}]", "events: [{at: 1s, kind: limit}]",
		"events: [{at: 1s, kind: rain, to: 1}]", "events: [{at: 1s, kind: limit, sensor: power, to: 1s}]",
		"policies: {ladder: {}}", "switch_time: {ladder: 3}", "apps: []",
	} {
		text := base
		if key, _, _ := strings.Cut(c, ":"); key == "arrivals" {
			text = strings.Replace(text, "arrivals:\n  kind: poisson\n  rate: 30/s\n", "", 1)
		} else if key == "limit" {
			text = strings.Replace(text, "limit: 60ms\n", "", 1)
		}
		text += c + "\n"
		if _, err := traffic.Parse("s.yaml", []byte(text)); err == nil {
			t.Errorf("the reader accepts %s", c)
		}
		if err := validate(t, text); err == nil {
			t.Errorf("the schema accepts %s", c)
		}
	}
	for _, text := range []string{strings.Replace(base, "duration: 10s\n", "", 1), strings.Replace(base, "family: paper-gpu6\n", "", 1),
		base + "apps: [{name: a, family: f, processor: gpu, arrivals: {kind: closed-loop}}]\n"} {
		if validate(t, text) == nil {
			t.Errorf("the schema accepts\n%s", text)
		}
		if _, err := traffic.Parse("s.yaml", []byte(text)); err == nil {
			t.Errorf("the reader accepts\n%s", text)
		}
	}
}

// The keys of each object are those that the reader names when it meets an unknown one.
func TestSchemaKeys(t *testing.T) {
	s := schema(t)
	root := s["properties"].(map[string]any)
	known := regexp.MustCompile(`unknown key; known are (.*)`)
	for name, c := range map[string]struct {
		document string
		schema   any
	}{
		"root":         {base + "nonsense: 1\n", s},
		"apps":         {"apps: [{nonsense: 1}]\n", root["apps"]},
		"arrivals":     {"arrivals: {nonsense: 1}\n", s["$defs"].(map[string]any)["arrivals"]},
		"states":       {"arrivals: {states: [{nonsense: 1}]}\n", nil},
		"disturbances": {"disturbances: {gpu: [{nonsense: 1}]}\n", root["disturbances"].(map[string]any)["additionalProperties"]},
		"co_runners":   {"co_runners: [{nonsense: 1}]\n", root["co_runners"]},
		"events":       {"events: [{nonsense: 1}]\n", root["events"]},
		"noise":        {"noise: {nonsense: 1}\n", root["noise"]},
	} {
		_, err := traffic.Parse("s.yaml", []byte(c.document))
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		m := known.FindStringSubmatch(err.Error())
		if m == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.schema == nil {
			continue
		}
		want := strings.Split(m[1], ", ")
		got := keysOf(c.schema.(map[string]any))
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(want, slices.Compact(got)); d != "" {
			t.Errorf("%s (-reader +schema):\n%s", name, d)
		}
	}
}

// keysOf lists the keys that an object, or the elements of a list of them, may have.
func keysOf(s map[string]any) []string {
	var keys []string
	if props, ok := s["properties"].(map[string]any); ok {
		for name := range props {
			keys = append(keys, name)
		}
		return keys
	}
	if items, ok := s["items"].(map[string]any); ok {
		return keysOf(items)
	}
	if of, ok := s["oneOf"].([]any); ok {
		for _, sub := range of {
			keys = append(keys, keysOf(sub.(map[string]any))...)
		}
	}
	return keys
}
