package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrUnknown is wrapped by the error of New and About for a policy that does not exist.
var ErrUnknown = errors.New("unknown policy")

// Info describes a policy for people.
type Info struct {
	Name    string
	Usage   string // form of the spec, such as "static:LEVEL"
	Summary string // one sentence
	// Fidelity says where the rule comes from, what of it is reproduced with its flaws, and what was
	// done where the source is silent.
	Fidelity string
	Params   []Param // in the order of their names
}

// Param is one parameter of a policy.
type Param struct {
	Name    string
	Default string // as New reads it; empty: as Doc says
	Doc     string // one line with unit and range
}

// entry is a policy that New can build.
type entry struct {
	info  Info
	build func(arg string, s *settings, m *Model) (Policy, error)
}

// registry lists the policies in the order of their names. A new policy is a file and a line here.
var registry = []entry{
	alertEntry, clipperEntry, ladderEntry, modelSwitchingEntry, proteusEntry, qdpEntry, schedutilEntry, slackEntry, slackFitEntry,
	staticEntry, staticDropEntry,
}

// Names returns the names of all policies, sorted.
func Names() []string {
	names := make([]string, len(registry))
	for i, e := range registry {
		names[i] = e.info.Name
	}
	return names
}

// About describes a policy. It returns an error that wraps ErrUnknown if there is none of that name.
func About(name string) (Info, error) {
	e, err := find(name)
	if err != nil {
		return Info{}, err
	}
	info := e.info
	info.Params = slices.Clone(info.Params)
	return info, nil
}

// Name returns the name of the policy that a spec asks for: "static" for "static:3".
func Name(spec string) string {
	name, _, _ := strings.Cut(spec, ":")
	return name
}

// New builds the policy that spec asks for, NAME or NAME:ARGUMENT, for families like m. Parameters
// that are not given have the defaults that About lists. It returns an error if the policy or a
// parameter is unknown, or if a value is outside its range.
//
// The policy keeps m, which must not change afterwards.
func New(spec string, params map[string]string, m *Model) (Policy, error) {
	if m == nil {
		return nil, errors.New("policy: no model given")
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	name, arg, hasArg := strings.Cut(spec, ":")
	e, err := find(name)
	if err != nil {
		return nil, err
	}
	takesArg := strings.Contains(e.info.Usage, ":")
	if takesArg != hasArg || hasArg && arg == "" {
		return nil, fmt.Errorf("policy: %.80q is not of the form %s", spec, e.info.Usage)
	}
	s := &settings{info: e.info, values: params}
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if !slices.ContainsFunc(e.info.Params, func(p Param) bool { return p.Name == key }) {
			s.fail(key, "unknown, the parameters are %s", paramNames(e.info))
		}
	}
	p, err := e.build(arg, s, m)
	if err := errors.Join(append(s.errs, err)...); err != nil {
		return nil, fmt.Errorf("policy %.80q: %w", spec, err)
	}
	return p, nil
}

func find(name string) (entry, error) {
	for _, e := range registry {
		if e.info.Name == name {
			return e, nil
		}
	}
	return entry{}, fmt.Errorf("policy: %w %.80q, there are %s", ErrUnknown, name, strings.Join(Names(), ", "))
}

func paramNames(info Info) string {
	names := make([]string, len(info.Params))
	for i, p := range info.Params {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

// settings reads parameters and collects what is wrong with them.
type settings struct {
	info   Info
	values map[string]string
	errs   []error
}

func (s *settings) fail(name, format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf("parameter %.80q: "+format, append([]any{name}, args...)...))
}

// text returns the value of a parameter, or its default. It panics if the policy has no such
// parameter, which is a mistake in the policy.
func (s *settings) text(name string) string {
	if v, ok := s.values[name]; ok {
		return v
	}
	for _, p := range s.info.Params {
		if p.Name == name {
			return p.Default
		}
	}
	panic(fmt.Sprintf("policy: %s reads parameter %q that it does not declare", s.info.Name, name))
}

// count reads an integer in [low, high].
func (s *settings) count(name string, low, high int) int {
	n, err := strconv.Atoi(s.text(name))
	if err != nil || n < low || n > high {
		s.fail(name, "%.80q is not an integer in [%d, %d]", s.text(name), low, high)
		return low
	}
	return n
}

// choice reads one of several words and returns its index.
func (s *settings) choice(name string, words ...string) int {
	i := slices.Index(words, s.text(name))
	if i < 0 {
		s.fail(name, "%.80q is none of %s", s.text(name), strings.Join(words, ", "))
		return 0
	}
	return i
}

// duration reads a duration in [low, high], such as "12.5ms".
func (s *settings) duration(name string, low, high time.Duration) time.Duration {
	d, err := time.ParseDuration(s.text(name))
	if err != nil || d < low || d > high {
		s.fail(name, "%.80q is not a duration like 12.5ms in [%v, %v]", s.text(name), low, high)
		return low
	}
	return d
}

// ratio reads a share such as "5%" or "0.05", in [low, high].
func (s *settings) ratio(name string, low, high float64) float64 {
	text, percent := strings.CutSuffix(s.text(name), "%")
	f, err := strconv.ParseFloat(text, 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= low && f <= high) {
		s.fail(name, "%.80q is not a share like 5%% in [%g%%, %g%%]", s.text(name), low*100, high*100)
		return low
	}
	return f
}

// processor reads the name of a processor of the model and returns its index; by default, with an
// empty name, the first one.
func (s *settings) processor(m *Model) int {
	name := s.text(processorParam.Name)
	if name == "" {
		return 0
	}
	i := slices.Index(m.Processors, name)
	if i < 0 {
		s.fail(processorParam.Name, "%.80q is none of %s", name, strings.Join(m.Processors, ", "))
		return 0
	}
	return i
}

// processorParam is shared by the policies that manage one processor.
var processorParam = Param{Name: "processor", Doc: "the processor that serves; by default the model's first"}
