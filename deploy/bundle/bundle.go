// Package bundle has the directory that goes to a board: the supernet's tensors that a family's levels
// use, each once, the levels' own batch-normalisation statistics, the policy, an excerpt of the
// latency table and, where known, class names, all listed with their digests in a manifest.
//
//	bundle/
//	  manifest.json           what is in it; size and SHA-256 of every file below
//	  manifest.sha256         SHA-256 of the manifest, as sha256sum -c reads it
//	  manifest.json.minisig   signature of the manifest, as minisign reads it (optional)
//	  supernet.safetensors    tensors under OFA's names, cut to what the widest level uses
//	  statistics.safetensors  "LEVEL/NAME/mean" and "LEVEL/NAME/var" for every batch normalisation
//	                          NAME of a level (optional: else the supernet's own serve)
//	  table.json              entries of the blocks that the levels use (optional)
//	  labels.txt              one class name a line (optional)
//	  dynofa.service          a systemd unit that runs the bundle (optional; nothing here reads it)
//
// Level makes a level's ONNX model from the tensors; it is the same, byte for byte, on every machine.
//
// Write makes a bundle in one step: a killed process leaves the old bundle or the new one. The same
// inputs give the same bytes. Open believes nothing: it validates the manifest, refuses links,
// files that are not listed and paths that lead elsewhere, and each file's digest is checked on the
// very bytes that are used.
//
// The digests find damage, not malice: whoever can write the directory can write a matching manifest.
// Against that a bundle can be signed (Spec.Sign, or minisign -Sm manifest.json) and CheckSignature
// asked before anything else. The package loads nothing into a runtime and fetches nothing.
package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// Names of the files that Write makes.
const (
	manifestName = "manifest.json"
	digestName   = "manifest.sha256"
	signName     = "manifest.json.minisig"
	supernetName = "supernet.safetensors"
	momentsName  = "statistics.safetensors"
	tableName    = "table.json"
	labelsName   = "labels.txt"
	serviceName  = "dynofa.service"
)

// Errors that callers tell apart.
var (
	// ErrNotBundle is wrapped when a directory is no bundle, and by Write when it would overwrite
	// something else.
	ErrNotBundle = errors.New("not a bundle")
	// ErrNewer is wrapped when a bundle was made by a later version of the format.
	ErrNewer = errors.New("made by a newer dynofa: update this one")
	// ErrOlder is wrapped when a bundle has a form that is no longer read.
	ErrOlder = errors.New("made by an older dynofa: export it again")
	// ErrDamaged is wrapped when a file's size or digest is not the manifest's.
	ErrDamaged = errors.New("damaged")
	// ErrAbsent is returned for an optional part that a bundle does not have.
	ErrAbsent = errors.New("the bundle has no such part")
)

// Bundle is an opened bundle. Its methods may be called concurrently.
type Bundle struct {
	dir      string
	root     *os.Root
	manifest *Manifest
	digest   string
	files    map[string]File

	models struct {
		sync.Mutex
		*models // nil until a level is asked for, and after Forget
	}
}

// Open opens and validates a bundle: the manifest and its digest, and that the directory holds
// exactly the listed files with the listed sizes; anything else in it is an error, because a model
// could refer to it. Digests of the other files are checked when they are read. Close the bundle
// after use.
func Open(dir string) (*Bundle, error) {
	b, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", dir, err)
	}
	return b, nil
}

func open(dir string) (*Bundle, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	b := &Bundle{dir: dir, root: root}
	if err := b.load(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return b, nil
}

// load reads the manifest and holds the directory against it.
func (b *Bundle) load() error {
	found, err := list(b.root)
	if err != nil {
		return err
	}
	if _, ok := found[manifestName]; !ok {
		_, plain := found[familyName]
		if _, models := found[modelName(0)]; plain && models {
			return fmt.Errorf("%w but plain models for other runtimes, as export --standalone writes them: export without --standalone makes a bundle", ErrNotBundle)
		}
		return fmt.Errorf("%w: it has no %s", ErrNotBundle, manifestName)
	}
	data, err := read(b.root, manifestName, MaxManifest)
	if err != nil {
		return err
	}
	if b.manifest, err = parseManifest(data); err != nil {
		return err
	}
	b.digest = digest(data)
	if _, ok := found[digestName]; !ok {
		return fmt.Errorf("%w: %s is missing", ErrDamaged, digestName)
	}
	sum, err := read(b.root, digestName, int64(len(digestLine(""))+64))
	if err != nil {
		return err
	}
	if string(sum) != digestLine(b.digest) {
		return fmt.Errorf("%w: %s does not match %s", ErrDamaged, digestName, manifestName)
	}
	b.files = map[string]File{}
	for _, f := range b.manifest.Files {
		b.files[f.Path] = f
		size, ok := found[f.Path]
		if !ok {
			return fmt.Errorf("%w: %s is missing", ErrDamaged, f.Path)
		}
		if size < 0 {
			return fmt.Errorf("%w: %s is a folder", ErrDamaged, f.Path)
		}
		if size != f.Size {
			return fmt.Errorf("%w: %s has %d bytes, the manifest says %d", ErrDamaged, f.Path, size, f.Size)
		}
	}
	return b.refuseExtras(found)
}

// refuseExtras returns an error for a file or folder that the manifest does not explain.
func (b *Bundle) refuseExtras(found map[string]int64) error {
	known := map[string]bool{manifestName: true, digestName: true, signName: true}
	for _, f := range b.manifest.Files {
		for p := f.Path; p != "."; p = path.Dir(p) {
			known[p] = true
		}
	}
	for _, name := range sortedKeys(found) {
		if !known[name] {
			return fmt.Errorf("%s is not listed in %s", name, manifestName)
		}
	}
	return nil
}

// list returns the size of every file below root, -1 for folders. It refuses links and everything
// else that is neither file nor folder.
func list(root *os.Root) (map[string]int64, error) {
	found := map[string]int64{}
	err := fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if len(found) > 4*maxFiles {
			return fmt.Errorf("%w: it holds more than %d files", ErrNotBundle, 4*maxFiles)
		}
		switch {
		case e.IsDir():
			found[name] = -1
		case e.Type().IsRegular():
			info, err := e.Info()
			if err != nil {
				return err
			}
			found[name] = info.Size()
		default:
			return fmt.Errorf("%.300q is neither a file nor a folder", name)
		}
		return nil
	})
	return found, err
}

