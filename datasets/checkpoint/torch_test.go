package checkpoint_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/reftest"
)

// interpreter is the first python3 that has PyTorch, or "". The second name is Debian's, for which
// python3-torch is.
var interpreter = sync.OnceValue(func() string {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import torch").Run() == nil {
			return name
		}
	}
	return ""
})

// python returns an interpreter that has PyTorch, or skips the test.
func python(t *testing.T) string {
	t.Helper()
	name := interpreter()
	if name == "" {
		t.Skip("no python3 with torch (Debian: python3-torch)")
	}
	return name
}

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, append([]string{filepath.Join("testdata", "checkpoints.py")}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// description is what PyTorch, or this package, finds in a tensor.
type description struct {
	Name, DType string
	Shape       []int
	SHA256      string // of the float32 elements
}

func describe(t *testing.T, path string) []description {
	t.Helper()
	f, err := checkpoint.Open(path)
	if err != nil {
		t.Error(err)
		return nil
	}
	var out []description
	for _, x := range tensors(t, f) {
		var raw []byte
		for _, v := range x.Data {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		digest := sha256.Sum256(raw)
		out = append(out, description{x.Name, x.DType, x.Shape, hex.EncodeToString(digest[:])})
	}
	return out
}

// compare checks files against torch.load: names, order, types, shapes and every element.
func compare(t *testing.T, python string, paths ...string) {
	t.Helper()
	var want []struct {
		Path    string
		Tensors []description
	}
	if err := json.Unmarshal(run(t, python, append([]string{"describe"}, paths...)...), &want); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if d := cmp.Diff(w.Tensors, describe(t, w.Path)); d != "" {
			t.Errorf("%s (-torch +here):\n%s", filepath.Base(w.Path), d)
		}
	}
}

// Views of all sorts and every data type, as written by PyTorch now and read by it.
func TestAgainstTorch(t *testing.T) {
	py := python(t)
	dir := t.TempDir()
	run(t, py, "views", dir)
	paths, err := filepath.Glob(filepath.Join(dir, "[^r]*.pth"))
	if err != nil || len(paths) != 10 { // five contents in two formats
		t.Fatalf("%v %v", paths, err)
	}
	compare(t, py, paths...)

	// The safetensors file holds what types_zip.pth does; only views are no views there.
	want, got := describe(t, filepath.Join(dir, "types_zip.pth")), describe(t, filepath.Join(dir, "types.safetensors"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("safetensors (-zip +safetensors):\n%s", d)
	}

	// What PyTorch can save and this package refuses, each by its name.
	for file, want := range map[string]string{
		"refused_module.pth":    `refuses to construct "torch.nn.modules.container.Sequential"`,
		"refused_sparse.pth":    `refuses to construct "torch._utils._rebuild_sparse_tensor"`,
		"refused_quantised.pth": `refuses to construct "torch._utils._rebuild_qtensor"`,
		"refused_complex.pth":   `refuses to construct "torch.ComplexFloatStorage"`,
		"refused_script.pth":    "refuses to read a TorchScript archive",
		"refused_protocol.pth":  "pickle protocol 4",
	} {
		_, err := checkpoint.Open(filepath.Join(dir, file))
		if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestReferenceAgainstTorch(t *testing.T) {
	compare(t, python(t),
		reftest.Path(t, "ofa", "acc_predictor.pth"),
		reftest.Path(t, "ofa", "supernet", "supernet_legacy.pth"),
		reftest.Path(t, "ofa", "supernet", "supernet_zip.pth"),
		reftest.Path(t, "ofa", "proxyless", "supernet_zip.pth"),
		reftest.Path(t, "ofa", "resnet50", "supernet_zip.pth"))
}
