package traffic

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/dynofa/dynofa/datasets/unit"
)

// MaxFileSize is the largest scenario file that is read, in bytes.
const MaxFileSize = 1 << 20

//go:embed scenarios/*.yaml
var builtin embed.FS

// Builtins returns the names of the built-in scenarios in alphabetical order.
func Builtins() []string {
	entries, err := builtin.ReadDir("scenarios")
	if err != nil {
		panic(err) // embedded at build time
	}
	var names []string
	for _, e := range entries {
		names = append(names, baseName(e.Name()))
	}
	return names
}

// Builtin returns a built-in scenario by its name, with or without ".yaml". The error lists the names
// if there is none.
func Builtin(name string) (*Scenario, error) {
	file := strings.TrimSuffix(name, ".yaml") + ".yaml"
	if !slices.Contains(Builtins(), baseName(file)) || baseName(file)+".yaml" != file {
		return nil, fmt.Errorf("traffic: no built-in scenario %q: there are %s", clip(name), strings.Join(Builtins(), ", "))
	}
	data, err := builtin.ReadFile("scenarios/" + file)
	if err != nil {
		return nil, fmt.Errorf("traffic: %w", err)
	}
	return Parse(file, data)
}

// Load reads a scenario file: one YAML document of plain mappings, lists and values, with the keys
//
//	title, description, sources             texts; sources is a list
//	family, processor                       names
//	arrivals                                {kind: periodic, period: 40ms, jitter: 1ms},
//	                                        {kind: poisson, rate: 30/s} or {kind: closed-loop, think: 0s}
//	limit, accuracy, initial_level          60ms, 76%, 3
//	duration, requests                      12s, 1000; at least one
//	seed                                    whole number
//	disturbances                            {gpu: [{at: 2.47s, slowdown: 1.23, what: a training job starts}]}
//	noise                                   none, {kind: lognormal, sigma: 0.02} or {kind: exponential}
//	switch_time                             {ladder: 580ms}, by policy
//	policies                                {ladder: {min_images: 40}}, parameters by policy
//
// that the fields of [Scenario] explain. Times have units, a rate ends in /s, an accuracy is a percentage with its
// sign or a fraction. The error is of the file system or joins all problems of the file as errors of type
// [*Error].
func Load(path string) (*Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("traffic: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("traffic: %w", err)
	}
	return Parse(path, data)
}

