package formats_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
)

func writeBench(t testing.TB, tab *lut.Table) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := formats.WriteGoBench(&b, tab); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// randomTable returns a valid table with hostile texts and numbers, some with samples if asked for.
func randomTable(t testing.TB, rng *rand.Rand, samples bool) *lut.Table {
	t.Helper()
	texts := []string{"", "board", "a \"b\"", "line\nbreak", " space ", "\u00fc, \u4e16", "#", "name: value", "tab\there", "-8", "\"quoted\""}
	text := func() string { return texts[rng.IntN(len(texts))] }
	number := func() unit.Nanoseconds {
		if rng.IntN(3) == 0 {
			return unit.Nanoseconds(math.NaN())
		}
		return unit.Nanoseconds(math.Exp(10 + 8*rng.NormFloat64()))
	}
	latency := func() lut.Latency {
		l := lut.Unknown()
		l.N, l.Mean, l.Std, l.P99 = rng.IntN(500), number(), number(), number()
		if math.IsNaN(float64(l.Mean)) {
			l.P50 = 5
			l.P99 = 1e30
		}
		if samples && l.N > 0 && rng.IntN(2) == 0 {
			l.Samples = &lut.Samples{Times: make([]time.Duration, l.N)}
			for i := range l.Samples.Times {
				l.Samples.Times[i] = time.Duration(rng.Int64N(1 << rng.IntN(52)))
			}
		}
		l.Preempted, l.Grade = rng.IntN(3), []lut.Grade{lut.Ungraded, lut.GradeA, lut.GradeD}[rng.IntN(3)]
		for range rng.IntN(3) {
			l.Warnings = append(l.Warnings, text())
		}
		return l
	}
	names := []string{"ofa-mbv3-w1.2", "ofa-proxyless-w1.3", "ofa-resnet50"}
	s, err := supernet.ByName(names[rng.IntN(len(names))])
	if err != nil {
		t.Fatal(err)
	}
	tab := &lut.Table{Space: s.Name, Origin: lut.Measured, Source: "x" + text(), Grade: lut.GradeB}
	tab.Point = lut.OperatingPoint{Device: "d" + text(), Processor: "p" + text(), CPUClock: unit.Hertz(rng.Float64() * 1e9), PowerMode: text(), Runtime: text(), Threads: rng.IntN(3), CoRunner: text()}
	tab.Warnings = []string{text(), text()}
	tab.Provenance = []lut.Fact{{Name: "a" + text(), Value: text()}}
	for _, r := range []int{0, 160} {
		blocks, err := s.DistinctBlocks(160)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks[:1+rng.IntN(len(blocks))] {
			tab.Entries = append(tab.Entries, lut.Entry{Key: lut.Key{Resolution: r, Block: b}, Latency: latency()})
		}
	}
	for range rng.IntN(3) {
		tab.Networks = append(tab.Networks, lut.NetworkLatency{Arch: s.Random(rng, 160).String(), Latency: latency()})
	}
	tab.Sort()
	return tab
}

// Tables survive both of dynofa's text forms unchanged, to the byte when written again.
func TestRoundTripOfRandomTables(t *testing.T) {
	for seed := range uint64(25) {
		for name, c := range map[string]struct {
			write func(*bytes.Buffer, *lut.Table) error
			read  func(*bytes.Buffer) (*lut.Table, error)
		}{
			"csv":     {func(b *bytes.Buffer, t *lut.Table) error { return formats.WriteCSV(b, t) }, func(b *bytes.Buffer) (*lut.Table, error) { return formats.ReadCSV(b) }},
			"gobench": {func(b *bytes.Buffer, t *lut.Table) error { return formats.WriteGoBench(b, t) }, func(b *bytes.Buffer) (*lut.Table, error) { return formats.ReadGoBench(b) }},
		} {
			tab := randomTable(t, rand.New(rand.NewPCG(seed, 2)), name == "gobench") // CSV holds no samples
			var first, second bytes.Buffer
			if err := c.write(&first, tab); err != nil {
				t.Fatal(err)
			}
			got, err := c.read(bytes.NewBuffer(first.Bytes()))
			if err != nil {
				t.Fatalf("%s, seed %d: %v", name, seed, err)
			}
			if diff := cmp.Diff(tab, got, equalOrNaN); diff != "" {
				t.Fatalf("%s, seed %d (-want +got):\n%s", name, seed, diff)
			}
			if err := c.write(&second, got); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
				t.Fatalf("%s, seed %d: written again it differs: %v", name, seed, err)
			}
		}
	}
}

