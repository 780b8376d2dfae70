package formats_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
)

func writeOFA(t testing.TB, tab *lut.Table, o formats.OFAOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := formats.WriteOFA(&b, tab, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Published files come back line by line, and as the same table to the last bit. Only last digits of
// numbers may differ in the text: several numbers of milliseconds are one number of nanoseconds.
func TestWriteOFAPublished(t *testing.T) {
	for _, c := range publishedTables {
		dir := reftest.Path(t, c.path...)
		m := meta(t)
		tab, err := formats.Read(context.Background(), dir, c.format, m)
		if err != nil {
			t.Fatal(err)
		}
		written := fstest.MapFS{}
		same, lines := 0, 0
		for _, r := range tab.Resolutions() {
			name := strconv.Itoa(r) + map[formats.Format]string{formats.OFAJSON: ".json", formats.OFAYAML: ".yaml"}[c.format]
			want, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			got := writeOFA(t, tab, formats.OFAOptions{Format: c.format, Space: m.Space, Resolution: r})
			written["t/"+name] = &fstest.MapFile{Data: got}
			wantLines, gotLines := strings.Split(strings.TrimSpace(string(want)), "\n"), strings.Split(strings.TrimSpace(string(got)), "\n")
			if len(wantLines) != len(gotLines) {
				t.Fatalf("%v: %d lines, want %d", name, len(gotLines), len(wantLines))
			}
			for i, w := range wantLines {
				lines++
				if gotLines[i] == w {
					same++
				} else if !nearlySame(gotLines[i], w) {
					t.Errorf("%v r=%d line %d: %q, want %q", c.path, r, i+1, gotLines[i], w)
				}
			}
		}
		back, err := formats.ReadFS(context.Background(), written, "t", c.format, m)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tab.Entries, back.Entries, equalOrNaN); diff != "" {
			t.Errorf("%v: the table (-published +written):\n%s", c.path, diff)
		}
		if same < lines*9/10 {
			t.Errorf("%v: %d of %d lines are the same", c.path, same, lines)
		}
	}
}

// nearlySame reports whether two lines differ in the last digits of a number alone, or in spaces:
// eight numbers of the authors' CPU table have none or two before them, as if put there by hand.
func nearlySame(a, b string) bool {
	nameA, valueA, okA := strings.Cut(strings.TrimSuffix(a, ","), ":")
	nameB, valueB, okB := strings.Cut(strings.TrimSuffix(b, ","), ":")
	x, errA := strconv.ParseFloat(strings.TrimSpace(valueA), 64)
	y, errB := strconv.ParseFloat(strings.TrimSpace(valueB), 64)
	return okA && okB && errA == nil && errB == nil && nameA == nameB && math.Abs(x/y-1) < 4e-16
}

// ofaFormats are the ways of writing, with a space that each can write.
var ofaFormats = []struct {
	format formats.Format
	spread formats.Spread
	file   string
	space  string
}{
	{formats.OFAJSON, formats.Std, "160.json", "ofa-mbv3-w1.2"},
	{formats.OFAJSON, formats.Var, "160.json", "ofa-mbv3-w1.0"},
	{formats.OFAYAML, formats.Std, "160.yaml", "ofa-mbv3-w1.2"},
	{formats.OFAYAML, formats.Var, "160.yaml", "ofa-mbv3-w1.2"},
	{formats.ProxylessYAML, formats.Std, "160.yaml", "ofa-proxyless-w1.3"},
	{formats.ProxylessYAML, formats.Var, "any name.yaml", "ofa-proxyless-w1.3"},
}

// Random tables survive a round trip: keys and counts exactly, times to the last bit but one. What
// was read once comes back unchanged.
func TestWriteOFARoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	for _, c := range ofaFormats {
		s, err := supernet.ByName(c.space)
		if err != nil {
			t.Fatal(err)
		}
		m := meta(t)
		m.Space = s
		blocks, err := s.DistinctBlocks(160)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			tab := &lut.Table{Space: s.Name, Point: m.Point, Origin: lut.Measured, Source: "random"}
			for _, b := range blocks {
				l := lut.MeanOnly(rng.IntN(2)*rng.IntN(1000), unit.Nanoseconds(math.Exp(12+5*rng.NormFloat64())), unit.Nanoseconds(math.Exp(9+5*rng.NormFloat64())))
				if rng.IntN(4) == 0 {
					l.Std = unit.Nanoseconds(math.NaN())
				}
				if rng.IntN(4) == 0 { // a median alone is written as the mean
					l.P50, l.Mean = l.Mean, unit.Nanoseconds(math.NaN())
				}
				if c.format == formats.ProxylessYAML && b.Op == supernet.OpPool { // its share is the classifier's
					l = lut.MeanOnly(0, 0, 0)
				}
				tab.Entries = append(tab.Entries, lut.Entry{Key: lut.Key{Resolution: 160 * rng.IntN(2), Block: b}, Latency: l})
			}
			o := formats.OFAOptions{Format: c.format, Space: s, Resolution: 160, Spread: c.spread}
			first := writeOFA(t, tab, o)
			back, err := formats.ReadFS(context.Background(), fstest.MapFS{c.file: {Data: first}}, c.file, c.format, m)
			if err != nil {
				t.Fatalf("%s: %v", c.format, err)
			}
			got := map[supernet.Block]lut.Latency{}
			for _, e := range back.Entries {
				got[e.Key.Block] = e.Latency
			}
			if len(got) != len(tab.Entries) {
				t.Fatalf("%s: %d entries, want %d", c.format, len(got), len(tab.Entries))
			}
			for _, e := range tab.Entries {
				l, w := got[e.Key.Block], e.Latency
				std := math.Abs(float64(l.Std/w.Std)-1) < 1e-15 || l.Std == w.Std || math.IsNaN(float64(l.Std)) && math.IsNaN(float64(w.Std))
				if e.Key.Block.Op == supernet.OpClassifier && c.format == formats.ProxylessYAML {
					std, l.N = true, w.N // what the pool adds to count and scatter
				}
				if l.N != w.N && e.Key.Block.Op != supernet.OpPool || math.Abs(float64(l.Mean/w.Central())-1) > 1e-15 && l.Mean != w.Central() || !std {
					t.Fatalf("%s: %v: %+v, want %+v", c.format, e.Key.Block, l, w)
				}
			}
			again, err := formats.ReadFS(context.Background(), fstest.MapFS{c.file: {Data: writeOFA(t, back, o)}}, c.file, c.format, m)
			if err != nil {
				t.Fatal(err)
			}
			if c.spread == formats.Std {
				if diff := cmp.Diff(back.Entries, again.Entries, equalOrNaN); diff != "" {
					t.Fatalf("%s: a second round trip changes it:\n%s", c.format, diff)
				}
			}
		}
	}
}

