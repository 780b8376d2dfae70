package checkpoint_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRead holds Read to: no panic; a tensor's data is what its shape says; what it accepted comes
// back the same from a safetensors file that holds it, and reading twice gives the same. Run it with
// -fuzzminimizetime 1x: shrinking each interesting input for a minute leaves no time to find any.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"legacy.pth", "zip.pth", "model.safetensors"} {
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	x := viewOf(storageID("FloatStorage", "0", 4), 1, []int64{2, 1}, []int64{1, 7})
	for _, s := range []string{
		four(item("x", x)),
		four(item("state_dict", item("x", x))),
		four(item("x", global("torch._utils", "_rebuild_parameter")+x+"\x88"+noHooks+"\x87R")),
		four(global("collections", "OrderedDict") + "](](" + str("x") + x + "ee\x85R"),
		bare(item("x", num(-5)) + str("y") + "G@\x09\x21\xfb\x54\x44\x2d\x18s"),
		legacy(item("x", viewOf(storageID("HalfStorage", "k", 3), 0, []int64{3}, []int64{1})), "]"+str("k")+"a", le64(3)+"\x00\x3c\x01\x00\x00\x7c"),
		four(global("os", "system") + str("true") + "\x85R"),
		zipped(f, archived{name: "m/data.pkl", content: pickled(item("x", x))}, archived{name: "m/data/0", content: strings.Repeat("1", 16)}),
		safeOne("BF16", "[2,2]", "[0,8]", "12345678"),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := readString(string(raw))
		if err != nil {
			if file != nil {
				t.Fatal("an error and a file")
			}
			return
		}
		all := tensors(t, file)
		header, data := "", []byte(nil)
		for _, x := range all {
			numel := 1
			for _, n := range x.Shape {
				numel *= n
			}
			if numel != len(x.Data) || !utf8.ValidString(x.Name) {
				t.Fatalf("%q of shape %v has %d elements", x.Name, x.Shape, len(x.Data))
			}
			if x.Name == "__metadata__" { // not a tensor's name in safetensors
				return
			}
			begin := len(data)
			for _, v := range x.Data {
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
			}
			name, _ := json.Marshal(x.Name)
			shape, _ := json.Marshal(x.Shape)
			header += fmt.Sprintf(`,%s:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, name, shape, begin, len(data))
		}
		again, err := readString(safe("{"+strings.TrimPrefix(header, ",")+"}", string(data)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			all[i].DType = "float32"
		}
		if d := diff(all, tensors(t, again)); d != "" {
			t.Fatalf("through safetensors: %s", d)
		}
		if twice, err := readString(string(raw)); err != nil || twice.SHA256() != file.SHA256() {
			t.Fatalf("read again: %v", err)
		}
	})
}
