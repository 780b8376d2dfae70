package family_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/search/family"
)

// Expected multiply-accumulates: the true counts of the six published networks, computed with the
// once-for-all code.
func TestPaperGPU6(t *testing.T) {
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	var macs []int64
	for _, l := range f.Levels {
		macs = append(macs, l.MACs)
	}
	if diff := cmp.Diff([]int64{235467152, 254003984, 288758912, 375541248, 522103776, 731123760}, macs); diff != "" {
		t.Errorf("multiply-accumulates (-want +got):\n%s", diff)
	}
	if got := f.Processors(); !cmp.Equal(got, []string{"gpu"}) {
		t.Errorf("processors %v", got)
	}
}

func TestPaperGPU6AgainstReference(t *testing.T) {
	data, err := os.ReadFile(reftest.Path(t, "paper", "families.json"))
	if err != nil {
		t.Fatal(err)
	}
	var paper struct {
		Families struct {
			GPU6 []struct {
				Config supernet.Arch
				Top1   float64 `json:"top1_measured"`
				Millis float64 `json:"gpu_ms_measured"`
			}
		}
	}
	if err := json.Unmarshal(data, &paper); err != nil {
		t.Fatal(err)
	}
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	space, err := supernet.ByName(f.Space)
	if err != nil {
		t.Fatal(err)
	}
	if len(paper.Families.GPU6) != len(f.Levels) {
		t.Fatalf("%d levels, the reference has %d", len(f.Levels), len(paper.Families.GPU6))
	}
	for i, want := range paper.Families.GPU6 {
		got := f.Levels[i]
		arch, err := space.Canonical(want.Config)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Arch.Equal(arch) {
			t.Errorf("level %d: architecture %v, want %v", i, got.Arch, arch)
		}
		if math.Abs(got.Accuracy.Percent()-want.Top1) > 1e-9 {
			t.Errorf("level %d: accuracy %v, want %g%%", i, got.Accuracy, want.Top1)
		}
		if math.Abs(got.Latencies[0].Latency.Milliseconds()-want.Millis) > 1e-9 {
			t.Errorf("level %d: latency %v, want %g ms", i, got.Latencies[0].Latency, want.Millis)
		}
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*family.Family)
		message string
	}{
		"no levels":       {func(f *family.Family) { f.Levels = nil }, "0 levels"},
		"name":            {func(f *family.Family) { f.Name = "" }, "name or space"},
		"accuracy":        {func(f *family.Family) { f.Levels[5].Accuracy = 79 }, "outside [0, 1]"},
		"NaN accuracy":    {func(f *family.Family) { f.Levels[2].Accuracy /= 0 * f.Levels[2].Accuracy }, "outside [0, 1]"},
		"order":           {func(f *family.Family) { f.Levels[3].Accuracy = 0.1 }, "less accurate"},
		"origin":          {func(f *family.Family) { f.Levels[3].AccuracyOrigin = "guess" }, "origin"},
		"latency":         {func(f *family.Family) { f.Levels[0].Latencies[0].Latency = -1 }, "latency -1 ns"},
		"processor":       {func(f *family.Family) { f.Levels[1].Latencies[0].Processor = "cpu" }, "processor"},
		"no latency":      {func(f *family.Family) { f.Levels[1].Latencies = nil }, "0 processors"},
		"same twice":      {func(f *family.Family) { f.Levels[1].Arch = f.Levels[0].Arch }, "same architecture"},
		"too many levels": {func(f *family.Family) { f.Levels = make([]family.Level, 65) }, "65 levels"},
	} {
		f, err := family.PaperGPU6()
		if err != nil {
			t.Fatal(err)
		}
		c.change(f)
		if err := f.Validate(); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.message)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back family.Family
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*f, back); diff != "" {
		t.Error(diff)
	}
}