// The keys of ProxylessNAS's tables, by hand: the stem, the first block with expand ratio 1, a block
// by its ratio, the last convolution, and pooling and classifier in one.
func TestProxylessKeys(t *testing.T) {
	s, err := supernet.ByName("ofa-proxyless-w1.0")
	if err != nil {
		t.Fatal(err)
	}
	text := `Conv-input:224x224x3-output:112x112x32: {count: 10, mean: 2, var: 0.04}
expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-idskip:0: {count: 10, mean: 3, var: 0}
expanded_conv-input:112x112x16-output:56x56x24-expand:6-kernel:5-stride:2-idskip:0: {count: 10, mean: 4, var: 0.01}
expanded_conv-input:56x56x24-output:56x56x24-expand:3-kernel:3-stride:1-idskip:1: {mean: 5}
expanded_conv-input:9x9x24-output:9x9x24-expand:3-kernel:3-stride:1-idskip:1: {mean: 5}
Conv_1-input:7x7x320-output:7x7x1280: {count: 10, mean: 6, var: 0}
Logits-input:7x7x1280-output:1000: {count: 10, mean: 7, var: 0.25}
`
	m := meta(t)
	m.Space = s
	tab, err := formats.ReadFS(context.Background(), fstest.MapFS{"mobile_trim.yaml": {Data: []byte(text)}}, "mobile_trim.yaml", formats.ProxylessYAML, m)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][2]float64{ // mean and standard deviation, ms
		"stem in=224x224x3 out=112x112x32 k=3 s=2 act=relu6":                    {2, 0.2},
		"sepconv in=112x112x32 out=112x112x16 k=3 s=1 act=relu6 se=0 res=0":     {3, 0},
		"mbconv in=112x112x16 out=56x56x24 mid=96 k=5 s=2 act=relu6 se=0 res=0": {4, 0.1},
		"mbconv in=56x56x24 out=56x56x24 mid=72 k=3 s=1 act=relu6 se=0 res=1":   {5, math.NaN()},
		"expand in=7x7x320 out=7x7x1280 act=relu6":                              {6, 0},
		"pool in=7x7x1280 out=1x1x1280":                                         {0, 0},
		"classifier in=1x1x1280 out=1x1x1000":                                   {7, 0.5},
	}
	for _, e := range tab.Entries {
		w, ok := want[e.Key.Block.String()]
		l := e.Latency
		if !ok || e.Key.Resolution != 224 || l.Mean.Milliseconds() != w[0] || math.Abs(l.Std.Milliseconds()-w[1]) > 1e-12 && !math.IsNaN(w[1]) || math.IsNaN(w[1]) != math.IsNaN(float64(l.Std)) {
			t.Errorf("%v: %+v", e.Key, l)
		}
	}
	if len(tab.Entries) != len(want) || len(tab.Warnings) != 2 || !strings.Contains(tab.Warnings[1], "1 entries of mobile_trim.yaml are no block of ofa-proxyless-w1.0") {
		t.Errorf("%d entries, warnings %q", len(tab.Entries), tab.Warnings)
	}
	for name, c := range map[string]struct{ file, text, want string }{
		"two resolutions": {"x.yaml", text + "Conv-input:160x160x3-output:80x80x32: {mean: 1}\n", "line 8: \"Conv-input:160x160x3-output:80x80x32\": a second resolution, beside 224"},
		"no stem":         {"x.yaml", text[strings.Index(text, "\n")+1:], "neither the file's name nor an entry"},
		"wrong name":      {"160.yaml", text, "nothing confirms resolution 160"},
		"no key":          {"x.yaml", text + "Conv9: {mean: 1}\n", "it is no key"},
		"odd resolution":  {"x.yaml", "Conv-input:225x225x3-output:113x113x32: {mean: 1}\n", "unknown resolution \"225\""},
	} {
		if _, err := formats.ReadFS(context.Background(), fstest.MapFS{c.file: {Data: []byte(c.text)}}, c.file, formats.ProxylessYAML, m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestWriteOFAErrors(t *testing.T) {
	s := space(t)
	resnet, err := supernet.ByName("ofa-resnet50")
	if err != nil {
		t.Fatal(err)
	}
	tab := fullTable(t)
	long := *tab
	long.Entries = []lut.Entry{{Key: tab.Entries[1].Key, Latency: lut.MeanOnly(1, 1e16, 0)}}
	other := *tab
	other.Space = resnet.Name
	for name, c := range map[string]struct {
		tab  *lut.Table
		o    formats.OFAOptions
		want string
	}{
		"invalid":       {&lut.Table{}, formats.OFAOptions{Format: formats.OFAJSON, Space: s, Resolution: 128}, "device is empty"},
		"no space":      {tab, formats.OFAOptions{Format: formats.OFAJSON, Resolution: 128}, "which must be given"},
		"space":         {tab, formats.OFAOptions{Format: formats.OFAJSON, Space: resnet, Resolution: 128}, `for space "ofa-mbv3-w1.2"`},
		"format":        {tab, formats.OFAOptions{Format: formats.CSV, Space: s, Resolution: 128}, `"csv" is no format`},
		"spread":        {tab, formats.OFAOptions{Format: formats.OFAJSON, Space: s, Resolution: 128, Spread: "iqr"}, `scatter "iqr"`},
		"resolution":    {tab, formats.OFAOptions{Format: formats.OFAJSON, Space: s, Resolution: 132}, "no stem at resolution 132"},
		"no resolution": {tab, formats.OFAOptions{Format: formats.OFAJSON, Space: s}, "resolution 0"},
		"proxyless":     {tab, formats.OFAOptions{Format: formats.ProxylessYAML, Space: s, Resolution: 128}, "no key in ProxylessNAS's tables"},
		"resnet":        {&other, formats.OFAOptions{Format: formats.OFAYAML, Space: resnet, Resolution: 128}, "no key for a"},
		"too long":      {&long, formats.OFAOptions{Format: formats.OFAYAML, Space: s, Resolution: 128}, "beyond what the format holds"},
	} {
		var b bytes.Buffer
		if err := formats.WriteOFA(&b, c.tab, c.o); err == nil || !strings.Contains(err.Error(), c.want) || b.Len() > 0 {
			t.Errorf("%s: error %v, want %q; %d bytes written", name, err, c.want, b.Len())
		}
	}
}

func ExampleWriteOFA() {
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
		Entries: []lut.Entry{
			{Key: lut.Key{Resolution: 160, Block: blocks[0]}, Latency: lut.MeanOnly(5, 1.5e6, 2e4)},
			{Key: lut.Key{Resolution: 160, Block: blocks[2]}, Latency: lut.MeanOnly(0, 3e6, unit.Nanoseconds(math.NaN()))},
		},
	}
	if err := formats.WriteOFA(os.Stdout, table, formats.OFAOptions{Format: formats.OFAJSON, Space: space, Resolution: 160}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {
	//  "Conv-input:160x160x3-output:80x80x24": {
	//   "count": 5,
	//   "mean": 1.5,
	//   "std": 0.02
	//  },
	//  "expanded_conv-input:80x80x24-output:40x40x32-expand:72-kernel:3-stride:2-idskip:0-se:0-hs:0": {
	//   "mean": 3.0
	//  }
	// }
}
