package ort

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes empty files, and files with content where "path: content" is given.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		name, content, _ := strings.Cut(f, ": ")
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Each case has a library at its own place and at all later ones; the first must win.
func TestFindLibraryOrder(t *testing.T) {
	root := tree(t,
		"explicit/my-ort.so",
		"variable/libonnxruntime.so.1.27.0",
		"app/lib/libonnxruntime.so.1",
		"checkout/go.mod: // comment\n\nmodule github.com/dynofa/dynofa\n\ngo 1.26\n",
		"checkout/.cache/onnxruntime/lib/libonnxruntime.so.1",
		"checkout/deep/er/file",
		"ld/libonnxruntime.so",
		"system/libonnxruntime.so.1",
	)
	at := func(path string) string { return filepath.Join(root, filepath.FromSlash(path)) }
	full := map[string]string{Variable: at("variable"), "LD_LIBRARY_PATH": "relative" + string(os.PathListSeparator) + at("ld")}
	f := finder{getenv: func(k string) string { return full[k] }, executable: at("app/dynofa"), workdir: at("checkout/deep/er"), system: []string{at("nothing"), at("system")}}
	find := func(explicit, want string) {
		t.Helper()
		got, err := f.find(explicit)
		if err != nil || got != at(want) {
			t.Errorf("found %q, %v; want %q", got, err, at(want))
		}
	}
	find(at("explicit/my-ort.so"), "explicit/my-ort.so")
	find("", "variable/libonnxruntime.so.1.27.0")
	delete(full, Variable)
	find("", "app/lib/libonnxruntime.so.1")
	f.executable = ""
	find("", "checkout/.cache/onnxruntime/lib/libonnxruntime.so.1")
	f.workdir = at("ld")
	find("", "ld/libonnxruntime.so")
	delete(full, "LD_LIBRARY_PATH")
	find("", "system/libonnxruntime.so.1")
	f.system = nil
	if got, err := f.find(""); !errors.Is(err, ErrNoLibrary) {
		t.Errorf("found %q, %v", got, err)
	} else {
		for _, word := range []string{"make runtime", "--onnxruntime PATH", Variable} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not say %q", err, word)
			}
		}
	}
}

// What is named must be there: nothing else is taken instead.
func TestFindLibraryNamedButMissing(t *testing.T) {
	root := tree(t, "system/libonnxruntime.so.1", "empty/readme")
	for _, path := range []string{"missing.so", "empty", "system/other.so"} {
		path = filepath.Join(root, path)
		f := finder{getenv: func(string) string { return "" }, system: []string{filepath.Join(root, "system")}}
		if got, err := f.find(path); !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "--onnxruntime names") {
			t.Errorf("explicit %s: %q, %v", path, got, err)
		}
		f.getenv = func(k string) string { return map[string]string{Variable: path}[k] }
		if got, err := f.find(""); !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), Variable+" names") {
			t.Errorf("variable %s: %q, %v", path, got, err)
		}
	}
}

func TestLibraryIn(t *testing.T) {
	for want, files := range map[string][]string{
		"libonnxruntime.so.1":      {"libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.so.1.27.0"},
		"libonnxruntime.so":        {"libonnxruntime.so", "libonnxruntime.so.1.27.0"},
		"libonnxruntime.so.1.27.0": {"libonnxruntime.so.1.27.0", "libonnxruntime_providers_shared.so", "libonnxruntime.so.1/folder"},
		"":                         {"libonnxruntime_providers_cuda.so", "libonnxruntime.so/folder", "onnxruntime.so"},
	} {
		path, ok := libraryIn(tree(t, files...))
		if ok != (want != "") || ok && filepath.Base(path) != want {
			t.Errorf("%v: %q, want %q", files, path, want)
		}
	}
}

// A go.mod of another module ends the way up: its folder does not decide which code is loaded.
func TestCheckout(t *testing.T) {
	root := tree(t, "go.mod: module github.com/dynofa/dynofa", "in/other/go.mod: module example.com/evil\nmodule github.com/dynofa/dynofa", "in/other/x", "in/x")
	if got, ok := checkout(filepath.Join(root, "in")); !ok || got != root {
		t.Errorf("checkout %q, %v", got, ok)
	}
	if got, ok := checkout(filepath.Join(root, "in", "other")); ok {
		t.Errorf("checkout %q of another module", got)
	}
	if got, ok := checkout(""); ok {
		t.Errorf("checkout %q without a working directory", got)
	}
}

func TestDigest(t *testing.T) {
	// The SHA-256 of "abc", from FIPS 180-2, appendix B.1.
	got, err := digest(filepath.Join(tree(t, "x: abc"), "x"))
	if want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; got != want || err != nil {
		t.Errorf("digest %s, %v", got, err)
	}
	if _, err := digest(t.TempDir()); err == nil {
		t.Error("a folder has a digest")
	}
}
