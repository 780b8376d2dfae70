package supernet_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
)

func byName(t testing.TB, name string) *supernet.Space {
	t.Helper()
	s, err := supernet.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// families are spaces of every kind, published and small ones.
func families(t testing.TB) []*supernet.Space {
	var all []*supernet.Space
	for _, name := range []string{"ofa-mbv3-w1.2", "ofa-mbv3-w0.25-c10", "ofa-proxyless-w1.3", "ofa-proxyless-w0.25-c10",
		"ofa-resnet50", "ofa-resnet50-w0.1,0.125,0.2-c10", "ofa-resnet50-w1.0", "fashion-mbv3"} {
		all = append(all, byName(t, name))
	}
	return all
}

// What a sub-network consists of is among the distinct blocks; every block is valid and reads back;
// canonical architectures stay as they are and their text reads back.
func TestRandomNetworksOfFamilies(t *testing.T) {
	for _, s := range families(t) {
		rng := rand.New(rand.NewPCG(2, 2))
		known := map[supernet.Block]bool{}
		blocks, err := s.DistinctBlocks(100)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if known[b] {
				t.Errorf("%s: %v is repeated", s.Name, b)
			}
			known[b] = true
			if err := b.Validate(); err != nil {
				t.Errorf("%s: %v: %v", s.Name, b, err)
			}
			if back, err := supernet.ParseBlock(b.String()); err != nil || back != b {
				t.Errorf("%s: %v reads back as %v, %v", s.Name, b, back, err)
			}
		}
		for i := range 300 {
			a := s.Random(rng, 100)
			switch i {
			case 0:
				a, _ = s.Canonical(s.Uniform(s.Kernels[0], s.Expands[0], 0, 100))
			case 1:
				a, _ = s.Canonical(s.Uniform(s.Kernels[len(s.Kernels)-1], s.Expands[len(s.Expands)-1], s.MaxDepth(), 100))
			}
			layers, err := s.Layers(a)
			if err != nil {
				t.Fatalf("%s: %v: %v", s.Name, a, err)
			}
			names := map[string]bool{}
			at := supernet.Shape{Size: 100, Channels: s.InChannels}
			for _, l := range layers {
				if !known[l.Block] {
					t.Fatalf("%s: %v has %v, which DistinctBlocks lacks", s.Name, a, l.Block)
				}
				if names[l.Name] || l.In != at {
					t.Fatalf("%s: %v: layer %s is repeated or does not follow %v", s.Name, a, l.Name, at)
				}
				names[l.Name], at = true, l.Out
			}
			if at != (supernet.Shape{Size: 1, Channels: s.Classes}) {
				t.Errorf("%s: %v ends with %v", s.Name, a, at)
			}
			back, err := supernet.ParseArch([]byte(a.String()))
			if err != nil || !back.Equal(a) {
				t.Errorf("%s: %v reads back as %v, %v", s.Name, a, back, err)
			}
			if c, err := s.Canonical(back); err != nil || !c.Equal(a) || !cmp.Equal(c, a) {
				t.Errorf("%s: %v becomes %v, %v", s.Name, a, c, err)
			}
		}
	}
}

