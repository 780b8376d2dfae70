package plot_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/plot"
)

// table returns a made-up table with an entry for each block at resolution 160: its latency is a
// microsecond for each thousand multiply-accumulates. The dearest elastic block is that of a late
// position of stage 5 with expand ratio 6 and kernel size 7.
func table(t testing.TB) (*lut.Table, *supernet.Space) {
	t.Helper()
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := space.DistinctBlocks(160)
	if err != nil {
		t.Fatal(err)
	}
	tab := &lut.Table{Space: space.Name, Point: lut.OperatingPoint{Device: "toy <&>", Processor: "cpu"}, Origin: lut.Modelled,
		Source: "a test", Warnings: []string{"made up"}}
	for _, b := range blocks {
		tab.Entries = append(tab.Entries, lut.Entry{Key: lut.Key{Resolution: 160, Block: b}, Latency: lut.MeanOnly(1, unit.Nanoseconds(b.MACs()), 0)})
	}
	return tab, space
}

func TestTable(t *testing.T) {
	tab, space := table(t)
	f, err := plot.Table(tab, space, 160)
	if err != nil {
		t.Fatal(err)
	}
	svg := write(t, f, plot.SVG)
	// Stage 5, position 2: 192 channels in and out at 5x5, 1152 between: 2*25*192*1152 + 25*1152*49 +
	// 2*1152*288 = 13.1 million.
	for _, want := range []string{"toy &lt;&amp;&gt;, cpu: latency of each block at resolution 160 (ms)", ">13.1<", ">e6 k7<", "stage 5", "Table modelled: a test.",
		"Warning: made up", "Arial"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if strings.Contains(svg, "have no entry") {
		t.Error("the picture reports missing entries")
	}
}

// The title of a space with few blocks does not run out of the picture, nor does the name of its rows.
func TestTableOfASmallSpace(t *testing.T) {
	space, err := supernet.ParseSpace("x.yaml", []byte("name: x\nclasses: 4\nresolutions: [32]\nkernels: [3]\nexpands: [2]\ndepths: [1]\n"+
		"stem: {width: 8, activation: relu}\nstages:\n  - {width: 16, activation: relu}\n"))
	if err != nil {
		t.Fatal(err)
	}
	tab := &lut.Table{Space: space.Name, Point: lut.OperatingPoint{Device: "a board with a name", Processor: "cpu"}}
	blocks, err := space.DistinctBlocks(32)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		tab.Entries = append(tab.Entries, lut.Entry{Key: lut.Key{Resolution: 32, Block: b}, Latency: lut.MeanOnly(1, 1e6, 0)})
	}
	f, err := plot.Table(tab, space, 32)
	if err != nil {
		t.Fatal(err)
	}
	svg := write(t, f, plot.SVG)
	for name, least := range map[string]float64{
		"width":  float64(plot.Text(12, plot.Black, draw.XLeft, draw.YTop).Width("a board with a name, cpu: latency of each block at resolution 32 (ms)")),
		"height": 60 + float64(plot.Text(10, plot.Black, draw.XLeft, draw.YTop).Width("expand ratio, kernel size")),
	} {
		_, rest, _ := strings.Cut(svg, name+`="`)
		number, _, _ := strings.Cut(rest, "pt")
		if got, err := strconv.ParseFloat(number, 64); err != nil || got < least {
			t.Errorf("%s is %q points, the texts want %g", name, number, least)
		}
	}
}

func TestTableWithGaps(t *testing.T) {
	tab, space := table(t)
	tab.Entries = tab.Entries[1:20] // without the stem and most blocks
	f, err := plot.Table(tab, space, 160)
	if err != nil {
		t.Fatal(err)
	}
	if svg := write(t, f, plot.SVG); !strings.Contains(svg, "blocks have no entry") || !strings.Contains(svg, "together: -.") {
		t.Error("the picture does not report missing entries")
	}
}

// curves is a table of two resolutions, one of them with intervals and samples, and one that nobody
// measured.
func curves(t testing.TB) (*lut.Table, *supernet.Space) {
	t.Helper()
	tab, space := table(t)
	for i := range tab.Entries {
		l := &tab.Entries[i].Latency
		l.P50, l.CILow, l.CIHigh = l.Mean, 0.9*l.Mean, 1.1*l.Mean
	}
	blocks, err := space.DistinctBlocks(224)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		tab.Entries = append(tab.Entries, lut.Entry{Key: lut.Key{Resolution: 224, Block: b}, Latency: lut.MeanOnly(0, unit.Nanoseconds(b.MACs()), 0)})
	}
	return tab, space
}

