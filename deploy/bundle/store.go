package bundle

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/dynofa/dynofa/deploy/onnx"
)

// alignment of tensors in a blob, in bytes: a cache line, and the widest vector.
const alignment = 64

// largePage is the size of a large page on x86-64, and on arm64 with small ones of 4 KiB.
const largePage = 2 << 20

// store lays the tensors of several levels into one blob. Equal tensors are stored once, and a tensor
// that is the beginning of a longer one is found there: leading output channels of a slice are the
// beginning of a wider slice. Levels' own batch normalisation, which is folded into the weights, keeps
// the rest apart.
type store struct {
	dir   string
	files []*os.File // by level
	pieces
}

type pieces struct {
	all []*piece
	end int64 // of the blob
}

// piece is one tensor of one level.
type piece struct {
	level          int
	offset, length int64  // in the level's file
	head           string // first bytes
	in             *piece // the piece whose beginning this is, nil for one of its own
	at             int64  // in the blob
}

// add lists the tensors of a level, whose file must be called as the level is.
func (s *store) add(level int, graph []byte) error {
	list, err := onnx.Externals(graph)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(s.dir, fmt.Sprint(level)))
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	for _, e := range list {
		if e.File != fmt.Sprint(level) {
			return fmt.Errorf("tensor %.200q lies in %q", e.Name, e.File)
		}
		p := &piece{level: level, offset: e.Offset, length: e.Length}
		head := make([]byte, min(alignment, e.Length))
		if _, err := f.ReadAt(head, e.Offset); err != nil {
			return fmt.Errorf("tensor %.200q: %w", e.Name, err)
		}
		p.head = string(head)
		s.all = append(s.all, p)
	}
	return nil
}

// total returns the bytes of a level's tensors.
func (s *store) total(level int) (n int64) {
	for _, p := range s.all {
		if p.level == level {
			n += p.length
		}
	}
	return n
}

// lay decides what is stored and where. Longer pieces are looked at first, so that the beginning of one
// is never stored before it; they then lie in the order of the levels that use them, the least
// accurate level's together at the front.
func (s *store) lay() error {
	order := slices.Clone(s.all)
	slices.SortStableFunc(order, func(a, b *piece) int { return cmp.Compare(b.length, a.length) })
	kept := map[string][]*piece{} // by head
	for _, p := range order {
		for _, q := range kept[p.head] {
			same, err := s.begins(q, p)
			if err != nil {
				return err
			}
			if same {
				p.in = q
				break
			}
		}
		if p.in == nil {
			kept[p.head] = append(kept[p.head], p)
		}
	}
	laid := map[*piece]bool{}
	for _, p := range s.all { // by level
		root := p
		if p.in != nil {
			root = p.in
		}
		if !laid[root] {
			laid[root] = true
			root.at = (s.end + alignment - 1) / alignment * alignment
			s.end = root.at + root.length
		}
		p.at = root.at
	}
	return nil
}

// begins reports whether p is the beginning of q, which is no shorter.
func (s *store) begins(q, p *piece) (bool, error) {
	const size = 64 << 10
	a, b := make([]byte, size), make([]byte, size)
	for at := int64(0); at < p.length; at += size {
		n := min(size, p.length-at)
		_, err1 := s.files[p.level].ReadAt(a[:n], p.offset+at)
		_, err2 := s.files[q.level].ReadAt(b[:n], q.offset+at)
		if err := errors.Join(err1, err2); err != nil {
			return false, err
		}
		if !bytes.Equal(a[:n], b[:n]) {
			return false, nil
		}
	}
	return true, nil
}

// at returns where a level's tensor lies in the blob.
func (s *store) at(level int, e onnx.External) onnx.External {
	for _, p := range s.all {
		if p.level == level && p.offset == e.Offset && p.length == e.Length {
			e.File, e.Offset = blobName, p.at
			return e
		}
	}
	return e // not reached: every tensor was listed
}

// write writes the blob and waits until it is on disk. Each write is of a large page, which some file systems then keep
// in one piece in the page cache.
func (s *store) write(ctx context.Context, path string) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return File{}, err
	}
	h := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, h), largePage)
	n, err := s.copy(ctx, w)
	err = errors.Join(err, w.Flush(), f.Sync(), f.Close())
	if err == nil && n > MaxFile {
		err = fmt.Errorf("the levels' tensors take %d bytes, more than %d", n, MaxFile)
	}
	return File{filepath.Base(path), n, sum(h)}, err
}

func (s *store) copy(ctx context.Context, w io.Writer) (end int64, err error) {
	var zeros [alignment]byte
	stored := slices.DeleteFunc(slices.Clone(s.all), func(p *piece) bool { return p.in != nil })
	slices.SortFunc(stored, func(a, b *piece) int { return cmp.Compare(a.at, b.at) })
	for _, p := range stored {
		if err := ctx.Err(); err != nil {
			return end, err
		}
		if _, err := w.Write(zeros[:p.at-end]); err != nil {
			return end, err
		}
		if _, err := io.Copy(w, io.NewSectionReader(s.files[p.level], p.offset, p.length)); err != nil {
			return end, err
		}
		end = p.at + p.length
	}
	return end, nil
}

func (s *store) close() error {
	var err error
	for _, f := range s.files {
		err = errors.Join(err, f.Close())
	}
	s.files = nil
	return err
}

// verify checks a file's size and digest without keeping it in memory.
func verify(root *os.Root, want File) error {
	f, err := root.Open(want.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.CopyBuffer(h, io.LimitReader(f, want.Size+1), make([]byte, 256<<10))
	if err != nil {
		return err
	}
	if n != want.Size || sum(h) != want.SHA256 {
		return fmt.Errorf("%w: %s has SHA-256 %s and %d bytes or more, not %s and %d", ErrDamaged, want.Path, sum(h), n, want.SHA256, want.Size)
	}
	return nil
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
