//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// fake compiles a library that answers like ONNX Runtime of a version. A NULL api stands for a
// release that does not know the binding's C API.
func fake(t *testing.T, source string) string {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler named cc")
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "fake.c"), filepath.Join(dir, "libonnxruntime.so.1")
	if err := os.WriteFile(in, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(compiler, "-shared", "-fPIC", "-o", out, in).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// here returns the path of this machine's runtime, or skips.
func here(t *testing.T) string {
	t.Helper()
	path, err := FindLibrary("")
	if err != nil {
		if os.Getenv("DYNOFA_REQUIRE_RUNTIME") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

func fakeVersion(t *testing.T, version, api string) string {
	t.Helper()
	return fake(t, fmt.Sprintf(`
		static const void *api(unsigned v) { return %s; }
		static const char *version(void) { return "%s"; }
		static struct { const void *(*a)(unsigned); const char *(*v)(void); } base = {api, version};
		void *OrtGetApiBase(void) { return &base; }`, api, version))
}

func TestHandshakeRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "libonnxruntime.so.1")
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, message string }{
		{"the Xavier NX's last build", fakeVersion(t, "1.18.0", "0"), "version 1.18.0, 1.24 or newer is needed; `make runtime-older` adapts this one (docs/xavier-nx.md)"},
		{"older than can be adapted", fakeVersion(t, "1.17.3", "0"), "version 1.17.3, 1.24 or newer is needed; run `make runtime`"},
		{"an adapter with nothing behind it", adapter(t, ""), "it is no ONNX Runtime"},
		{"an adapter for what is too old", adapter(t, fakeVersion(t, "1.17.3", `"an API"`)), "version 1.17.3, 1.18 or newer is needed"},
		{"an adapter without the API", adapter(t, fakeVersion(t, "1.18.0", "0")), "does not offer version 24"},
		{"just too old", fakeVersion(t, "1.23.9", `"an API"`), "version 1.23.9"},
		{"no version", fakeVersion(t, "nightly", "0"), "version nightly"},
		{"new, but without the API", fakeVersion(t, "9.0.0", "0"), "does not offer version 24"},
		{"another library", fake(t, "int answer = 42;"), "it is no ONNX Runtime"},
		{"no base", fake(t, "void *OrtGetApiBase(void) { return 0; }"), "it is no ONNX Runtime"},
		{"text", text, "the loader says"},
		{"missing", filepath.Join(t.TempDir(), "x.so"), "the loader says"},
	} {
		_, err := handshake(c.path)
		if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), c.message) || !strings.Contains(err.Error(), "make runtime") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.message)
		}
	}
	if version, err := handshake(fakeVersion(t, "1.24.1", `"an API"`)); version != "1.24.1" || err != nil {
		t.Errorf("a good library: %q, %v", version, err)
	}
}

func TestRecent(t *testing.T) {
	for version, want := range map[string]bool{
		"1.24.0": true, "1.24": true, "1.27.0": true, "1.100.0": true, "2.0.0": true, "1.24.0-rc1": true,
		"1.23.2": false, "1.9.0": false, "0.99.0": false, "": false, "1": false, "x.y": false, "1.x": false,
	} {
		if recent(version, MinVersion) != want {
			t.Errorf("recent(%q) is %v", version, !want)
		}
	}
}

func TestOneLine(t *testing.T) {
	if got := oneLine(" a\n\tb\r\n"); got != "a b" {
		t.Errorf("%q", got)
	}
	if got := oneLine(strings.Repeat("é", 400)); len(got) > maxMessage+3 || !strings.HasSuffix(got, "é...") {
		t.Errorf("%d bytes, ends in %q", len(got), got[len(got)-6:])
	}
}

func smallBlock(t *testing.T) []byte {
	t.Helper()
	shape := supernet.Shape{Size: 1, Channels: 4}
	model, err := onnx.Block(supernet.Block{Op: supernet.OpPool, In: shape, Out: shape}, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// Sessions that are open are held, whatever their users do with them.
func TestOpenSessionsAreHeld(t *testing.T) {
	path := here(t)
	r, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !r.sharedArena {
		t.Error("the library does not share an arena among sessions")
	}
	held := func(s *Session) bool {
		live.Lock()
		defer live.Unlock()
		return live.sessions[s]
	}
	s, err := r.NewSession(smallBlock(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !held(s) {
		t.Error("an open session is not held")
	}
	if err := s.Close(); err != nil || held(s) {
		t.Errorf("a closed session is held (%v)", err)
	}
}
