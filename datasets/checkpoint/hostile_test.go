package checkpoint_test

import (
	"archive/zip"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint"
)

func readString(data string) (*checkpoint.File, error) {
	return checkpoint.Read(strings.NewReader(data), int64(len(data)), "bad.pth")
}

// bad is a file that must be refused, with the kind of error and a part of its text.
type bad struct {
	name, data string
	kind       error
	text       string
}

// check reads each case. It also holds the reader to taking memory in proportion to the file: 64
// bytes for each of the file's, which is what the densest pickles need, and 4 MiB.
func check(t *testing.T, cases []bad) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := readString(tt.data)
			runtime.ReadMemStats(&after)
			if err == nil || f != nil {
				t.Fatalf("accepted: %v, %v", f, err)
			}
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%v\nwant %q, which is %v", err, tt.text, tt.kind)
			}
			if !strings.HasPrefix(err.Error(), "checkpoint: bad.pth: ") || len(err.Error()) > 1000 {
				t.Errorf("the message does not name the file, or is too long: %v", err)
			}
			if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(4<<20+64*len(tt.data)); used > limit {
				t.Errorf("%d bytes allocated to refuse %d", used, len(tt.data))
			}
		})
	}
}

// The reason for this package: pickles that would do something when a pickle machine runs them.
func TestMalicious(t *testing.T) {
	refuse := func(name, body, text string) bad {
		return bad{name, four(body), checkpoint.ErrRefused, text}
	}
	first := fmt.Sprintf("byte %d: ", root+2) // of the first opcode after PROTO
	check(t, []bad{
		refuse("os.system", global("os", "system")+str("true")+"\x85R", first+`refuses to construct "os.system"`),
		refuse("posix.system", global("posix", "system")+str("true")+"\x85R", `refuses to construct "posix.system"`),
		refuse("eval", global("builtins", "eval")+str("1")+"\x85R", first+`refuses to construct "builtins.eval"`),
		refuse("eval of Python 2", global("__builtin__", "eval")+str("1")+"\x85R", `refuses to construct "__builtin__.eval"`),
		refuse("object", global("__builtin__", "object"), `refuses to construct "__builtin__.object"`),
		refuse("reconstructor", global("copy_reg", "_reconstructor"), `refuses to construct "copy_reg._reconstructor"`),
		refuse("named only", "}"+str("k")+global("subprocess", "Popen")+"s", `refuses to construct "subprocess.Popen"`),
		refuse("attribute of a known class", global("collections", "OrderedDict.__class__"), `"collections.OrderedDict.__class__"`),
		refuse("known name, other module", global("evil", "OrderedDict"), `"evil.OrderedDict"`),
		refuse("known class, other module", global("torch.cuda", "FloatStorage"), `"torch.cuda.FloatStorage"`),
		refuse("line feeds in a name", "cos\rsystem\n\n", `"os\rsystem."`),
		refuse("torch.load", global("torch", "load"), `"torch.load"`),
		refuse("quantised storage", global("torch", "QInt8Storage"), `"torch.QInt8Storage"`),
		refuse("INST", "("+str("true")+"ios\nsystem\n", "opcode INST"),
		refuse("OBJ", "("+global("collections", "OrderedDict")+"o", "opcode OBJ"),
		refuse("NEWOBJ", global("collections", "OrderedDict")+")\x81", "opcode NEWOBJ"),
		refuse("NEWOBJ_EX", global("collections", "OrderedDict")+")}\x92", "opcode NEWOBJ_EX"),
		refuse("STACK_GLOBAL", str("os")+str("system")+"\x93", "opcode STACK_GLOBAL"),
		refuse("EXT1", "\x82\x01", "opcode EXT1"),
		refuse("PERSID", "Pstorage\n", "opcode PERSID"),
		refuse("BUILD with a tuple", noHooks+"})\x86b", "set the state of a dict to a tuple"),
		refuse("BUILD of a class", global("collections", "OrderedDict")+"}b", "set the state of a collections.OrderedDict to a dict"),
		refuse("BUILD of a tensor", viewOf(storageID("FloatStorage", "0", 4), 0, nil, nil)+"}b", "set the state of a Tensor"),
		refuse("call of a storage class", global("torch", "FloatStorage")+num(1<<30)+"\x85R", "refuses to call a torch.FloatStorage"),
		refuse("call of a string", str("os.system")+")R", "refuses to call a str"),
		refuse("call of a tensor", viewOf(storageID("FloatStorage", "0", 4), 0, nil, nil)+")R", "refuses to call a Tensor"),
		refuse("append to a tensor", viewOf(storageID("FloatStorage", "0", 4), 0, nil, nil)+"Na", "fill an object of type Tensor"),
		refuse("persistent module", "("+str("module")+"NNNNtQ", `refuses to construct a "module"`),
		refuse("persistent string", str("0")+"Q", "a persistent ID of type str"),
		refuse("backward hooks", rebuildV2+"("+storageID("FloatStorage", "0", 4)+num(0)+nums(4)+nums(1)+"\x89"+item("k", "N")+"tR", "backward hooks"),
		refuse("conjugated", rebuildV2+"("+storageID("FloatStorage", "0", 4)+num(0)+nums(4)+nums(1)+"\x89"+noHooks+item("conj", "\x88")+"tR", "metadata"),
		refuse("slice of a storage", storageID("FloatStorage", "0", 4, "("+str("1")+num(0)+num(2)+"t"), "slice of another one"),
		refuse("protocol 4", "\x80\x04", "pickle protocol 4"),
		{"persistent ID as the version", magic + pickled(storageID("FloatStorage", "0", 4)), checkpoint.ErrRefused, "persistent ID"},
		{"eval as the version", magic + pickled(global("builtins", "eval")), checkpoint.ErrRefused, `"builtins.eval"`},
		{"eval among the keys", legacy("}", global("builtins", "eval"), ""), checkpoint.ErrRefused, `"builtins.eval"`},
		{"bare pickle", pickled(global("os", "system") + ")R"), checkpoint.ErrRefused, "byte 0: a pickle without PyTorch's magic number"},
	})
}

