package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dynofa/dynofa/deploy/onnx"
)

// Names of the files of a prepared bundle.
const (
	preparedName = "prepared.json"
	blobName     = "family.bin"
)

// Format and schema of prepared bundles, which are remade when either changes.
const (
	preparedFormat = "dynofa prepared bundle"
	preparedSchema = 1
)

// keyLength is how many digits of a digest name a prepared bundle's folder.
const keyLength = 32

// Preparation says how and where a bundle is prepared. All fields are required.
type Preparation struct {
	// Cache is the folder of prepared bundles, which is made if there is none. Only its owner may be
	// able to write to it.
	Cache string
	// Target says in one line what graphs are optimised for; another target means another preparation.
	Target string
	// Optimise optimises a model: it writes its large tensors to the new file name in dir and returns
	// the graph that refers to them.
	Optimise func(model []byte, dir, name string) (graph []byte, err error)
}

// Prepared is a bundle as one device runs it: an optimised graph per level, and one file with the
// tensors of all, each part of it that several levels have stored once. The file is made to be mapped:
// it is never written again, and replaced by renaming its folder.
type Prepared struct {
	dir      string
	manifest preparedManifest
}

// preparedManifest is prepared.json.
type preparedManifest struct {
	Format string   `json:"format"`
	Schema int      `json:"schema"`
	Bundle string   `json:"bundle"` // digest
	Target string   `json:"target"`
	Levels []string `json:"levels"` // file of each level's graph
	Blob   string   `json:"blob"`   // file of the tensors
	Unique int64    `json:"unique"` // bytes of the blob
	Total  int64    `json:"total"`  // bytes of all levels' tensors, shared parts counted for each
	Files  []File   `json:"files"`
}

// Prepare returns the bundle prepared for a target, from the cache if it is there and undamaged in
// size, else by making it: every level's model is built from verified tensors and optimised, and what
// levels share is stored once. Read verifies the digests.
//
// A killed Prepare leaves the cache as it was but for a folder that the next one removes. Several at
// once make the same thing, one of which remains.
func (b *Bundle) Prepare(ctx context.Context, p Preparation) (*Prepared, error) {
	prepared, err := b.prepare(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("bundle: prepare %s: %w", b.dir, err)
	}
	return prepared, nil
}

func (b *Bundle) prepare(ctx context.Context, p Preparation) (*Prepared, error) {
	if p.Cache == "" || p.Target == "" || p.Optimise == nil {
		return nil, errors.New("cache, target or optimiser are missing")
	}
	if err := oneLine(p.Target); err != nil {
		return nil, err
	}
	cache, err := filepath.Abs(p.Cache)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return nil, err
	}
	if err := private(cache); err != nil {
		return nil, err
	}
	key := digest([]byte(fmt.Sprintf("%s %d\n%s\n%s\n", preparedFormat, preparedSchema, b.digest, p.Target)))
	dir := filepath.Join(cache, key[:keyLength])
	if found, err := b.openPrepared(dir, p.Target); err == nil {
		now := time.Now()
		_ = os.Chtimes(dir, now, now) // so that it is not the first to be pruned; a cache that cannot be written to is never pruned
		return found, nil
	}
	if err := b.makePrepared(ctx, dir, p); err != nil {
		return nil, err
	}
	return b.openPrepared(dir, p.Target)
}

// openPrepared opens what makePrepared made. Digests are checked by Read.
func (b *Bundle) openPrepared(dir, target string) (*Prepared, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	data, err := read(root, preparedName, MaxManifest)
	if err != nil {
		return nil, err
	}
	p := &Prepared{dir: dir}
	m := &p.manifest
	if err := decode(data, m); err != nil {
		return nil, fmt.Errorf("%s: %w", preparedName, err)
	}
	switch {
	case m.Format != preparedFormat || m.Schema != preparedSchema:
		return nil, fmt.Errorf("format %q schema %d", m.Format, m.Schema)
	case m.Bundle != b.digest || m.Target != target:
		return nil, errors.New("prepared from another bundle or for another target")
	case len(m.Levels) != len(b.manifest.Family.Levels) || len(m.Files) != len(m.Levels)+1:
		return nil, fmt.Errorf("%d levels in %d files", len(m.Levels), len(m.Files))
	}
	found, err := list(root)
	if err != nil {
		return nil, err
	}
	if len(found) != len(m.Files)+1 {
		return nil, fmt.Errorf("%w: %d files instead of %d", ErrDamaged, len(found), len(m.Files)+1)
	}
	for _, f := range m.Files {
		if err := f.check(); err != nil {
			return nil, err
		}
		if size, ok := found[f.Path]; !ok || size != f.Size {
			return nil, fmt.Errorf("%w: %s is missing or has another size", ErrDamaged, f.Path)
		}
	}
	for _, name := range append(slices.Clone(m.Levels), m.Blob) {
		if _, ok := p.file(name); !ok {
			return nil, fmt.Errorf("%w: %s is not listed", ErrDamaged, name)
		}
	}
	return p, nil
}

func (p *Prepared) file(name string) (File, bool) {
	i := slices.IndexFunc(p.manifest.Files, func(f File) bool { return f.Path == name })
	if i < 0 {
		return File{}, false
	}
	return p.manifest.Files[i], true
}

// Dir returns the folder in which the graphs find their tensors.
func (p *Prepared) Dir() string { return p.dir }

