package traffic

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/dynofa/dynofa/datasets/regular"
)

// MaxFileSize is the largest scenario file that is read, in bytes.
const MaxFileSize = 1 << 20

//go:embed scenarios/*.yaml scenarios/*.csv
var builtin embed.FS

// Builtins returns the names of the built-in scenarios in alphabetical order.
func Builtins() []string {
	entries, err := builtin.ReadDir("scenarios")
	if err != nil {
		panic(err) // embedded at build time
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".yaml"); ok {
			names = append(names, name)
		}
	}
	return names
}

// Builtin returns a built-in scenario by its name, with or without ".yaml". The error lists the names
// if there is none.
func Builtin(name string) (*Scenario, error) {
	f, err := OpenBuiltin(name)
	if err != nil {
		return nil, err
	}
	return f.Scenario()
}

// OpenBuiltin returns the file of a built-in scenario. Errors are as of Builtin.
func OpenBuiltin(name string) (*File, error) {
	file := strings.TrimSuffix(name, ".yaml") + ".yaml"
	if !slices.Contains(Builtins(), baseName(file)) || baseName(file)+".yaml" != file {
		return nil, fmt.Errorf("traffic: no built-in scenario %q: there are %s", clip(name), strings.Join(Builtins(), ", "))
	}
	folder, err := fs.Sub(builtin, "scenarios")
	if err != nil {
		return nil, fmt.Errorf("traffic: %w", err)
	}
	data, err := fs.ReadFile(folder, file)
	if err != nil {
		return nil, fmt.Errorf("traffic: %w", err)
	}
	return &File{name: file, load: func(changes []Change) (*Scenario, error) {
		return parse(folder, file, data, changes)
	}}, nil
}

// Load reads a scenario file: one YAML document of plain mappings, lists and values, with the keys
//
//	title, description, sources             texts; sources is a list
//	family, processor                       names; or processors: [cpu, gpu]
//	board, mode, governor                   names; optional
//	arrivals                                {kind: periodic, period: 40ms, jitter: 1ms},
//	                                        {kind: poisson, rate: 30/s}, {kind: gamma, rate: 30/s, cv2: 4},
//	                                        {kind: mmpp, states: [{rate: 10/s, stay: 2s}, {rate: 60/s, stay: 500ms}]},
//	                                        {kind: ramp, rates: [{at: 0s, rate: 5/s}, {at: 1m, rate: 40/s}], cv2: 1},
//	                                        {kind: superposition, of: [...]}, {kind: closed-loop, think: 0s},
//	                                        {kind: single-stream}, {kind: multi-stream, samples: 8},
//	                                        {kind: server, rate: 30/s}, {kind: offline, samples: 24576},
//	                                        {kind: trace, file: a.csv, format: csv, from: 0s, speed: 1, class: a}
//	limit, accuracy, initial_level          60ms, 76%, 3
//	apps                                    list of {name: ..., family, processor, arrivals, limit, accuracy,
//	                                        initial_level}, instead of these at the top
//	duration, requests                      12s, 1000; at least one
//	seed                                    whole number
//	disturbances                            {gpu: [{at: 2.47s, slowdown: 1.23, what: a training job starts}]}
//	co_runners                              [{processor: gpu, on: 5s, off: 10s, slowdown: [1.2, 1.5]}]
//	events                                  [{at: 10s, kind: limit, to: 80ms}], see Event
//	noise                                   none, {kind: lognormal, sigma: 0.02}, {kind: exponential} or {kind: burst, ...} with the
//	                                        numbers that "dynofa sim noise" prints
//	switch_time                             {ladder: 580ms}, by policy
//	policies                                {ladder: {min_images: 40}}, parameters by policy
//
// that the fields of [Scenario] explain. Times have units, a rate ends in /s, an accuracy is a percentage with its
// sign or a fraction. The error is of the file system or joins all problems of the file as errors of type
// [*Error].
func Load(path string) (*Scenario, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	return f.Scenario()
}

// Open reads the bytes of a scenario file. The error is of the file system.
func Open(path string) (*File, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("traffic: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("traffic: %w", err)
	}
	return &File{name: path, load: func(changes []Change) (*Scenario, error) {
		root, err := os.OpenRoot(filepath.Dir(path))
		if err != nil {
			return nil, fmt.Errorf("traffic: %w", err)
		}
		defer root.Close()
		return parse(root.FS(), path, data, changes)
	}}, nil
}

// Parse reads a scenario from the bytes of a file. The name stands in errors, and its last element without
// extension becomes the scenario's Name. The error joins all problems (the first twenty of them) as errors
// of type [*Error] with file, line and key. Trace files are refused, since there is no folder to find them in.
func Parse(name string, data []byte) (*Scenario, error) { return ParseIn(nil, name, data) }

// ParseIn is Parse with the folder in which the trace files of the scenario lie.
func ParseIn(folder fs.FS, name string, data []byte) (*Scenario, error) {
	return parse(folder, name, data, nil)
}

func parse(folder fs.FS, name string, data []byte, changes []Change) (*Scenario, error) {
	d := &decoder{lines: map[string]int{}, files: folder}
	s := &Scenario{Name: baseName(name)}
	if root := d.document(data); root != nil {
		for _, c := range changes {
			d.apply(root, c)
		}
		if len(d.found.problems) == 0 {
			d.scenario(root, s)
		}
	}
	if len(d.found.problems) == 0 {
		d.found = *s.check()
	}
	for _, p := range d.found.problems {
		if p.File != "" { // a trace file
			continue
		}
		p.File = name
		if p.Line == 0 {
			p.Line = d.line(p.Key)
		}
	}
	slices.SortStableFunc(d.found.problems, func(a, b *Error) int {
		if a.File != b.File {
			return 0
		}
		return cmp.Compare(a.Line, b.Line)
	})
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

// baseName returns the last element of a path without its extension.
func baseName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}
