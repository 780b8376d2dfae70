//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	binding "github.com/yalue/onnxruntime_go"

	"github.com/dynofa/dynofa/deploy/onnx"
)

// minExternal is the size in bytes from which Optimise moves a tensor out of the graph.
const minExternal = 1024

// Optimise lets ONNX Runtime optimise a model for exactly this processor and library, and returns the
// graph that it makes, for NewMappedSession. Tensors of 1 KiB and more are written to the new file
// called name in the folder dir, where the graph looks for them; onnx.Externals lists them.
//
// The result is for machines with the same Target only, and differs from time to time in the order of
// its tensors. It takes as long as making a session, and as much memory.
func (r *Runtime) Optimise(model []byte, dir, name string, o Options) (graph []byte, err error) {
	o, err = o.normal()
	if err != nil {
		return nil, err
	}
	if _, _, err := modelInterface(model, withinModel); err != nil {
		return nil, fmt.Errorf("ort: %w: %w", ErrModel, err)
	}
	path := filepath.Join(dir, name+".graph")
	if name == "" || name != filepath.Base(name) {
		return nil, fmt.Errorf("ort: optimise: %q is no file name", name)
	}
	if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
		return nil, fmt.Errorf("ort: optimise: %s exists", filepath.Join(dir, name))
	}
	options, err := r.sessionOptions(o, everyOptimisation)
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	defer func() { err = errors.Join(err, remove(path)) }()
	err = errors.Join(
		options.SetOptimizedModelFilePath(path),
		options.AddSessionConfigEntry("session.optimized_model_external_initializers_file_name", name),
		options.AddSessionConfigEntry("session.optimized_model_external_initializers_min_size_in_bytes", strconv.Itoa(minExternal)),
	)
	if err != nil {
		return nil, fmt.Errorf("ort: session options: %s", oneLine(err.Error()))
	}
	s, err := r.newSession(model, "", withinModel, nil, options)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// NewMappedSession makes a session of a graph that Optimise made. Its large tensors are mapped from
// files in dir instead of copied, so sessions whose tensors are in the same places of the same file
// share memory, and the system can drop and read it again. The graph is run as it is. The files must
// not change while the session lives: replace them by renaming, never by writing.
//
// Errors are those of NewSession; a tensor outside of its file is one.
func (r *Runtime) NewMappedSession(graph []byte, dir string, o Options) (*Session, error) {
	o, err := o.normal()
	if err != nil {
		return nil, err
	}
	list, err := onnx.Externals(graph)
	if err != nil {
		return nil, fmt.Errorf("ort: %w: %w", ErrModel, err)
	}
	sizes := map[string]int64{}
	for _, e := range list {
		size, ok := sizes[e.File]
		if !ok {
			info, err := os.Lstat(filepath.Join(dir, e.File))
			if err != nil {
				return nil, fmt.Errorf("ort: %w: %w", ErrModel, err)
			}
			if size = info.Size(); !info.Mode().IsRegular() {
				return nil, fmt.Errorf("ort: %w: %s is no file", ErrModel, filepath.Join(dir, e.File))
			}
			sizes[e.File] = size
		}
		if e.Offset+e.Length > size {
			return nil, fmt.Errorf("ort: %w: tensor %.200q ends at byte %d of %s, which has %d", ErrModel, e.Name, e.Offset+e.Length, e.File, size)
		}
	}
	options, err := r.sessionOptions(o, asItIs)
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("ort: %w", err)
	}
	err = errors.Join(
		// Packing copies what is mapped; with one picture at a time it gained nothing measurable.
		options.AddSessionConfigEntry("session.disable_prepacking", "1"),
		options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", abs),
	)
	if err != nil {
		return nil, fmt.Errorf("ort: session options: %s", oneLine(err.Error()))
	}
	file := ""
	if !recent(r.version, MinVersion) { // it looks for tensors beside the file only
		f, err := os.CreateTemp(abs, "session.*.onnx")
		if err != nil {
			return nil, fmt.Errorf("ort: %w", err)
		}
		file = f.Name()
		defer os.Remove(file)
		if _, err := f.Write(graph); err != nil {
			return nil, errors.Join(fmt.Errorf("ort: %w", err), f.Close())
		}
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("ort: %w", err)
		}
	}
	var shared *initialisers
	if o.Provider == "cpu" { // others copy tensors to where they compute
		if shared, err = r.share(options, abs, list); err != nil {
			return nil, err
		}
	}
	return r.newSession(graph, file, beside, shared, options)
}

// optimisation says what a session does with its graph.
type optimisation = binding.GraphOptimizationLevel

const (
	everyOptimisation optimisation = binding.GraphOptimizationLevelEnableAll
	asItIs            optimisation = binding.GraphOptimizationLevelDisableAll
)