// Pickles that overstate a length, or try the machine's limits.
func TestPickleLimits(t *testing.T) {
	bombs := []struct {
		name, body string
		kind       error
		text       string
	}{
		{"2 GB BINUNICODE", "X" + le32(1<<31-1), checkpoint.ErrTruncated, "byte 47: a string of 2147483647 bytes, but 5 are left"},
		{"4 GB BINSTRING", "T" + le32(1<<32-1), checkpoint.ErrTruncated, "a string of 4294967295 bytes"},
		{"long string", str(strings.Repeat("x", 1<<20+1)), checkpoint.ErrTooLarge, "a string of 1048577 bytes"},
		{"LONG1 to beyond the end", "\x8a\xff", checkpoint.ErrTruncated, "an argument of 255 bytes"},
		{"endless class name", "c" + strings.Repeat("a", 1<<16), checkpoint.ErrTooLarge, "a class name longer than 256 bytes"},
		{"marks", strings.Repeat("(", 1<<20), checkpoint.ErrTooLarge, "more than 256 nested marks"},
		{"stack", strings.Repeat("}", 1<<20), checkpoint.ErrTooLarge, "the stack holds more than 65536 values"},
		{"nested lists", strings.Repeat("]", 1<<15) + strings.Repeat("a", 1<<15-1), checkpoint.ErrMalformed, "holds a list"},
		{"opcodes", "N" + strings.Repeat("q\x00", 1<<20), checkpoint.ErrTooLarge, "more than 1048576 opcodes"},
		{"memo bomb", "]" + strings.Repeat("r"+"\xff\xff\xff\xff"+"h\x00", 3), checkpoint.ErrMalformed, "nothing is in memo 0"},
		{"memo of dicts", "]" + strings.Repeat("(}r\x01\x02\x03\x04e", 1<<16), checkpoint.ErrMalformed, "holds a list"},
		{"list of itself, doubled 40 times", "]q\x00" + strings.Repeat("h\x00h\x00\x86q\x00", 40), checkpoint.ErrMalformed, "STOP with"},
		{"list in itself", "]q\x00h\x00a", checkpoint.ErrMalformed, "holds a list"},
		{"dict in itself", "}q\x00" + str("state_dict") + "h\x00s", checkpoint.ErrMalformed, `"state_dict" is a dict`},
		{"odd SETITEMS", "}(" + str("a") + "u", checkpoint.ErrMalformed, "a key without a value"},
		{"key of a list", "}]Ns", checkpoint.ErrRefused, "a key of type list"},
		{"key of a tuple", "})Ns", checkpoint.ErrRefused, "a key of type tuple"},
		{"duplicate key", "}" + str("a") + "Ns" + str("a") + "Ns", checkpoint.ErrMalformed, `key "a" occurs twice`},
		{"duplicate key of Python 2", global("collections", "OrderedDict") + "](]" + str("a") + "aNa]" + str("a") + "aNaee\x85R",
			checkpoint.ErrMalformed, "no mark"},
		{"duplicate key of an OrderedDict", global("collections", "OrderedDict") + "](](" + str("a") + "Ne](" + str("a") + "Nee\x85R",
			checkpoint.ErrMalformed, `key "a" occurs twice`},
		{"OrderedDict of a list of str", global("collections", "OrderedDict") + "]" + str("ab") + "a\x85R", checkpoint.ErrMalformed, "a list of str"},
		{"OrderedDict of int", global("collections", "OrderedDict") + num(7) + "\x85R", checkpoint.ErrMalformed, "called with (int)"},
		{"undefined memo", "h\x07", checkpoint.ErrMalformed, "nothing is in memo 7"},
		{"TUPLE without a mark", "t", checkpoint.ErrMalformed, "no mark"},
		{"underflow", "\x86", checkpoint.ErrMalformed, "the stack holds 0 values where 2 are needed"},
		{"underflow over a mark", "NN(\x85", checkpoint.ErrMalformed, "the stack holds 0 values where 1 are needed"},
		{"BINPUT of nothing", "q\x00", checkpoint.ErrMalformed, "0 values where 1"},
		{"STOP with two values", "NN", checkpoint.ErrMalformed, "STOP with 2 values and 0 marks"},
		{"STOP with an open mark", "N(", checkpoint.ErrMalformed, "STOP with 1 values and 1 marks"},
		{"STOP with nothing", "", checkpoint.ErrMalformed, "STOP with 0 values"},
		{"append to a dict", "}Na", checkpoint.ErrMalformed, "appended to a dict"},
		{"set in a list", "]NNs", checkpoint.ErrMalformed, "set in a list"},
		{"set in a string", str("s") + "NNs", checkpoint.ErrRefused, "fill an object of type str"},
		{"call with a list", global("collections", "OrderedDict") + "]R", checkpoint.ErrMalformed, "called with a list"},
		{"not UTF-8", "X\x02\x00\x00\x00\xc3\x28", checkpoint.ErrMalformed, "not UTF-8"},
		{"byte 0xff", "\xff", checkpoint.ErrMalformed, "no opcode: byte 0xff"},
		{"POP", "N0", checkpoint.ErrRefused, "opcode POP"},
		{"LONG1 of length 0", "\x8a\x00", checkpoint.ErrMalformed, "holds a int"},
		{"long LONG1", "\x8a\x09123456789", checkpoint.ErrMalformed, "holds a int"},
		{"BINFLOAT", "G@\x09\x21\xfb\x54\x44\x2d\x18", checkpoint.ErrMalformed, "holds a float"},
	}
	var cases []bad
	for _, b := range bombs {
		cases = append(cases, bad{b.name, bare(b.body), b.kind, b.text})
	}
	check(t, append(cases,
		bad{"no PROTO", magic + "M\xe9\x03.", checkpoint.ErrMalformed, "byte 15: a pickle starts with PROTO"},
		bad{"no STOP", magic + version + system + "\x80\x02", checkpoint.ErrTruncated, "the pickle has no end"},
	))
}

