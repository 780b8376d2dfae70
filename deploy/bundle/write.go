package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// Spec is what a bundle is made of. Table, Labels and Service are optional. The policy must be one that this
// program knows; Open does not ask for that, so that a run can name another one.
type Spec struct {
	CreatedBy string
	Family    *family.Family
	Supernet  onnx.Weights // the whole supernet; what the levels use is taken
	Weights   string       // one line: where the weights come from
	// Statistics replaces the supernet's own batch-normalisation statistics, one map per level as
	// onnx.Options.Statistics wants it, because those of a sub-network must be estimated again. A
	// level whose map is nil keeps the supernet's; nil as a whole: all levels do.
	Statistics []map[string]onnx.Moments
	Policy     Policy
	Runtime    Runtime
	Table      *lut.Table        // the excerpt that the levels need is taken
	Labels     []string          // one per class
	Service    string            // a systemd unit that runs the bundle
	Transform  *images.Transform // of pictures into inputs; nil is ImageNet's
	Notes      []string
	Sign       *SecretKey // signs the manifest; nil: unsigned
}

// Write makes a bundle at dir and returns its digest. It builds a directory beside dir and puts it
// in place at the end, so that nobody sees half a bundle and a failure or a kill leaves what was
// there.
//
// An existing bundle at dir is replaced. On Linux both directories change names in one system call
// (renameat2 with RENAME_EXCHANGE), so at every moment dir is the old bundle or the new one. Where
// the system or file system lacks that call, the old one is renamed away, the new one renamed into
// place and the old one removed: a kill between the first two leaves no bundle at dir and both,
// complete, beside it. Anything at dir that is neither an empty folder nor a bundle, or a bundle with
// files that are no part of one, is refused with ErrNotBundle. What a killed Write left beside dir is
// removed by the next.
func Write(ctx context.Context, dir string, spec Spec) (string, error) {
	digest, err := write(ctx, dir, spec)
	if err != nil {
		return "", fmt.Errorf("bundle: write %s: %w", dir, err)
	}
	return digest, nil
}

func write(ctx context.Context, dir string, spec Spec) (_ string, err error) {
	dir, err = resolve(dir)
	if err != nil {
		return "", err
	}
	if _, err := occupied(dir); err != nil {
		return "", err
	}
	w := &writer{spec: spec}
	if err := w.begin(); err != nil {
		return "", err
	}
	temp, unlock, err := tempDir(dir)
	if err != nil {
		return "", err
	}
	defer func() { // the half-made bundle, or the old one after the exchange
		err = errors.Join(err, os.RemoveAll(temp))
		unlock()
	}()
	w.dir = temp
	if err := w.files(ctx); err != nil {
		return "", err
	}
	digest, err := w.finish()
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := place(temp, dir); err != nil {
		return "", err
	}
	return digest, syncDir(filepath.Dir(dir))
}

// place puts temp at dir. Building took a while, so what stands at dir is looked at again, and
// once more if another writer was faster.
func place(temp, dir string) error {
	for try := 0; ; try++ {
		exists, err := occupied(dir)
		if err != nil {
			return err
		}
		if exists {
			err = exchange(temp, dir)
		} else {
			err = os.Rename(temp, dir)
		}
		if try == 2 || !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
}

// resolve makes dir absolute and follows it if it is a link, so that the link stays.
func resolve(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if target, err := filepath.EvalSymlinks(abs); err == nil {
		return target, nil
	} else if _, lerr := os.Lstat(abs); lerr == nil {
		return "", err // a link that leads nowhere
	}
	return abs, nil
}

// occupied reports whether a bundle or an empty folder stands at dir, false if nothing does. It
// returns an error that wraps ErrNotBundle if anything else does.
func occupied(dir string) (bool, error) {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.IsDir() {
		return false, fmt.Errorf("%w and no folder: choose another name", ErrNotBundle)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false, err
	}
	defer root.Close()
	found, err := list(root)
	if err != nil || len(found) == 0 {
		return err == nil, err
	}
	for _, name := range sortedKeys(found) {
		if !ours(name) {
			return false, fmt.Errorf("%w: it holds %q, which would be lost", ErrNotBundle, name)
		}
	}
	// The start of a manifest is enough: a damaged or newer bundle may be replaced, too.
	data, err := read(root, manifestName, MaxManifest)
	if err != nil || !bytes.HasPrefix(data, []byte("{\n  \"format\": \""+Format+"\",\n")) {
		return false, fmt.Errorf("%w: %s is not what a bundle has; remove the folder if it may go", ErrNotBundle, manifestName)
	}
	return true, nil
}

// oldLevels is the folder of models in bundles of schema 1, which Write may replace.
const oldLevels = "levels"

// ours reports whether Write makes, or made, files or folders of that name.
func ours(name string) bool {
	folder, base := path.Split(name)
	return slices.Contains([]string{manifestName, digestName, signName, supernetName, momentsName, tableName, labelsName, serviceName, oldLevels}, name) ||
		folder == oldLevels+"/" && strings.HasSuffix(base, ".onnx")
}

// tempDir makes a folder beside dir, after removing those of writers that were killed. The lock is
// held while the folder is in use.
func tempDir(dir string) (string, func(), error) {
	parent, prefix := filepath.Dir(dir), "."+filepath.Base(dir)+".dynofa-"
	entries, err := os.ReadDir(parent)
	if err != nil {
		return "", nil, err
	}
	for _, e := range entries {
		if !locks || !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		stale := filepath.Join(parent, e.Name())
		if unlock, ok := lock(stale); ok {
			err := os.RemoveAll(stale)
			unlock()
			if err != nil {
				return "", nil, err
			}
		}
	}
	temp, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return "", nil, err
	}
	unlock, ok := lock(temp)
	if !ok {
		return "", nil, fmt.Errorf("another writer cleans up in %s: try again", parent)
	}
	return temp, unlock, os.Chmod(temp, 0o755)
}

