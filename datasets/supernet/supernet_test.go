package supernet_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
)

func space(t testing.TB, width float64) *supernet.Space {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(width, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Expected values: the multiply-accumulates and parameters that the once-for-all code gives.
func TestMACsOfReference(t *testing.T) {
	data, err := os.ReadFile(reftest.Path(t, "ofa", "macs.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Arch         supernet.Arch
		MACs, Params int64
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) < 10 {
		t.Fatalf("%d rows, want at least 10", len(rows))
	}
	s := space(t, 1.2)
	for _, row := range rows {
		macs, err := s.MACs(row.Arch)
		if err != nil {
			t.Fatal(err)
		}
		params, _ := s.Params(row.Arch)
		if macs != row.MACs || params != row.Params {
			t.Errorf("%v: %d MACs, %d parameters; want %d, %d", row.Arch, macs, params, row.MACs, row.Params)
		}
	}
}

// Expected values: the w1.0 rows of the measured networks carry MACs and parameters of their own.
func TestMACsOfMeasuredNetworks(t *testing.T) {
	data, err := os.ReadFile(reftest.Path(t, "measured", "ofa-mbv3-w1.0.csv"))
	if err != nil {
		t.Fatal(err)
	}
	s := space(t, 1)
	rows := 0
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if f[0] == "source" || len(f) < 8 || f[6] == "" {
			continue
		}
		text := fmt.Sprintf(`{"ks":[%s],"e":[%s],"d":[%s],"r":%s}`, strings.ReplaceAll(f[2], " ", ","),
			strings.ReplaceAll(f[3], " ", ","), strings.ReplaceAll(f[4], " ", ","), f[1])
		a, err := supernet.ParseArch([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		macs, err := s.MACs(a)
		if err != nil {
			t.Fatal(err)
		}
		params, _ := s.Params(a)
		if fmt.Sprint(macs) != f[6] || fmt.Sprint(params) != f[7] {
			t.Fatalf("%s: %d MACs, %d parameters; want %s, %s", text, macs, params, f[6], f[7])
		}
		rows++
	}
	if rows < 1500 {
		t.Errorf("%d rows compared, want the half that carries counts", rows)
	}
}

// Expected values: extremes of w1.2 as computed with the once-for-all code (843.10 M and 100.32 M
// MACs, 10.70 M and 4.60 M parameters).
func TestExtremes(t *testing.T) {
	s := space(t, 1.2).WithResolutions(160, 224)
	for _, c := range []struct {
		arch         supernet.Arch
		macs, params string
	}{{s.Largest(), "843.10", "10.70"}, {s.Smallest(), "100.32", "4.60"}} {
		macs, err := s.MACs(c.arch)
		if err != nil {
			t.Fatal(err)
		}
		params, _ := s.Params(c.arch)
		if got := fmt.Sprintf("%.2f", float64(macs)/1e6); got != c.macs {
			t.Errorf("%s M MACs, want %s", got, c.macs)
		}
		if got := fmt.Sprintf("%.2f", float64(params)/1e6); got != c.params {
			t.Errorf("%s M parameters, want %s", got, c.params)
		}
	}
}

// Dynamic-OFA's and OFA's tables hold 96 entries per resolution.
func TestDistinctBlocks(t *testing.T) {
	s := space(t, 1.2)
	for _, r := range s.Resolutions {
		blocks, err := s.DistinctBlocks(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(blocks) != 96 {
			t.Errorf("r=%d: %d distinct blocks, want 96", r, len(blocks))
		}
		for _, b := range blocks {
			if err := b.Validate(); err != nil {
				t.Errorf("%v: %v", b, err)
			}
			back, err := supernet.ParseBlock(b.String())
			if err != nil || back != b {
				t.Errorf("%v reads back as %v, %v", b, back, err)
			}
		}
	}
	// Random sub-networks contain nothing else.
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		a := randomArch(rng, s)
		all, err := s.DistinctBlocks(a.R)
		if err != nil {
			t.Fatal(err)
		}
		known := map[supernet.Block]bool{}
		for _, b := range all {
			known[b] = true
		}
		blocks, err := s.Blocks(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if !known[b] {
				t.Fatalf("%v has %v, which DistinctBlocks lacks", a, b)
			}
		}
	}
}

func randomArch(rng *rand.Rand, s *supernet.Space) supernet.Arch {
	a := s.Smallest()
	for i := range a.KS {
		a.KS[i] = s.Kernels[rng.IntN(len(s.Kernels))]
		a.E[i] = s.Expands[rng.IntN(len(s.Expands))]
	}
	for i := range a.D {
		a.D[i] = s.Depths[rng.IntN(len(s.Depths))]
	}
	a.R = s.Resolutions[rng.IntN(len(s.Resolutions))]
	return a
}

func TestCanonicalIgnoresInactiveEntries(t *testing.T) {
	s := space(t, 1.2)
	a := s.Uniform(5, 4, 2, 192)
	b := s.Uniform(5, 4, 2, 192)
	for p := range b.KS {
		if p%4 >= 2 { // inactive at depth 2
			b.KS[p], b.E[p] = 99, -1
		}
	}
	ca, err := s.Canonical(a)
	if err != nil {
		t.Fatal(err)
	}
	cb, err := s.Canonical(b)
	if err != nil {
		t.Fatal(err)
	}
	if !ca.Equal(cb) || ca.ID() != cb.ID() {
		t.Errorf("equal networks differ: %v and %v", ca, cb)
	}
	if again, _ := s.Canonical(ca); !again.Equal(ca) {
		t.Error("canonicalising twice changes the architecture")
	}
	b.KS[1] = 7 // active
	if cb, _ := s.Canonical(b); cb.ID() == ca.ID() {
		t.Error("different networks share an ID")
	}
}

func TestCanonicalRefuses(t *testing.T) {
	s := space(t, 1.2)
	for name, change := range map[string]func(*supernet.Arch){
		"kernel":     func(a *supernet.Arch) { a.KS[0] = 4 },
		"ratio":      func(a *supernet.Arch) { a.E[5] = 5 },
		"depth":      func(a *supernet.Arch) { a.D[4] = 1 },
		"resolution": func(a *supernet.Arch) { a.R = 4 },
		"huge":       func(a *supernet.Arch) { a.R = 1 << 40 },
		"short":      func(a *supernet.Arch) { a.KS = a.KS[:19] },
		"empty":      func(a *supernet.Arch) { *a = supernet.Arch{} },
	} {
		a := s.Largest()
		change(&a)
		if _, err := s.Canonical(a); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParseArch(t *testing.T) {
	const want = `{"ks":[3,5],"e":[4,2.5],"d":[2],"r":176}`
	for _, text := range []string{
		want,
		`{"ks":[3,5],"e":[4,2.5],"d":[2],"r":[176]}`,
		` { "wid":null, "r" : 176, "d":[2],"e":[4.0,2.5],"ks":[3,5] } `,
	} {
		a, err := supernet.ParseArch([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if a.String() != want {
			t.Errorf("%s reads as %s", text, a)
		}
	}
	for _, c := range []struct{ text, message string }{
		{``, "byte 0"},
		{`[]`, "object is expected"},
		{`{"ks":[3],"e":[3],"d":[2]}`, `"r" is missing`},
		{`{"ks":[3],"e":[3],"d":[2],"r":[1,2]}`, "has 2 values"},
		{`{"ks":[3],"e":[3],"d":[2],"r":null}`, `"r"`},
		{`{"ks":[3],"ks":[3],"e":[3],"d":[2],"r":1}`, `"ks" is repeated`},
		{`{"ks":[3.5],"e":[3],"d":[2],"r":1}`, `"ks"`},
		{`{"ks":["3"],"e":[3],"d":[2],"r":1}`, `"ks"`},
		{`{"ks":[null],"e":[3],"d":[2],"r":1}`, "null"},
		{`{"ks":null,"e":[3],"d":[2],"r":1}`, "list is expected"},
		{`{"ks":[3],"e":[1e999],"d":[2],"r":1}`, `"e"`},
		{`{"ks":[3],"e":[3],"d":[99999999999999999999],"r":1}`, `"d"`},
		{`{"wid":1}`, "elastic width"},
		{`{"kernel":[3]}`, `unknown key "kernel"`},
		{`{"ks":[3],"e":[3],"d":[2],"r":1} x`, "text follows"},
		{`{"ks":[3],"e":[3],"d":[2],"r":1`, "does not end"},
		{strings.Repeat(" ", 1<<15), "bytes are more"},
	} {
		_, err := supernet.ParseArch([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%.60s: error %v, want one with %q", c.text, err, c.message)
		}
	}
}

func FuzzParseArch(f *testing.F) {
	s := space(f, 1.2)
	f.Add(s.Largest().String())
	f.Add(`{"ks":[3],"e":[0.35],"d":[2],"r":[1]}`)
	f.Add(`{"ks":[3],"e":[3],"d":[2],"r":`)
	f.Add(`{"wid":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := supernet.ParseArch([]byte(text))
		if err != nil {
			return
		}
		back, err := supernet.ParseArch([]byte(a.String()))
		if err != nil {
			t.Fatalf("%q was accepted, its text form %q is not: %v", text, a, err)
		}
		if !back.Equal(a) {
			t.Fatalf("%q reads as %v, then as %v", text, a, back)
		}
		if c, err := s.Canonical(a); err == nil {
			if _, err := s.Layers(c); err != nil {
				t.Fatalf("canonical %v has no layers: %v", c, err)
			}
		}
	})
}

func FuzzParseBlock(f *testing.F) {
	blocks, err := space(f, 1.2).DistinctBlocks(176)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range blocks {
		f.Add(b.String())
	}
	f.Add("mbconv in=1x1x9999999999 out=1x1x1")
	f.Add("pool in=-1x-1x3 out=1x1x3")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := supernet.ParseBlock(text)
		if err != nil {
			return
		}
		if b.String() != text {
			t.Fatalf("%q was accepted and prints as %q", text, b)
		}
		if b.MACs() < 0 || b.Params() < 0 {
			t.Fatalf("%q: counts overflow", text)
		}
	})
}

func TestByName(t *testing.T) {
	for name, want := range map[string]string{
		"ofa-mbv3-w1.2":                 "ofa-mbv3-w1.2",
		"ofa-mbv3-w1":                   "ofa-mbv3-w1.0",
		"ofa-mbv3-w0.5-c10":             "ofa-mbv3-w0.5-c10",
		"ofa_mbv3_d234_e346_k357_w1.2":  "ofa-mbv3-w1.2",
		"ofa-mbv3-w1.2-c1000":           "ofa-mbv3-w1.2",
		"ofa_mbv3_d234_e346_k357_w1.00": "ofa-mbv3-w1.0",
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
	for _, bad := range []string{"", "resnet", "ofa-mbv3-w", "ofa-mbv3-wNaN", "ofa-mbv3-w0", "ofa-mbv3-w-1", "ofa-mbv3-w99", "ofa-mbv3-w1.0-c0", "ofa-mbv3-w1.0-cx"} {
		if s, err := supernet.ByName(bad); err == nil {
			t.Errorf("ByName(%q) = %v, want an error", bad, s.Name)
		}
	}
}

// Widths of the published w1.2 supernet.
func TestWidths(t *testing.T) {
	s := space(t, 1.2)
	got := []int{s.StemWidth, s.FirstWidth}
	for _, stage := range s.Stages {
		got = append(got, stage.Width)
	}
	got = append(got, s.ExpandWidth, s.MixWidth)
	if want := []int{24, 24, 32, 48, 96, 136, 192, 1152, 1536}; !cmp.Equal(got, want) {
		t.Errorf("widths %v, want %v", got, want)
	}
}

func ExampleSpace_MACs() {
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		fmt.Println(err)
		return
	}
	macs, err := space.MACs(space.Uniform(7, 6, 4, 224))
	fmt.Println(macs, err)
	// Output: 843101040 <nil>
}