// What benchstat and every other reader of the format rely on: lines of configuration have a name
// without spaces or capitals, results a name without spaces, a count, and pairs of value and unit;
// everything else begins with '#' or is empty.
func TestGoBenchForm(t *testing.T) {
	config := regexp.MustCompile(`^[a-z][^\sA-Z:]*: \S`)
	result := regexp.MustCompile(`^Benchmark[^\s]+ \d+( [0-9.e+-]+ [^\s]+)+$`)
	results := 0
	for _, line := range strings.Split(strings.TrimSuffix(string(writeBench(t, fullTable(t))), "\n"), "\n") {
		switch {
		case line == "" || line[0] == '#':
		case unicode.IsLower(rune(line[0])):
			if !config.MatchString(line) {
				t.Errorf("configuration %q", line)
			}
		default:
			results++
			if !result.MatchString(line) {
				t.Errorf("result %q", line)
			}
		}
	}
	if results != 4 { // three entries, one network
		t.Errorf("%d results", results)
	}
}

func TestReadGoBenchOfOthers(t *testing.T) {
	text := `goos: linux
device: my board
processor: cpu
threads: 2

some text
PASS
BenchmarkBlock/r=160/op=pool/in=5x5x1152/out=1x1x1152-8 	 1	 100 ns/op	 5 B/op
BenchmarkBlock/r=160/op=pool/in=5x5x1152/out=1x1x1152-8 1 300 ns/op
BenchmarkBlock/r=0/op=classifier/in=1x1x1536/out=1x1x1000 500 2e3 ns/op
BenchmarkBlock/r=160/op=pool/in=5x5x1152/out=1x1x1152-8 1 200 ns/op
goos: linux
ok  	example 1.2s
`
	m := meta(t)
	m.Point = lut.OperatingPoint{}
	tab, err := formats.ReadFS(context.Background(), fstest.MapFS{"x.txt": {Data: []byte(text)}}, "x.txt", formats.GoBench, m)
	if err != nil {
		t.Fatal(err)
	}
	if tab.Point.Device != "my board" || tab.Point.Threads != 2 || tab.Origin != lut.Imported || tab.Space != "ofa-mbv3-w1.2" {
		t.Errorf("%+v", tab)
	}
	if len(tab.Entries) != 2 || tab.Entries[0].Latency.N != 500 || tab.Entries[0].Latency.Mean != 2000 || !math.IsNaN(float64(tab.Entries[0].Latency.P50)) {
		t.Errorf("%+v", tab.Entries)
	}
	if l := tab.Entries[1].Latency; l.N != 3 || l.P50 != 200 || l.Min != 100 || l.Std != 100 || l.Warnings != nil {
		t.Errorf("three samples: %+v", l)
	}
	m.Space, m.DefaultSpace = nil, m.Space
	if tab, err := formats.ReadFS(context.Background(), fstest.MapFS{"x.txt": {Data: []byte(text)}}, "x.txt", formats.GoBench, m); err != nil || tab.Space != "ofa-mbv3-w1.2" {
		t.Errorf("a file that names no space: %v", err)
	}
	named := fstest.MapFS{"x.txt": {Data: []byte("space: ofa-mbv3-w1.0\n" + text)}}
	if tab, err := formats.ReadFS(context.Background(), named, "x.txt", formats.GoBench, m); err != nil || tab.Space != "ofa-mbv3-w1.0" {
		t.Errorf("a file that names its own: %v", err)
	}
	if tab.Provenance[0] != (lut.Fact{Name: "goos", Value: "linux"}) {
		t.Errorf("provenance %q", tab.Provenance)
	}
}