// writer fills a folder.
type writer struct {
	spec     Spec
	dir      string
	manifest Manifest
}

// begin checks what can be checked before anything is written.
func (w *writer) begin() error {
	s := &w.spec
	if s.Family == nil || s.Supernet == nil {
		return errors.New("family or supernet are missing")
	}
	if s.Statistics != nil && len(s.Statistics) != len(s.Family.Levels) {
		return fmt.Errorf("statistics for %d levels, the family has %d", len(s.Statistics), len(s.Family.Levels))
	}
	w.manifest = Manifest{Format: Format, Schema: schemaFor(s.Runtime), CreatedBy: s.CreatedBy, Family: *s.Family,
		Weights: s.Weights, Policy: s.Policy, Runtime: s.Runtime, Transform: s.Transform, Notes: s.Notes}
	m := w.manifest // as it will be, but for sizes and digests
	m.Supernet, m.Files = supernetName, []File{{supernetName, 1, strings.Repeat("0", 64)}}
	if err := m.Validate(); err != nil {
		return err
	}
	var serving []string // nil: all
	for _, p := range s.Runtime.Processors {
		serving = append(serving, p.Name)
	}
	model, err := policy.NewModel(s.Family, serving...)
	if err != nil {
		return err
	}
	if _, err := policy.New(s.Policy.Spec, s.Policy.Params, model); err != nil {
		return err
	}
	if s.Table != nil {
		if err := s.Table.Validate(); err != nil {
			return err
		}
		excerpt, err := Excerpt(s.Table, s.Family)
		if err != nil {
			return err
		}
		s.Table = excerpt
	}
	if len(s.Labels) > 0 {
		return checkLabels(s.Labels, s.Family)
	}
	return nil
}

// files writes everything but the manifest.
func (w *writer) files(ctx context.Context) error {
	if err := w.tensors(ctx); err != nil {
		return err
	}
	if w.spec.Table != nil {
		data, err := encodeTable(w.spec.Table)
		if err == nil {
			err = w.add(tableName, data)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", tableName, err)
		}
		w.manifest.Table = tableName
	}
	if len(w.spec.Labels) > 0 {
		if err := w.add(labelsName, []byte(strings.Join(w.spec.Labels, "\n")+"\n")); err != nil {
			return err
		}
		w.manifest.Labels = labelsName
	}
	if w.spec.Service != "" {
		if err := w.add(serviceName, []byte(w.spec.Service)); err != nil {
			return err
		}
		w.manifest.Service = serviceName
	}
	return nil
}

// add writes one file to disk and lists it.
func (w *writer) add(name string, data []byte) error {
	if len(data) < 1 || len(data) > MaxFile {
		return fmt.Errorf("%d bytes are outside [1, %d]", len(data), MaxFile)
	}
	w.manifest.Files = append(w.manifest.Files, File{name, int64(len(data)), digest(data)})
	return writeFile(filepath.Join(w.dir, filepath.FromSlash(name)), data)
}

// finish writes the manifest and its digest, and makes sure that all is on disk.
func (w *writer) finish() (string, error) {
	slices.SortFunc(w.manifest.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	if err := w.manifest.Validate(); err != nil {
		return "", err
	}
	data, err := encode(w.manifest)
	if err != nil {
		return "", err
	}
	if len(data) > MaxManifest {
		return "", fmt.Errorf("the manifest takes %d bytes, more than %d", len(data), MaxManifest)
	}
	if _, err := parseManifest(data); err != nil { // what Open will see
		return "", err
	}
	sum := digest(data)
	if w.spec.Sign != nil {
		// The comment is the digest and no date: the same inputs give the same bytes.
		if err := writeFile(filepath.Join(w.dir, signName), w.spec.Sign.Sign(data, "dynofa bundle sha256:"+sum)); err != nil {
			return "", err
		}
	}
	return sum, errors.Join(
		writeFile(filepath.Join(w.dir, manifestName), data),
		writeFile(filepath.Join(w.dir, digestName), []byte(digestLine(sum))),
		syncDir(w.dir))
}

// writeFile writes a new file and waits until it is on disk.
func writeFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// swapRenames puts temp in dir's place with three steps; afterwards temp is the old bundle.
func swapRenames(temp, dir string) error {
	old := temp + ".old"
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.Rename(old, temp)
}
