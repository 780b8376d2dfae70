package formats_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
)

func meta(t testing.TB) formats.Meta {
	return formats.Meta{
		Space:   space(t),
		Point:   lut.OperatingPoint{Device: "board", Processor: "cpu"},
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func TestOFAKeyMatchesTheAuthorsNaming(t *testing.T) {
	s := space(t)
	for _, r := range s.Resolutions {
		blocks, err := s.DistinctBlocks(r)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, b := range blocks {
			keys = append(keys, formats.OFAKey(b))
		}
		slices.Sort(keys)
		if diff := cmp.Diff(allKeys(r), keys); diff != "" {
			t.Errorf("r=%d: keys (-want +got):\n%s", r, diff)
		}
	}
}

func TestReadFixtures(t *testing.T) {
	s := space(t)
	for _, c := range []struct {
		path        string
		format      formats.Format
		resolutions []int
	}{
		{"testdata/ofa-json", formats.OFAJSON, []int{128, 144}},
		{"testdata/ofa-json/128.json", formats.OFAJSON, []int{128}},
		{"testdata/ofa-yaml/160.yaml", formats.OFAYAML, []int{160}},
		{"testdata/ofa-yaml", formats.OFAYAML, []int{160}},
	} {
		tab, err := formats.Read(context.Background(), c.path, c.format, meta(t))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.resolutions, tab.Resolutions()); diff != "" {
			t.Errorf("%s: resolutions (-want +got):\n%s", c.path, diff)
		}
		if want := 96 * len(c.resolutions); len(tab.Entries) != want {
			t.Errorf("%s: %d entries, want %d", c.path, len(tab.Entries), want)
		}
		if tab.Origin != lut.Imported || tab.Space != "ofa-mbv3-w1.2" || tab.Warnings != nil || !strings.Contains(tab.Source, c.path) {
			t.Errorf("%s: origin %q, space %q, warnings %q, source %q", c.path, tab.Origin, tab.Space, tab.Warnings, tab.Source)
		}
		p, err := lut.NewPredictor(tab, s)
		if err != nil {
			t.Fatal(err)
		}
		keysOf := map[int][]string{}
		for _, r := range c.resolutions {
			keysOf[r] = allKeys(r)
		}
		rng := rand.New(rand.NewPCG(2, uint64(len(c.path))))
		for range 200 {
			a := randomArch(s, rng, c.resolutions)
			// The expected sum: keys by networkKeys, values by their rank among all keys.
			keys, want := keysOf[a.R], 0.0
			for _, k := range networkKeys(a.KS, a.E, a.D, a.R) {
				i, ok := slices.BinarySearch(keys, k)
				if !ok {
					t.Fatalf("%s is not among the keys", k)
				}
				want += inventedMillis(i)
			}
			got, err := p.Latency(a)
			if err != nil {
				t.Fatal(err)
			}
			if got.Milliseconds() != want {
				t.Fatalf("%v: %v ms, want %v", a, got.Milliseconds(), want)
			}
		}
	}
}

func randomArch(s *supernet.Space, rng *rand.Rand, resolutions []int) supernet.Arch {
	a := s.Smallest()
	for i := range a.KS {
		a.KS[i] = s.Kernels[rng.IntN(len(s.Kernels))]
		a.E[i] = s.Expands[rng.IntN(len(s.Expands))]
	}
	for i := range a.D {
		a.D[i] = s.Depths[rng.IntN(len(s.Depths))]
	}
	a.R = resolutions[rng.IntN(len(resolutions))]
	return a
}

// The digest was taken with sha256sum.
func TestProvenance(t *testing.T) {
	tab, err := formats.Read(context.Background(), "testdata/ofa-yaml", formats.OFAYAML, meta(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []lut.Fact{
		{Name: "format", Value: "ofa-yaml"},
		{Name: "entries", Value: "96"},
		{Name: "file 160.yaml", Value: "sha256:5cfa5859a5f26e29c7748dc834b658c99348d8c605694d62a0d1b0760b412103, 96 entries"},
	}
	if diff := cmp.Diff(want, tab.Provenance); diff != "" {
		t.Errorf("provenance (-want +got):\n%s", diff)
	}
	e := tab.Entries[slices.IndexFunc(tab.Entries, func(e lut.Entry) bool { return e.Key.Block.Op == supernet.OpPool })]
	// The pool is the first key in order: mean 7/64 ms, std a sixteenth of it.
	if e.Latency.N != 100 || e.Latency.Mean != 109375 || e.Latency.Std != 6835.9375 || !math.IsNaN(float64(e.Latency.P50)) {
		t.Errorf("pool: %+v", e.Latency)
	}
}

func TestFirstBlockIsSeparable(t *testing.T) {
	tab, err := formats.Read(context.Background(), "testdata/ofa-json/128.json", formats.OFAJSON, meta(t))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[supernet.Op]int{}
	for _, e := range tab.Entries {
		counts[e.Key.Block.Op]++
	}
	want := map[supernet.Op]int{supernet.OpStem: 1, supernet.OpSepConv: 1, supernet.OpMBConv: 90, supernet.OpExpand: 1, supernet.OpPool: 1, supernet.OpMix: 1, supernet.OpClassifier: 1}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("blocks by operation (-want +got):\n%s", diff)
	}
}

func TestIncompleteFileLeavesAWarning(t *testing.T) {
	text := string(fixtureText(128))
	start := strings.Index(text, ` "Conv_2`)
	end := strings.Index(text, ` "Logits`)
	fsys := fstest.MapFS{"128.json": {Data: []byte(text[:start] + text[end:])}}
	tab, err := formats.ReadFS(context.Background(), fsys, "128.json", formats.OFAJSON, meta(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"128.json lacks 1 of the 96 blocks of ofa-mbv3-w1.2 at resolution 128"}; !cmp.Equal(want, tab.Warnings) {
		t.Errorf("warnings %q, want %q", tab.Warnings, want)
	}
}

// Bad files: every one is refused with a message that names the file, the line where there is one,
// and the key.
func TestReadErrors(t *testing.T) {
	const (
		pool = `"AvgPool2D-input:4x4x1152-output:1x1x1152"`
		stem = `"Conv-input:128x128x3-output:64x64x24"`
		good = `{"count": 3, "mean": 1.5, "std": 0.1}`
	)
	one := func(value string) string { return "{\n" + stem + ": " + value + "\n}" }
	y := func(value string) string { return strings.Trim(stem, `"`) + ":\n" + value }
	for name, c := range map[string]struct {
		file, text, want string
	}{
		"empty":               {"128.json", "", "line 1: the file ends too early"},
		"blank":               {"128.json", "\n\n ", "line 3: the file ends too early"},
		"no object":           {"128.json", "[]", "line 1: an object {...} is expected"},
		"null":                {"128.json", "null", "line 1: an object {...} is expected"},
		"truncated":           {"128.json", "{\n" + stem + ": {\n\"count\": 3,\n\"mean\": 1.", "line 4: "},
		"truncated after key": {"128.json", "{\n" + stem, "line 2: "},
		"truncated at end":    {"128.json", "{\n" + stem + ": " + good + "\n", "line 3: the file ends too early"},
		"text behind":         {"128.json", one(good) + "\n{}", "text follows the object"},
		"garbage behind":      {"128.json", one(good) + "\n~", "text follows the object"},
		"not json":            {"128.json", "{\n" + stem + ": " + good + ",\n'a': 3}", "line 3: "},
		"value is a list":     {"128.json", one("[1]"), `line 2: "Conv-input:128x128x3-output:64x64x24": an object {count, mean, std} is expected`},
		"value is null":       {"128.json", one("null"), "line 2: "},
		"deep":                {"128.json", one(strings.Repeat("[", 100000)), "line 2: "},
		"mean is text":        {"128.json", one(`{"count": 3, "mean": "1.5", "std": 0.1}`), "mean is no number"},
		"mean is null":        {"128.json", one(`{"count": 3, "mean": null, "std": 0.1}`), "mean is no number"},
		"mean is an object":   {"128.json", one(`{"count": 3, "mean": {}, "std": 0.1}`), "mean is no number"},
		"negative mean":       {"128.json", one("{\"count\": 3,\n\"mean\": -1.5,\n\"std\": 0.1}"), `128.json: line 3: "Conv-input:128x128x3-output:64x64x24": mean is negative`},
		"negative std":        {"128.json", one(`{"count": 3, "mean": 1, "std": -0.1}`), "std is negative"},
		"NaN":                 {"128.json", one(`{"count": 3, "mean": NaN, "std": 0.1}`), "line 2: " + stem + ": invalid character 'N'"},
		"overflow":            {"128.json", one(`{"count": 3, "mean": 1e999, "std": 0.1}`), "mean is above"},
		"too long":            {"128.json", one(`{"count": 3, "mean": 1e10, "std": 0.1}`), "mean is above"},
		"count is a fraction": {"128.json", one(`{"count": 3.5, "mean": 1, "std": 0.1}`), "count 3.5 is not a whole number"},
		"count ends in a dot": {"128.json", one(`{"count": 3., "mean": 1, "std": 0.1}`), "line 2: "},
		"count is zero, too":  {"128.json", one(`{"count": 0.0, "mean": 1, "std": 0.1}`), "count 0.0 is not"},
		"count is zero":       {"128.json", one(`{"count": 0, "mean": 1, "std": 0.1}`), "count 0 is not"},
		"count is huge":       {"128.json", one(`{"count": 99999999999999999999, "mean": 1, "std": 0.1}`), "is not a whole number"},
		"mean is missing":     {"128.json", one("{\"count\": 1,\n\"std\": 0.1}"), "line 2: " + stem + ": mean is missing"},
		"std and var":         {"128.json", one(`{"count": 3, "mean": 1, "std": 0.1, "var": 0.01}`), "both std and var are given"},
		"var and std":         {"128.json", one(`{"count": 3, "mean": 1, "var": 0.1, "std": 0.01}`), "both std and var are given"},
		"negative var":        {"128.json", one(`{"count": 3, "mean": 1, "var": -0.1}`), "var is negative"},
		"unknown field":       {"128.json", one(`{"count": 3, "mean": 1, "sdt": 0.1}`), `unknown field "sdt"`},
		"field in capitals":   {"128.json", one(`{"Count": 3, "mean": 1, "std": 0.1}`), `unknown field "Count"`},
		"repeated field":      {"128.json", one(`{"count": 3, "mean": 1, "mean": 1, "std": 0.1}`), "mean is repeated"},
		"repeated key":        {"128.json", "{\n" + stem + ": " + good + ",\n\n" + stem + ": " + good + "}", "line 4: " + stem + ": the key is repeated"},
		"unknown key":         {"128.json", "{\n" + `"Conv_9-input:1x1x1-output:1x1x1": ` + good + "}", "it is no key of an OFA table"},
		"huge key":            {"128.json", "{\n" + `"` + strings.Repeat("x", 1<<20) + `": ` + good + "}", `xxx...": it is no key`},
		"other width":         {"128.json", "{\n" + `"Conv-input:128x128x3-output:64x64x16": ` + good + "}", "has no such block at resolution 128"},
		"other resolution":    {"144.json", one(good), "the stem's input is 128x128x3, but by its name the file is for resolution 144 (144x144x3)"},
		"no stem":             {"128.json", "{" + pool + ": " + good + "}", "nothing confirms resolution 128"},
		"no entries":          {"128.json", "{}", "nothing confirms resolution 128"},
		"name is no number":   {"table.json", one(good), "not named for a resolution"},
		"name with zero":      {"0128.json", one(good), "not named for a resolution"},
		"name is negative":    {"-128.json", one(good), "unknown resolution -128"},
		"unknown resolution":  {"130.json", one(good), "unknown resolution 130"},
		"too large":           {"128.json", strings.Repeat(" ", 5<<20), "larger than the 4194304 bytes"},
		"bad utf-8":           {"128.json", "{\"\xff\xfe\": " + good + "}", "it is no key"},

		"yaml: empty":             {"128.yaml", "", "line 1: the file is empty"},
		"yaml: comment only":      {"128.yaml", "# nothing\n", "empty"},
		"yaml: list":              {"128.yaml", "- 1\n", "line 1: a mapping is expected"},
		"yaml: scalar":            {"128.yaml", "hello\n", "line 1: a mapping is expected"},
		"yaml: value":             {"128.yaml", y("  3\n"), "line 2: \"Conv-input:128x128x3-output:64x64x24\": a mapping is expected"},
		"yaml: negative mean":     {"128.yaml", y("  count: 3\n  mean: -1\n  std: 1\n"), "128.yaml: line 3: " + stem + ": mean is negative"},
		"yaml: NaN":               {"128.yaml", y("  count: 3\n  mean: .nan\n  std: 1\n"), "line 3: " + stem + ": mean is NaN"},
		"yaml: infinite":          {"128.yaml", y("  count: 3\n  mean: 1\n  std: -.inf\n"), "line 4: " + stem + ": std is infinite"},
		"yaml: text":              {"128.yaml", y("  count: 3\n  mean: '1.5'\n  std: 1\n"), "mean is no number"},
		"yaml: null":              {"128.yaml", y("  count: 3\n  mean:\n  std: 1\n"), "mean is no number"},
		"yaml: hexadecimal":       {"128.yaml", y("  count: 0x10\n  mean: 1\n  std: 1\n"), "count 0x10 is not"},
		"yaml: octal":             {"128.yaml", y("  count: 010\n  mean: 1\n  std: 1\n"), "count 010 is not"},
		"yaml: underscore":        {"128.yaml", y("  count: 1_0\n  mean: 1\n  std: 1\n"), "count 1_0 is not"},
		"yaml: octal mean":        {"128.yaml", y("  count: 1\n  mean: 010\n  std: 1\n"), `mean "010" is not a decimal number`},
		"yaml: missing":           {"128.yaml", y("  count: 3\n  std: 1\n"), "line 1: " + stem + ": mean is missing"},
		"yaml: unknown field":     {"128.yaml", y("  count: 3\n  sdt: 1\n"), `line 3: ` + stem + `: unknown field "sdt"`},
		"yaml: repeated field":    {"128.yaml", y("  count: 3\n  count: 3\n"), "count is repeated"},
		"yaml: repeated key":      {"128.yaml", y("  {count: 3, mean: 1, std: 1}\n") + y("  {count: 3, mean: 1, std: 1}\n"), "line 3: " + stem + ": the key is repeated"},
		"yaml: alias":             {"128.yaml", "a: &a {count: 3, mean: 1, std: 1}\nb: *a\n", "line 1: \"a\": anchors are not allowed"},
		"yaml: tag":               {"128.yaml", "!!binary aGk=: {count: 3, mean: 1, std: 1}\n", "tags are not allowed"},
		"yaml: python tag":        {"128.yaml", y("  !!python/object/apply:os.system [ls]\n"), "tags are not allowed"},
		"yaml: merge key":         {"128.yaml", "<<: {count: 3}\n", `key "<<" is no text`},
		"yaml: second document":   {"128.yaml", y("  {count: 3, mean: 1, std: 1}\n") + "---\na: 1\n", "a second document follows"},
		"yaml: tab":               {"128.yaml", y("\tcount: 3\n"), "line "},
		"yaml: key is a list":     {"128.yaml", "? [a]\n: 1\n", "is no text"},
		"yaml: field is a number": {"128.yaml", y("  3: 3\n"), stem + `: key "3" is no text`},
		"yaml: control":           {"128.yaml", "a: \x00\n", "control characters are not allowed"},
		"yaml: deep":              {"128.yaml", y("  " + strings.Repeat("[", 20000)), "exceeded"},
		"yaml: too large":         {"128.yaml", strings.Repeat(" ", 2<<20), "larger than the 1048576 bytes"},
		"yaml: bomb": {"128.yaml", "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n", "anchors are not allowed"},
	} {
		format := formats.OFAJSON
		if filepath.Ext(c.file) == ".yaml" {
			format = formats.OFAYAML
		}
		fsys := fstest.MapFS{"gpu/" + c.file: {Data: []byte(c.text)}}
		tab, err := formats.ReadFS(context.Background(), fsys, "gpu/"+c.file, format, meta(t))
		var place *formats.Error
		if tab != nil || !errors.As(err, &place) {
			t.Errorf("%s: table %v, error %v", name, tab != nil, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), "lut: import gpu/"+c.file+": ") || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 600 {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
		if place.File != "gpu/"+c.file {
			t.Errorf("%s: the error is about file %q", name, place.File)
		}
	}
}

// Some programs write every number with a fraction.
func TestCountsMayEndInZeros(t *testing.T) {
	text := `{"Conv-input:128x128x3-output:64x64x24": {"count": 500.0, "mean": 2.0, "std": 0.5}}`
	tab, err := formats.ReadFS(context.Background(), fstest.MapFS{"128.json": {Data: []byte(text)}}, "128.json", formats.OFAJSON, meta(t))
	if err != nil {
		t.Fatal(err)
	}
	if l := tab.Entries[0].Latency; l.N != 500 || l.Mean != 2e6 || l.Std != 0.5e6 {
		t.Errorf("%+v", l)
	}
}

// The names under which the tables are published are as good as plain ones.
func TestReadPublishedNames(t *testing.T) {
	meta := formats.Meta{Space: space(t), Point: lut.OperatingPoint{Device: "d", Processor: "cpu"}}
	fsys := fstest.MapFS{"a/128_lookup_table.json": &fstest.MapFile{Data: fixtureText(128)}, "b/128.json": &fstest.MapFile{Data: fixtureText(128)}}
	a, errA := formats.ReadFS(t.Context(), fsys, "a", formats.OFAJSON, meta)
	b, errB := formats.ReadFS(t.Context(), fsys, "b", formats.OFAJSON, meta)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if diff := cmp.Diff(b.Entries, a.Entries, equalOrNaN); diff != "" {
		t.Error(diff)
	}
	fsys["a/128.json"] = fsys["b/128.json"]
	if _, err := formats.ReadFS(t.Context(), fsys, "a", formats.OFAJSON, meta); err == nil || !strings.Contains(err.Error(), "is for resolution 128 too") {
		t.Errorf("one resolution twice: %v", err)
	}
}

func TestReadFolderErrors(t *testing.T) {
	good := fixtureText(128)
	files := func(names ...string) fstest.MapFS {
		m := fstest.MapFS{}
		for _, n := range names {
			m[n] = &fstest.MapFile{Data: good}
		}
		return m
	}
	many := fstest.MapFS{}
	for i := range 1001 {
		many["d/"+strconv.Itoa(i)+".json"] = &fstest.MapFile{}
	}
	for name, c := range map[string]struct {
		fsys   fstest.MapFS
		path   string
		format formats.Format
		want   string
	}{
		"absent":         {files(), "d", formats.OFAJSON, "lut: import d: file does not exist"},
		"no such format": {files("d/128.json"), "d", "xml", `unknown format "xml"`},
		"nothing in it":  {files("d/128.yaml"), "d", formats.OFAJSON, "no file named *.json"},
		"second file":    {files("d/128.json", "d/144.json"), "d", formats.OFAJSON, "lut: import d/144.json: line "},
		"same twice":     {fstest.MapFS{"d/160.yaml": {Data: fixtureText(160)}, "d/160.yml": {Data: fixtureText(160)}}, "d", formats.OFAYAML, "160.yaml is for resolution 160 too"},
		"stranger":       {files("d/128.json", "d/predictions.json"), "d", formats.OFAJSON, "lut: import d/predictions.json: the file is not named for a resolution"},
		"too many":       {many, "d", formats.OFAJSON, "1001 files"},
		"climbing out":   {files("128.json"), "../128.json", formats.OFAJSON, "does not exist"},
		"a pipe":         {fstest.MapFS{"128.json": {Mode: os.ModeNamedPipe}}, "128.json", formats.OFAJSON, "not a regular file"},
		"csv is a file":  {files("d/t.csv"), "d", formats.CSV, "not a regular file"},
	} {
		_, err := formats.ReadFS(context.Background(), c.fsys, c.path, c.format, meta(t))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	// Hidden files, other kinds and folders are passed over.
	tab, err := formats.ReadFS(context.Background(), files("d/128.json", "d/.128.json", "d/README.md", "d/x/144.json"), "d", formats.OFAJSON, meta(t))
	if err != nil || len(tab.Entries) != 96 {
		t.Errorf("%v", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := formats.Read(cancelled, "testdata/ofa-json", formats.OFAJSON, meta(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
	m := meta(t)
	m.Space = nil
	if _, err := formats.Read(context.Background(), "testdata/ofa-json", formats.OFAJSON, m); err == nil || !strings.Contains(err.Error(), "needs a space") {
		t.Errorf("no space: error %v", err)
	}
	m = meta(t)
	m.Point.Device = ""
	if _, err := formats.Read(context.Background(), "testdata/ofa-json", formats.OFAJSON, m); err == nil || !strings.Contains(err.Error(), "device is empty") {
		t.Errorf("no device: error %v", err)
	}
}

func ExampleRead() {
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		fmt.Println(err)
		return
	}
	table, err := formats.Read(context.Background(), "testdata/ofa-json", formats.OFAJSON, formats.Meta{
		Space: space,
		Point: lut.OperatingPoint{Device: "invented", Processor: "cpu"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(table.Entries), "entries at", table.Resolutions())
	fmt.Println(table.Source)
	_, err = formats.Read(context.Background(), "testdata/bad/160.json", formats.OFAJSON, formats.Meta{Space: space})
	fmt.Println(err)
	// Output:
	// 192 entries at [128 144]
	// imported from testdata/ofa-json (ofa-json)
	// lut: import testdata/bad/160.json: line 4: "Conv-input:160x160x3-output:80x80x24": mean is negative
}