// Tensors that contradict their storage.
func TestTensorBounds(t *testing.T) {
	type ints = []int64
	f4 := storageID("FloatStorage", "0", 4)
	tensor := func(name string, offset int64, shape, stride ints, kind error, text string) bad {
		return bad{name, four(item("x", viewOf(f4, offset, shape, stride))), kind, text}
	}
	malformed, large := checkpoint.ErrMalformed, checkpoint.ErrTooLarge
	const huge = math.MaxInt64
	check(t, []bad{
		tensor("storage too small", 0, ints{5}, ints{1}, malformed, "goes beyond its storage of 4 elements"),
		tensor("offset too large", 2, ints{3}, ints{1}, malformed, "goes beyond its storage"),
		tensor("empty, offset too large", 5, ints{0}, ints{1}, malformed, "goes beyond its storage"),
		tensor("scalar, offset too large", 4, ints{}, ints{}, malformed, "goes beyond its storage"),
		tensor("huge offset", huge, ints{2}, ints{1}, malformed, "goes beyond its storage"),
		tensor("negative offset", -1, ints{2}, ints{1}, malformed, "storage offset is negative: -1"),
		tensor("negative size", 0, ints{-2}, ints{1}, malformed, "size is negative: [-2]"),
		tensor("two negative sizes", 0, ints{-2, -2}, ints{2, 1}, malformed, "size is negative"),
		tensor("negative stride", 3, ints{4}, ints{-1}, malformed, "stride is negative: [-1]"),
		tensor("huge stride", 0, ints{2}, ints{huge}, large, "overflow"),
		tensor("huge strides that wrap to 0", 0, ints{3, 3}, ints{1 << 62, 1 << 62}, large, "overflow"),
		tensor("huge strides, sum wraps", 0, ints{2, 2, 2, 2}, ints{1 << 62, 1 << 62, 1 << 62, 1 << 62}, large, "overflow"),
		tensor("large stride", 0, ints{2}, ints{4}, malformed, "goes beyond its storage"),
		tensor("huge size", 0, ints{huge}, ints{1}, large, "implausible"),
		tensor("product wraps to 0", 0, ints{1 << 32, 1 << 32}, ints{0, 0}, large, "overflows"),
		tensor("product of three", 0, ints{1 << 31, 1 << 31, 4}, ints{0, 0, 0}, large, "overflows"),
		tensor("expanded to 1 GiB", 0, ints{1 << 28}, ints{0}, large, "overlap so much"),
		tensor("fewer strides", 0, ints{2, 2}, ints{1}, malformed, "2 sizes and 1 strides"),
		tensor("33 dimensions", 0, make(ints, 33), make(ints, 33), large, "33 dimensions"),
		tensor("1000 dimensions", 0, make(ints, 1000), make(ints, 1000), malformed, "constructed with (Storage, int, tuple, tuple"),
		{"sizes are strings", four(item("x", rebuildV2+"("+f4+num(0)+str("a")+"\x85"+nums(1)+"\x89"+noHooks+"tR")), malformed, "constructed with"},
		{"no storage", four(item("x", rebuildV2+"("+"N"+num(0)+nums(4)+nums(1)+"\x89"+noHooks+"tR")), malformed, "constructed with (NoneType"},
		{"five arguments", four(item("x", rebuildV2+"("+f4+num(0)+nums(4)+nums(1)+"\x89tR")), malformed, "_rebuild_tensor_v2 is called with (Storage, int, tuple, tuple, bool)"},
		{"parameter of None", four(item("x", global("torch._utils", "_rebuild_parameter")+"N\x89N\x87R")), malformed, "_rebuild_parameter is called with (NoneType"},
		{"many expanded", four(manyViews(viewOf(f4, 0, ints{1 << 10, 1 << 10}, ints{0, 0}), 100)), large, `tensor "00001"`},
		// Two elements each, but 256 KiB apart: the file's 16-fold is read after some 20 of them.
		{"many far apart", legacy(manyViews(viewOf(storageID("FloatStorage", "0", 1<<16), 0, ints{2}, ints{1<<16 - 1}), 100),
			"]"+str("0")+"a", le64(1<<16)+strings.Repeat("\x00", 1<<18)), large, `tensor "00020": the tensors up to here overlap`},
	})
}

