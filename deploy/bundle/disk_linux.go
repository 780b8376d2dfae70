package bundle

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// locks says that lock keeps others out.
const locks = true

// exchange puts temp in dir's place and the other way round, in one step where the file system can.
func exchange(temp, dir string) error {
	err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return swapRenames(temp, dir)
	}
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: temp, New: dir, Err: err}
	}
	return nil
}

// lock takes a folder's lock without waiting; it ends with the process.
func lock(dir string) (unlock func(), ok bool) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, false
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		return nil, false
	}
	return func() { _ = f.Close() }, true // closing releases the lock
}

// private returns an error unless a folder is ours and nobody else can write to it: what is mapped from
// it is trusted after its digest was checked.
func private(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return fmt.Errorf("others can write to %s (mode %04o, owner %d): choose a folder of your own", dir, st.Mode&0o7777, st.Uid)
	}
	return nil
}

// syncDir waits until a folder's entries are on disk.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// readAhead reads a file into the page cache, in large pages where the kernel has them for files: who maps
// it then needs few translations of addresses. What goes wrong shows when the file is read.
func readAhead(root *os.Root, path string) {
	f, err := root.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() < largePage || info.Size() > math.MaxInt {
		return
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return
	}
	if unix.Madvise(data, unix.MADV_HUGEPAGE) == nil {
		_ = unix.Madvise(data, unix.MADV_POPULATE_READ) // an error where a page cannot be had, and no signal
	}
	_ = unix.Munmap(data)
}
