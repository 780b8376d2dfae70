package command

import "syscall"

// freeBytes returns what an unprivileged user can still write to the disk that holds a folder, -1 if that is not known.
func freeBytes(dir string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return -1
	}
	return int64(s.Bavail) * s.Bsize
}