// read returns a whole file of at most limit bytes.
func read(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes", name, limit)
	}
	return data, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// digestLine is the text of manifest.sha256.
func digestLine(digest string) string { return digest + "  " + manifestName + "\n" }

// Dir returns the directory that was opened.
func (b *Bundle) Dir() string { return b.dir }

// Digest returns the SHA-256 of the manifest, which covers every byte of the bundle.
func (b *Bundle) Digest() string { return b.digest }

// CheckSignature returns the trusted comment of the bundle's signature, or an error that wraps
// ErrSignature unless the manifest, and with it every digest, was signed by key.
func (b *Bundle) CheckSignature(key *PublicKey) (comment string, err error) {
	sig, err := read(b.root, signName, maxSignature)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("bundle: %s: %w: the bundle is not signed", b.dir, ErrSignature)
	}
	var manifest []byte
	if err == nil {
		manifest, err = read(b.root, manifestName, MaxManifest)
	}
	if err == nil && digest(manifest) != b.digest {
		err = fmt.Errorf("%w: %s changed since it was opened", ErrSignature, manifestName)
	}
	if err == nil {
		comment, err = key.Verify(manifest, sig)
	}
	if err != nil {
		return "", fmt.Errorf("bundle: %s: %w", b.dir, err)
	}
	return comment, nil
}

// Manifest returns the manifest. The caller must not change it.
func (b *Bundle) Manifest() *Manifest { return b.manifest }

// Table returns the excerpt of the latency table, verified and valid, or ErrAbsent.
func (b *Bundle) Table() (*lut.Table, error) {
	if b.manifest.Table == "" {
		return nil, ErrAbsent
	}
	data, err := b.read(b.manifest.Table)
	if err != nil {
		return nil, err
	}
	t, err := parseTable(data)
	if err == nil && t.Space != b.manifest.Family.Space {
		err = fmt.Errorf("it is for space %q, the family for %q", t.Space, b.manifest.Family.Space)
	}
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %s: %w", b.dir, b.manifest.Table, err)
	}
	t.SpaceDescription = b.manifest.Family.SpaceDescription
	return t, nil
}

// Labels returns the class names, verified, one per class of the space, or ErrAbsent.
func (b *Bundle) Labels() ([]string, error) {
	if b.manifest.Labels == "" {
		return nil, ErrAbsent
	}
	data, err := b.read(b.manifest.Labels)
	if err != nil {
		return nil, err
	}
	labels, err := parseLabels(data, &b.manifest.Family)
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %s: %w", b.dir, b.manifest.Labels, err)
	}
	return labels, nil
}

// CheckDigests reads every file and returns an error that wraps ErrDamaged for the first whose digest is
// not the manifest's. It keeps nothing in memory.
func (b *Bundle) CheckDigests(ctx context.Context) error {
	for _, f := range b.manifest.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := verify(b.root, f); err != nil {
			return fmt.Errorf("bundle: %s: %w", b.dir, err)
		}
	}
	return nil
}

// Verify reads every file, makes every level's model and returns the first error.
func (b *Bundle) Verify(ctx context.Context) error {
	if err := b.CheckDigests(ctx); err != nil {
		return err
	}
	for i := range b.manifest.Family.Levels {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := b.Level(i); err != nil {
			return err
		}
	}
	if _, err := b.Table(); err != nil && !errors.Is(err, ErrAbsent) {
		return err
	}
	if _, err := b.Labels(); err != nil && !errors.Is(err, ErrAbsent) {
		return err
	}
	return nil
}

// Close closes the bundle. What was read stays valid.
func (b *Bundle) Close() error { return b.root.Close() }

// read returns a listed file's bytes after checking their number and digest.
func (b *Bundle) read(name string) ([]byte, error) {
	data, err := readExactly(b.root, b.files[name])
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", b.dir, err)
	}
	return data, nil
}

func readExactly(root *os.Root, want File) ([]byte, error) {
	f, err := root.Open(want.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != want.Size {
		return nil, fmt.Errorf("%w: %s has %d bytes, the manifest says %d", ErrDamaged, want.Path, info.Size(), want.Size)
	}
	data := make([]byte, want.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, want.Path, err)
	}
	if got := digest(data); got != want.SHA256 {
		return nil, fmt.Errorf("%w: %s has SHA-256 %s, the manifest says %s", ErrDamaged, want.Path, got, want.SHA256)
	}
	return data, nil
}

// parseLabels splits class names, one a line, and holds their number against the space.
func parseLabels(data []byte, f *family.Family) ([]string, error) {
	text, ok := strings.CutSuffix(string(data), "\n")
	if !ok {
		return nil, errors.New("the last line does not end")
	}
	labels := strings.Split(text, "\n")
	return labels, checkLabels(labels, f)
}

func checkLabels(labels []string, f *family.Family) error {
	s, err := f.Supernet()
	if err != nil {
		return err
	}
	if len(labels) != s.Classes {
		return fmt.Errorf("%d class names for %d classes", len(labels), s.Classes)
	}
	for i, l := range labels {
		if err := oneLine(l); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return nil
}