// Published extremes. Expected values: parameters of ofa_proxyless w1.3's and ofa_resnet50's largest
// and smallest sub-networks follow from the layers by hand for one each; see the comments.
func TestShapesOfFamilies(t *testing.T) {
	for _, c := range []struct {
		space      string
		positions  int
		depths     int
		widths     int
		first, end string // text of the first and the last block before the head of the smallest at r=128
		blocks     int
	}{
		// md(32*1.3)=40, md(16*1.3)=24, md(192*1.3)=248, md(320*1.3)=416; 15 blocks of size 128/32=4.
		{"ofa-proxyless-w1.3", 21, 5, 0, "stem in=128x128x3 out=64x64x40 k=3 s=2 act=relu6",
			"mbconv in=4x4x248 out=4x4x416 mid=744 k=3 s=1 act=relu6 se=0 res=0", 1 + 1 + 5*2 + 1 + 3},
		// W = 0.65: md(41.6)=40, md(20)=24, md(2048*.65=1331.2)=1328; mid md(round(265.6)=266)=264.
		{"ofa-resnet50", 18, 5, 6, "stem in=128x128x3 out=64x64x24 k=3 s=2 act=relu",
			"bottleneck in=4x4x1328 out=4x4x1328 mid=264 k=3 s=1 act=relu res=1", 3 + 2 + 2 + 4 + 2 + 2},
	} {
		s := byName(t, c.space)
		if s.Positions() != c.positions || s.DepthEntries() != c.depths || s.WidthEntries() != c.widths {
			t.Errorf("%s: %d positions, %d depths, %d widths", c.space, s.Positions(), s.DepthEntries(), s.WidthEntries())
		}
		a := s.Smallest()
		a.R = 128
		blocks, err := s.Blocks(a)
		if err != nil {
			t.Fatal(err)
		}
		end := slices.IndexFunc(blocks, func(b supernet.Block) bool { return b.Op == supernet.OpExpand || b.Op == supernet.OpPool })
		if len(blocks) != c.blocks || blocks[0].String() != c.first || blocks[end-1].String() != c.end {
			t.Errorf("%s: %d blocks, %v, %v", c.space, len(blocks), blocks[0], blocks[end-1])
		}
	}
}

// Stages of ResNet50 begin at 0, 4, 8 and 14 and have two, two, four and two blocks more than their
// entry of D, which comes after the stem's.
func TestStagesOfResNet50(t *testing.T) {
	s := byName(t, "ofa-resnet50")
	var first, entries, active []int
	for i := range s.Stages {
		first = append(first, s.FirstPosition(i))
		entries = append(entries, s.DepthEntry(i))
		active = append(active, s.ActiveBlocks(i, []int{2, 1, 0, 2, 1}))
	}
	if d := cmp.Diff([][]int{{0, 4, 8, 14}, {1, 2, 3, 4}, {3, 2, 6, 3}}, [][]int{first, entries, active}); d != "" {
		t.Error(d)
	}
	if s.DepthEntry(-1) != 0 || s.StageOfEntry(0) != -1 || s.StageOfEntry(4) != 3 {
		t.Error("the stem's entry is not the first")
	}
	p := byName(t, "ofa-proxyless-w1.3")
	if p.DepthEntry(5) != -1 || p.FirstPosition(5) != 20 || p.ActiveBlocks(5, []int{2, 2, 2, 2, 2}) != 1 || p.DepthEntry(-1) != -1 {
		t.Error("the sixth stage is not of one block")
	}
}

