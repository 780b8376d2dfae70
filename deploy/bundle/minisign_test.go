package bundle_test

import (
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/deploy/bundle"
)

// Signatures of the four bytes "test" that minisign itself made, without and with hashing first.
// Source: F. Denis, minisign-verify, the tests of its README and lib.rs (MIT licence).
const (
	knownKey   = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
	knownPlain = "untrusted comment: signature from minisign secret key\n" +
		"RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n" +
		"trusted comment: timestamp:1555779966\tfile:test\n" +
		"QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==\n"
	knownHashed = "untrusted comment: signature from minisign secret key\n" +
		"RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n" +
		"trusted comment: timestamp:1556193335\tfile:test\n" +
		"y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==\n"
)

func TestKnownSignatures(t *testing.T) {
	key, err := bundle.ParsePublicKey([]byte(knownKey))
	if err != nil || key.ID() != "E7620F1842B4E81F" {
		t.Fatalf("key %v: %v", key, err)
	}
	file, err := bundle.ParsePublicKey(key.Marshal())
	if err != nil || !file.Equal(key) || !strings.Contains(string(key.Marshal()), knownKey+"\n") {
		t.Errorf("the key file does not round-trip: %v", err)
	}
	for sig, comment := range map[string]string{knownPlain: "timestamp:1555779966\tfile:test", knownHashed: "timestamp:1556193335\tfile:test"} {
		if got, err := key.Verify([]byte("test"), []byte(sig)); err != nil || got != comment {
			t.Errorf("comment %q, %v", got, err)
		}
		if _, err := key.Verify([]byte("tesT"), []byte(sig)); !errors.Is(err, bundle.ErrSignature) {
			t.Errorf("other bytes: %v", err)
		}
		first := strings.Index(sig, "\n") // the untrusted comment is just that
		for i := first; i < len(sig); i++ {
			bad := []byte(sig)
			bad[i] ^= 1
			if _, err := key.Verify([]byte("test"), bad); !errors.Is(err, bundle.ErrSignature) && i < len(sig)-1 {
				t.Errorf("byte %d of %q changed: %v", i, sig, err)
			}
		}
		for i := range sig[:len(sig)-1] {
			if _, err := key.Verify([]byte("test"), []byte(sig[:i])); err == nil {
				t.Errorf("%d bytes of it are accepted", i)
			}
		}
	}
}

func newKey(t testing.TB) *bundle.SecretKey {
	t.Helper()
	s, err := bundle.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignAndVerify(t *testing.T) {
	s := newKey(t)
	read, err := bundle.ParseSecretKey(s.Marshal())
	if err != nil || !read.Public().Equal(s.Public()) {
		t.Fatalf("the secret key does not round-trip: %v", err)
	}
	sig := read.Sign([]byte("message"), "a comment")
	if got, err := s.Public().Verify([]byte("message"), sig); err != nil || got != "a comment" {
		t.Errorf("comment %q, %v", got, err)
	}
	if _, err := newKey(t).Public().Verify([]byte("message"), sig); !errors.Is(err, bundle.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	for i := range s.Marshal() {
		bad := s.Marshal()
		if bad[i] ^= 1; i > 30 && bad[i] != '\n' && i < len(bad)-1 {
			if _, err := bundle.ParseSecretKey(bad); err == nil && i > len("untrusted comment: minisign secret key\n")+75 {
				t.Errorf("byte %d changed: accepted", i) // the unused salt before is not looked at
			}
		}
	}
	if _, err := bundle.ParseSecretKey([]byte("untrusted comment: x\nRWRTY0Iy" + strings.Repeat("A", 204) + "\n")); err == nil {
		t.Error("a key with a password is accepted")
	}
}

// TestMinisignReadsOurs runs the tool itself where it is installed.
func TestMinisignReadsOurs(t *testing.T) {
	tool, err := exec.LookPath("minisign")
	if err != nil {
		t.Skip("minisign is not installed")
	}
	s, dir := newKey(t), t.TempDir()
	put(t, filepath.Join(dir, "m"), "message")
	put(t, filepath.Join(dir, "m.minisig"), string(s.Sign([]byte("message"), "a comment")))
	put(t, filepath.Join(dir, "key.pub"), string(s.Public().Marshal()))
	put(t, filepath.Join(dir, "key"), string(s.Marshal()))
	c := exec.Command(tool, "-Vm", "m", "-p", "key.pub")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	c = exec.Command(tool, "-Sm", "m", "-s", "key", "-x", "theirs")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sig, err := os.ReadFile(filepath.Join(dir, "theirs"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Public().Verify([]byte("message"), sig); err != nil {
		t.Error(err)
	}
}

func TestSignedBundle(t *testing.T) {
	s := newKey(t)
	spec := mustFixture(t, 1)
	spec.Sign = s
	dir := filepath.Join(t.TempDir(), "bundle")
	digest, err := bundle.Write(t.Context(), dir, spec)
	if err != nil {
		t.Fatal(err)
	}
	signature := func() error {
		b, err := bundle.Open(dir)
		if err != nil {
			return err
		}
		defer b.Close()
		if b.Digest() != digest {
			t.Errorf("digest %s, want %s", b.Digest(), digest)
		}
		_, err = b.CheckSignature(s.Public())
		return err
	}
	if err := signature(); err != nil {
		t.Fatal(err)
	}
	b := openFixture(t, written(t, 1)) // the same, unsigned
	if b.Digest() != digest {
		t.Error("the signature changes the digest")
	}
	if _, err := b.CheckSignature(s.Public()); !errors.Is(err, bundle.ErrSignature) {
		t.Errorf("unsigned: %v", err)
	}
	path := filepath.Join(dir, "manifest.json.minisig")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := strings.Index(string(good), "\n"); i < len(good)-1; i++ {
		patch(t, path, int64(i), good[i]^2)
		if err := signature(); !errors.Is(err, bundle.ErrSignature) {
			t.Errorf("byte %d of the signature flipped: %v", i, err)
		}
		patch(t, path, int64(i), good[i])
	}
	// A manifest that was changed together with its digest is what only a signature finds.
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	edit(t, dir, strings.Replace(string(manifest), `"accuracy": 0.7,`, `"accuracy": 0.6,`, 1))
	digest = openFixture(t, dir).Digest()
	if err := signature(); !errors.Is(err, bundle.ErrSignature) {
		t.Errorf("a changed manifest: %v", err)
	}
	if _, err := bundle.Write(t.Context(), dir, mustFixture(t, 2)); err != nil { // replaces a signed one
		t.Error(err)
	}
}

func FuzzSignature(f *testing.F) {
	f.Add([]byte(knownKey), []byte(knownHashed))
	f.Add([]byte("untrusted comment: x\n"+knownKey), []byte(knownPlain))
	f.Add([]byte(""), []byte("\n\n\n"))
	f.Fuzz(func(t *testing.T, key, sig []byte) {
		_, _ = bundle.ParseSecretKey(key)
		p, err := bundle.ParsePublicKey(key)
		if err != nil {
			return
		}
		if _, err := p.Verify([]byte("never signed by anybody"), sig); err == nil {
			t.Error("verified")
		}
	})
}