// manyViews is a dict of n names for one tensor.
func manyViews(view string, n int) string {
	s := "}" + str("00000") + view + "q\x00s"
	for i := 1; i < n; i++ {
		s += str(fmt.Sprintf("%05d", i)) + "h\x00s"
	}
	return s
}

// Storages that contradict each other, the list of keys or the file.
func TestStorageBounds(t *testing.T) {
	type ints = []int64
	one := func(id string) string { return item("x", viewOf(id, 0, ints{1}, ints{1})) }
	x := one(storageID("FloatStorage", "0", 4))
	zero, data := "]"+str("0")+"a", le64(4)+strings.Repeat("\x00", 16)
	malformed := checkpoint.ErrMalformed
	check(t, []bad{
		{"negative elements", four(one(storageID("FloatStorage", "0", -4))), malformed, `storage "0" has -4 elements`},
		{"implausible elements", four(one(storageID("FloatStorage", "0", 1<<61))), malformed, "elements"},
		{"more elements than bytes", legacy(one(storageID("FloatStorage", "0", 1<<30)), zero, le64(1<<30)+"1234"), checkpoint.ErrTruncated, "needs 4294967296 bytes, but 4 are left"},
		{"elements are a string", four(one("(" + str("storage") + global("torch", "FloatStorage") + str("0") + str("cpu") + str("4") + "tQ")), malformed, "a storage is described by"},
		{"class is a string", four(one("(" + str("storage") + str("FloatStorage") + str("0") + str("cpu") + num(4) + "tQ")), malformed, "a storage is described by"},
		{"class is a function", four(one("(" + str("storage") + rebuildV2 + str("0") + str("cpu") + num(4) + "tQ")), malformed, "a storage is described by"},
		{"short ID", four(one("(" + str("storage") + "tQ")), malformed, "a persistent ID of (str)"},
		{"two types", four("}" + str("x") + storageID("FloatStorage", "0", 4) + "s" + str("y") + storageID("IntStorage", "0", 4) + "s"), malformed, "described twice"},
		{"two sizes", four("}" + str("x") + storageID("FloatStorage", "0", 4) + "s" + str("y") + storageID("FloatStorage", "0", 3) + "s"), malformed, "described twice"},
		{"key not listed", legacy(x, "]", data), malformed, `storage "0" is not in the file`},
		{"key unknown", legacy(x, "]"+str("1")+"a", data), malformed, `storage "1" is unknown`},
		{"key listed twice", legacy(x, "]("+str("0")+str("0")+"e", data+data), malformed, "listed twice"},
		{"key is a number", legacy(x, "]"+num(0)+"a", data), malformed, "unknown"},
		{"keys in a dict", legacy(x, "}", data), malformed, "listed in a dict"},
		{"count differs", legacy(x, zero, le64(5)+strings.Repeat("\x00", 20)), malformed, "5 elements here and 4"},
		{"count negative", legacy(x, zero, le64(math.MaxUint64)), malformed, "18446744073709551615 elements here"},
		{"no count", legacy(x, zero, "123"), checkpoint.ErrTruncated, `ends before storage "0"`},
		{"data cut", legacy(x, zero, data[:23]), checkpoint.ErrTruncated, "needs 16 bytes, but 15 are left"},
		{"version 1002", magic + pickled("M\xea\x03") + system, checkpoint.ErrRefused, "byte 15: version 1002"},
		{"version is a list", magic + pickled("]"), checkpoint.ErrRefused, "version"},
		{"big-endian", magic + version + pickled(item("little_endian", "\x89")), checkpoint.ErrRefused, "byte 21: not a little-endian file"},
		{"byte order missing", magic + version + pickled("}"), checkpoint.ErrRefused, "not a little-endian file"},
		{"system is an int", magic + version + pickled(num(1)), malformed, "described by a int"},
		{"root is an int", bare(num(1)), malformed, "holds a int, not a state dict"},
		{"root is a tensor", four(viewOf(storageID("FloatStorage", "0", 4), 0, ints{4}, ints{1})), malformed, "holds a Tensor"},
		{"state_dict is a list", bare(item("state_dict", "]")), malformed, "state_dict is a list"},
		{"no tensors", bare("}"), malformed, "holds no tensors"},
		{"numbered", four("}" + num(1) + viewOf(storageID("FloatStorage", "0", 4), 0, nil, nil) + "s"), malformed, "key 1, which is no name"},
		{"a string among them", bare(item("x", str("hello"))), malformed, `"x" is a str, not a tensor`},
		{"nested otherwise", four(item("model", x)), malformed, `"model" is a dict, not a tensor`},
		{"a storage among them", four(item("x", storageID("FloatStorage", "0", 4))), malformed, `"x" is a Storage, not a tensor`},
		{"both namings", bare("}" + str("b.conv.w") + num(1) + "s" + str("b.mobile_inverted_conv.w") + num(1) + "s"),
			malformed, `tensors "b.conv.w" and "b.mobile_inverted_conv.w" name the same thing`},
		{"empty", "", checkpoint.ErrTruncated, "the file is empty"},
		{"text", "hello, world, how are you", checkpoint.ErrUnknownFormat, "neither a PyTorch checkpoint nor"},
		{"short", "x", checkpoint.ErrUnknownFormat, "neither"},
	})
}

