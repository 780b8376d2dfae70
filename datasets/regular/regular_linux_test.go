package regular_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/dynofa/dynofa/datasets/regular"
)

// TestOpen opens files and links to them; a pipe that nobody writes to is refused at once.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(os.WriteFile(path("file"), []byte("text"), 0o600), os.Symlink("file", path("link")),
		syscall.Mkfifo(path("pipe"), 0o600), os.Symlink("pipe", path("link to a pipe")), os.Mkdir(path("folder"), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"file": nil, "link": nil, "pipe": regular.ErrNotRegular, "link to a pipe": regular.ErrNotRegular, "folder": regular.ErrNotRegular, "none": fs.ErrNotExist,
	} {
		var inFS fs.File
		f, err := regular.Open(path(name))
		inFS, errFS := regular.OpenFS(os.DirFS(dir), name)
		if !errors.Is(err, want) || !errors.Is(errFS, want) {
			t.Errorf("%s: %v and %v, want %v", name, err, errFS, want)
		}
		if want != nil {
			continue
		}
		for _, f := range []io.ReadCloser{f, inFS} {
			if text, err := io.ReadAll(f); string(text) != "text" || err != nil {
				t.Errorf("%s: %q, %v", name, text, err)
			}
			f.Close()
		}
	}
	if _, err := regular.Open("/dev/null"); !errors.Is(err, regular.ErrNotRegular) {
		t.Errorf("a device: %v", err)
	}
}
