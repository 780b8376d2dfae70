package images_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dynofa/dynofa/datasets/images"
)

// small keeps fuzzing quick: what is under test are the checks, not the memory.
var small = images.Limits{Pixels: 1 << 16, Bytes: 1 << 18}

// No bytes crash the decoders or the transform; what is accepted gives a whole tensor.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*g")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, path := range append(files, "testdata/rgb.bmp") {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add(pngHeader(1<<31-1, 1<<31-1, 10))
	p := preprocessor(f, images.Preprocess{Resolution: 16})
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := images.Decode("x", bytes.NewReader(data), small)
		if err != nil {
			var bad *images.DecodeError
			if !errors.As(err, &bad) {
				t.Fatalf("%v is not a DecodeError", err)
			}
			return
		}
		if b := img.Bounds(); int64(b.Dx())*int64(b.Dy()) > small.Pixels {
			t.Fatalf("%v is over the limit", b)
		}
		tensor(t, p, img)
	})
}

// No bytes crash the IDX readers; what is accepted encodes to the same bytes again.
func FuzzIDX(f *testing.F) {
	f.Add(idx(0x803, []uint32{3, 2, 4}, sequence(24)))
	f.Add(idx(0x801, []uint32{3}, sequence(3)))
	f.Add(zip(idx(0x803, []uint32{1, 1, 1}, sequence(1))))
	f.Add(idx(0x803, []uint32{1 << 31, 1, 1}, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		zipped := len(data) > 1 && data[0] == 0x1f && data[1] == 0x8b
		if s, err := images.ReadIDXPictures("x", bytes.NewReader(data), small); err == nil {
			again := idx(0x803, []uint32{uint32(s.Len()), uint32(s.Height), uint32(s.Width)}, s.Pix)
			if !zipped && !bytes.Equal(again, data) {
				t.Error("accepted pictures do not round-trip")
			}
			if _, err := s.Image(s.Len() - 1); err != nil {
				t.Error(err)
			}
		}
		if l, err := images.ReadIDXLabels("x", bytes.NewReader(data), small); err == nil {
			if again := idx(0x801, []uint32{uint32(len(l))}, l); !zipped && !bytes.Equal(again, data) {
				t.Error("accepted labels do not round-trip")
			}
		}
	})
}

// No bytes crash the CIFAR readers; accepted labels are in range.
func FuzzCIFAR(f *testing.F) {
	f.Add(cifar([]byte{3}))
	f.Add(cifar([]byte{19, 99}))
	f.Add(zip(cifar([]byte{9})))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := images.ReadCIFAR10("x", bytes.NewReader(data), small); err == nil {
			for i := range s.Len() {
				if l := s.Label(i); l < 0 || l > 9 {
					t.Errorf("label %d", l)
				}
			}
		}
		if s, err := images.ReadCIFAR100("x", bytes.NewReader(data), small); err == nil && (len(s.Coarse) != s.Len() || len(s.Labels) != s.Len()) {
			t.Error("labels are missing")
		}
	})
}

// No ground-truth file crashes or leads out of the folder.
func FuzzGroundTruth(f *testing.F) {
	for _, seed := range []string{"a.png 1\n", "b.png x\na.png y\n", "1\n2\n", "../a.png 1\n", "/etc/passwd 0\n", "a.png -1\n", "\x00 1\n", "a.png 1\n2\n"} {
		f.Add(seed)
	}
	dir := tree(f, "a.png", "b.png")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "truth.txt")
		folder, err := images.OpenFolder(dir, images.FolderOptions{GroundTruth: write(t, path, text)})
		if err != nil {
			return
		}
		defer folder.Close()
		for i := range folder.Len() {
			if folder.Name(i) != "a.png" && folder.Name(i) != "b.png" || folder.Label(i) < 0 {
				t.Errorf("%q has label %d", folder.Name(i), folder.Label(i))
			}
		}
	})
}
