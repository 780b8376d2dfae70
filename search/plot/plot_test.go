package plot_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/unit"
	base "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/search/plot"
)

var update = flag.Bool("update", false, "rewrite the golden picture")

// The headline of the abstract: 3.5x (CPU), 2.4x (GPU), 3.8% (CPU), 5.1% (GPU). By hand, from the points:
// GPU 132.4422 / (53 + (75.4-74.968)/(76.134-74.968) * 5.83) = 132.4422 / 55.160 = 2.401; 132.4422 / 58.83 = 2.251;
// 78.346 - 73.2 = 5.146. CPU 2.2214 / (0.502 + (75.4-72.52)/(76.3-72.52) * 0.181) = 2.2214 / 0.6399 = 3.471;
// 2.2214 / 0.683 = 3.252; 78.39 - 74.6 = 3.79.
func TestHeadline(t *testing.T) {
	want := []struct {
		processor                       string
		interpolated, members, accuracy float64
	}{{"gpu", 2.401, 2.251, 5.146}, {"cpu", 3.471, 3.252, 3.790}}
	got := plot.Headline()
	if len(got) != len(want) {
		t.Fatalf("%d processors", len(got))
	}
	for i, w := range want {
		g := got[i]
		if g.Processor != w.processor || math.Abs(g.Interpolated-w.interpolated) > 5e-4 || math.Abs(g.Members-w.members) > 5e-4 ||
			math.Abs(g.Accuracy.Percent()-w.accuracy) > 5e-4 {
			t.Errorf("%s: %.4fx interpolated, %.4fx by members, +%.4f points; want %+v", g.Processor, g.Interpolated, g.Members, g.Accuracy.Percent(), w)
		}
		if g.OnTheLine.Accuracy != g.Baseline.Accuracy || g.Member.Accuracy < g.Baseline.Accuracy {
			t.Errorf("%s: accuracies %v, %v and %v", g.Processor, g.Baseline.Accuracy, g.OnTheLine.Accuracy, g.Member.Accuracy)
		}
	}
}

// Every point is that of the reference, and none is missing.
func TestPublishedAgainstReference(t *testing.T) {
	text, err := os.ReadFile(reftest.Path(t, "paper", "families.json"))
	if err != nil {
		t.Fatal(err)
	}
	var paper struct {
		Families struct {
			GPU6 []struct {
				Top1  float64 `json:"top1_measured"`
				Run   float64 `json:"gpu_ms_measured"`
				Fig4a float64 `json:"gpu_ms_fig4a"`
			}
			CPU7 struct {
				Points []struct {
					Seconds float64 `json:"cpu_s"`
					Top1    float64
				}
			} `json:"cpu7_points_only"`
		}
		Baselines struct {
			GPU map[string][][2]float64 `json:"gpu_ms"`
			CPU map[string][][2]float64 `json:"cpu_s"`
		}
	}
	if err := json.Unmarshal(text, &paper); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"OFA": plot.StaticOFA, "AutoSlim": plot.AutoSlim, "MutualNet-MBv1": plot.MutualNetV1, "MutualNet-MBv2": plot.MutualNetV2,
		"Slimmable-MBv1": plot.SlimmableV1, "US-MBv1": plot.USSlimmableV1, "US-MBv2": plot.USSlimmableV2}
	want := map[string][][2]float64{}
	for name, points := range paper.Baselines.GPU {
		want[names[name]+"/gpu"] = points
	}
	for name, points := range paper.Baselines.CPU {
		for _, p := range points {
			want[names[name]+"/cpu"] = append(want[names[name]+"/cpu"], [2]float64{p[0] * 1000, p[1]})
		}
	}
	for _, p := range paper.Families.GPU6 {
		want[plot.DynamicOFA+"/gpu"] = append(want[plot.DynamicOFA+"/gpu"], [2]float64{p.Fig4a, p.Top1})
		want[plot.DynamicOFARun+"/gpu"] = append(want[plot.DynamicOFARun+"/gpu"], [2]float64{p.Run, p.Top1})
	}
	for _, p := range paper.Families.CPU7.Points {
		want[plot.DynamicOFA+"/cpu"] = append(want[plot.DynamicOFA+"/cpu"], [2]float64{p.Seconds * 1000, p.Top1})
	}
	got := map[string][][2]float64{}
	for _, s := range plot.Published() {
		for _, p := range s.Points {
			got[s.Name+"/"+s.Processor] = append(got[s.Name+"/"+s.Processor], [2]float64{p.Latency.Milliseconds(), p.Accuracy.Percent()})
		}
	}
	close := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
	if diff := cmp.Diff(want, got, close); diff != "" {
		t.Errorf("points (-reference +published):\n%s", diff)
	}
}

