package policy_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/search/family"
)

// paperModel is the published six-level family: 41.16, 45.42, 49.44, 51.08, 56.75 and 61.73 ms.
func paperModel(t testing.TB) *policy.Model {
	t.Helper()
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	m, err := policy.NewModel(f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// model has one processor and levels with the given latencies, accuracies 70%, 71%, ...
func model(latencies ...time.Duration) *policy.Model {
	m := &policy.Model{Processors: []string{"cpu"}}
	for i, l := range latencies {
		m.Levels = append(m.Levels, policy.LevelModel{Accuracy: unit.Accuracy(70+i) / 100, Latency: []time.Duration{l}})
	}
	return m
}

func mustNew(t testing.TB, spec string, params map[string]string, m *policy.Model) policy.Policy {
	t.Helper()
	p, err := policy.New(spec, params, m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNames(t *testing.T) {
	names := policy.Names()
	if diff := cmp.Diff([]string{"alert", "clipper", "ladder", "model-switching", "proteus", "qdp", "schedutil+static", "slack", "slackfit", "static", "static-drop"}, names); diff != "" {
		t.Error(diff)
	}
	for _, name := range names {
		info, err := policy.About(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Name != name || policy.Name(info.Usage) != name || info.Summary == "" || info.Fidelity == "" {
			t.Errorf("%s: description is incomplete: %+v", name, info)
		}
		if !slices.IsSortedFunc(info.Params, func(a, b policy.Param) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s: parameters are not sorted by name", name)
		}
		for _, p := range info.Params {
			if p.Doc == "" {
				t.Errorf("%s: parameter %s has no description", name, p.Name)
			}
		}
	}
}

// Defaults spelled out are accepted and change nothing: they are what New assumes.
func TestDefaultsAreValid(t *testing.T) {
	m := paperModel(t)
	for _, spec := range []string{"alert", "clipper", "ladder", "model-switching", "proteus", "qdp", "schedutil+static:3", "slack", "slackfit", "static:3", "static-drop"} {
		info, err := policy.About(policy.Name(spec))
		if err != nil {
			t.Fatal(err)
		}
		params := map[string]string{}
		for _, p := range info.Params {
			params[p.Name] = p.Default
		}
		explicit, standard := mustNew(t, spec, params, m), mustNew(t, spec, nil, m)
		if diff := cmp.Diff(standard, explicit, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Errorf("%s: defaults spelled out differ (-implied +explicit):\n%s", spec, diff)
		}
		if explicit.Spec() != spec {
			t.Errorf("spec %q, want %q", explicit.Spec(), spec)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	m := paperModel(t)
	for name, c := range map[string]struct {
		spec    string
		params  map[string]string
		message string
	}{
		"empty":                {"", nil, `unknown policy ""`},
		"unknown":              {"magic", nil, `unknown policy "magic", there are alert, clipper, ladder, `},
		"case":                 {"Slack", nil, "unknown policy"},
		"argument missing":     {"static", nil, "is not of the form static:LEVEL"},
		"argument empty":       {"static:", nil, "is not of the form static:LEVEL"},
		"argument unexpected":  {"slack:3", nil, "is not of the form slack"},
		"empty unexpected":     {"ladder:", nil, "is not of the form ladder"},
		"level too high":       {"static:6", nil, `level "6" is not an integer in [0, 5]`},
		"level negative":       {"static:-1", nil, "level"},
		"level with sign":      {"static:+1", nil, "level"},
		"level with zero":      {"static:01", nil, "level"},
		"level with space":     {"static: 1", nil, "level"},
		"two arguments":        {"static:1:2", nil, "level"},
		"unknown parameter":    {"slack", map[string]string{"marign": "1%"}, `parameter "marign": unknown, the parameters are deadband, margin`},
		"other's parameter":    {"static:1", map[string]string{"margin": "1%"}, `parameter "margin": unknown`},
		"share as text":        {"slack", map[string]string{"margin": "much"}, `"much" is not a share`},
		"share NaN":            {"slack", map[string]string{"margin": "NaN"}, "is not a share"},
		"share too large":      {"slack", map[string]string{"margin": "101%"}, "[0%, 100%]"},
		"share negative":       {"slack", map[string]string{"margin": "-1%"}, "is not a share"},
		"count zero":           {"slack", map[string]string{"patience": "0"}, "is not an integer in [1, 1000]"},
		"count fractional":     {"slack", map[string]string{"patience": "8.0"}, "is not an integer"},
		"duration without ms":  {"ladder", map[string]string{"cutoff": "90"}, "is not a duration like 12.5ms"},
		"duration negative":    {"ladder", map[string]string{"cutoff": "-90ms"}, "is not a duration"},
		"processor":            {"slack", map[string]string{"processor": "dla"}, `"dla" is none of gpu`},
		"level of the ladder":  {"ladder", map[string]string{"initial_level": "6"}, "[0, 5]"},
		"long text is clipped": {"slack", map[string]string{"margin": strings.Repeat("9", 1000)}, `999" is not a share`},
	} {
		p, err := policy.New(c.spec, c.params, m)
		if err == nil || p != nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.message)
		} else if len(err.Error()) > 400 {
			t.Errorf("%s: the message has %d bytes", name, len(err.Error()))
		}
	}
	if _, err := policy.New("magic", nil, m); !errors.Is(err, policy.ErrUnknown) {
		t.Errorf("error %v does not wrap ErrUnknown", err)
	}
	if _, err := policy.About("magic"); !errors.Is(err, policy.ErrUnknown) {
		t.Errorf("error %v does not wrap ErrUnknown", err)
	}
	// All problems come at once, in the order of the parameters' names.
	_, err := policy.New("slack", map[string]string{"patience": "x", "a": "1", "b": "2"}, m)
	text := fmt.Sprint(err)
	if i, j, k := strings.Index(text, `"a"`), strings.Index(text, `"b"`), strings.Index(text, `"patience"`); i < 0 || j < i || k < j {
		t.Errorf("problems %q, want those of a, b and patience", text)
	}
}

func ExampleNew() {
	f, err := family.PaperGPU6()
	if err != nil {
		panic(err)
	}
	m, err := policy.NewModel(f)
	if err != nil {
		panic(err)
	}
	p, err := policy.New("slack", map[string]string{"margin": "5%"}, m)
	if err != nil {
		panic(err)
	}
	decide := func(now time.Duration) {
		fmt.Println(p.Decide(&policy.Observation{
			Now: now, Level: -1, Processor: -1,
			Queue: []policy.Request{{ID: 1, Arrival: 0, Deadline: 60 * time.Millisecond}}, Waiting: 1,
		}))
	}
	decide(0)
	decide(10 * time.Millisecond)
	decide(30 * time.Millisecond)
	// Output:
	// serve at level 4 on processor 0 (slack)
	// serve at level 1 on processor 0 (slack)
	// serve at level 0 on processor 0 (late)
}
