package formats_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
)

// fullTable returns a small table in which everything is set.
func fullTable(t testing.TB) *lut.Table {
	t.Helper()
	s := space(t)
	blocks, err := s.DistinctBlocks(128)
	if err != nil {
		t.Fatal(err)
	}
	arch, err := s.Canonical(s.Uniform(3, 4, 2, 128))
	if err != nil {
		t.Fatal(err)
	}
	return &lut.Table{
		Space: s.Name,
		Point: lut.OperatingPoint{
			Device: "a \"board\", really", Processor: "cpu", CPUClock: 1.9e9, GPUClock: 1.109e9, MemoryClock: 1.6e9 + 1.0/3,
			PowerMode: "MODE_15W_6CORE: half", Threads: 4, Runtime: "onnxruntime", RuntimeVersion: "1.27.0", Provider: "CPU",
			Precision: "fp32", Batch: 1, CoRunner: "none", Period: 33 * time.Millisecond,
		},
		Origin:     lut.Measured,
		Source:     "line\nbreak, comma and \u00fc",
		Created:    time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.UTC),
		Provenance: []lut.Fact{{Name: "kernel", Value: "6.1 # not a comment"}, {Name: "empty", Value: ""}},
		Entries: []lut.Entry{
			{Key: lut.Key{Resolution: 0, Block: blocks[4]}, Latency: lut.Latency{N: 300, Min: 1, P50: 2.5, P90: 3, P99: 1e6 / 3.0, Mean: 2.75, Std: 1e-7, CILow: 2, CIHigh: 3, Preempted: 17, Grade: lut.GradeC, Warnings: []string{"drift, \"bad\"", "<two>"}}},
			{Key: lut.Key{Resolution: 128, Block: blocks[0]}, Latency: lut.MeanOnly(7, 123456789.123, 0)},
			{Key: lut.Key{Resolution: 128, Block: blocks[95]}, Latency: lut.MeanOnly(0, 1, unit.Nanoseconds(math.NaN()))},
		},
		Networks:    []lut.NetworkLatency{{Arch: arch.String(), Latency: lut.MeanOnly(50, 4e7, 2e5)}},
		Calibration: lut.Calibration{Offset: -1.5, Scale: 1.03},
		Grade:       lut.GradeD,
		Warnings:    []string{"clocks were not locked", ""},
	}
}

func TestCSVRoundTrip(t *testing.T) {
	want := fullTable(t)
	want.Sort()
	before := fullTable(t)
	var first, second bytes.Buffer
	if err := formats.WriteCSV(&first, before); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullTable(t), before, equalOrNaN); diff != "" {
		t.Errorf("writing changed the table:\n%s", diff)
	}
	got, err := formats.ReadCSV(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equalOrNaN); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if err := formats.WriteCSV(&second, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("written again it differs:\n%s", cmp.Diff(first.String(), second.String()))
	}
}