func TestPublishedIsSound(t *testing.T) {
	for _, s := range plot.Published() {
		if s.Source == "" || s.Processor != "gpu" && s.Processor != "cpu" || len(s.Points) < 3 {
			t.Errorf("series %+v", s)
		}
		for i, p := range s.Points {
			if p.Accuracy.Validate() != nil || !(p.Latency > unit.Milliseconds(20) && p.Latency < unit.Milliseconds(3000)) || i > 0 && p.Latency <= s.Points[i-1].Latency {
				t.Errorf("%s, %s: point %d is %v", s.Name, s.Processor, i, p)
			}
		}
	}
}

func TestPaperGolden(t *testing.T) {
	got := write(t, plot.Paper(), base.SVG)
	path := filepath.Join("testdata", "paper.svg")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the picture differs from %s; look at it and run the test with -update", path)
	}
	for _, text := range []string{"2.40\u00d7 faster (2.25\u00d7)", "3.47\u00d7 faster (3.25\u00d7)", "+5.15 points", "+3.79 points"} {
		if !strings.Contains(got, text) {
			t.Errorf("the picture lacks %q", text)
		}
	}
}

// front returns a picture of the paper's family as if a predictor had found it.
func front(t testing.TB) plot.Front {
	t.Helper()
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	p := plot.Front{
		Title: "a <front>", Latency: "latency on a board", Notes: []string{"seed 1"}, Family: f,
		Accuracy: accuracy.Description{Name: "ofa-mlp", Origin: accuracy.Predicted, Note: "not measured"},
	}
	for i := range f.Levels {
		f.Levels[i].AccuracyOrigin = family.AccuracyPredicted
		l := f.Levels[i]
		p.Points = append(p.Points, search.Objectives{Accuracy: l.Accuracy, Latency: l.Latencies[0].Latency})
		for j := range 1000 {
			p.Cloud = append(p.Cloud, search.Objectives{Accuracy: l.Accuracy - unit.Accuracy(j)/1e5, Latency: l.Latencies[0].Latency + unit.Nanoseconds(j*j)})
		}
	}
	return p
}

// Measured levels go with a front of predicted accuracies, and their intervals are drawn.
func TestFrontMeasured(t *testing.T) {
	p := front(t)
	for i := range p.Family.Levels {
		l := &p.Family.Levels[i]
		l.AccuracyOrigin = family.AccuracyMeasured
		p.Intervals = append(p.Intervals, plot.Interval{Low: l.Accuracy - .01, High: l.Accuracy + .02})
	}
	f, err := p.Figure()
	if err != nil {
		t.Fatal(err)
	}
	svg := write(t, f, base.SVG)
	for _, want := range []string{"levels, measured (bars: 95%)", "predicted (OFA"} {
		if !strings.Contains(svg, want) {
			t.Errorf("%q is not in the picture", want)
		}
	}
	p.Intervals[2].Low = p.Family.Levels[2].Accuracy + .001
	if _, err := p.Figure(); err == nil {
		t.Error("an interval beside its accuracy is accepted")
	}
	p.Intervals = p.Intervals[:2]
	if _, err := p.Figure(); err == nil {
		t.Error("two intervals for six levels are accepted")
	}
	p.Intervals = nil
	p.Accuracy.Origin = accuracy.Standin
	if _, err := p.Figure(); err == nil {
		t.Error("measured levels on an axis of stand-ins are accepted")
	}
}

func TestFront(t *testing.T) {
	f, err := front(t).Figure()
	if err != nil {
		t.Fatal(err)
	}
	svg := write(t, f, base.SVG)
	for _, want := range []string{"a &lt;front&gt;", "latency on a board (ms)", "top-1 accuracy (%), predicted (OFA&#39;s MLP)", "Pareto front (6 networks)", "evaluated (6,000)",
		"levels of family paper-gpu6", "not measured", "seed 1", ">0<", ">5<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if n := strings.Count(svg, "<path"); n > 3000 {
		t.Errorf("%d shapes for 6,006 points, of which many coincide", n)
	}
}

func TestAccuracyLabel(t *testing.T) {
	for want, d := range map[string]accuracy.Description{
		"top-1 accuracy (%), predicted (OFA's MLP)": {Name: "ofa-mlp", Origin: accuracy.Predicted},
		"stand-in (%), not an accuracy":             {Name: "macs-curve", Origin: accuracy.Standin},
		"top-1 accuracy (%), measured (here)":       {Name: "here", Origin: accuracy.Measured},
		"accuracy (%), origin unknown":              {},
	} {
		if got := plot.AccuracyLabel(d); got != want {
			t.Errorf("label %q, want %q", got, want)
		}
	}
}

