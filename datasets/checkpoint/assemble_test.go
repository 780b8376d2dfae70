package checkpoint_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
)

// The pickles of the bad cases are assembled by hand; the letters are pickletools' opcodes.

func le32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
func le64(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }

// str is a BINUNICODE.
func str(s string) string { return "X" + le32(uint32(len(s))) + s }

// num is the shortest of BININT and LONG1 for n.
func num(n int64) string {
	if n == int64(int32(n)) {
		return "J" + le32(uint32(n))
	}
	return "\x8a\x08" + le64(uint64(n))
}

// nums is a tuple of integers.
func nums(ns ...int64) string {
	s := "("
	for _, n := range ns {
		s += num(n)
	}
	return s + "t"
}

func global(module, name string) string { return "c" + module + "\n" + name + "\n" }

// storageID pushes the persistent ID of a storage and resolves it.
func storageID(class, key string, numel int64, rest ...string) string {
	return "(" + str("storage") + global("torch", class) + str(key) + str("cpu") + num(numel) + strings.Join(rest, "") + "tQ"
}

const rebuildV2 = "ctorch._utils\n_rebuild_tensor_v2\n"
const noHooks = "ccollections\nOrderedDict\n)R"

// viewOf pushes _rebuild_tensor_v2 of a storage, an offset, a shape and a stride.
func viewOf(storage string, offset int64, shape, stride []int64) string {
	return rebuildV2 + "(" + storage + num(offset) + nums(shape...) + nums(stride...) + "\x89" + noHooks + "tR"
}

// item is a dict of one item.
func item(key, value string) string { return "}" + str(key) + value + "s" }

// pickled frames one value.
func pickled(body string) string { return "\x80\x02" + body + "." }

const (
	magic   = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
	version = "\x80\x02M\xe9\x03."
	system  = "\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."
	// root is where the checkpoint's own pickle starts in a legacy file made by legacy.
	root = len(magic) + len(version) + len(system)
)

// legacy is a legacy file: the root's pickle and the keys' follow the fixed ones, then raw bytes.
func legacy(rootBody, keys, data string) string {
	return magic + version + system + pickled(rootBody) + pickled(keys) + data
}

// four is a legacy file whose storage "0" holds four float32 1, 2, 3, 4.
func four(rootBody string) string {
	return legacy(rootBody, "]"+str("0")+"a", le64(4)+"\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40")
}

// bare is a legacy file without storages.
func bare(rootBody string) string { return legacy(rootBody, "]", "") }

// archived is an entry of a zip archive.
type archived struct {
	name, content string
	method        uint16
	crc           uint32 // to be added to the right one
}

// zipped is a zip archive of entries as torch.save writes them.
func zipped(t testing.TB, entries ...archived) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: e.method}
		if e.method != zip.Store {
			f, err := w.CreateHeader(h)
			if err == nil {
				_, err = f.Write([]byte(e.content))
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		h.CRC32 = crc32.ChecksumIEEE([]byte(e.content)) + e.crc
		h.CompressedSize64 = uint64(len(e.content))
		h.UncompressedSize64 = h.CompressedSize64
		f, err := w.CreateRaw(h)
		if err == nil {
			_, err = f.Write([]byte(e.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// safe is a safetensors file.
func safe(header, data string) string { return le64(uint64(len(header))) + header + data }

// safeOne is a safetensors file of one tensor "x".
func safeOne(dtype, shape, offsets, data string) string {
	return safe(fmt.Sprintf(`{"x":{"dtype":%q,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets), data)
}
