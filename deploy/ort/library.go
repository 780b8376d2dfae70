package ort

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Variable is the environment variable that names the library, or the folder it is in.
const Variable = "DYNOFA_ONNXRUNTIME"

// Names and places. The module path keeps a go.mod of someone else's from deciding what is loaded.
const (
	libraryName = "libonnxruntime.so"
	cacheFolder = ".cache/onnxruntime/lib"
	modulePath  = "github.com/dynofa/dynofa"
)

// FindLibrary returns the path of ONNX Runtime's shared library. It takes the first of
//
//  1. explicit, unless empty;
//  2. the environment variable DYNOFA_ONNXRUNTIME, unless empty;
//  3. lib/ beside the executable;
//  4. .cache/onnxruntime/lib in the dynofa checkout around the working directory, where
//     `make runtime` puts it;
//  5. LD_LIBRARY_PATH and the usual library folders.
//
// 1 and 2 may name the file or its folder, and must exist. In a folder libonnxruntime.so.1 goes
// before libonnxruntime.so and before longer names. The library is not opened. The error wraps
// ErrNoLibrary and says what to do.
func FindLibrary(explicit string) (string, error) {
	f := finder{getenv: os.Getenv, system: systemFolders()}
	if path, err := os.Executable(); err == nil {
		f.executable = path
	}
	if dir, err := os.Getwd(); err == nil {
		f.workdir = dir
	}
	return f.find(explicit)
}

// finder is the surroundings in which a library is looked for.
type finder struct {
	getenv     func(string) string
	executable string   // path of the running program, "" if unknown
	workdir    string   // "" if unknown
	system     []string // folders
}

func (f finder) find(explicit string) (string, error) {
	for _, named := range []struct{ path, by string }{{explicit, "--onnxruntime"}, {f.getenv(Variable), Variable}} {
		if named.path == "" {
			continue
		}
		path, ok := libraryAt(named.path)
		if !ok {
			return "", fmt.Errorf("ort: %w at %q, which %s names; %s", ErrNoLibrary, named.path, named.by, remedy)
		}
		return path, nil
	}
	for _, dir := range f.folders() {
		if path, ok := libraryIn(dir); ok {
			return path, nil
		}
	}
	return "", fmt.Errorf("ort: %w found; %s", ErrNoLibrary, remedy)
}

func (f finder) folders() []string {
	var dirs []string
	if f.executable != "" {
		dirs = append(dirs, filepath.Join(filepath.Dir(f.executable), "lib"))
	}
	if root, ok := checkout(f.workdir); ok {
		dirs = append(dirs, filepath.Join(root, filepath.FromSlash(cacheFolder)))
	}
	for _, dir := range filepath.SplitList(f.getenv("LD_LIBRARY_PATH")) {
		if filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	return append(dirs, f.system...)
}

// systemFolders lists the loader's usual folders, those named after an architecture included.
func systemFolders() []string {
	dirs := []string{"/usr/local/lib", "/usr/local/lib64"}
	if found, err := filepath.Glob("/usr/lib/*-linux-gnu*"); err == nil {
		dirs = append(dirs, found...)
	}
	return append(dirs, "/usr/lib", "/usr/lib64")
}

// libraryAt returns the library that path is, or that is in the folder path is.
func libraryAt(path string) (string, bool) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", false
	}
	if regular(abs) {
		return abs, true
	}
	return libraryIn(abs)
}

func libraryIn(dir string) (string, bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", false
	}
	var names []string
	for _, e := range entries {
		if name := e.Name(); name == libraryName || strings.HasPrefix(name, libraryName+".") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range append([]string{libraryName + ".1", libraryName}, names...) {
		if path := filepath.Join(dir, name); regular(path) {
			return path, true
		}
	}
	return "", false
}

// regular reports whether path is a file, perhaps behind links.
func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// checkout returns the root of the dynofa checkout that dir lies in.
func checkout(dir string) (string, bool) {
	for dir != "" {
		if file, err := os.Open(filepath.Join(dir, "go.mod")); err == nil {
			ours := declares(file, modulePath)
			file.Close()
			return dir, ours
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return "", false
}

// declares reports whether a go.mod starts with the module directive of path, comments aside.
func declares(r io.Reader, path string) bool {
	lines := bufio.NewScanner(io.LimitReader(r, 1<<16))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line != "" && !strings.HasPrefix(line, "//") {
			return line == "module "+path
		}
	}
	return false
}

// digest returns the SHA-256 of a file in lower-case hex.
func digest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("ort: digest of the library: %w", err)
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("ort: digest of the library: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
