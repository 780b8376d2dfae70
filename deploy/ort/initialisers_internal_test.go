//go:build cgo

package ort

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// The places of functions that initialisers.go counts on are those of the header that the binding is built with, and
// so are apiVersion and the two constants.
func TestPlacesInTheAPI(t *testing.T) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler named cc")
	}
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Skipf("the binding's source is not here: %v", err)
	}
	source, err := os.ReadFile("initialisers.go")
	if err != nil {
		t.Fatal(err)
	}
	text := "#include <stddef.h>\n#include \"onnxruntime_c_api.h\"\n"
	text += fmt.Sprintf("_Static_assert(ORT_API_VERSION == %d, \"API version\");\n_Static_assert(OrtDeviceAllocator == 0 && OrtMemTypeDefault == 0, \"constants\");\n", apiVersion)
	for name, function := range map[string]string{
		"get_error_message": "GetErrorMessage", "create_tensor": "CreateTensorWithDataAsOrtValue", "create_memory_info": "CreateCpuMemoryInfo", "add_initializer": "AddInitializer",
		"release_status": "ReleaseStatus", "release_memory_info": "ReleaseMemoryInfo", "release_value": "ReleaseValue",
	} {
		m := regexp.MustCompile(`\b` + name + ` = (\d+)`).FindSubmatch(source)
		if m == nil {
			t.Fatalf("initialisers.go gives no place of %s", function)
		}
		text += fmt.Sprintf("_Static_assert(offsetof(OrtApi, %s) == %s * sizeof(void *), \"%[1]s\");\n", function, m[1])
	}
	file := filepath.Join(t.TempDir(), "places.c")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(compiler, "-fsyntax-only", "-I", strings.TrimSpace(string(folder)), file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Where tensors cannot be shared the library maps them itself, and the answers are the same.
func TestUnsharedTensors(t *testing.T) {
	path := here(t)
	r, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if r.api == nil {
		t.Fatal("the library's C API was not found")
	}
	shape := supernet.Shape{Size: 8, Channels: 64}
	block, err := onnx.Block(supernet.Block{Op: supernet.OpSepConv, In: shape, Out: shape, Kernel: 3, Stride: 1, Act: supernet.HSwish, Residual: true}, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	graph, err := r.Optimise(block, dir, "tensors", Options{})
	if err != nil {
		t.Fatal(err)
	}
	alone := *r
	alone.api = nil
	var answers [][]float32
	for i, r := range []*Runtime{r, &alone} {
		s, err := r.NewMappedSession(graph, dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if shared := s.shared != nil; shared != (i == 0) {
			t.Errorf("session %d shares its tensors: %t", i, shared)
		}
		for i := range s.Input() {
			s.Input()[i] = float32(i%7) - 3
		}
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, slices.Clone(s.Output()))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(answers[0], answers[1]) {
		t.Error("the answers differ")
	}
}
