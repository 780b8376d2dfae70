//go:build cgo

package ort

import (
	"fmt"
	"path/filepath"
	"sync"
	"unsafe"

	binding "github.com/yalue/onnxruntime_go"
)

// Runtime is ONNX Runtime, loaded into this process. It is safe for concurrent use and stays until
// the process ends.
type Runtime struct {
	path, resolved string
	version        string
	sharedArena    bool
	api            unsafe.Pointer // the library's C API, nil if it cannot be had
	digest         func() (string, error)
}

// loaded is the process's runtime; the binding keeps one environment per process.
var loaded struct {
	sync.Mutex
	runtime *Runtime
}

// Load loads the library at path, as FindLibrary returns it. Later calls with the same file return
// the same Runtime; another file is an error that wraps ErrLoaded. A missing file is an error that
// wraps ErrNoLibrary; ErrVersion is wrapped if the file is no ONNX Runtime or older than MinVersion.
// After an error Load may be tried again. Loading runs the library's code: name only files that
// are trusted.
func Load(path string) (*Runtime, error) {
	loaded.Lock()
	defer loaded.Unlock()
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("ort: %w", err)
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if err != nil || !regular(resolved) {
		return nil, fmt.Errorf("ort: %w at %s; %s", ErrNoLibrary, abs, remedy)
	}
	if r := loaded.runtime; r != nil {
		if r.resolved != resolved {
			return nil, fmt.Errorf("ort: load %s: %w: %s", abs, ErrLoaded, r.path)
		}
		return r, nil
	}
	version, err := handshake(abs)
	if err != nil {
		return nil, err
	}
	binding.SetSharedLibraryPath(abs)
	if err := binding.InitializeEnvironment(binding.WithLogLevelFatal()); err != nil {
		return nil, fmt.Errorf("ort: load %s: %s", abs, oneLine(err.Error()))
	}
	loaded.runtime = &Runtime{
		path: abs, resolved: resolved, version: version, sharedArena: shareArena(), api: apiOf(abs),
		digest: sync.OnceValues(func() (string, error) { return digest(resolved) }),
	}
	return loaded.runtime, nil
}

// arenaBytes is the address space of the shared arena's first region. Memory is taken as it is touched,
// so a generous region costs nothing; in several regions, each as large as what was asked for when a
// larger network first ran, a family's arenas add up (the process with six levels of w1.2 took 72 instead of 40 MB).
const arenaBytes = 64 << 20

// shareArena makes one arena for the activations of all sessions, since only one of a family's
// sessions runs at a time. It reports whether the library could; if not, sessions have an arena each.
func shareArena() bool {
	memory, err := binding.GetMemoryInfo()
	if err != nil {
		return false
	}
	const nextPowerOfTwo = 0
	config, err := binding.NewArenaCfgV2(map[string]int{"arena_extend_strategy": nextPowerOfTwo, "initial_chunk_size_bytes": arenaBytes})
	if err != nil {
		return false
	}
	defer config.Destroy()
	return binding.CreateAndRegisterAllocator(memory, config) == nil
}

// Version returns the library's version, for instance "1.27.0".
func (r *Runtime) Version() string { return r.version }

// Path returns the absolute path that the library was loaded from.
func (r *Runtime) Path() string { return r.path }

// SHA256 returns the digest of the library's file in lower-case hex. The file is read at the first
// call; it should not be replaced while the process runs.
func (r *Runtime) SHA256() (string, error) { return r.digest() }
