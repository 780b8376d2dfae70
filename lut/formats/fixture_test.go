package formats_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
)

var update = flag.Bool("update", false, "write the files in testdata again")

// space returns the space of all files in these tests.
func space(t testing.TB) *supernet.Space {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// networkKeys walks a sub-network of OFA-MobileNetV3 w1.2 as the authors' latency estimator does and
// returns the keys that it looks up. It shares no code with package supernet: channel counts are
// written out (16, 24, 40, 80, 112, 160, 960 and 1280 times 1.2, rounded to eighths).
func networkKeys(ks []int, e []float64, d []int, r int) []string {
	half := func(n int) int { return (n + 1) / 2 }
	size := half(r)
	keys := []string{
		fmt.Sprintf("Conv-input:%dx%dx3-output:%dx%dx24", r, r, size, size),
		fmt.Sprintf("expanded_conv-input:%dx%dx24-output:%dx%dx24-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0", size, size, size, size),
	}
	in := 24
	for stage, st := range []struct{ width, stride, se, hs int }{{32, 2, 0, 0}, {48, 2, 1, 0}, {96, 2, 0, 1}, {136, 1, 1, 1}, {192, 2, 1, 1}} {
		for block := range d[stage] {
			stride, out, skip := 1, size, 1
			if block == 0 {
				stride, skip = st.stride, 0
			}
			if stride == 2 {
				out = half(size)
			}
			at := 4*stage + block
			expand := (int(float64(in)*e[at]) + 4) / 8 * 8
			keys = append(keys, fmt.Sprintf("expanded_conv-input:%dx%dx%d-output:%dx%dx%d-expand:%d-kernel:%d-stride:%d-idskip:%d-se:%d-hs:%d",
				size, size, in, out, out, st.width, expand, ks[at], stride, skip, st.se, st.hs))
			size, in = out, st.width
		}
	}
	return append(keys,
		fmt.Sprintf("Conv_1-input:%dx%dx192-output:%dx%dx1152", size, size, size, size),
		fmt.Sprintf("AvgPool2D-input:%dx%dx1152-output:1x1x1152", size, size),
		"Conv_2-input:1x1x1152-output:1x1x1536",
		"Logits-input:1x1x1536-output:1000")
}

// allKeys returns the keys of every block at a resolution, sorted.
func allKeys(r int) []string {
	var keys []string
	for _, k := range []int{3, 5, 7} {
		for _, e := range []float64{3, 4, 6} {
			keys = append(keys, networkKeys(slices.Repeat([]int{k}, 20), slices.Repeat([]float64{e}, 20), []int{4, 4, 4, 4, 4}, r)...)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// inventedMillis is the mean of entry i of the committed files: a multiple of 1/64 ms, so that sums
// are exact. No measurement stands behind it.
func inventedMillis(i int) float64 { return float64(i*i+3*i+7) / 64 }

// fixtures are the committed files, by resolution.
var fixtures = map[int]string{
	128: "testdata/ofa-json/128.json",
	144: "testdata/ofa-json/144.json",
	160: "testdata/ofa-yaml/160.yaml",
}

func fixtureText(r int) []byte {
	var b bytes.Buffer
	keys := allKeys(r)
	yaml := filepath.Ext(fixtures[r]) == ".yaml"
	if !yaml {
		b.WriteString("{\n")
	}
	for i, k := range keys {
		mean := inventedMillis(i)
		if yaml {
			fmt.Fprintf(&b, "%s:\n  count: %d\n  mean: %v\n  std: %v\n", k, 100+i, mean, mean/16)
			continue
		}
		comma := ","
		if i == len(keys)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, " %q: {\n  \"count\": %d,\n  \"mean\": %v,\n  \"std\": %v\n }%s\n", k, 100+i, mean, mean/16, comma)
	}
	if !yaml {
		b.WriteString("}\n")
	}
	return b.Bytes()
}

func TestFixturesAreUpToDate(t *testing.T) {
	for r, name := range fixtures {
		want := fixtureText(r)
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the formula gives; run with -update", name)
		}
	}
}
