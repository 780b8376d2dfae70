package formats

import (
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// FuzzBlock holds the fast reader to the one that defines the form.
func FuzzBlock(f *testing.F) {
	for _, s := range []string{
		"mbconv in=88x88x24 out=44x44x32 mid=72 k=5 s=2 act=relu se=1 res=0",
		"sepconv in=80x80x24 out=80x80x24 k=3 s=1 act=relu se=0 res=1",
		"bottleneck in=56x56x64 out=28x28x128 mid=32 k=3 s=2 act=relu res=0",
		"stem in=160x160x3 out=80x80x24 k=3 s=2 act=hswish", "stem in=80x80x24 out=80x80x24 k=3 s=1 act=relu res=1",
		"maxpool in=80x80x24 out=40x40x24 k=3 s=2", "classifier in=1x1x1536 out=1x1x1000", "pool in=5x5x1152 out=1x1x1152",
		"mix in=1x1x1152 out=1x1x1536 act=hswish", "expand in=5x5x192 out=5x5x1152 act=relu6 ",
		"mbconv in=88x88x24 out=44x44x32 mid=072 k=5 s=2 act=relu se=1 res=0", "mbconv  in=8x8x2", "pool in=5x5x65537 out=1x1x65537",
		"pool in=5x5x8 out=1x1x8 act=", "expand in=5x5x8 out=5x5x8 act=relu act=relu", "", " ", "mbconv", "pool in=5x5x8x out=1x1x8",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, wantErr := supernet.ParseBlock(s)
		got, gotErr := parseBlock([]byte(s))
		if (wantErr == nil) != (gotErr == nil) || wantErr == nil && got != want {
			t.Fatalf("%q: %+v, %v; want %+v, %v", s, got, gotErr, want, wantErr)
		}
	})
}

// Every block of a space is read on the fast path.
func TestPlainBlocks(t *testing.T) {
	for _, name := range []string{"ofa-mbv3-w1.2", "ofa-proxyless-w1.3", "ofa-resnet50"} {
		s, err := supernet.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := s.DistinctBlocks(160)
		if err != nil {
			t.Fatal(err)
		}
		slow := 0
		for _, b := range blocks {
			got, ok := plainBlock([]byte(b.String()))
			if ok && got != b {
				t.Errorf("%v: %v", b, got)
			}
			if !ok {
				slow++
			}
		}
		if slow > 2 { // the residual stem alone
			t.Errorf("%s: %d of %d blocks take the slow path", name, slow, len(blocks))
		}
	}
}

func TestDecimal(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-0": true, "12": true, "1.5": true, "1.": true, "1e5": true, "1E-5": true, "0.5e+10": true, "-1.25": true,
		"": false, "-": false, "00": false, "01": false, ".5": false, "1e": false, "1e+": false, "+1": false, "0x1": false, "1_0": false, "NaN": false, "1 ": false, "1.5.": false, "e5": false,
	} {
		if decimal(text) != want || decimal([]byte(text)) != want {
			t.Errorf("%q: %v, want %v", text, !want, want)
		}
	}
}
