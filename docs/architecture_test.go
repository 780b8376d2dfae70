// Package docs_test holds the code to what the documents say.
package docs_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
)

const module = "github.com/dynofa/dynofa/"

// line is one line of the import block.
type line struct {
	name     string
	internal []string // packages of this project
	modules  []string // third-party module paths
	all      bool     // "everything"
}

// TestImports compares the imports of every non-test file with the block in architecture.md.
func TestImports(t *testing.T) {
	root := reftest.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	rules := parseBlock(t, string(text))
	found := map[string]bool{}
	walkGo(t, root, func(file string) {
		pkg := owner(path.Dir(filepath.ToSlash(file)))
		if pkg == "docs" {
			return
		}
		found[pkg] = true
		rule, ok := rules[pkg]
		if !ok {
			t.Errorf("%s: package %s is not in docs/architecture.md", file, pkg)
			return
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if problem := rule.check(name, pkg, rules); problem != "" {
				t.Errorf("%s imports %s: %s", file, name, problem)
			}
		}
	})
	for name := range rules {
		if !found[name] {
			t.Errorf("docs/architecture.md lists %s, which has no Go files", name)
		}
	}
}

// TestLayers checks that the block itself follows the one line of folders.
func TestLayers(t *testing.T) {
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	order := []string{"datasets", "lut", "search", "deploy", "sim", "cmd"}
	layer := func(pkg string) int {
		top, _, _ := strings.Cut(pkg, "/")
		return slices.Index(order, top)
	}
	for name, rule := range parseBlock(t, string(text)) {
		if layer(name) < 0 {
			t.Errorf("%s is in no layer", name)
		}
		for _, imported := range rule.internal {
			if layer(imported) > layer(name) {
				t.Errorf("%s may import %s, which is in a later layer", name, imported)
			}
		}
	}
}

// TestTopLevel checks that there is no top-level folder beside those of the design.
func TestTopLevel(t *testing.T) {
	root := reftest.Root(t)
	allowed := []string{"sim", "lut", "search", "deploy", "datasets", "cmd", "docs"}
	ignored := []string{"bin", "demo", "dist"} // git ignores them
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) && !slices.Contains(ignored, e.Name()) {
			t.Errorf("unexpected top-level folder %s", e.Name())
		}
	}
}

func (l line) check(name, pkg string, rules map[string]line) string {
	if inside, ok := strings.CutPrefix(name, module); ok {
		target := owner(inside)
		if target == pkg || l.all || slices.Contains(closure(l.name, rules), target) {
			return ""
		}
		return "not among the packages that docs/architecture.md allows " + pkg
	}
	if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") {
		return "" // standard library
	}
	for _, m := range l.modules {
		if name == m || strings.HasPrefix(name, m+"/") {
			return ""
		}
	}
	return "a third-party module that docs/architecture.md does not give " + pkg
}

// closure returns everything that a package may import: its direct imports and theirs.
func closure(name string, rules map[string]line) []string {
	var reached []string
	todo := slices.Clone(rules[name].internal)
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if !slices.Contains(reached, next) {
			reached = append(reached, next)
			todo = append(todo, rules[next].internal...)
		}
	}
	return reached
}

// TestBoard checks that what goes to a board carries no database, search or picture.
func TestBoard(t *testing.T) {
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range closure("cmd/dynofa-run", parseBlock(t, string(text))) {
		if slices.Contains([]string{"lut/sqlite", "search", "search/store", "search/accuracy"}, pkg) || strings.HasSuffix(pkg, "/plot") {
			t.Errorf("cmd/dynofa-run reaches %s", pkg)
		}
	}
}

// owner maps an internal package to the package that it belongs to; those of cmd belong to
// several programs and stand for themselves.
func owner(pkg string) string {
	if strings.HasPrefix(pkg, "cmd/") {
		return pkg
	}
	before, _, found := strings.Cut(pkg, "/internal")
	if found {
		return before
	}
	return pkg
}

func parseBlock(t *testing.T, text string) map[string]line {
	t.Helper()
	_, rest, ok := strings.Cut(text, "```imports\n")
	block, legend, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("architecture.md has no import block")
	}
	modules := map[string]string{}
	for _, m := range regexp.MustCompile("`([a-z/]+)` is ([a-z0-9./_-]+[a-z0-9])").FindAllStringSubmatch(strings.Join(strings.Fields(legend), " "), -1) {
		modules[m[1]] = m[2]
	}
	modules["x/image"], modules["x/sys"], modules["x/crypto"] = "golang.org/x/image", "golang.org/x/sys", "golang.org/x/crypto"

	rows := strings.Split(strings.TrimSpace(block), "\n")
	short := map[string][]string{}
	for _, row := range rows {
		name := strings.TrimSpace(strings.Split(row, "|")[0])
		short[path.Base(name)] = append(short[path.Base(name)], name)
		if path.Base(name) != name {
			short[name] = append(short[name], name)
		}
	}
	rules := map[string]line{}
	for _, row := range rows {
		cells := strings.Split(row, "|")
		if len(cells) != 3 {
			t.Fatalf("import block: %q has not three cells", row)
		}
		l := line{name: strings.TrimSpace(cells[0])}
		imports, thirdParty, _ := strings.Cut(strings.TrimSpace(cells[1]), "[")
		for word := range strings.FieldsFuncSeq(imports, separator) {
			switch full := short[word]; {
			case word == "-":
			case word == "everything":
				l.all = true
			case len(full) != 1:
				t.Fatalf("import block: %s: %q names %d packages", l.name, word, len(full))
			default:
				l.internal = append(l.internal, full[0])
			}
		}
		for word := range strings.FieldsFuncSeq(strings.TrimSuffix(thirdParty, "]"), separator) {
			if modules[word] == "" {
				t.Fatalf("import block: %s: module %q is not explained", l.name, word)
			}
			l.modules = append(l.modules, modules[word])
		}
		rules[l.name] = l
	}
	return rules
}

func separator(r rune) bool { return r == ',' || r == ' ' }

// walkGo visits every Go file that is no test, by its path relative to root.
func walkGo(t *testing.T, root string, visit func(file string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			visit(rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