func TestCurves(t *testing.T) {
	tab, space := curves(t)
	f, err := plot.Curves(tab, space)
	if err != nil {
		t.Fatal(err)
	}
	svg := write(t, f, plot.SVG)
	for _, want := range []string{"toy &lt;&amp;&gt;, cpu: latency against input resolution", "stage 5, block 2", "stem, first block, head", "kernel 7, expand ratio 3",
		"input resolution (pixels)", "latency (ms)", ">160<", ">224<", "95% intervals of medians", "Hollow marks", "Warning: made up"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if again := write(t, f, plot.SVG); again != svg {
		t.Error("drawn again it differs")
	}
	for _, format := range []plot.Format{plot.PNG, plot.PDF} {
		if len(write(t, f, format)) < 5000 {
			t.Errorf("%s is nearly empty", format)
		}
	}
	one, _ := table(t)
	other, err := supernet.OFAMobileNetV3(1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plot.Curves(one, space); err == nil || !strings.Contains(err.Error(), "a curve needs two") {
		t.Errorf("one resolution: %v", err)
	}
	if _, err := plot.Curves(tab, other); err == nil {
		t.Error("another space is drawn")
	}
}

func TestTableErrors(t *testing.T) {
	tab, space := table(t)
	if _, err := plot.Table(tab, space, 192); err == nil || !strings.Contains(err.Error(), "no entry at resolution 192, it has [160]") {
		t.Errorf("error %v", err)
	}
	tab.Space = "other"
	if _, err := plot.Table(tab, space, 160); err == nil || !strings.Contains(err.Error(), `space "other"`) {
		t.Errorf("error %v", err)
	}
}

// The same figure gives the same bytes, drawn again and by several goroutines at once. It is small
// because the race detector makes drawing dots slow.
func TestDeterminism(t *testing.T) {
	for _, format := range []plot.Format{plot.SVG, plot.PNG, plot.PDF} {
		var pictures [3]string
		var wg sync.WaitGroup
		for i := range pictures {
			f := plot.NewFigure(90, 60, func(c draw.Canvas) {
				plot.New("t", "x", "y").Draw(plot.Footnote(c, "a note"))
			})
			wg.Go(func() {
				var b bytes.Buffer
				if err := f.Write(&b, format); err != nil {
					t.Error(err)
				}
				pictures[i] = b.String()
			})
		}
		wg.Wait()
		if pictures[0] == "" || pictures[0] != pictures[1] || pictures[0] != pictures[2] {
			t.Errorf("%s: pictures differ", format)
		}
	}
}

func TestTableDeterminism(t *testing.T) {
	var pictures [2]string
	for i := range pictures {
		tab, space := table(t)
		slices.Reverse(tab.Entries[:i*len(tab.Entries)]) // their order does not matter
		f, err := plot.Table(tab, space, 160)
		if err != nil {
			t.Fatal(err)
		}
		pictures[i] = write(t, f, plot.SVG)
	}
	if pictures[0] != pictures[1] {
		t.Error("pictures differ")
	}
}

func TestSave(t *testing.T) {
	dir := t.TempDir()
	f := plot.NewFigure(100, 80, func(c draw.Canvas) {
		c.FillPolygon(plot.Blue, []vg.Point{{X: 0, Y: 0}, {X: 50, Y: 0}, {X: 50, Y: 40}})
	})
	for name, magic := range map[string]string{"a.svg": "<?xml", "b.PNG": "\x89PNG", "c.pdf": "%PDF"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := f.Save(path); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), magic) {
			t.Errorf("%s begins with %.8q, error %v", name, b, err)
		}
	}
	for _, name := range []string{"a.gif", "svg", "a."} {
		if err := f.Save(filepath.Join(dir, name)); !errors.Is(err, plot.ErrFormat) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := f.Save(filepath.Join(dir, "absent", "a.svg")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("%d files left, error %v", len(entries), err)
	}
}

func TestTimeFor(t *testing.T) {
	for _, c := range []struct {
		most unit.Nanoseconds
		name string
		of   float64 // most in the unit
	}{{10e9, "s", 10}, {2.6e9, "ms", 2600}, {1e6, "ms", 1}, {5e5, "\u00b5s", 500}, {0, "\u00b5s", 0}} {
		if u := plot.TimeFor(c.most); u.Name != c.name || u.Of(c.most) != c.of {
			t.Errorf("%v: unit %s, %g", c.most, u.Name, u.Of(c.most))
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      int
		labels    string
	}{
		{0, 1, 5, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{0.28, 2.3, 6, "0.5 1.0 1.5 2.0"},
		{-1500, 1500, 6, "-1,500 -1,000 -500 0 500 1,000 1,500"},
		{74.8, 85.3, 6, "76 78 80 82 84"},
		{0, 2_000_000, 4, "0 500,000 1,000,000 1,500,000 2,000,000"},
		{0.00012, 0.00019, 4, "0.00012 0.00014 0.00016 0.00018"},
		{1, 1, 6, ""},
		{math.NaN(), 1, 6, ""},
		{0, math.Inf(1), 6, ""},
		{1e300, 2e300, 0, ""},
	} {
		var labels []string
		for _, tick := range (plot.Ticks{Want: c.want}).Ticks(c.low, c.high) {
			labels = append(labels, tick.Label)
			if tick.Value < c.low-1e-9 || tick.Value > c.high+1e-9 {
				t.Errorf("[%g, %g]: tick at %g", c.low, c.high, tick.Value)
			}
		}
		if got := strings.Join(labels, " "); got != c.labels {
			t.Errorf("[%g, %g]: ticks %q, want %q", c.low, c.high, got, c.labels)
		}
	}
}

// Shades must get lighter all the way, or a grey print would mislead.
func TestShade(t *testing.T) {
	last := -1.0
	for i := range 101 {
		c := plot.Shade(float64(i) / 100)
		light := 0.2126*float64(c.R) + 0.7152*float64(c.G) + 0.0722*float64(c.B)
		if light <= last {
			t.Errorf("share %d%%: lightness %.1f after %.1f", i, light, last)
		}
		last = light
	}
	if plot.Shade(math.NaN()) != plot.Shade(0) || plot.Shade(2) != plot.Shade(1) {
		t.Error("shares outside the range")
	}
}

func write(t testing.TB, f *plot.Figure, format plot.Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