func TestReadGoBenchErrors(t *testing.T) {
	good := string(writeBench(t, fullTable(t)))
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the file", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	withSamples := sampledText(t)
	without := func(line string) string { return strings.Replace(withSamples, line, "", 1) }
	const pool = "BenchmarkBlock/r=160/op=pool/in=5x5x1152/out=1x1x1152"
	for name, c := range map[string]struct{ text, want string }{
		"other benchmark":   {"BenchmarkSort 5 3 ns/op\n", "line 1: benchmark \"BenchmarkSort\" is none of"},
		"no resolution":     {"BenchmarkBlock/r=x/op=pool/in=5x5x8/out=1x1x8 5 3 ns/op\n", "is none of a block"},
		"no op":             {"BenchmarkBlock/r=160/pool/in=5x5x8/out=1x1x8 5 3 ns/op\n", "is none of a block"},
		"short name":        {"BenchmarkBlock/r=160 5 3 ns/op\n", "is none of a block"},
		"block":             {"BenchmarkBlock/r=160/op=pool/in=5x5x8/out=1x1x9 5 3 ns/op\n", "pooling keeps channels"},
		"architecture":      {"BenchmarkNetwork/arch={} 5 3 ns/op\n", "key \"ks\" is missing"},
		"too few fields":    {pool + " 5 3\n", "not of the form"},
		"odd fields":        {pool + " 5 3 ns/op 4\n", "not of the form"},
		"iterations":        {pool + " 5.5 3 ns/op\n", "iterations \"5.5\""},
		"no latency":        {pool + " 5 3 B/op\n", "no value in ns/op"},
		"unit as value":     {pool + " 5 ns/op 3\n", "no value in ns/op"},
		"value":             {pool + " 5 x ns/op\n", "ns/op \"x\" is not a decimal number"},
		"negative":          {pool + " 5 -1 ns/op\n", "ns/op is negative"},
		"another device":    {"device: a\ndevice: b\n", "line 2: device changes from \"a\" to \"b\""},
		"threads":           {"threads: many\n", "threads: "},
		"two tables":        {good + good, "a second table begins"},
		"row alone":         {replace("\nBenchmarkBlock", "\n\nBenchmarkBlock"), "a row is not followed by its benchmark"},
		"row at the end":    {good[:strings.LastIndex(good, "Benchmark")], "row"},
		"other value":       {replace(" 300 2.5 ns/op", " 300 2.6 ns/op"), "a benchmark differs from the row before it"},
		"other count":       {replace(" 300 2.5 ns/op", " 301 2.5 ns/op"), "a benchmark differs"},
		"other block":       {replace("/r=128/op=stem", "/r=132/op=stem"), "a benchmark differs"},
		"row":               {replace("# row: block", "# row: brick"), "kind \"brick\""},
		"short row":         {replace("# row: block,0", "# row: block"), "wrong number of fields"},
		"header":            {replace("# origin", "# original"), "unknown name \"original\""},
		"device in comment": {replace("# origin: ", "# device: \"x\"\n# origin: "), "device must be configuration"},
		"much":              {strings.Repeat("a", 1<<23), "longer than"},
		"sample missing":    {without(withSamples[strings.LastIndex(withSamples, "Benchmark"):]), "row"},
		"samples":           {strings.Replace(withSamples, "# samples: 3", "# samples: 2", 1), "not the row's number of samples, 3"},
		"samples twice":     {strings.Replace(withSamples, "# samples: 3", "# samples: 3\n# samples: 3", 1), "a row is not followed"},
		"sample form":       {strings.Replace(withSamples, " 1 20 ns", " 1 20.5 ns", 1), "not a sample of the row"},
		"sample count":      {strings.Replace(withSamples, " 1 20 ns", " 2 20 ns", 1), "not a sample of the row"},
		"sample of another": {strings.Replace(withSamples, "r=160/op=pool/in=5x5x8/out=1x1x8 1 20", "r=164/op=pool/in=5x5x8/out=1x1x8 1 20", 1), "not a sample of the row"},
		"configuration":     {manyNames(200), "more than 100 lines of configuration"},
	} {
		tab, err := formats.ReadGoBench(strings.NewReader(c.text))
		if err == nil || tab != nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: table %v, error %v, want one with a line and %q", name, tab != nil, err, c.want)
		}
	}
}

