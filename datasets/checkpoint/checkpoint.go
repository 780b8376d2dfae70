package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
)

// The limits on what a file may ask for. The largest published OFA supernet takes 0.2 GB, its
// pickle 0.2 MB and 60,000 opcodes.
const (
	maxFile    = 4 << 30  // bytes of a file
	maxPickle  = 64 << 20 // bytes of one pickle
	maxHeader  = 16 << 20 // bytes of a safetensors header
	maxEntries = 1 << 17  // entries of a zip archive
	maxOps     = 1 << 20  // opcodes of one pickle
	maxStack   = 1 << 16  // values on the unpickler's stack; torch.save keeps it below 2,100
	maxMarks   = 1 << 8   // open MARKs
	maxString  = 1 << 20  // bytes of one string
	maxGlobal  = 1 << 8   // bytes of a module's or class's name
	maxDims    = 32       // dimensions of a tensor
)

// File holds a checkpoint's tensors in file order. It is immutable and safe for concurrent use.
type File struct {
	name    string
	format  string
	sha256  string
	tensors []Tensor
	index   map[string]int // by CanonicalName
}

// Open reads the checkpoint at path. The format is recognised from the content, not from the
// name. It returns an *Error, or the error of the file system. The whole file is read before
// Open returns; nothing stays open.
func Open(path string) (*File, error) {
	info, err := os.Stat(path) // before the file is opened: opening a pipe would wait
	if err != nil {
		return nil, in(path, plainPathError(err))
	}
	if !info.Mode().IsRegular() {
		return nil, in(path, refused("not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, in(path, plainPathError(err))
	}
	defer f.Close()
	return Read(f, info.Size(), path)
}

// plainPathError drops the path from a file system error, which the caller names anyway.
func plainPathError(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Read reads a checkpoint of size bytes. The name stands in errors only. At most 4 GiB are read,
// and the memory taken is in proportion to size. It returns an *Error.
func Read(r io.ReaderAt, size int64, name string) (*File, error) {
	f, err := read(r, size)
	if err != nil {
		return nil, in(name, err)
	}
	f.name = name
	return f, nil
}

func read(r io.ReaderAt, size int64) (*File, error) {
	if size > maxFile {
		return nil, tooLarge("%d bytes are more than the limit of %d", size, int64(maxFile))
	}
	format, layout, err := sniff(r, size)
	if err != nil {
		return nil, err
	}
	views, err := layout(r, size)
	if err != nil {
		return nil, err
	}
	if len(views) == 0 {
		return nil, malformed("holds no tensors")
	}
	f := &File{format: format, index: make(map[string]int, len(views))}
	for i, v := range views {
		name := CanonicalName(v.name)
		if j, ok := f.index[name]; ok {
			return nil, malformed("tensors %q and %q name the same thing", views[j].name, v.name)
		}
		f.index[name] = i
	}
	if f.tensors, err = load(r, size, views); err != nil {
		return nil, err
	}
	f.sha256, err = digest(r, size)
	return f, err
}

// sniff recognises the format and returns the function that finds its tensors.
func sniff(r io.ReaderAt, size int64) (string, func(io.ReaderAt, int64) ([]view, error), error) {
	head := make([]byte, min(max(size, 0), 16))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return "", nil, err
	}
	switch text := string(head); {
	case len(head) == 0:
		return "", nil, truncated("the file is empty")
	case strings.HasPrefix(text, "PK\x03\x04"), strings.HasPrefix(text, "PK\x05\x06"):
		return "torch-zip", readZip, nil
	case strings.HasPrefix(text, legacyMagic):
		return "torch-legacy", readLegacy, nil
	case len(text) > 8 && text[8] == '{':
		return "safetensors", readSafetensors, nil
	case strings.HasPrefix(text, legacyMagic[:2]):
		return "", nil, at(0, refused("a pickle without PyTorch's magic number (not written by torch.save)"))
	}
	return "", nil, &reason{ErrUnknownFormat, "neither a PyTorch checkpoint nor a safetensors file"}
}

// digest returns the SHA-256 of the whole file in hex.
func digest(r io.ReaderAt, size int64) (string, error) {
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(r, 0, size))
	if err == nil && n != size {
		err = at(n, truncated("the file ends %d bytes early", size-n))
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// CanonicalName returns a tensor's name in OFA's newer naming, "blocks.N.conv.", which replaced
// "blocks.N.mobile_inverted_conv.". Only the first occurrence is a block's; other names are
// returned as they are.
//
// Source: mit-han-lab/once-for-all, OFAMobileNetV3.load_state_dict.
func CanonicalName(name string) string {
	return strings.Replace(name, ".mobile_inverted_conv.", ".conv.", 1)
}

// Tensor returns the tensor of a name. Both of OFA's namings find a tensor, whichever the file
// uses: names are compared by their CanonicalName, and a file in which two tensors share one is
// refused. The tensor's own Name is that of the file.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.index[CanonicalName(name)]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Names returns the tensors' names in file order, spelled as in the file.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// Name returns the path given to Open, or the name given to Read.
func (f *File) Name() string { return f.name }

// Format returns "torch-legacy", "torch-zip" or "safetensors".
func (f *File) Format() string { return f.format }

// SHA256 returns the digest of the whole file in lower-case hex.
func (f *File) SHA256() string { return f.sha256 }