func TestFrontErrors(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *plot.Front)
		text   string
	}{
		"no points":     {func(f *plot.Front) { f.Points = nil }, "no point"},
		"NaN":           {func(f *plot.Front) { f.Points[1].Latency = unit.Nanoseconds(math.NaN()) }, "latency"},
		"cloud":         {func(f *plot.Front) { f.Cloud[1].Accuracy = 77 }, "accuracy 77"},
		"mixed origins": {func(f *plot.Front) { f.Accuracy.Origin = accuracy.Standin }, "level 0 of family \"paper-gpu6\" is predicted, the front's is stand-in"},
		"processor":     {func(f *plot.Front) { f.Processor = "npu" }, `no latency on processor "npu", it has [gpu]`},
	} {
		f := front(t)
		c.change(&f)
		if _, err := f.Figure(); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.text)
		}
	}
}

// A front of one network without anything else can be drawn.
func TestSmallestFront(t *testing.T) {
	f, err := plot.Front{Points: []search.Objectives{{Accuracy: 0.5, Latency: 1e6}}}.Figure()
	if err != nil {
		t.Fatal(err)
	}
	if svg := write(t, f, base.SVG); !strings.Contains(svg, "origin unknown") {
		t.Error("the picture does not say that the accuracy's origin is unknown")
	}
	if svg := write(t, f, base.SVG); !strings.Contains(svg, "Pareto front (1 network)") {
		t.Error("one network is more than one")
	}
}

// Doubts at the foot do not take the room of the axes: with ten lines of them, six more than there is room
// for, the picture is 60 points higher.
func TestFootnotesHaveTheirRoom(t *testing.T) {
	height := func(f *base.Figure, err error) (points float64) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(write(t, f, base.SVG), `height="`)
		number, _, _ := strings.Cut(rest, "pt")
		if points, err = strconv.ParseFloat(number, 64); err != nil {
			t.Fatal(err)
		}
		return points
	}
	doubts := slices.Repeat([]string{"a doubt"}, 10)
	front := plot.Front{Points: []search.Objectives{{Accuracy: 0.5, Latency: 1e6}}}
	doubtful := front
	doubtful.Notes = doubts
	if a, b := height(front.Figure()), height(doubtful.Figure()); b != a+60 {
		t.Errorf("front: %g and %g points high", a, b)
	}
	history := plot.History{Runs: []plot.Run{{Name: "a", Samples: []search.Sample{{Evaluations: 1}}}}}
	doubtful2 := history
	doubtful2.Notes = doubts
	if a, b := height(history.Figure()), height(doubtful2.Figure()); b != a+60 {
		t.Errorf("history: %g and %g points high", a, b)
	}
}

func TestHistory(t *testing.T) {
	h := plot.History{Title: "two runs", Notes: []string{"reference 1"}}
	for i := range 9 {
		r := plot.Run{Name: fmt.Sprintf("run %d", i)}
		for n := range 50 {
			r.Samples = append(r.Samples, search.Sample{Evaluations: 100 * (n + 1), Hypervolume: float64(i) + math.Sqrt(float64(n))})
		}
		h.Runs = append(h.Runs, r)
	}
	f, err := h.Figure()
	if err != nil {
		t.Fatal(err)
	}
	svg := write(t, f, base.SVG)
	for _, want := range []string{"two runs", "run 0", "run 8", "reference 1", "hypervolume (ms \u00d7 accuracy as a fraction)", ">5,000<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	for name, h := range map[string]plot.History{
		"no runs":    {},
		"no samples": {Runs: []plot.Run{{Name: "a"}}},
		"NaN":        {Runs: []plot.Run{{Name: "a", Samples: []search.Sample{{Evaluations: 1, Hypervolume: math.NaN()}}}}},
	} {
		if _, err := h.Figure(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDeterminism(t *testing.T) {
	var pictures [2]string
	var wg sync.WaitGroup
	for i := range pictures {
		f, err := front(t).Figure()
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { pictures[i] = write(t, f, base.SVG) })
	}
	wg.Wait()
	if pictures[0] != pictures[1] {
		t.Error("pictures differ")
	}
}

func ExampleHeadline() {
	for _, g := range plot.Headline() {
		fmt.Printf("%s: %.2fx interpolated, %.2fx by members, +%.2f points\n", g.Processor, g.Interpolated, g.Members, g.Accuracy.Percent())
	}
	// Output:
	// gpu: 2.40x interpolated, 2.25x by members, +5.15 points
	// cpu: 3.47x interpolated, 3.25x by members, +3.79 points
}

func write(t testing.TB, f *base.Figure, format base.Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b, format); err != nil {
		t.Error(err)
	}
	return b.String()
}