func TestCSVOfAnImportedTable(t *testing.T) {
	tab, err := formats.Read(context.Background(), "testdata/ofa-json", formats.OFAJSON, meta(t))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := formats.WriteCSV(&b, tab); err != nil {
		t.Fatal(err)
	}
	got, err := formats.ReadCSV(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tab, got, equalOrNaN); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestImportCSV(t *testing.T) {
	read := func(change func(*lut.Table), m formats.Meta) (*lut.Table, error) {
		tab := fullTable(t)
		tab.Point.Device = "board"
		change(tab)
		var b bytes.Buffer
		if err := formats.WriteCSV(&b, tab); err != nil {
			t.Fatal(err)
		}
		return formats.ReadFS(context.Background(), fstest.MapFS{"d/t.csv": {Data: b.Bytes()}}, "d/t.csv", formats.CSV, m)
	}
	got, err := read(func(*lut.Table) {}, meta(t))
	if err != nil {
		t.Fatal(err)
	}
	// Numbers measured elsewhere are imported here, whatever the file says.
	if got.Origin != lut.Imported || !got.Created.Equal(meta(t).Created) || got.Source != "imported from d/t.csv (csv)" {
		t.Errorf("origin %q, created %v, source %q", got.Origin, got.Created, got.Source)
	}
	facts := map[string]string{}
	for _, f := range got.Provenance {
		facts[f.Name] = f.Value
	}
	for name, want := range map[string]string{
		"kernel": "6.1 # not a comment", "origin, by the file": "measured", "source, by the file": "line\nbreak, comma and \u00fc",
		"created, by the file": "2026-01-02T03:04:05.6789Z", "format": "csv",
	} {
		if facts[name] != want {
			t.Errorf("fact %q is %q, want %q", name, facts[name], want)
		}
	}
	if !strings.HasPrefix(facts["file t.csv"], "sha256:") || !strings.HasSuffix(facts["file t.csv"], ", 3 entries") {
		t.Errorf("fact of the file: %q", facts["file t.csv"])
	}
	if got, err := read(func(t *lut.Table) { t.Origin = lut.Modelled }, meta(t)); err != nil || got.Origin != lut.Modelled {
		t.Errorf("a modelled table: %v, error %v", got, err)
	}
	m := meta(t)
	m.Space, m.Point = nil, lut.OperatingPoint{}
	if got, err := read(func(*lut.Table) {}, m); err != nil || got.Point.Device != "board" || got.Space != "ofa-mbv3-w1.2" {
		t.Errorf("nothing but the file: error %v", err)
	}
	m = meta(t)
	m.Point.Processor = "gpu"
	if _, err := read(func(*lut.Table) {}, m); err == nil || !strings.Contains(err.Error(), `the file is for processor "cpu", not "gpu"`) {
		t.Errorf("another processor: error %v", err)
	}
	if _, err := read(func(t *lut.Table) { t.Space = "ofa-mbv3-w1.0" }, meta(t)); err == nil || !strings.Contains(err.Error(), `the file is for space "ofa-mbv3-w1.0"`) {
		t.Errorf("another space: error %v", err)
	}
}

func TestCSVErrors(t *testing.T) {
	var b bytes.Buffer
	if err := formats.WriteCSV(&b, fullTable(t)); err != nil {
		t.Fatal(err)
	}
	good := b.String()
	head, rows, _ := strings.Cut(good, "kind,")
	at := strings.Count(head, "\n") // lines before the row of names
	lines := strings.SplitAfter("kind,"+rows, "\n")
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the file", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	line := func(n int) string { return fmt.Sprintf("line %d: ", n) }
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "line 1: the first line is not"},
		"another file":       {"a,b\n1,2\n", "line 1: the first line is not"},
		"newer":              {replace("format 2", "format 3"), "line 1: the first line is not"},
		"header only":        {head, line(at) + "the row of column names is missing"},
		"column order":       {replace("n,min_ns", "min_ns,n"), line(at+1) + `column 4 is "min_ns", want "n"`},
		"column missing":     {replace("grade,warnings", "ns"), line(at+1) + "wrong number of fields"},
		"short row":          {head + lines[0] + "block,1\n", line(at+2) + "wrong number of fields"},
		"bare quote":         {head + lines[0] + "blo\"ck\n", line(at+2) + `bare "`},
		"open quote":         {head + lines[0] + "\"block\n", "line "},
		"kind":               {replace("block,0", "brick,0"), line(at+2) + `kind "brick"`},
		"resolution":         {replace("block,0", "block,-1"), `resolution "-1"`},
		"resolution zeros":   {replace("block,0", "block,00"), `resolution "00"`},
		"block":              {replace("mbconv in", "mbconv on"), `unknown field "on"`},
		"network's r":        {replace("network,,", "network,128,"), "no resolution of its own"},
		"architecture":       {replace(`{""ks""`, `{""kz""`), `unknown key "kz"`},
		"spaces":             {replace(`{""ks"":`, `{""ks"": `), "not in canonical form"},
		"count":              {replace(",300,", ",3.5,"), `n "3.5"`},
		"negative count":     {replace(",300,", ",-3,"), `n "-3" is not a count`},
		"negative":           {replace(",2.5,", ",-2.5,"), "p50_ns is negative"},
		"NaN":                {replace(",2.5,", ",NaN,"), `p50_ns "NaN" is not a decimal number`},
		"infinite":           {replace(",2.5,", ",Inf,"), `p50_ns "Inf"`},
		"overflow":           {replace(",2.5,", ",1e999,"), "p50_ns is too large"},
		"hexadecimal":        {replace(",2.5,", ",0x1p4,"), `p50_ns "0x1p4"`},
		"order":              {replace(",2.5,", ",20,"), "p90 is below p50"},
		"nothing known":      {replace(",1.23456789123e+08,0,", ",,,"), line(at+4) + "neither median nor mean"},
		"preempted":          {replace(",17,C,", ",017,C,"), `preempted "017" is not a count`},
		"negative preempted": {replace(",17,C,", ",-17,C,"), `preempted "-17" is not a count`},
		"grade":              {replace(",17,C,", ",17,E,"), `grade "E" is none of`},
		"warnings":           {replace(",[]", ",none"), "warnings are no JSON list"},
		"unknown name":       {replace("# threads", "# treads"), `unknown name "treads"`},
		"repeated name":      {replace("# threads: 4\n", "# threads: 4\n# threads: 4\n"), line(10) + "threads is repeated"},
		"not quoted":         {replace(`"onnxruntime"`, "onnxruntime"), "runtime: value is no quoted text"},
		"null":               {replace(`"onnxruntime"`, "null"), "runtime: value is no quoted text"},
		"number":             {replace("# threads: 4", "# threads: four"), "threads: "},
		"zero written":       {replace("# threads: 4", "# threads: 0"), `threads: "0" is not written as dynofa writes it`},
		"clock":              {replace("1.9e+09", "NaN"), "cpu_clock_hz: NaN is no finite number"},
		"created":            {replace("2026-01", "2026-13"), "created: "},
		"period":             {replace("period_ns: ", "period_ns: 9"), ""},
		"period overflow":    {replace("period_ns: ", "period_ns: 99999999999999"), "period_ns: "},
		"fact":               {replace(`["empty",""]`, `["empty"]`), "fact is no JSON list of two texts"},
		"warning":            {replace(`# warning: ""`, `# warning: 3`), "warning value is no quoted text"},
		"no colon":           {replace("# origin: ", "# origin "), "is not of the form"},
		"comment":            {replace("# origin", "#origin"), "is not of the form"},
		"long header":        {replace("# origin", "# "+strings.Repeat("x", 1<<17)), "longer than 65536 bytes"},
		"many header lines":  {head + strings.Repeat("# warning: \"\"\n", 20000), "more than the 10000 lines of header"},
	} {
		tab, err := formats.ReadCSV(strings.NewReader(c.text))
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: error %v", name, err)
			}
			continue
		}
		var place *formats.Error
		if tab != nil || !errors.As(err, &place) || place.Line == 0 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with a line and %q", name, err, c.want)
		}
	}
	if _, err := formats.ReadCSV(failingReader{}); err == nil || !strings.Contains(err.Error(), "unplugged") {
		t.Errorf("failing reader: error %v", err)
	}
	if err := formats.WriteCSV(&b, &lut.Table{}); err == nil {
		t.Error("an invalid table is written")
	}
	bad := fullTable(t)
	bad.Networks[0].Arch = "resnet"
	if err := formats.WriteCSV(&b, bad); err == nil {
		t.Error("a network without architecture is written")
	}
	if err := formats.WriteCSV(failingWriter{}, fullTable(t)); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("failing writer: error %v", err)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("unplugged") }

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("full") }

