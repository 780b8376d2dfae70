package checkpoint_test

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dynofa/dynofa/datasets/checkpoint"
)

func ExampleOpen() {
	f, err := checkpoint.Open(filepath.Join("testdata", "zip.pth"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Format(), len(f.Names()), "tensors, first", f.Names()[0])
	// The file uses OFA's elder names; the newer ones find its tensors too.
	t, ok := f.Tensor("blocks.1.conv.depth_conv.bn.bn.num_batches_tracked")
	fmt.Println(ok, t.DType, t.Shape, t.Data)
	// Output:
	// torch-zip 12 tensors, first first_conv.conv.weight
	// true int64 [] [1.234567e+06]
}

func ExampleRead() {
	evil := "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + // magic number
		"\x80\x02M\xe9\x03." + // version 1001
		"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s." +
		"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R." // os.system("true")
	_, err := checkpoint.Read(strings.NewReader(evil), int64(len(evil)), "evil.pth")
	fmt.Println(err)
	// Output:
	// checkpoint: evil.pth: byte 47: refuses to construct "os.system"
}