// Entries that make no difference do not make another network.
func TestCanonicalResNet50(t *testing.T) {
	s := byName(t, "ofa-resnet50")
	a := s.Largest()
	a.D, a.W = []int{1, 0, 0, 0, 0}, []int{1, 2, 0, 1, 2, 1}
	a.KS = nil // as OFA's files have it
	c, err := s.Canonical(a)
	if err != nil {
		t.Fatal(err)
	}
	// 0.65 and 0.8 both give 24 inner channels of the stem.
	want := `{"ks":[3,3,0,0,3,3,0,0,3,3,3,3,0,0,3,3,0,0],"e":[0.35,0.35,0,0,0.35,0.35,0,0,0.35,0.35,0.35,0.35,0,0,0.35,0.35,0,0],` +
		`"d":[0,0,0,0,0],"w":[0,2,0,1,2,1],"r":224}`
	if c.String() != want {
		t.Errorf("%v, want %s", c, want)
	}
	if d := cmp.Diff([][]int{{0, 2}, {0, 1, 2}}, [][]int{s.WidthChoices(0), s.WidthChoices(1)}); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([][]int{{0, 2}, {0, 1, 2}}, [][]int{s.DepthChoices(0), s.DepthChoices(4)}); d != "" {
		t.Error(d)
	}
	for name, text := range map[string]string{
		"w[3] is 3":     `{"e":[0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2],"d":[0,0,0,0,0],"w":[0,0,0,3,0,0],"r":64}`,
		"6 widths":      `{"e":[0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2],"d":[0,0,0,0,0],"w":[0],"r":64}`,
		"d[0] is 3":     `{"e":[0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2],"d":[3,0,0,0,0],"w":[0,0,0,0,0,0],"r":64}`,
		"e[9] is 4":     `{"e":[0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2,4,0.2,0.2,0.2,0.2,0.2,0.2,0.2,0.2],"d":[0,0,0,0,0],"w":[0,0,0,0,0,0],"r":64}`,
		"18 kernel siz": `{"e":[],"d":[],"w":[],"r":64}`,
	} {
		a, err := supernet.ParseArch([]byte(text))
		if err == nil {
			_, err = s.Canonical(a)
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	m := space(t, 1)
	a = m.Largest()
	a.W = []int{0}
	if _, err := m.Canonical(a); err == nil || !strings.Contains(err.Error(), "no elastic width") {
		t.Errorf("width for a space without: %v", err)
	}
}

func TestNamesOfFamilies(t *testing.T) {
	for name, want := range map[string]string{
		"ofa-proxyless-w1.3":                "ofa-proxyless-w1.3",
		"ofa_proxyless_d234_e346_k357_w1.3": "ofa-proxyless-w1.3",
		"ofa-proxyless-w1-c10":              "ofa-proxyless-w1.0-c10",
		"ofa-resnet50":                      "ofa-resnet50",
		"ofa_resnet50":                      "ofa-resnet50",
		"ofa-resnet50-w0.65,0.8,1":          "ofa-resnet50",
		"ofa-resnet50-c10":                  "ofa-resnet50-c10",
		"ofa-resnet50-w0.1,0.125,0.15-c10":  "ofa-resnet50-w0.1,0.125,0.15-c10",
		"ofa-resnet50-w1":                   "ofa-resnet50-w1.0",
	} {
		s, err := supernet.ByName(name)
		if err != nil || s.Name != want {
			t.Errorf("ByName(%q) = %v, %v; want %q", name, s, err, want)
			continue
		}
		if again, err := supernet.ByName(s.Name); err != nil || !cmp.Equal(again, s) {
			t.Errorf("%q does not name itself", s.Name)
		}
	}
	for _, bad := range []string{"ofa-proxyless", "ofa-proxyless-w1.0,1.2", "ofa-proxyless_w1.3", "ofa-resnet50-w", "ofa-resnet50-w1,0.8",
		"ofa-resnet50-w0.8,0.8", "ofa-resnet50-w9", "ofa-resnet50-wNaN", "ofa-resnet50-w0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9",
		"ofa-resnet50-c0", "ofa-resnet501", "ofa-mbv3-w1,1.2"} {
		if s, err := supernet.ByName(bad); err == nil {
			t.Errorf("ByName(%q) = %v, want an error", bad, s.Name)
		}
	}
}

// Equal widths of the first block do not give OFA's ProxylessNAS a residual there.
func TestFirstBlockIsPlain(t *testing.T) {
	for name, want := range map[string]bool{"ofa-proxyless-w0.25": false, "ofa-mbv3-w0.25": true} {
		s := byName(t, name)
		blocks, err := s.Blocks(s.Smallest())
		if err != nil {
			t.Fatal(err)
		}
		if b := blocks[1]; b.In.Channels != b.Out.Channels || b.Residual != want {
			t.Errorf("%s: first block is %v", name, b)
		}
	}
}

func ExampleSpace_Slots() {
	s, err := supernet.ByName("ofa-resnet50")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, sl := range s.Slots(224)[:7] {
		fmt.Printf("%-7s position %2d, %d blocks, active at depth 0: %t\n", sl.Name, sl.Position, len(sl.Blocks()), sl.Active([]int{0, 0, 0, 0, 0}))
	}
	// Output:
	// stem0   position -1, 3 blocks, active at depth 0: true
	// stem1   position -1, 3 blocks, active at depth 0: false
	// stem2   position -1, 9 blocks, active at depth 0: true
	// maxpool position -1, 3 blocks, active at depth 0: true
	// b00     position  0, 27 blocks, active at depth 0: true
	// b01     position  1, 9 blocks, active at depth 0: true
	// b02     position  2, 9 blocks, active at depth 0: false
}

func BenchmarkMACs(b *testing.B) {
	for _, s := range families(b)[:1] {
		a := s.Largest()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.MACs(a); err != nil {
				b.Fatal(err)
			}
		}
	}
}
