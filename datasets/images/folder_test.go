package images_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/images"
)

// tiny is a 2 x 1 PNG.
func tiny(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 1))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree makes a folder with the given files; an entry that ends in a slash is an empty folder.
func tree(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			path = filepath.Join(path, ".keep")
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, tiny(t), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// listing shows a folder as "name label" lines.
func listing(t testing.TB, dir string, o images.FolderOptions) ([]string, *images.Folder) {
	t.Helper()
	f, err := images.OpenFolder(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var out []string
	for i := range f.Len() {
		out = append(out, fmt.Sprint(f.Name(i), " ", f.Label(i)))
		if _, err := f.Image(i); err != nil {
			t.Error(err)
		}
	}
	return out, f
}

func TestFolderFlat(t *testing.T) {
	dir := tree(t, "b.png", "B.PNG", "a.jpeg", "c.txt", ".hidden.png", "10.bmp", "9.JPG")
	got, f := listing(t, dir, images.FolderOptions{})
	want := []string{"10.bmp -1", "9.JPG -1", "B.PNG -1", "a.jpeg -1", "b.png -1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if f.Ignored() != 2 || len(f.Classes()) != 0 {
		t.Errorf("ignored %d, classes %v", f.Ignored(), f.Classes())
	}
}

// "a-" sorts before "a/..." as a path but after "a" as a class, and the class decides.
func TestFolderClasses(t *testing.T) {
	dir := tree(t, "a/2.png", "a/1.png", "a-/1.png", "Z/1.png")
	got, f := listing(t, dir, images.FolderOptions{})
	if diff := cmp.Diff([]string{"Z/1.png 0", "a/1.png 1", "a/2.png 1", "a-/1.png 2"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Z", "a", "a-"}, f.Classes()); diff != "" {
		t.Error(diff)
	}
	got, _ = listing(t, dir, images.FolderOptions{Classes: []string{"a-", "none", "a", "Z"}})
	if diff := cmp.Diff([]string{"a-/1.png 0", "a/1.png 2", "a/2.png 2", "Z/1.png 3"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFolderGroundTruth(t *testing.T) {
	dir := tree(t, "a.png", "b c.png", "d/e.png")
	flat := tree(t, "a.png", "b.png")
	for _, c := range []struct {
		name, dir, text string
		classes         []string
		want            []string
	}{
		{"numbers", dir, "d/e.png 7\n\nb c.png\t0\r\na.png 3", nil, []string{"a.png 3", "b c.png 0", "d/e.png 7"}},
		{"names", dir, "a.png n02\nb c.png n01\nd/e.png n02\n", nil, []string{"a.png 1", "b c.png 0", "d/e.png 1"}},
		{"given classes", dir, "a.png n02\nb c.png n01\n", []string{"n00", "n02", "n01"}, []string{"a.png 1", "b c.png 2"}},
		{"labels only", flat, "5\n2\n", nil, []string{"a.png 5", "b.png 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := listing(t, c.dir, images.FolderOptions{GroundTruth: write(t, filepath.Join(t.TempDir(), "val.txt"), c.text), Classes: c.classes})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFolderRejects(t *testing.T) {
	outside := tree(t, "secret.png")
	linked := func(target, name string) string {
		dir := tree(t, "a.png")
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
		return dir
	}
	flat := tree(t, "a.png", "b.png")
	for _, c := range []struct {
		name, dir, truth string
		classes          []string
		want             error // nil: any
	}{
		{name: "absent", dir: filepath.Join(outside, "none"), want: os.ErrNotExist},
		{name: "a file", dir: filepath.Join(outside, "secret.png")},
		{name: "empty", dir: t.TempDir()},
		{name: "pictures and folders", dir: tree(t, "a.png", "b/c.png")},
		{name: "nested", dir: tree(t, "a/b/c.png", "a/d.png")},
		{name: "empty class", dir: tree(t, "a/1.png", "b/"), want: new(images.EmptyClassError)},
		{name: "class not given", dir: tree(t, "a/1.png"), classes: []string{"b"}},
		{name: "absolute link", dir: linked(filepath.Join(outside, "secret.png"), "b.png"), want: images.ErrEscape},
		{name: "relative link", dir: linked("../../secret.png", "b.png"), want: images.ErrEscape},
		{name: "link to a folder", dir: linked(outside, "class"), want: images.ErrEscape},
		{name: "dangling link", dir: linked("none.png", "b.png"), want: os.ErrNotExist},
		{name: "link to itself", dir: linked("b.png", "b.png")},
		{name: "truth: dots", dir: flat, truth: "../secret.png 1\n", want: images.ErrEscape},
		{name: "truth: hidden dots", dir: flat, truth: "a/../../secret.png 1\n", want: images.ErrEscape},
		{name: "truth: absolute", dir: flat, truth: filepath.Join(outside, "secret.png") + " 1\n", want: images.ErrEscape},
		{name: "truth: absent picture", dir: flat, truth: "none.png 1\n", want: os.ErrNotExist},
		{name: "truth: folder", dir: tree(t, "x/a.png"), truth: "x 1\n", want: new(images.FormatError)},
		{name: "truth: twice", dir: flat, truth: "a.png 1\n./a.png 1\n", want: new(images.FormatError)},
		{name: "truth: mixed", dir: flat, truth: "a.png 1\n2\n", want: new(images.FormatError)},
		{name: "truth: negative", dir: flat, truth: "a.png -1\n", want: new(images.FormatError)},
		{name: "truth: huge", dir: flat, truth: "a.png 4294967296\n", want: new(images.FormatError)},
		{name: "truth: beyond 64 bits", dir: flat, truth: "a.png 99999999999999999999\n", want: new(images.FormatError)},
		{name: "truth: beyond classes", dir: flat, truth: "a.png 2\n", classes: []string{"x", "y"}, want: new(images.FormatError)},
		{name: "truth: unknown class", dir: flat, truth: "a.png z\n", classes: []string{"x", "y"}, want: new(images.FormatError)},
		{name: "truth: too few", dir: flat, truth: "1\n"},
		{name: "truth: empty", dir: flat, truth: "\n \n", want: new(images.FormatError)},
		{name: "truth: endless line", dir: flat, truth: strings.Repeat("x", 1<<20), want: new(images.FormatError)},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := images.FolderOptions{Classes: c.classes}
			if c.truth != "" {
				o.GroundTruth = write(t, filepath.Join(t.TempDir(), "truth.txt"), c.truth)
			}
			f, err := images.OpenFolder(c.dir, o)
			if err == nil {
				f.Close()
				t.Fatal("accepted")
			}
			t.Log(err)
			var format *images.FormatError
			var empty *images.EmptyClassError
			switch c.want.(type) {
			case nil:
			case *images.FormatError:
				if !errors.As(err, &format) {
					t.Errorf("%T is not a FormatError", err)
				}
			case *images.EmptyClassError:
				if !errors.As(err, &empty) || empty.Class != "b" {
					t.Errorf("%T is not an EmptyClassError of b", err)
				}
			default:
				if !errors.Is(err, c.want) {
					t.Errorf("is not %v", c.want)
				}
			}
			if c.truth != "" && !strings.Contains(err.Error(), "truth.txt") {
				t.Error("does not name the file")
			}
		})
	}
}

// Links that stay in the folder are followed.
func TestFolderInnerLink(t *testing.T) {
	dir := tree(t, "all/1.png", "b/2.png")
	if err := os.Symlink("../all/1.png", filepath.Join(dir, "b", "1.png")); err != nil {
		t.Skip(err)
	}
	got, _ := listing(t, dir, images.FolderOptions{})
	if diff := cmp.Diff([]string{"all/1.png 0", "b/1.png 1", "b/2.png 1"}, got); diff != "" {
		t.Error(diff)
	}
}

// One bad picture among good ones is an error of its own that callers can count.
func TestFolderUndecodable(t *testing.T) {
	dir := tree(t, "a.png", "b.png", "c.png")
	write(t, filepath.Join(dir, "b.png"), string(tiny(t)[:40]))
	f, err := images.OpenFolder(dir, images.FolderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range f.Len() {
		_, err := f.Image(i)
		var bad *images.DecodeError
		if is := errors.As(err, &bad); is != (i == 1) {
			t.Errorf("%s: %v", f.Name(i), err)
		} else if is && bad.File != filepath.Join(dir, "b.png") {
			t.Errorf("names %s", bad.File)
		}
	}
	if err := os.Remove(filepath.Join(dir, "c.png")); err != nil {
		t.Fatal(err)
	}
	var bad *images.DecodeError
	if _, err := f.Image(2); !errors.Is(err, os.ErrNotExist) || errors.As(err, &bad) {
		t.Errorf("a vanished file: %v", err)
	}
}

func TestFolderDigest(t *testing.T) {
	digest := func(dir string, o images.FolderOptions) string {
		_, f := listing(t, dir, o)
		d, err := f.Digest(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a := digest(tree(t, "a/1.png", "b/2.png"), images.FolderOptions{})
	if b := digest(tree(t, "b/2.png", "a/1.png"), images.FolderOptions{}); a != b {
		t.Error("equal folders differ")
	}
	if b := digest(tree(t, "a/1.png", "b/3.png"), images.FolderOptions{}); a == b {
		t.Error("another name, the same digest")
	}
	if b := digest(tree(t, "a/1.png", "b/2.png"), images.FolderOptions{Classes: []string{"b", "a"}}); a == b {
		t.Error("other labels, the same digest")
	}
	_, f := listing(t, tree(t, "a.png"), images.FolderOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Digest(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// pngHeader is a PNG that announces a size and then holds n bytes of nothing.
func pngHeader(w, h uint32, n int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		panic(err)
	}
	head := b.Bytes()[:33]
	for i := range 4 {
		head[16+i], head[20+i] = byte(w>>(24-8*i)), byte(h>>(24-8*i))
	}
	crc := crcPNG(head[12:29])
	for i := range 4 {
		head[29+i] = byte(crc >> (24 - 8*i))
	}
	return append(head, make([]byte, n)...)
}

// crcPNG is the checksum of the PNG specification, annex D, bit by bit.
func crcPNG(data []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range data {
		crc ^= uint32(b)
		for range 8 {
			crc = crc>>1 ^ 0xedb88320&-(crc&1)
		}
	}
	return ^crc
}

func TestDecodeRejects(t *testing.T) {
	jpg, err := os.ReadFile("testdata/420.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, nil},
		{"text", []byte("hello, world"), nil},
		{"WebP", []byte("RIFF\x00\x00\x00\x00WEBPVP8 "), nil},
		{"PNG magic only", []byte("\x89PNG\r\n\x1a\n"), nil},
		{"truncated PNG", tiny(t)[:45], nil},
		{"truncated JPEG", jpg[:len(jpg)/2], nil},
		{"9,000 x 9,000", pngHeader(9_000, 9_000, 100), images.ErrTooLarge},
		{"100,000 x 100,000", pngHeader(100_000, 100_000, 100), nil},
		{"2 GB length", pngHeader(1<<31-1, 1, 100), nil},
		{"size over 2^31", pngHeader(1<<31, 1, 100), nil},
		{"8,000 x 8,000 in 133 bytes", pngHeader(8000, 8000, 100), io.ErrUnexpectedEOF},
		{"long file", bytes.Repeat([]byte("BM"), 1<<20), images.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := images.Decode("x/y.png", bytes.NewReader(c.data), images.Limits{Bytes: 1 << 20})
			var bad *images.DecodeError
			if !errors.As(err, &bad) || bad.File != "x/y.png" {
				t.Fatalf("%v is not a DecodeError of x/y.png", err)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v is not %v", err, c.want)
			}
			t.Log(err)
		})
	}
	if _, err := images.Decode("x", bytes.NewReader(tiny(t)), images.Limits{Pixels: 1}); !errors.Is(err, images.ErrTooLarge) {
		t.Errorf("two pixels with a limit of one: %v", err)
	}
}

func ExampleOpenFolder() {
	dir, err := os.MkdirTemp("", "pictures")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if _, err := images.WritePatterns(dir, 1, 2, 48); err != nil {
		fmt.Println(err)
		return
	}
	f, err := images.OpenFolder(dir, images.FolderOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	for i := range f.Len() {
		img, err := f.Image(i)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(f.Name(i), img.Bounds().Size(), f.Label(i) == images.Unlabelled)
	}
	// Output:
	// pattern-00000.png (48,48) true
	// pattern-00001.png (48,48) true
}