func TestZipBounds(t *testing.T) {
	type ints = []int64
	pkl := archived{name: "m/data.pkl", content: pickled(item("x", viewOf(storageID("FloatStorage", "0", 4), 0, ints{4}, ints{1})))}
	data := archived{name: "m/data/0", content: strings.Repeat("\x00", 16)}
	if f, err := readString(zipped(t, pkl, data)); err != nil || len(f.Names()) != 1 {
		t.Fatalf("the base of the cases below: %v", err)
	}
	whole := zipped(t, pkl, data)
	entry := func(name string) archived { return archived{name: name, content: "x"} }
	malformed, refused := checkpoint.ErrMalformed, checkpoint.ErrRefused
	check(t, []bad{
		{"leads out", zipped(t, pkl, data, entry("m/../../etc/passwd")), refused, "m/../../etc/passwd: the entry's name leads out"},
		{"leads out at once", zipped(t, pkl, data, entry("..")), refused, "leads out"},
		{"absolute", zipped(t, pkl, data, entry("/etc/passwd")), refused, "leads out"},
		{"backslashes", zipped(t, pkl, data, entry(`m\..\x`)), refused, "leads out"},
		{"twice", zipped(t, pkl, data, data), malformed, "m/data/0: the entry occurs twice"},
		{"compressed", zipped(t, pkl, archived{name: "m/data/0", content: data.content, method: zip.Deflate}), refused, "m/data/0: the entry is compressed"},
		{"no pickle", zipped(t, data), malformed, "no entry NAME/data.pkl"},
		{"pickle too deep", zipped(t, archived{name: "a/b/data.pkl", content: pkl.content}, data), malformed, "no entry NAME/data.pkl"},
		{"two pickles", zipped(t, pkl, archived{name: "n/data.pkl", content: pkl.content}, data), malformed, `"m/data.pkl" and "n/data.pkl"`},
		{"TorchScript", zipped(t, pkl, data, entry("m/constants.pkl")), refused, "TorchScript"},
		{"big-endian", zipped(t, pkl, data, archived{name: "m/byteorder", content: "big"}), refused, "m/byteorder: not a little-endian file"},
		{"byte order too long", zipped(t, pkl, data, archived{name: "m/byteorder", content: strings.Repeat(" ", 17)}), refused, "m/byteorder"},
		{"no storage", zipped(t, pkl), malformed, `m/data.pkl: byte 96: storage "0" is not in the archive`},
		{"storage elsewhere", zipped(t, pkl, archived{name: "n/data/0", content: data.content}), malformed, "not in the archive"},
		{"storage too short", zipped(t, pkl, archived{name: "m/data/0", content: data.content[:12]}), malformed, `m/data/0: storage "0" takes 12 bytes for 4 elements`},
		{"storage too long", zipped(t, pkl, archived{name: "m/data/0", content: data.content + "1234"}), malformed, "takes 20 bytes"},
		{"checksum of the pickle", zipped(t, archived{name: pkl.name, content: pkl.content, crc: 1}, data), malformed, "m/data.pkl: the entry's content does not match"},
		{"checksum of a storage", zipped(t, pkl, archived{name: data.name, content: data.content, crc: 1}), malformed, "m/data/0: the entry's content does not match"},
		{"os.system", zipped(t, archived{name: pkl.name, content: pickled(global("os", "system") + ")R")}), refused, `m/data.pkl: byte 2: refuses to construct "os.system"`},
		{"pickle cut", zipped(t, archived{name: pkl.name, content: pkl.content[:9]}, data), checkpoint.ErrTruncated, "m/data.pkl: byte 9: the pickle has no end"},
		{"empty archive", zipped(t), malformed, "no entry"},
		{"header only", "PK\x03\x04", malformed, "directory is damaged or cut off"},
		// The size in the directory is the third and fourth last 4-byte field before the name's length.
		{"size beyond the file", inDirectory(whole, "m/data/0", 20, "\xff\xff\xff\x7f\xff\xff\xff\x7f"), checkpoint.ErrTooLarge, "2147483647 bytes do not fit"},
		{"overlapping", inDirectory(zipped(t, pkl, archived{name: "m/data/0", content: strings.Repeat("0", 1<<14)}, entry("m/data/1")),
			"m/data/1", 20, "\x00\x40\x00\x00\x00\x40\x00\x00"), checkpoint.ErrTooLarge, "m/data/1: the entry's 16384 bytes do not fit"},
		{"sizes differ", inDirectory(whole, "m/data/0", 20, "\x10\x00\x00\x00\xff\xff\xff\x7f"), refused, "compressed"},
		{"encrypted", inDirectory(whole, "m/data/0", 8, "\x01\x00"), refused, "m/data/0: the entry is encrypted"},
		{"directory entry off", inDirectory(whole, "m/data/0", 42, "\x07\x00\x00\x00"), malformed, "m/data/0: the entry's header is damaged"},
		{"no printable name", zipped(t, pkl, archived{name: "a\x00b\n", content: ""}), refused, "a?b?: "},
	})
}

