package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// fixtures are small files in the form of the published tables.
const fixtures = "../../lut/formats/testdata/ofa-json"

// importFixtures returns a study with one table of two resolutions.
func importFixtures(t *testing.T) (db string) {
	t.Helper()
	db = filepath.Join(t.TempDir(), "s.db")
	succeed(t, "lut", "import", "--db", db, "--device", "board", "--processor", "cpu", fixtures)
	return db
}

// What is exported in any form and imported again is exported as the same bytes.
func TestExportAndImport(t *testing.T) {
	db := importFixtures(t)
	for _, format := range []string{"csv", "gobench", "ofa-json", "ofa-yaml"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "table")
		succeed(t, "lut", "export", "--db", db, "--format", format, "-o", path)
		again := filepath.Join(dir, "again.db")
		args := []string{"lut", "import", "--db", again, "--format", format}
		if strings.HasPrefix(format, "ofa") {
			args = append(args, "--device", "board", "--processor", "cpu")
		}
		succeed(t, append(args, path)...)
		second := filepath.Join(dir, "second")
		succeed(t, "lut", "export", "--db", again, "--format", format, "-o", second)
		if !strings.HasPrefix(format, "ofa") { // whose files are the table, and name no import
			continue
		}
		files, err := os.ReadDir(path)
		if err != nil || len(files) != 2 {
			t.Fatalf("%s: %d files, %v", format, len(files), err)
		}
		for _, f := range files {
			a, errA := os.ReadFile(filepath.Join(path, f.Name()))
			b, errB := os.ReadFile(filepath.Join(second, f.Name()))
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: %s differs after import and export: %v, %v", format, f.Name(), errA, errB)
			}
		}
	}
	one := succeed(t, "lut", "export", "--db", db, "--format", "ofa-yaml", "--resolution", "128", "--spread", "var")
	if !strings.HasPrefix(one, "AvgPool2D-input:4x4x1152-output:1x1x1152:\n  count: ") || !strings.Contains(one, "\n  var: ") {
		t.Errorf("one resolution:\n%.200s", one)
	}
	for _, args := range [][]string{
		{"--format", "xml"},
		{"--format", "ofa-json"},
		{"--format", "csv", "--resolution", "160"},
		{"--format", "ofa-json", "--resolution", "160", "--spread", "iqr"},
	} {
		if code, _, stderr := dynofa(t, append([]string{"lut", "export", "--db", db}, args...)...); code != command.ExitUsage {
			t.Errorf("%v: exit code %d\n%s", args, code, stderr)
		}
	}
	if code, _, stderr := dynofa(t, "lut", "export", "--db", db, "--format", "proxyless-yaml", "--resolution", "128"); code != command.ExitFailure || !strings.Contains(stderr, "ofa-mbv3-w1.2") {
		t.Errorf("a space without ProxylessNAS keys: exit code %d\n%s", code, stderr)
	}
}

// smallest is a sub-network of the fixtures' resolutions.
const smallest = `{"ks":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"d":[2,2,2,2,2],"r":144}`

