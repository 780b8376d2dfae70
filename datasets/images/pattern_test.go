package images_test

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/dynofa/dynofa/datasets/images"
)

func pattern(t testing.TB, seed uint64, i, size int) *image.RGBA {
	t.Helper()
	m, err := images.Pattern(seed, i, size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The digests were recorded on amd64 and are the same with GOARCH=386: integers only. Another value
// means that demonstrations change.
func TestPatternDigests(t *testing.T) {
	for _, c := range []struct {
		seed    uint64
		i, size int
		want    string
	}{
		{1, 0, 64, "548a997c542ef073"},
		{1, 1, 64, "ba75dd506bbf646a"},
		{2, 0, 224, "fe8bf18c3058fa42"},
		{0, 99999, 7, "45eee51d645cb41e"},
	} {
		if got := digestRGB(pattern(t, c.seed, c.i, c.size)); got[:16] != c.want {
			t.Errorf("{%d, %d, %d, %q},", c.seed, c.i, c.size, got[:16])
		}
	}
}

func TestPatternsDifferAndRepeat(t *testing.T) {
	const n = 40
	var all [3][n]string
	var wg sync.WaitGroup
	for k := range all {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range n {
				m, err := images.Pattern(7, i, 32)
				if err != nil {
					t.Error(err)
					return
				}
				all[k][i] = digestRGB(m)
			}
		}()
	}
	wg.Wait()
	if all[0] != all[1] || all[0] != all[2] {
		t.Error("the same seed gives other pictures")
	}
	seen := map[string]int{}
	for i, d := range all[0] {
		if j, ok := seen[d]; ok {
			t.Errorf("pictures %d and %d are equal", i, j)
		}
		seen[d] = i
	}
	if digestRGB(pattern(t, 8, 0, 32)) == all[0][0] {
		t.Error("another seed gives the same picture")
	}
}

// Half the size shows the same motif: block means of the larger picture are near the smaller one.
func TestPatternKeepsItsMotif(t *testing.T) {
	for i := range 20 {
		large, small := pattern(t, 3, i, 128), pattern(t, 3, i, 64)
		var sum int
		for y := range 64 {
			for x := range 64 {
				for c := range 3 {
					var block int
					for k := range 4 {
						block += int(large.Pix[large.PixOffset(2*x+k&1, 2*y+k>>1)+c])
					}
					d := block/4 - int(small.Pix[small.PixOffset(x, y)+c])
					sum += max(d, -d)
				}
			}
		}
		if mean := float64(sum) / (64 * 64 * 3); mean > 4 {
			t.Errorf("picture %d: sizes differ by %.1f levels on average", i, mean)
		}
	}
}

func TestWritePatterns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	for range 2 { // the second time replaces
		paths, err := images.WritePatterns(dir, 5, 3, 20)
		if err != nil {
			t.Fatal(err)
		}
		if len(paths) != 3 {
			t.Fatalf("%d paths", len(paths))
		}
		for i, path := range paths {
			img := read(t, path)
			p := preprocessor(t, images.Preprocess{Resolution: 20, Resize: 20})
			seen, err := p.Picture(img)
			if err != nil {
				t.Fatal(err)
			}
			if digestRGB(seen) != digestRGB(pattern(t, 5, i, 20)) {
				t.Errorf("%s differs from what was drawn", path)
			}
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("%d files are left (%v)", len(entries), err)
	}
}

func TestPatternRejects(t *testing.T) {
	for _, c := range [][2]int{{-1, 8}, {0, 0}, {0, -5}, {0, images.MaxResolution + 1}} {
		if _, err := images.Pattern(1, c[0], c[1]); err == nil {
			t.Errorf("picture %d of size %d is drawn", c[0], c[1])
		}
	}
	file := write(t, filepath.Join(t.TempDir(), "file"), "")
	for name, call := range map[string]func() ([]string, error){
		"none":   func() ([]string, error) { return images.WritePatterns(t.TempDir(), 1, 0, 8) },
		"many":   func() ([]string, error) { return images.WritePatterns(t.TempDir(), 1, 1<<30, 8) },
		"size":   func() ([]string, error) { return images.WritePatterns(t.TempDir(), 1, 1, 0) },
		"a file": func() ([]string, error) { return images.WritePatterns(file, 1, 1, 8) },
	} {
		if _, err := call(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func ExamplePattern() {
	m, err := images.Pattern(42, 0, 8)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Bounds(), m.RGBAAt(0, 0), m.RGBAAt(7, 7))
	// Output: (0,0)-(8,8) {110 123 24 255} {171 214 41 255}
}
