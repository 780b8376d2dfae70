package checkpoint

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
)

// readZip finds the tensors of a file of torch 1.6 and later: a zip archive of uncompressed
// entries NAME/data.pkl, the checkpoint, and NAME/data/KEY, one per storage.
func readZip(r io.ReaderAt, size int64) ([]view, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, malformed("the archive's directory is damaged or cut off: %v", err)
	}
	name, err := mainEntry(archive)
	if err != nil {
		return nil, err
	}
	entries, err := index(archive, size)
	if err != nil {
		return nil, err
	}
	prefix := strings.TrimSuffix(name, "data.pkl")
	if order := entries[prefix+"byteorder"]; order != nil {
		if text, err := content(order, 16); err != nil || strings.TrimSpace(string(text)) != "little" {
			return nil, within(order.Name, at(-1, refused("not a little-endian file")))
		}
	}
	pickle, err := content(entries[name], maxPickle)
	if err != nil {
		return nil, within(name, at(-1, err))
	}
	u := newUnpickler(bytes.NewReader(pickle), 0, int64(len(pickle)))
	var s storages
	root, err := s.unpickle(u)
	if err != nil {
		return nil, within(name, err)
	}
	for _, st := range s.order {
		f := entries[prefix+"data/"+st.key]
		if f == nil {
			return nil, within(name, at(st.at, malformed("storage %.40q is not in the archive", st.key)))
		}
		if err := st.placeZip(f); err != nil {
			return nil, within(f.Name, at(-1, err))
		}
	}
	return stateDict(root, name)
}

// index checks what an archive says of its entries and returns them by name.
func index(archive *zip.Reader, size int64) (map[string]*zip.File, error) {
	if n := len(archive.File); n > maxEntries {
		return nil, tooLarge("%d entries are more than the limit of %d", n, maxEntries)
	}
	entries := make(map[string]*zip.File, len(archive.File))
	left := uint64(size)
	for _, f := range archive.File {
		fail := func(err error) (map[string]*zip.File, error) {
			return nil, within(shorten(f.Name), at(-1, err))
		}
		switch {
		case strings.HasPrefix(f.Name, "/") || strings.ContainsAny(f.Name, "\\\x00") ||
			slices.Contains(strings.Split(f.Name, "/"), ".."):
			return fail(refused("the entry's name leads out of the archive"))
		case entries[f.Name] != nil:
			return fail(malformed("the entry occurs twice"))
		case f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64:
			return fail(refused("the entry is compressed, which torch.save does not do"))
		case f.Flags&1 != 0:
			return fail(refused("the entry is encrypted"))
		case f.UncompressedSize64 > left:
			return fail(tooLarge("the entry's %d bytes do not fit in the file", f.UncompressedSize64))
		}
		left -= f.UncompressedSize64
		entries[f.Name] = f
	}
	return entries, nil
}

// shorten bounds a name for an error message and makes it printable.
func shorten(name string) string {
	name = strings.ToValidUTF8(name, "?")
	name = strings.Map(func(r rune) rune {
		if r < ' ' {
			return '?'
		}
		return r
	}, name)
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "") + "..."
	}
	return name
}

// mainEntry returns the name of the one entry NAME/data.pkl.
func mainEntry(archive *zip.Reader) (string, error) {
	main := ""
	for _, f := range archive.File {
		if dir, ok := strings.CutSuffix(f.Name, "/constants.pkl"); ok && !strings.Contains(dir, "/") {
			return "", refused("refuses to read a TorchScript archive")
		}
		if dir, ok := strings.CutSuffix(f.Name, "/data.pkl"); ok && !strings.Contains(dir, "/") {
			if main != "" {
				return "", malformed("two entries could be the checkpoint: %q and %q", shorten(main), shorten(f.Name))
			}
			main = f.Name
		}
	}
	if main == "" {
		return "", malformed("the archive has no entry NAME/data.pkl, so torch.save did not write it")
	}
	return main, nil
}

// content returns an entry's bytes, whose checksum is right.
func content(f *zip.File, limit uint64) ([]byte, error) {
	if f.UncompressedSize64 > limit {
		return nil, tooLarge("%d bytes are more than the limit of %d", f.UncompressedSize64, limit)
	}
	var b bytes.Buffer
	b.Grow(int(f.UncompressedSize64) + bytes.MinRead)
	err := copyEntry(&b, f)
	return b.Bytes(), err
}

func copyEntry(w io.Writer, f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return malformed("the entry's header is damaged: %v", err)
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return truncated("the entry ends early")
	case errors.Is(err, zip.ErrChecksum):
		return malformed("the entry's content does not match its checksum")
	}
	return err
}

// placeZip checks an entry's checksum and sets where the storage is.
func (s *storage) placeZip(f *zip.File) error {
	if err := copyEntry(io.Discard, f); err != nil {
		return err
	}
	base, err := f.DataOffset()
	if err != nil {
		return malformed("the entry's header is damaged: %v", err)
	}
	return s.place(base, int64(f.UncompressedSize64))
}