// sampledText is a table of one block with the samples 10, 20 and 40 ns.
func sampledText(t testing.TB) string {
	t.Helper()
	l := lut.Summarize([]unit.Nanoseconds{10, 20, 40})
	l.Samples = &lut.Samples{Times: []time.Duration{10, 20, 40}}
	tab := &lut.Table{Space: "x", Point: lut.OperatingPoint{Device: "d", Processor: "p"}, Origin: lut.Measured, Source: "s",
		Entries: []lut.Entry{{Key: lut.Key{Resolution: 160, Block: supernet.Block{Op: supernet.OpPool, In: supernet.Shape{Size: 5, Channels: 8}, Out: supernet.Shape{Size: 1, Channels: 8}}}, Latency: l}}}
	return string(writeBench(t, tab))
}

// Samples are lines of their own, which is what benchstat takes its statistics from.
func TestGoBenchSamples(t *testing.T) {
	text := sampledText(t)
	const name = "BenchmarkBlock/r=160/op=pool/in=5x5x8/out=1x1x8"
	if want := "# samples: 3\n" + name + " 1 10 ns/op\n" + name + " 1 20 ns/op\n" + name + " 1 40 ns/op\n"; !strings.HasSuffix(text, want) {
		t.Errorf("got\n%s\nwant at its end\n%s", text, want)
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "name%d: x\n", i)
	}
	return b.String()
}

func FuzzGoBench(f *testing.F) {
	few := fullTable(f) // many rows make an execution slow
	few.Entries = few.Entries[:min(8, len(few.Entries))]
	f.Add(writeBench(f, few))
	f.Add([]byte("device: x\nBenchmarkBlock/r=160/op=pool/in=5x5x1152/out=1x1x1152-8 1 100 ns/op\n"))
	f.Add([]byte("# dynofa latency table, Go benchmark format 1\n# row: block\n"))
	f.Add([]byte("BenchmarkNetwork/arch={\"ks\":[3]} 1 1 ns/op"))
	f.Add([]byte(sampledText(f)))
	f.Fuzz(func(t *testing.T, data []byte) {
		tab, err := formats.ReadGoBench(bytes.NewReader(data))
		if err != nil || tab.Validate() != nil {
			return
		}
		tab.Sort()
		back, err := formats.ReadGoBench(bytes.NewReader(writeBench(t, tab)))
		if err != nil {
			t.Fatalf("accepted but unreadable once written: %v", err)
		}
		if diff := cmp.Diff(tab, back, equalOrNaN); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	})
}

func ExampleWriteGoBench() {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	blocks, err := space.DistinctBlocks(160)
	if err != nil {
		fmt.Println(err)
		return
	}
	table := &lut.Table{
		Space: space.Name, Point: lut.OperatingPoint{Device: "board", Processor: "cpu"}, Origin: lut.Modelled, Source: "an example",
		Entries: []lut.Entry{{Key: lut.Key{Resolution: 160, Block: blocks[2]}, Latency: lut.MeanOnly(5, 1.5e6, 2e4)}},
	}
	if err := formats.WriteGoBench(os.Stdout, table); err != nil {
		fmt.Println(err)
	}
	// Output:
	// # dynofa latency table, Go benchmark format 1
	// space: ofa-mbv3-w1.2
	// device: board
	// processor: cpu
	// # origin: "modelled"
	// # source: "an example"
	//
	// # row: block,160,mbconv in=80x80x24 out=40x40x32 mid=72 k=3 s=2 act=relu se=0 res=0,5,,,,,1.5e+06,20000,,,0,,[]
	// BenchmarkBlock/r=160/op=mbconv/in=80x80x24/out=40x40x32/mid=72/k=3/s=2/act=relu/se=0/res=0 5 1500000 ns/op
}
