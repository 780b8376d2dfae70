package supernet_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// small is a description of 15 lines; each bad case replaces part of it or appends to it.
const small = `name: small
in_channels: 1
classes: 10
resolutions: [16, 24, 32]
kernels: [3, 5]
expands: [3, 4, 6]
depths: [1, 2]
stem: {width: 8, stride: 1, activation: relu}
first: {width: 8, activation: relu, residual: false}
stages:
  - {width: 16, stride: 2, activation: relu}
  - {width: 24, stride: 2, activation: hswish, se: true, depths: [0, 2], base: 1}
  - width: 32
    activation: hswish
    base: 2
    fixed: true
head: {expand: 96, activation: hswish}
`

func TestParseSpace(t *testing.T) {
	got, err := supernet.ParseSpace("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	want := &supernet.Space{
		Name: "small", InChannels: 1, Classes: 10,
		Kernels: []int{3, 5}, Expands: []float64{3, 4, 6}, Depths: []int{1, 2}, Resolutions: []int{16, 24, 32},
		StemWidth: 8, StemStride: 1, StemAct: supernet.ReLU, FirstWidth: 8, FirstAct: supernet.ReLU, FirstPlain: true,
		Stages: []supernet.Stage{
			{Width: 16, Stride: 2, Act: supernet.ReLU},
			{Width: 24, Stride: 2, Act: supernet.HSwish, SE: true, Base: 1},
			{Width: 32, Stride: 1, Act: supernet.HSwish, Base: 2, Fixed: true},
		},
		StageDepths: [][]int{nil, {0, 2}, nil}, ExpandWidth: 96, HeadAct: supernet.HSwish, BNEps: 1e-5,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Stages have at most 2, 1+2 and 2 blocks.
	if n := got.Positions(); n != 7 {
		t.Errorf("%d positions, want 7", n)
	}
	// 32 px: stem stride 1, stages 16, 8, 8.
	slots := got.Slots(32)
	if size := slots[len(slots)-3].Block(supernet.Choice{}).Out.Size; size != 8 {
		t.Errorf("the last feature map has %d px, want 8", size)
	}
}

// The spaces that ByName knows, described and read back under another name, are themselves.
func TestDescribeRoundTrip(t *testing.T) {
	for _, name := range []string{"ofa-mbv3-w1.2", "ofa-mbv3-w1.0-c10", "ofa-proxyless-w1.3", "ofa-resnet50", "ofa-resnet50-w0.5,1.0-c100"} {
		s, err := supernet.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text := s.Description(); text != "" {
			t.Errorf("%s needs the description %q", name, text)
		}
		mine := *s
		mine.Name = "mine"
		got, err := supernet.Resolve("mine", mine.Description())
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, mine.Description())
			continue
		}
		if got.StemStride == 2 {
			got.StemStride = s.StemStride // 0 stands for 2
		}
		if diff := cmp.Diff(&mine, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLoadSpace(t *testing.T) {
	s, err := supernet.LoadSpace(filepath.Join("testdata", "small-mbv3.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "small-mbv3" || s.InChannels != 1 {
		t.Errorf("got %+v", s)
	}
	if _, err := supernet.LoadSpace(filepath.Join("testdata", "absent.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := supernet.LoadSpace("testdata"); err == nil {
		t.Error("a folder is read")
	}
}

func TestResolve(t *testing.T) {
	if s, err := supernet.Resolve("ofa-mbv3-w1.2", ""); err != nil || s.Name != "ofa-mbv3-w1.2" {
		t.Errorf("by name: %v, %v", s, err)
	}
	for _, c := range []struct{ name, description, says string }{
		{"nothing", "", `unknown space "nothing"`},
		{"large", small, `space "large" has the description of "small"`},
		{"small", "name: small\n", `description of space "small": line 1: resolutions`},
	} {
		if _, err := supernet.Resolve(c.name, c.description); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.says)
		}
	}
}

func TestBadDescriptions(t *testing.T) {
	replace := func(old, with string) string {
		if !strings.Contains(small, old) {
			t.Fatalf("%q does not stand in the description", old)
		}
		return strings.Replace(small, old, with, 1)
	}
	for _, c := range []struct{ name, text, says string }{
		{"empty", "", "it is empty"},
		{"comment", "# nothing\n", "it is empty"},
		{"null", "~\n", "line 1: a mapping is expected"},
		{"list", "- a\n", "line 1: a mapping is expected"},
		{"two documents", small + "---\na: b\n", "more than one document"},
		{"syntax", small + "x: [\n", "line 18"},
		{"too long", small + "# " + strings.Repeat("x", supernet.MaxDescription), "longer than 65536 bytes"},
		{"unknown key", small + "colour: red\n", "line 18: unknown key colour"},
		{"unknown key inside", replace("se: true", "sse: true"), "line 12: unknown key sse"},
		{"repeated key", small + "classes: 11\n", `line 18: mapping key "classes" already defined`},
		{"alias", replace("kernels: [3, 5]", "kernels: &k [3, 5]"), "line 5: anchors and aliases"},
		{"tag", replace("classes: 10", "classes: !!int 10"), "line 3: tags"},
		{"text for number", replace("classes: 10", "classes: ten"), `line 3: "ten" is no whole number`},
		{"fraction of a pixel", replace("[16, 24, 32]", "[16, 24.5, 32]"), `line 4: "24.5" is no whole number`},

		{"no name", replace("name: small\n", ""), "line 1: name:"},
		{"name of two words", replace("small", "a space"), "line 1: name:"},
		{"name that is a path", replace("small", "../small"), "line 1: name:"},
		{"name taken", replace("small", "ofa-mbv3-w1.0"), "line 1: name: \"ofa-mbv3-w1.0\" is the name of a space that dynofa knows"},
		{"no channels", replace("in_channels: 1", "in_channels: 0"), "line 2: in_channels: 0 is outside [1, 1024]"},
		{"no classes", replace("classes: 10", "classes: -1"), "line 3: classes: -1"},
		{"no resolutions", replace("[16, 24, 32]", "[]"), "line 4: resolutions: it has 0 values"},
		{"tiny resolution", replace("[16, 24, 32]", "[4, 24]"), "line 4: resolutions[0]: 4 is outside [8, 4096]"},
		{"resolutions do not ascend", replace("[16, 24, 32]", "[16, 32, 24]"), "line 4: resolutions[2]: 24 does not ascend from 32"},
		{"even kernel", replace("[3, 5]", "[3, 4]"), "line 5: kernels[1]: 4 is even"},
		{"kernel twice", replace("[3, 5]", "[3, 3]"), "line 5: kernels[1]: 3 does not ascend"},
		{"huge kernel", replace("[3, 5]", "[3, 33]"), "line 5: kernels[1]: 33 is outside"},
		{"expand ratio of nothing", replace("[3, 4, 6]", "[0, 4, 6]"), "line 6: expands[0]: 0 is outside"},
		{"expand ratio NaN", replace("[3, 4, 6]", "[3, .nan]"), "line 6: expands[1]: NaN is outside"},
		{"expand ratio infinite", replace("[3, 4, 6]", "[3, .inf]"), "line 6: expands[1]: +Inf is outside"},
		{"depth", replace("[1, 2]", "[1, 99]"), "line 7: depths[1]: 99 is outside"},
		{"empty stage", replace("[1, 2]", "[0, 2]"), "line 11: stages[0]: it may have no block"},
		{"no depths", replace("depths: [1, 2]\n", ""), "line 1: depths: it has 0 values"},
		{"stem", replace("{width: 8, stride: 1, activation: relu}", "{width: 0, stride: 0, activation: gelu}"), "line 8: stem.activation: \"gelu\" is none of"},
		{"stem's stride", replace("width: 8, stride: 1", "width: 8, stride: 0"), "line 8: stem.stride: 0 is outside [1, 8]"},
		{"kind of stem", replace("stem: {", "stem: {kind: patch, "), `line 8: stem.kind: "patch" is neither "conv" nor "deep"`},
		{"first block of nothing", replace("first: {width: 8", "first: {width: 0"), "line 9: first.width: 0 is outside"},
		{"no stages", strings.Split(small, "stages:")[0], "line 1: stages: there are 0"},
		{"width of a stage", replace("width: 16, stride: 2", "width: -16, stride: 2"), "line 11: stages[0].width: -16"},
		{"stride of a stage", replace("width: 16, stride: 2", "width: 16, stride: 9"), "line 11: stages[0].stride: 9"},
		{"no activation", replace("width: 32\n    activation: hswish", "width: 32"), `line 13: stages[2].activation: "" is none of`},
		{"activation", replace("width: 32\n    activation: hswish", "width: 32\n    activation: swish"), `line 14: stages[2].activation: "swish" is none of`},
		{"depths of a fixed stage", replace("fixed: true", "fixed: true\n    depths: [1]"), "line 17: stages[2].depths: a fixed stage has no depths"},
		{"fixed stage of nothing", replace("base: 2", "base: 0"), "line 13: stages[2]: it may have no block"},
		{"head", replace("head: {expand: 96, activation: hswish}", "head: {mix: 7}"), "line 17: head.activation"},
		{"epsilon", small + "bn_eps: 0\n", "line 18: bn_eps: 0 is outside (0, 1)"},
		{"body", small + "body: transformer\n", `line 18: body: "transformer" is neither mbconv nor bottleneck`},
		{"bottleneck with kernels to choose from", small + "body: bottleneck\n", "line 5: kernels: a bottleneck has one kernel size, not 2"},
		{"bottleneck with squeeze-and-excitation", small + "body: bottleneck\n", "line 12: stages[1].se: a bottleneck has no squeeze-and-excitation"},
		{"widths of mbconv", small + "widths: [0.5, 1]\n", "line 18: widths: blocks of kind mbconv have fixed widths"},
		{"too large to count", replace("width: 16, stride: 2", "width: 65536, stride: 2"), "line 11: stages[0]: block b02 at resolution 16"},
		{"too many blocks", strings.Split(small, "stages:")[0] + "stages:\n" + strings.Repeat("  - {width: 8, activation: relu, base: 16}\n", 16), "line 11: stages: 288 blocks are more than 128"},
	} {
		_, err := supernet.ParseSpace("bad.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "supernet: bad.yaml: ") {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.says)
		}
	}
}

// Every problem is reported, with its line.
func TestAllProblems(t *testing.T) {
	_, err := supernet.ParseSpace("bad.yaml", []byte(strings.NewReplacer("classes: 10", "classes: 0", "[3, 5]", "[]", "relu}", "gelu}").Replace(small)))
	want := `supernet: bad.yaml: line 3: classes: 0 is outside [1, 65536]
line 5: kernels: it has 0 values, want 1 to 8
line 8: stem.activation: "gelu" is none of relu, relu6, hswish
line 11: stages[0].activation: "gelu" is none of relu, relu6, hswish`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// What is accepted is a space that everything works on, and comes back from its description.
func FuzzParseSpace(f *testing.F) {
	f.Add([]byte(small))
	for _, name := range []string{"ofa-mbv3-w1.2", "ofa-proxyless-w1.3", "ofa-resnet50"} {
		s, err := supernet.ByName(name)
		if err != nil {
			f.Fatal(err)
		}
		s.Name = "mine"
		f.Add(s.Describe())
	}
	f.Add([]byte("name: a\nstages: [{}]\nkernels: &k [3]\nwidths: *k\n"))
	f.Add([]byte("{name: a, classes: 1, resolutions: [8], kernels: [1], expands: [.1], depths: [1], stem: {width: 1, activation: relu}, stages: [{width: 1, activation: relu}]}"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Add([]byte("%YAML 1.1\n---\n!!map {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := supernet.ParseSpace("fuzz.yaml", data)
		if err != nil {
			return
		}
		back, err := supernet.Resolve(s.Name, s.Description())
		if err != nil {
			t.Fatalf("the description of an accepted space: %v\n%s", err, s.Description())
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Fatalf("it came back changed (-before +after):\n%s", diff)
		}
		for _, a := range []supernet.Arch{s.Smallest(), s.Largest()} {
			blocks, err := s.Blocks(a)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range blocks {
				if err := b.Validate(); err != nil {
					t.Fatalf("%v: %v", b, err)
				}
			}
			if n, err := s.MACs(a); err != nil || n <= 0 {
				t.Fatalf("%d multiply-accumulates, %v", n, err)
			}
		}
	})
}

// The sizes of the published spaces: ((9^2 + 9^3 + 9^4)^5) 25 = 25 * 7371^5 for MobileNetV3; of ResNet50
// 2 stems, (3^2+3^3+3^4)^3 (3^4+3^5+3^6) blocks, widths 2 (32 and 24 channels) and 3^5; a small space by
// counting.
func TestSize(t *testing.T) {
	for name, want := range map[string]string{
		"ofa-mbv3-w1.2": "543966387314312146275", // 25 * 7371^5
		"ofa-resnet50":  "40981913282700",        // 25 * 2 * 117^3 * 1053 * 2 * 3^5
	} {
		s, err := supernet.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Size().String(); got != want {
			t.Errorf("%s has %s sub-networks, want %s", name, got, want)
		}
	}
	s, err := supernet.ParseSpace("small.yaml", []byte(strings.NewReplacer("[3, 4, 6]", "[3]", "[3, 5]", "[3]").Replace(small)))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	seen := map[string]bool{}
	for range 1000 {
		seen[s.Random(rng, s.Resolutions[rng.IntN(3)]).String()] = true
	}
	// One kernel size and ratio: 3 resolutions, 2 depths, 2 depths, 1.
	if got := s.Size(); got.Int64() != 12 || len(seen) != 12 {
		t.Errorf("%v sub-networks, %d found, want 12", got, len(seen))
	}
}
