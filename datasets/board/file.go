package board

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/dynofa/dynofa/datasets/regular"
)

// MaxFileSize is the largest board file that is read, in bytes.
const MaxFileSize = 1 << 20

//go:embed boards/*.yaml
var builtin embed.FS

// Builtins returns the names of the built-in boards in alphabetical order.
func Builtins() []string {
	files, err := builtin.ReadDir("boards")
	if err != nil {
		panic(err) // embedded at build time
	}
	var names []string
	for _, f := range files {
		names = append(names, baseName(f.Name()))
	}
	return names
}

// Builtin returns a built-in board by its name. The error lists the names if there is none.
func Builtin(name string) (*Board, error) {
	if !slices.Contains(Builtins(), name) {
		return nil, fmt.Errorf("board: no built-in board %q: there are %s", clip(name), strings.Join(Builtins(), ", "))
	}
	data, err := builtin.ReadFile("boards/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	return Parse(name+".yaml", data)
}

// Load reads a board's file: one YAML document of plain mappings, lists and values. Its keys are those of
// the built-in boards, which are the files to start from; the fields of [Board] explain them. Numbers have
// their units, as in "1907.2 MHz", "2.5 K/W", "5ms", "8 GiB". Each names one of the file's sources, or
// says why it is assumed:
//
//	cores: {value: 6, source: datasheet}
//	die_resistance: {value: 1.5 K/W, assumption: no document gives it; of the order of similar modules}
//
// or leaves that to the mapping around it, which then has the key source or assumption.
//
// The error is of the file system or joins the problems of the file as errors of type [*Error].
func Load(path string) (*Board, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	return Parse(path, data)
}

// Parse reads a board from the bytes of a file. The name stands in errors, and its last element without
// extension becomes the board's Name. The error joins all problems (the first twenty of them) as errors of
// type [*Error] with file, line and key.
func Parse(name string, data []byte) (*Board, error) {
	d := &decoder{lines: map[string]int{}}
	b := &Board{Name: baseName(name)}
	if root := d.document(data); root != nil {
		b.schema().read(d, root, "", Origin{})
	}
	if len(d.found.problems) == 0 {
		d.found = *b.check()
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
	return b, nil
}

// Encode writes the board as a file that Parse reads as the same board. It returns Validate's error.
func (b *Board) Encode() ([]byte, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(b.schema().write(Origin{})); err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	return out.Bytes(), nil
}

func baseName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
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