// UniqueBytes returns the size of the levels' tensors where what several levels have is counted once.
func (p *Prepared) UniqueBytes() int64 { return p.manifest.Unique }

// TotalBytes returns the size of the levels' tensors where each level counts all of its own.
func (p *Prepared) TotalBytes() int64 { return p.manifest.Total }

// Read verifies every file's digest and returns the graphs, the least accurate level's first. A wrong
// digest is an error that wraps ErrDamaged. The tensors are read once, in pieces, which also brings
// them into the page cache.
func (p *Prepared) Read() ([][]byte, error) {
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	defer root.Close()
	blob, _ := p.file(p.manifest.Blob)
	readAhead(root, blob.Path)
	if err := verify(root, blob); err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", p.dir, err)
	}
	graphs := make([][]byte, len(p.manifest.Levels))
	for i, name := range p.manifest.Levels {
		f, _ := p.file(name)
		if graphs[i], err = readExactly(root, f); err != nil {
			return nil, fmt.Errorf("bundle: %s: %w", p.dir, err)
		}
	}
	return graphs, nil
}

// PrepareRead is Prepare and then Read. Prepared files that turn out to be damaged are removed and made
// again from the bundle, once; remade says so.
func (b *Bundle) PrepareRead(ctx context.Context, p Preparation) (prepared *Prepared, graphs [][]byte, remade bool, err error) {
	for {
		if prepared, err = b.Prepare(ctx, p); err != nil {
			return nil, nil, remade, err
		}
		if graphs, err = prepared.Read(); err == nil || remade || !errors.Is(err, ErrDamaged) {
			return prepared, graphs, remade, err
		}
		remade = true
		if err := prepared.Remove(); err != nil {
			return nil, nil, remade, err
		}
	}
}

// Remove deletes the prepared files, for instance because they are damaged. Sessions that map them
// go on.
func (p *Prepared) Remove() error { return os.RemoveAll(p.dir) }

// makePrepared fills a folder beside dir and renames it.
func (b *Bundle) makePrepared(ctx context.Context, dir string, p Preparation) (err error) {
	temp, unlock, err := tempDir(dir)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(temp))
		unlock()
	}()
	m := preparedManifest{Format: preparedFormat, Schema: preparedSchema, Bundle: b.digest, Target: p.Target, Blob: blobName}
	raw := filepath.Join(temp, "raw")
	if err := os.Mkdir(raw, 0o700); err != nil {
		return err
	}
	graphs, err := b.optimise(ctx, p, raw)
	if err != nil {
		return err
	}
	s := &store{dir: raw}
	defer func() { err = errors.Join(err, s.close()) }()
	for i, g := range graphs {
		if err := s.add(i, g); err != nil {
			return fmt.Errorf("level %d: %w", i, err)
		}
		m.Total += s.total(i)
	}
	if err := s.lay(); err != nil {
		return err
	}
	blob, err := s.write(ctx, filepath.Join(temp, blobName))
	if err != nil {
		return err
	}
	m.Unique = blob.Size
	m.Files = append(m.Files, blob)
	for i, g := range graphs {
		name := fmt.Sprintf("%d.onnx", i)
		g, err := onnx.Relocate(g, func(e onnx.External) onnx.External { return s.at(i, e) })
		if err == nil {
			err = writeFile(filepath.Join(temp, name), g)
		}
		if err != nil {
			return fmt.Errorf("level %d: %w", i, err)
		}
		m.Levels = append(m.Levels, name)
		m.Files = append(m.Files, File{name, int64(len(g)), digest(g)})
	}
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	data, err := encode(m)
	if err != nil {
		return err
	}
	err = errors.Join(os.RemoveAll(raw), writeFile(filepath.Join(temp, preparedName), data), syncDir(temp), ctx.Err())
	if err != nil {
		return err
	}
	if err := put(temp, dir); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(dir)), prune(filepath.Dir(dir)))
}

// keepPrepared is how many prepared bundles stay in a cache: the one in use, the one before it, and as
// many again for a second runtime or processor.
const keepPrepared = 4

// prune removes the prepared bundles that were made or opened longest ago. Who still maps them keeps them.
func prune(cache string) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	type made struct {
		name string
		at   time.Time
	}
	var all []made
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() && len(e.Name()) == keyLength && strings.Trim(e.Name(), "0123456789abcdef") == "" {
			all = append(all, made{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b made) int { return b.at.Compare(a.at) })
	for _, old := range all[min(keepPrepared, len(all)):] {
		err = errors.Join(err, os.RemoveAll(filepath.Join(cache, old.name)))
	}
	return err
}

// put makes temp the folder dir; what was there is temp afterwards.
func put(temp, dir string) error {
	err := os.Rename(temp, dir)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	return exchange(temp, dir)
}

// optimise optimises every level, with its tensors in the files 0, 1, ... of dir.
func (b *Bundle) optimise(ctx context.Context, p Preparation, dir string) ([][]byte, error) {
	defer b.Forget()
	var graphs [][]byte
	for i := range b.manifest.Family.Levels {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		model, err := b.Level(i)
		if err != nil {
			return nil, err
		}
		g, err := p.Optimise(model, dir, fmt.Sprint(i))
		if err != nil {
			return nil, fmt.Errorf("level %d: %w", i, err)
		}
		graphs = append(graphs, g)
	}
	return graphs, nil
}
