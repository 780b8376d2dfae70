//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapping is a file of tensors in memory, once for all sessions that use it: they share its translations of addresses
// then, which each would fill the processor's caches with again after a switch. It lies in large pages where the kernel
// has them for files (ext4 from Linux 6.16 on, XFS, tmpfs), and then a few dozen translations cover it.
type mapping struct {
	data    unsafe.Pointer // read only
	size    int64          // of the file, bytes
	room    unsafe.Pointer // what was taken of the address space
	taken   uintptr
	file    fileID
	holders int
}

type fileID struct{ device, inode uint64 }

var mappings struct {
	sync.Mutex
	open  map[fileID]*mapping
	small bool // no large pages
}

// largePage is what a mapping's address is a multiple of: the size of a large page on x86-64, and on arm64 with small
// ones of 4 KiB.
const largePage = 2 << 20

// mapFile returns the mapping of a file, which must not change. Each call is followed by one of release.
func mapFile(path string) (*mapping, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size < 1 {
		return nil, &os.PathError{Op: "map", Path: path, Err: errors.New("it is no file with bytes in it")}
	}
	mappings.Lock()
	defer mappings.Unlock()
	id := fileID{uint64(st.Dev), st.Ino}
	if m := mappings.open[id]; m != nil {
		m.holders++
		return m, nil
	}
	m := &mapping{size: st.Size, taken: uintptr(st.Size) + largePage, file: id, holders: 1}
	if m.room, err = unix.MmapPtr(-1, 0, nil, m.taken, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE); err != nil {
		return nil, &os.PathError{Op: "map", Path: path, Err: err}
	}
	m.data = unsafe.Add(m.room, -uintptr(m.room)&(largePage-1))
	if _, err := unix.MmapPtr(int(f.Fd()), 0, m.data, uintptr(m.size), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		return nil, errors.Join(&os.PathError{Op: "map", Path: path, Err: err}, unix.MunmapPtr(m.room, m.taken))
	}
	m.advise(mappings.small)
	if mappings.open == nil {
		mappings.open = map[fileID]*mapping{}
	}
	mappings.open[id] = m
	return m, nil
}

// release says that one user fewer needs the mapping. The last one's ends it.
func (m *mapping) release() error {
	mappings.Lock()
	defer mappings.Unlock()
	if m.holders--; m.holders > 0 {
		return nil
	}
	delete(mappings.open, m.file)
	if err := unix.MunmapPtr(m.room, m.taken); err != nil {
		return fmt.Errorf("ort: unmap: %w", err)
	}
	return nil
}

// advise asks for large pages or says that there shall be none. Where the kernel has none for files, small ones do.
func (m *mapping) advise(small bool) {
	data := unsafe.Slice((*byte)(m.data), m.size)
	if !small {
		_ = unix.Madvise(data, unix.MADV_HUGEPAGE)
		return
	}
	_ = unix.Madvise(data, unix.MADV_NOHUGEPAGE)
	_ = unix.Madvise(data, unix.MADV_DONTNEED) // they are seen in small pages when they are used again
}

// smallPages is SmallPages.
func smallPages() {
	mappings.Lock()
	defer mappings.Unlock()
	if mappings.small {
		return
	}
	mappings.small = true
	for _, m := range mappings.open {
		m.advise(true)
	}
}
