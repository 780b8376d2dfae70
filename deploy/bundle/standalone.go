package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Names of the files that WriteModels makes beside the models.
const (
	familyName = "family.json"
	sumsName   = "sha256sums"
)

// modelName is the file of a level.
func modelName(level int) string { return fmt.Sprintf("level-%d.onnx", level) }

// WriteModels writes a family for users of other runtimes: one plain ONNX model per level,
// level-0.onnx and so on, the family as JSON, and their digests in sha256sums, as sha256sum -c reads
// it. Models are those of Bundle.Level. The policy and everything else of the spec is left out.
//
// The folder must not exist or be empty; it appears in one step, complete. It returns the files.
func WriteModels(ctx context.Context, dir string, spec Spec) ([]File, error) {
	files, err := writeModels(ctx, dir, spec)
	if err != nil {
		return nil, fmt.Errorf("bundle: write models to %s: %w", dir, err)
	}
	return files, nil
}

func writeModels(ctx context.Context, dir string, spec Spec) (files []File, err error) {
	if dir, err = resolve(dir); err != nil {
		return nil, err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, errors.New("the folder is not empty")
	}
	w := &writer{spec: spec}
	if err := w.begin(); err != nil {
		return nil, err
	}
	m, _, err := w.spec.models()
	if err != nil {
		return nil, err
	}
	temp, unlock, err := tempDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if rerr := os.RemoveAll(temp); err == nil {
			err = rerr
		}
		unlock()
	}()
	w.dir = temp
	for i := range m.archs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		model, err := m.level(i)
		if err == nil {
			err = w.add(modelName(i), model)
		}
		if err != nil {
			return nil, fmt.Errorf("level %d: %w", i, err)
		}
	}
	data, err := encode(spec.Family)
	if err == nil {
		err = w.add(familyName, data)
	}
	if err != nil {
		return nil, err
	}
	var sums strings.Builder
	for _, f := range w.manifest.Files {
		fmt.Fprintf(&sums, "%s  %s\n", f.SHA256, f.Path)
	}
	if err := w.add(sumsName, []byte(sums.String())); err != nil {
		return nil, err
	}
	if err := errors.Join(syncDir(temp), ctx.Err()); err != nil {
		return nil, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // it is empty
		return nil, err
	}
	if err := os.Rename(temp, dir); err != nil {
		return nil, err
	}
	return w.manifest.Files, syncDir(filepath.Dir(dir))
}