// inDirectory overwrites bytes at an offset into an entry's record in the central directory of an
// archive, where the name starts at 46.
func inDirectory(archive, name string, offset int, bytes string) string {
	at := strings.LastIndex(archive, name) - 46 + offset
	return archive[:at] + bytes + archive[at+len(bytes):]
}

func TestSafetensorsBounds(t *testing.T) {
	malformed, refused, cut := checkpoint.ErrMalformed, checkpoint.ErrRefused, checkpoint.ErrTruncated
	data := strings.Repeat("\x00", 16)
	if f, err := readString(safeOne("F32", "[2,2]", "[0,16]", data)); err != nil || len(f.Names()) != 1 {
		t.Fatalf("the base of the cases below: %v", err)
	}
	check(t, []bad{
		{"2 GB header", le64(1<<31) + "{}", cut, "byte 0: a header of 2147483648 bytes, but 2 are left"},
		{"largest header", le64(math.MaxUint64) + "{}", cut, "byte 0: a header of 18446744073709551615 bytes"},
		{"long header", safe("{"+strings.Repeat(" ", 16<<20), ""), checkpoint.ErrTooLarge, "a header of 16777217 bytes"},
		{"header cut", le64(20) + `{"x":`, cut, "but 5 are left"},
		{"not JSON", safe("{x", ""), malformed, "not the JSON of safetensors"},
		{"no object", safe(`{"x":[1]}`, ""), malformed, "an object is expected"},
		{"deep", safe(`{"x":{"shape":`+strings.Repeat("[", 1<<16), ""), malformed, "not the JSON"},
		{"deep objects", safe(strings.Repeat(`{"x":`, 1<<16), ""), malformed, "unknown member"},
		{"text after it", safe("{} {}", ""), malformed, "something follows"},
		{"spaces after it", safe("{}   ", ""), malformed, "holds no tensors"},
		{"metadata is no text", safe(`{"__metadata__":{"a":1}}`, ""), malformed, "not the JSON"},
		{"duplicate name", safe(`{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"x":{}}`, ""), malformed, `key "x" occurs twice`},
		{"duplicate member", safe(`{"x":{"dtype":"F32","dtype":"F32"}}`, ""), malformed, `key "dtype" occurs twice`},
		{"unknown member", safe(`{"x":{"type":"F32"}}`, ""), malformed, `unknown member "type"`},
		{"unknown type", safeOne("F8_E4M3", "[16]", "[0,16]", data), refused, `data type "F8_E4M3"`},
		{"no type", safe(`{"x":{"shape":[1],"data_offsets":[0,4]}}`, data), refused, `data type ""`},
		{"no shape", safe(`{"x":{"dtype":"F32","data_offsets":[0,4]}}`, data), malformed, "lacks its shape"},
		{"null shape", safeOne("F32", "null", "[0,16]", data), malformed, "lacks its shape"},
		{"one offset", safeOne("F32", "[4]", "[16]", data), malformed, "two data_offsets"},
		{"shape of fractions", safeOne("F32", "[4.5]", "[0,16]", data), malformed, "not the JSON"},
		{"shape of texts", safeOne("F32", `["4"]`, "[0,16]", data), malformed, "not the JSON"},
		{"negative size", safeOne("F32", "[-4]", "[0,16]", data), malformed, "size is negative"},
		{"two negative sizes", safeOne("F32", "[-2,-2]", "[0,16]", data), malformed, "size is negative"},
		{"product overflows", safeOne("F32", "[4294967296,4294967296]", "[0,16]", data), checkpoint.ErrTooLarge, "overflows"},
		{"size beyond int64", safeOne("F32", "[18446744073709551616]", "[0,16]", data), malformed, "not the JSON"},
		{"shape larger", safeOne("F32", "[5]", "[0,16]", data), malformed, "goes beyond its storage"},
		{"shape smaller", safeOne("F32", "[3]", "[0,16]", data), malformed, "of shape [3] takes 16 bytes"},
		{"no multiple", safeOne("F32", "[3]", "[0,15]", data[:15]), malformed, "takes 15 bytes"},
		{"offsets reversed", safeOne("F32", "[4]", "[16,0]", data), malformed, "data_offsets [16 0]"},
		{"offsets negative", safeOne("F32", "[4]", "[-16,0]", data), malformed, "data_offsets [-16 0]"},
		{"offsets beyond", safeOne("F32", "[8]", "[0,32]", data), cut, "ends at byte 32 of the data, which has 16"},
		{"gap before", safeOne("F32", "[3]", "[4,16]", data), malformed, "the one before it ends at"},
		{"bytes after", safeOne("F32", "[3]", "[0,12]", data), malformed, "4 bytes belong to no tensor"},
		{"overlap", safe(`{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"y":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, data),
			malformed, "the one before it ends at"},
		{"both namings", safe(`{"b.conv.w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"b.mobile_inverted_conv.w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, ""),
			malformed, "name the same thing"},
	})
}

// Every beginning of a good file is an error, at each sixteenth and at each other byte.
func TestTruncated(t *testing.T) {
	for _, file := range []string{"legacy.pth", "zip.pth", "model.safetensors"} {
		raw, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		for n := range raw {
			f, err := readString(string(raw[:n]))
			var placed *checkpoint.Error
			if err == nil || f != nil || !errors.As(err, &placed) {
				t.Fatalf("%s cut to %d of %d bytes: %v", file, n, len(raw), err)
			}
		}
	}
}

// A wrong byte anywhere is an error or another value, and nothing worse.
func TestFlipped(t *testing.T) {
	for _, file := range []string{"legacy.pth", "zip.pth", "model.safetensors"} {
		raw, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		for i := range raw {
			for _, mask := range []byte{0x01, 0x80, 0xff} {
				raw[i] ^= mask
				f, err := readString(string(raw))
				if (f == nil) != (err != nil) {
					t.Fatalf("%s, byte %d ^ %#x: %v, %v", file, i, mask, f, err)
				}
				raw[i] ^= mask
			}
		}
	}
}

// A file that changes or fails while it is read is an error.
func TestReaderFails(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "legacy.pth"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		f, err := checkpoint.Read(strings.NewReader(string(raw[:n])), int64(len(raw)), "bad.pth")
		var placed *checkpoint.Error
		if f != nil || !errors.As(err, &placed) {
			t.Fatalf("only %d of %d bytes: %v", n, len(raw), err)
		}
	}
	_, err = checkpoint.Read(strings.NewReader(""), 1<<40, "bad.pth")
	if !errors.Is(err, checkpoint.ErrTooLarge) {
		t.Errorf("1 TiB: %v", err)
	}
	if _, err = checkpoint.Read(strings.NewReader(""), -1, "bad.pth"); err == nil {
		t.Error("a negative size is accepted")
	}
}
