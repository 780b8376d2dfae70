package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/search/family"
)

// TestSignedBundles makes keys, signs an export, and runs it only for the right key and undamaged.
func TestSignedBundles(t *testing.T) {
	if testing.Short() {
		t.Skip("exports six networks")
	}
	dir := t.TempDir()
	db, out := filepath.Join(dir, "s.db"), filepath.Join(dir, "bundle")
	study, err := createStudy(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if err := study.Close(); err != nil {
		t.Fatal(err)
	}
	mine, other := filepath.Join(dir, "mine"), filepath.Join(dir, "other")
	for _, key := range []string{mine, other} {
		succeed(t, "key", "new", key)
	}
	if info, err := os.Stat(mine); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret key can be read by others: %v, %v", info, err)
	}
	if code, _, _ := dynofa(t, "key", "new", mine); code != command.ExitFailure {
		t.Error("a key was overwritten")
	}
	succeed(t, "export", "--db", db, "--family", family.PaperGPU6Name, "--checkpoint", "random:1", "--sign", mine, "-o", out)
	text, err := os.ReadFile(mine + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	key := strings.Split(string(text), "\n")[1]
	run := func(signer string) (int, string) {
		code, _, stderr := dynofa(t, "run", out, "--images", "builtin", "--requests", "2", "--require-signature", signer)
		return code, stderr
	}
	for name, c := range map[string]struct {
		signer, message string
		code            int
	}{
		"another key": {other + ".pub", "not by", command.ExitFailure},
		"no key":      {filepath.Join(dir, "nowhere"), "neither a file nor a key", command.ExitUsage},
		"secret key":  {mine, "neither a file nor a key", command.ExitUsage},
	} {
		if code, stderr := run(c.signer); code != c.code || !strings.Contains(stderr, c.message) {
			t.Errorf("%s: exit code %d: %s", name, code, stderr)
		}
	}
	needRuntime(t)
	for _, signer := range []string{mine + ".pub", key} {
		if code, stderr := run(signer); code != command.ExitOK {
			t.Errorf("%s: exit code %d: %s", signer, code, stderr)
		}
	}
	// The graphs are prepared by now; damage in the bundle itself is refused all the same.
	tensors := filepath.Join(out, "supernet.safetensors")
	data, err := os.ReadFile(tensors)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(tensors, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, stderr := run(key); code != command.ExitFailure || !strings.Contains(stderr, "damaged: supernet.safetensors") {
		t.Errorf("a flipped byte: exit code %d: %s", code, stderr)
	}
}
