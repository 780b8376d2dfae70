package checkpoint

import (
	"encoding/binary"
	"errors"
	"io"
)

// legacyMagic is the pickle of the number that starts a legacy file.
const legacyMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

// readLegacy finds the tensors of a file of torch before 1.6. It holds five pickles: the magic
// number, the protocol version 1001, the writer's byte order and type sizes, the checkpoint, and the
// keys of its storages; then each storage in the order of the keys, as a count of elements in 8 bytes
// and the elements.
func readLegacy(r io.ReaderAt, size int64) ([]view, error) {
	u := newUnpickler(r, int64(len(legacyMagic)), size)
	pos := u.pos
	version, err := u.load()
	if err != nil {
		return nil, err
	}
	if version != int64(1001) {
		return nil, at(pos, refused("version %v of the legacy format, not 1001", version))
	}
	pos = u.pos
	system, err := u.load()
	if err != nil {
		return nil, err
	}
	info, _ := system.(*dict)
	if info == nil {
		return nil, at(pos, malformed("the writer is described by a %s, not a dict", typeName(system)))
	}
	if little, _ := info.get("little_endian"); little != true {
		return nil, at(pos, refused("not a little-endian file"))
	}
	var s storages
	root, err := s.unpickle(u)
	if err != nil {
		return nil, err
	}
	pos = u.pos
	keys, err := u.load()
	if err != nil {
		return nil, err
	}
	list, ok := keys.(*list)
	if !ok {
		return nil, at(pos, malformed("the storages are listed in a %s, not a list", typeName(keys)))
	}
	if err := s.placeLegacy(r, u.pos, size, list.items); err != nil {
		return nil, err
	}
	return stateDict(root, "")
}

// placeLegacy finds the storages that follow each other from pos on.
func (s *storages) placeLegacy(r io.ReaderAt, pos, size int64, keys []any) error {
	for _, item := range keys {
		key, _ := item.(string)
		st := s.byKey[key]
		if st == nil || st.found {
			return at(pos, malformed("storage %.40q is unknown or listed twice", key))
		}
		var count [8]byte
		if _, err := r.ReadAt(count[:], pos); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		left := size - pos - int64(len(count))
		if left < 0 {
			return at(pos, truncated("the file ends before storage %.40q", key))
		}
		if n := binary.LittleEndian.Uint64(count[:]); n != uint64(st.numel) {
			return at(pos, malformed("storage %.40q has %d elements here and %d in its description", key, n, st.numel))
		}
		n := st.numel * st.dtype.size
		if n > left {
			return at(pos, truncated("storage %.40q needs %d bytes, but %d are left", key, n, left))
		}
		pos += int64(len(count))
		if err := st.place(pos, n); err != nil {
			return at(pos, err)
		}
		pos += n
	}
	for _, st := range s.order {
		if !st.found {
			return at(st.at, malformed("storage %.40q is not in the file", st.key))
		}
	}
	return nil
}
