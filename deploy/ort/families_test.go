//go:build cgo

package ort_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// referenceSpace returns the space that a golden file of the reference is of.
func referenceSpace(t testing.TB, path string) *supernet.Space {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Space  string
		Width  float64   `json:"width_mult"`
		Widths []float64 `json:"width_mult_list"`
		N      int       `json:"n_classes"`
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	var s *supernet.Space
	switch g.Space {
	case "ofa-proxyless":
		s, err = supernet.OFAProxylessNAS(g.Width, g.N)
	case "ofa-resnet50":
		s, err = supernet.OFAResNet50(g.Widths, g.N)
	default:
		t.Fatalf("space %q", g.Space)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Expected values: the once-for-all code's logits and parameters for its random ProxylessNAS and
// ResNet50 supernets.
func TestReferenceLogitsOfOtherFamilies(t *testing.T) {
	r := load(t)
	for _, family := range []struct {
		folder string
		cases  int
	}{{"proxyless", 8}, {"resnet50", 9}} {
		compared, worst := 0, 0.
		w, err := checkpoint.Open(reftest.Path(t, "ofa", family.folder, "supernet_zip.pth"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"golden.json", "golden_odd.json"} {
			path := reftest.Path(t, "ofa", family.folder, file)
			space := referenceSpace(t, path)
			for i, c := range readGoldens(t, path).Cases {
				model, err := onnx.Network(space, c.Arch, w, onnx.Options{Batch: len(c.Logits)})
				if err != nil {
					t.Fatal(err)
				}
				d := deviation(t, r, model, c)
				worst = max(worst, d)
				compared++
				if !(d <= tolerance) {
					t.Errorf("%s, %s, case %d: logits deviate by %.2g of the largest", family.folder, file, i, d)
				}
				if params, err := space.Params(c.Arch); c.Params != 0 && (params != c.Params || err != nil) {
					t.Errorf("%s, %s, case %d: %d parameters, %v; want %d", family.folder, file, i, params, err, c.Params)
				}
			}
		}
		if compared != family.cases {
			t.Errorf("%s: %d comparisons, want %d", family.folder, compared, family.cases)
		}
		t.Logf("%s: largest deviation %.2g of the largest logit", family.folder, worst)
	}
}