func ExampleWriteCSV() {
	stem := supernet.Block{Op: supernet.OpStem, In: supernet.Shape{Size: 160, Channels: 3}, Out: supernet.Shape{Size: 80, Channels: 24}, Kernel: 3, Stride: 2, Act: supernet.HSwish}
	err := formats.WriteCSV(os.Stdout, &lut.Table{
		Space:   "ofa-mbv3-w1.2",
		Point:   lut.OperatingPoint{Device: "board", Processor: "cpu", Threads: 1},
		Origin:  lut.Modelled,
		Source:  "an example",
		Entries: []lut.Entry{{Key: lut.Key{Resolution: 160, Block: stem}, Latency: lut.MeanOnly(5, 1.5e6, 2e4)}},
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// # dynofa latency table, format 2
	// # space: "ofa-mbv3-w1.2"
	// # device: "board"
	// # processor: "cpu"
	// # threads: 1
	// # origin: "modelled"
	// # source: "an example"
	// kind,resolution,name,n,min_ns,p50_ns,p90_ns,p99_ns,mean_ns,std_ns,ci_low_ns,ci_high_ns,preempted,grade,warnings
	// block,160,stem in=160x160x3 out=80x80x24 k=3 s=2 act=hswish,5,,,,,1.5e+06,20000,,,0,,[]
}

// equalOrNaN compares statistics; unknown ones are equal.
var equalOrNaN = cmp.Comparer(func(a, b unit.Nanoseconds) bool {
	return a == b || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
})
