package fashion_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/images/fashion"
)

// Counts: those that make.py chose.
func TestSubsets(t *testing.T) {
	for split, n := range map[fashion.Split]int{fashion.Test: 2000, fashion.Selection: 2000, fashion.Calibration: 1000} {
		s, err := fashion.Open(split)
		if err != nil {
			t.Fatal(err)
		}
		if s.Len() != n || s.Height != 28 || s.Width != 28 || s.Channels != 1 {
			t.Errorf("%s: %d pictures of %d x %d x %d", split, s.Len(), s.Height, s.Width, s.Channels)
		}
		balanced(t, string(split), s, n/10)
	}
	if _, err := fashion.Open(fashion.Train); !errors.Is(err, fashion.ErrSplit) {
		t.Errorf("train: %v", err)
	}
}

func balanced(t *testing.T, what string, s *images.Set, each int) {
	t.Helper()
	counts := make([]int, len(s.Classes()))
	for i := range s.Len() {
		counts[s.Label(i)]++
	}
	if len(counts) != 10 {
		t.Errorf("%s: %d classes", what, len(counts))
	}
	for c, n := range counts {
		if n != each {
			t.Errorf("%s: class %d has %d pictures, want %d", what, c, n, each)
		}
	}
}

// The splits have their sizes and as many pictures of each class; the subsets are parts of them.
func TestFullSet(t *testing.T) {
	if _, err := os.Stat(fashion.DefaultFolder); err != nil {
		t.Skip("the full Fashion-MNIST is not installed: ", err)
	}
	keys := map[fashion.Split]map[string]int{}
	for split, n := range map[fashion.Split]int{fashion.Test: 10000, fashion.Selection: 5000, fashion.Train: 55000} {
		s, err := fashion.OpenFull(fashion.DefaultFolder, split)
		if err != nil {
			t.Fatal(err)
		}
		if s.Len() != n || len(s.Labels) != n {
			t.Fatalf("%s: %d pictures, %d labels; want %d", split, s.Len(), len(s.Labels), n)
		}
		balanced(t, string(split), s, n/10)
		keys[split] = content(s)
	}
	for _, pair := range [][2]fashion.Split{{fashion.Test, fashion.Test}, {fashion.Selection, fashion.Selection}, {fashion.Calibration, fashion.Train}} {
		s, err := fashion.Open(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		for key := range content(s) {
			if keys[pair[1]][key] == 0 {
				t.Fatalf("a picture of the subset %s is not in the full %s", pair[0], pair[1])
			}
		}
	}
}

// content counts the pictures of a set by label and pixels.
func content(s *images.Set) map[string]int {
	size := len(s.Pix) / s.Len()
	m := map[string]int{}
	for i := range s.Len() {
		m[string(append([]byte{s.Labels[i]}, s.Pix[i*size:(i+1)*size]...))]++
	}
	return m
}

func TestWithoutFullSet(t *testing.T) {
	empty := t.TempDir()
	if _, err := fashion.OpenFull(empty, fashion.Test); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenFull: %v", err)
	}
	best, err := fashion.OpenBest(empty, fashion.Selection)
	if err != nil {
		t.Fatal(err)
	}
	built, err := fashion.Open(fashion.Selection)
	if err != nil || !bytes.Equal(best.Pix, built.Pix) {
		t.Errorf("OpenBest does not fall back on the subset: %v", err)
	}
	if _, err := fashion.OpenFull(empty, "validation"); !errors.Is(err, fashion.ErrSplit) {
		t.Errorf("unknown split: %v", err)
	}
}