// Parse reads a scenario from the bytes of a file. The name stands in errors, and its last element without
// extension becomes the scenario's Name. The error joins all problems (the first twenty of them) as errors
// of type [*Error] with file, line and key.
func Parse(name string, data []byte) (*Scenario, error) {
	d := &decoder{lines: map[string]int{}}
	s := &Scenario{Name: baseName(name)}
	if root := d.document(data); root != nil {
		d.scenario(root, s)
	}
	if len(d.found.problems) == 0 {
		d.found = *s.check()
	}
	for _, p := range d.found.problems {
		p.File = name
		if p.Line == 0 {
			p.Line = d.line(p.Key)
		}
	}
	slices.SortStableFunc(d.found.problems, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	if err := d.found.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// line returns the line of a key or, if it does not stand in the file, of the object that lacks it.
func (d *decoder) line(key string) int {
	for {
		if line, ok := d.lines[key]; ok || key == "" {
			return line
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
}

// document returns the root node of the only document in data, or nil after noting why there is none.
func (d *decoder) document(data []byte) *yaml.Node {
	fail := func(line int, format string, args ...any) *yaml.Node {
		d.problem(&yaml.Node{Line: line}, "", format, args...)
		return nil
	}
	if len(data) > MaxFileSize {
		return fail(0, "is larger than %d bytes", MaxFileSize)
	}
	if line, ok := printable(data); !ok {
		return fail(line, "holds a control character or is not valid UTF-8")
	}
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return fail(1, "is empty")
	case err != nil:
		line, text := syntaxError(data, err)
		return fail(line, "%s", text)
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return fail(max(1, more.Line), "more than one document, or something after its end")
	}
	d.plain(&doc)
	if len(d.found.problems) > 0 || len(doc.Content) != 1 {
		return nil
	}
	return doc.Content[0]
}

// plain notes everything in a tree that refers to something else or changes its meaning.
func (d *decoder) plain(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.problem(n, "", "anchors and aliases are not allowed")
	case n.Style&yaml.TaggedStyle != 0:
		d.problem(n, "", "tags are not allowed")
	}
	for _, c := range n.Content {
		d.plain(c)
	}
}

// printable reports whether data is UTF-8 without control characters, and otherwise the line where not.
func printable(data []byte) (line int, ok bool) {
	line = 1
	for len(data) > 0 {
		c, size := utf8.DecodeRune(data)
		switch {
		case c == utf8.RuneError && size == 1, c < ' ' && c != '\t' && c != '\n' && c != '\r', c == 0x7f:
			return line, false
		case c == '\n':
			line++
		}
		data = data[size:]
	}
	return 0, true
}

var (
	lineError   = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)
	anchorError = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced$`)
)

// syntaxError takes the line out of an error of the YAML package.
func syntaxError(data []byte, err error) (int, string) {
	if m := lineError.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		return line, m[2]
	}
	if m := anchorError.FindStringSubmatch(err.Error()); m != nil {
		before, _, _ := bytes.Cut(data, []byte("*"+m[1]))
		return 1 + bytes.Count(before, []byte("\n")), "anchors and aliases are not allowed"
	}
	return 1, strings.TrimPrefix(err.Error(), "yaml: ")
}

// The shape of a file, for writing. Fields at their default are left out.
type (
	scenarioFile struct {
		Title        string                       `yaml:"title,omitempty"`
		Description  string                       `yaml:"description,omitempty"`
		Sources      []string                     `yaml:"sources,omitempty"`
		Family       string                       `yaml:"family"`
		Processor    string                       `yaml:"processor"`
		Arrivals     arrivalsFile                 `yaml:"arrivals,flow"`
		Limit        string                       `yaml:"limit,omitempty"`
		Accuracy     string                       `yaml:"accuracy,omitempty"`
		InitialLevel int                          `yaml:"initial_level,omitempty"`
		Duration     string                       `yaml:"duration,omitempty"`
		Requests     int64                        `yaml:"requests,omitempty"`
		Seed         uint64                       `yaml:"seed,omitempty"`
		Disturbances map[string][]stepFile        `yaml:"disturbances,omitempty"`
		Noise        *noiseFile                   `yaml:"noise,omitempty,flow"`
		SwitchTime   map[string]string            `yaml:"switch_time,omitempty"`
		Policies     map[string]map[string]string `yaml:"policies,omitempty"`
	}
	arrivalsFile struct {
		Kind   string `yaml:"kind"`
		Period string `yaml:"period,omitempty"`
		Jitter string `yaml:"jitter,omitempty"`
		Rate   string `yaml:"rate,omitempty"`
		Think  string `yaml:"think,omitempty"`
	}
	stepFile struct {
		At       string  `yaml:"at"`
		Slowdown float64 `yaml:"slowdown"`
		What     string  `yaml:"what,omitempty"`
	}
	noiseFile struct {
		Kind  string  `yaml:"kind"`
		Sigma float64 `yaml:"sigma,omitempty"` // a valid scenario's is 0 only where it has no meaning
	}
)

// Marshal returns the scenario as a file that Parse reads back to the same scenario, its Name aside, which is
// the file's. Equal scenarios give equal bytes. It returns Validate's error if the scenario is invalid.
func (s *Scenario) Marshal() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	f := scenarioFile{
		Title: s.Title, Description: s.Description, Sources: s.Sources, Family: s.Family, Processor: s.Processor,
		Arrivals: s.Arrivals.file(), Limit: durationText(s.Limit), Accuracy: accuracyText(s.Accuracy),
		InitialLevel: s.InitialLevel, Duration: durationText(s.Duration), Requests: s.Requests, Seed: s.Seed,
		Policies: s.Policies,
	}
	if s.Noise.Kind == Lognormal || s.Noise.Kind == Exponential {
		f.Noise = &noiseFile{string(s.Noise.Kind), s.Noise.Sigma}
	}
	for _, d := range s.Disturbances {
		var steps []stepFile
		for _, step := range d.Profile {
			steps = append(steps, stepFile{step.At.String(), step.Slowdown, step.What})
		}
		if f.Disturbances == nil {
			f.Disturbances = map[string][]stepFile{}
		}
		f.Disturbances[d.Processor] = steps
	}
	for _, policy := range sortedKeys(s.SwitchTimes) {
		if f.SwitchTime == nil {
			f.SwitchTime = map[string]string{}
		}
		f.SwitchTime[policy] = s.SwitchTimes[policy].String()
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out) // sorts the keys of maps
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(f), enc.Close()); err != nil {
		return nil, fmt.Errorf("traffic: %w", err)
	}
	return out.Bytes(), nil
}

// durationText returns "" for 0, which leaves the key out.
func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func rateText(perSecond float64) string {
	return strconv.FormatFloat(perSecond, 'g', -1, 64) + "/s"
}

// accuracyText returns per cent where that reads back to the same number, and a fraction otherwise.
func accuracyText(a unit.Accuracy) string {
	if a == 0 {
		return ""
	}
	text := strconv.FormatFloat(a.Percent(), 'g', -1, 64) + "%"
	if back, err := unit.ParseAccuracy(text); err == nil && back == a {
		return text
	}
	return strconv.FormatFloat(float64(a), 'g', -1, 64)
}

// baseName returns the last element of a path without its extension.
func baseName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}