// A table of another operating point is refused; carried over by a model, the doubt reaches the
// prediction, and the family chosen from a search.
func TestOperatingPoints(t *testing.T) {
	db := importFixtures(t)
	predict := func(more ...string) (int, string, string) {
		return dynofa(t, append([]string{"lut", "predict", "--db", db, "--device", "board", "--arch", smallest}, more...)...)
	}
	// The import says nothing of its clocks: the question is answered, with a doubt.
	if code, out, stderr := predict("--cpu-clock", "1.2GHz"); code != command.ExitOK || !strings.Contains(out, "cpu clock is unknown, the other is 1200 MHz") {
		t.Errorf("exit code %d\n%s\n%s", code, out, stderr)
	}
	if code, _, stderr := dynofa(t, "lut", "rescale", "--db", db, "--device", "board", "--cpu-clock", "1.2GHz"); code != command.ExitFailure || !strings.Contains(stderr, "does not know its cpu clock") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	succeed(t, "lut", "import", "--db", db, "--device", "board", "--processor", "cpu", "--power-mode", "15W", "--cpu-clock", "1.9GHz", fixtures)
	code, _, stderr := predict("--power-mode", "10W")
	if code != command.ExitOK { // the first table may be at 10 W, for all that is known
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if code, _, stderr := predict("--table", "2", "--power-mode", "10W"); code != command.ExitFailure || !strings.Contains(stderr, "power mode is 15W, not 10W") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	succeed(t, "lut", "rescale", "--db", db, "--table", "2", "--cpu-clock", "950MHz")
	const doubt = "latencies are rescaled by 2.000, not measured"
	if code, out, stderr := predict("--cpu-clock", "950MHz"); code != command.ExitOK || !strings.Contains(out, doubt) || !strings.Contains(out, "modelled") {
		t.Errorf("exit code %d\n%s\n%s", code, out, stderr)
	}
	out := succeed(t, "search", "run", "--db", db, "--device", "board", "--cpu-clock", "950MHz", "--accuracy", "stand-in", "--resolutions", "144", "--evaluations", "300")
	if !strings.Contains(out, doubt) {
		t.Errorf("the search does not say that its table is rescaled:\n%s", out)
	}
	if out := succeed(t, "family", "choose", "--db", db, "--levels", "2"); !strings.Contains(out, doubt) {
		t.Errorf("the family does not say that its table is rescaled:\n%s", out)
	}
	scenario := filepath.Join(t.TempDir(), "s.yaml")
	text := "title: t\nsources: [chosen]\nfamily: board-cpu-search1\nprocessor: cpu\narrivals: {kind: poisson, rate: 1/s}\nlimit: 5s\nduration: 1m\nseed: 3\n"
	if err := os.WriteFile(scenario, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "sim", "compare", "--db", db, "--scenario", scenario, "--policy", "slack"); !strings.Contains(out, doubt) {
		t.Errorf("the simulation does not say that its table is rescaled:\n%s", out)
	}
}

// Tables of a sweep differ in what device and processor do not say: everything that is made of one says which, and why.
func TestOperatingPointIsTold(t *testing.T) {
	db, csv := importFixtures(t), filepath.Join(t.TempDir(), "t.csv")
	succeed(t, "lut", "export", "--db", db, "-o", csv)
	text, err := os.ReadFile(csv)
	if err != nil {
		t.Fatal(err)
	}
	for _, point := range []string{"# batch: 1\n# co_runner: \"none\"", "# batch: 4\n# co_runner: \"mem:1\""} {
		if err := os.WriteFile(csv, bytes.Replace(text, []byte("\n# origin:"), []byte("\n"+point+"\n# origin:"), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		succeed(t, "lut", "import", "--db", db, "--format", "csv", csv)
	}
	const label, doubt, choice = "board/cpu (batch 4, beside mem:1)", "batches of 4 pictures, not of one", "is the newest of 2 that differ in batch, co-runner"
	search := []string{"search", "run", "--db", db, "--accuracy", "stand-in", "--resolutions", "144", "--evaluations", "300"}
	for name, out := range map[string]string{
		"predict": succeed(t, "lut", "predict", "--db", db, "--arch", smallest),
		"search":  succeed(t, search...),
	} {
		for _, want := range []string{label, doubt, choice} {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not say %q:\n%s", name, want, out)
			}
		}
	}
	if out := succeed(t, append(search, "--batch", "4", "--co", "mem:1")...); strings.Contains(out, choice) || !strings.Contains(out, label) {
		t.Errorf("a table that was asked for:\n%s", out)
	}
	if out := succeed(t, "search", "list", "--db", db); strings.Count(out, "finished") != 1 {
		t.Errorf("the same search by another question was done again:\n%s", out)
	}
	if out := succeed(t, "family", "choose", "--db", db, "--levels", "2"); !strings.Contains(out, label) || !strings.Contains(out, doubt) {
		t.Errorf("the family does not say it:\n%s", out)
	}
	if out := succeed(t, "lut", "list", "--db", db); !strings.Contains(out, "batch 4, beside mem:1") {
		t.Errorf("the list does not tell the tables apart:\n%s", out)
	}
	if out := succeed(t, "lut", "show", "--db", db); !strings.Contains(out, label) {
		t.Errorf("show:\n%s", out)
	}
}

// A table with whole networks gives a prediction its interval and its tail.
func TestPredictionHasAnInterval(t *testing.T) {
	needRuntime(t)
	db := filepath.Join(t.TempDir(), "s.db")
	succeed(t, "lut", "profile", "--db", db, "--space", "ofa-mbv3-w0.25-c10", "--resolutions", "32", "--networks", "8", "--seams", "1", "--rounds", "8")
	const arch = `{"ks":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"d":[2,2,2,2,2],"r":32}`
	out := succeed(t, "lut", "predict", "--db", db, "--arch", arch, "--format", "csv")
	for _, want := range []string{"\ntotal,", "\nlow,", "\nhigh,"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// Pictures of a table, in every format.
func TestShowDraws(t *testing.T) {
	db := importFixtures(t)
	for _, extension := range []string{".svg", ".png", ".pdf"} {
		heat, curves := filepath.Join(t.TempDir(), "heat"+extension), filepath.Join(t.TempDir(), "curves"+extension)
		succeed(t, "lut", "show", "--db", db, "--heat-map", heat, "--curves", curves)
		for _, path := range []string{heat, curves} {
			if info, err := os.Stat(path); err != nil || info.Size() < 5000 {
				t.Errorf("%s: %v, %v", path, info, err)
			}
		}
	}
	if code, _, stderr := dynofa(t, "lut", "show", "--db", db, "--curves", "curves.gif"); code != command.ExitUsage {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// The latencies of a family that was searched are sums over the table: they say nothing about its sums.
func TestAuditKnowsWhatIsNoMeasurement(t *testing.T) {
	db := importFixtures(t)
	if code, _, stderr := dynofa(t, "search", "run", "--db", db, "--accuracy", "maigc"); code != command.ExitUsage || !strings.Contains(stderr, `"maigc" is neither`) {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	succeed(t, "search", "run", "--db", db, "--accuracy", "stand-in", "--evaluations", "200")
	succeed(t, "family", "choose", "--db", db, "--levels", "2", "--name", "f")
	if code, out, stderr := dynofa(t, "lut", "audit", "--db", db, "--known", "f"); code != command.ExitFailure || !strings.Contains(stderr, "no measurements of whole networks: level 0 is a sum over table 1") {
		t.Errorf("exit code %d\n%s\n%s", code, out, stderr)
	}
	wide := filepath.Join(t.TempDir(), "wide.txt")
	text := "device: board\nprocessor: gpu\nspace: ofa-mbv3-w1.0\nBenchmarkBlock/r=160/op=pool/in=5x5x960/out=1x1x960 50 100 ns/op\n"
	if err := os.WriteFile(wide, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	succeed(t, "lut", "import", "--db", db, "--format", "gobench", wide)
	if code, _, stderr := dynofa(t, "lut", "audit", "--db", db, "--processor", "gpu", "--known", "paper-gpu6"); code != command.ExitFailure || !strings.Contains(stderr, "is of space ofa-mbv3-w1.2, the table of ofa-mbv3-w1.0") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// A picture or file that cannot be written is named by its own name.
func TestUnwritableFiles(t *testing.T) {
	db, missing := importFixtures(t), filepath.Join(t.TempDir(), "missing")
	for _, args := range [][]string{
		{"plot", "table", "--db", db, "-o", filepath.Join(missing, "x.svg")},
		{"lut", "export", "--db", db, "-o", filepath.Join(missing, "x.csv")},
	} {
		path := args[len(args)-1]
		if code, _, stderr := dynofa(t, args...); code != command.ExitFailure || !strings.Contains(stderr, "write "+path+": no such file") {
			t.Errorf("%v: exit code %d\n%s", args, code, stderr)
		}
	}
}

// What a form of files has no place for is said.
func TestExportSaysThatItDropsTheCalibration(t *testing.T) {
	db, csv := importFixtures(t), filepath.Join(t.TempDir(), "t.csv")
	succeed(t, "lut", "export", "--db", db, "-o", csv)
	text, err := os.ReadFile(csv)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("\n# fact:"), []byte("\n# calibration_scale: 0.5\n# fact:"), 1)
	if err := os.WriteFile(csv, text, 0o600); err != nil {
		t.Fatal(err)
	}
	succeed(t, "lut", "import", "--db", db, "--format", "csv", csv)
	if code, _, stderr := dynofa(t, "lut", "export", "--db", db, "--table", "2", "--format", "ofa-json", "--resolution", "128"); code != command.ExitOK || !strings.Contains(stderr, "0.5 times the sum") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if code, _, stderr := dynofa(t, "lut", "export", "--db", db, "--table", "2", "--format", "csv"); code != command.ExitOK || stderr != "" {
		t.Errorf("csv, which has a place: exit code %d\n%s", code, stderr)
	}
}

// A comparison names the sums that it was asked for, and finds none where the numbers are the same.
func TestDiffOfASubNetwork(t *testing.T) {
	db := importFixtures(t)
	succeed(t, "lut", "import", "--db", db, "--device", "board", "--processor", "cpu", fixtures)
	const arch = `{"ks":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"d":[2,2,2,2,2],"r":144}`
	out := succeed(t, "lut", "diff", "--db", db, "--arch", arch, "1", "2")
	if !strings.Contains(out, "same     sum") || !strings.Contains(out, "0 of ") {
		t.Errorf("%s", out)
	}
	if code, _, stderr := dynofa(t, "lut", "diff", "--db", db, "--arch", "{}", "1", "2"); code != command.ExitUsage {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestAuditNote: what an audit finds wrong with an imported table stands among a search's footnotes; our own tables have their
// grades.
func TestAuditNote(t *testing.T) {
	space, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := space.Blocks(space.Uniform(5, 4, 3, 128))
	if err != nil {
		t.Fatal(err)
	}
	table := &lut.Table{ID: 7, Space: space.Name, Origin: lut.Imported, Source: "made up", Point: lut.OperatingPoint{Device: "board", Processor: "gpu"}}
	for _, b := range blocks { // all the same, and most of the space's are missing
		if k := (lut.Key{Resolution: 128, Block: b}); !slices.ContainsFunc(table.Entries, func(e lut.Entry) bool { return e.Key == k }) {
			table.Entries = append(table.Entries, lut.Entry{Key: k, Latency: lut.MeanOnly(100, 1e6, 1e3)})
		}
	}
	note, err := auditNote(table)
	if err != nil || !strings.Contains(note, "'dynofa lut audit --table 7'") || strings.Count(note, ": ") < 2 {
		t.Errorf("note %q, %v", note, err)
	}
	table.Origin = lut.Measured
	if note, err := auditNote(table); note != "" || err != nil {
		t.Errorf("of our own table: %q, %v", note, err)
	}
	if note, err := auditNote(nil); note != "" || err != nil {
		t.Errorf("without a table: %q, %v", note, err)
	}
}
