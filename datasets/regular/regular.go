// Package regular opens files that somebody named, and refuses whatever else has a name: opening a named pipe waits for a
// program that writes to it, for ever if there is none, and a device has no end. It reads nothing.
package regular

import (
	"errors"
	"io/fs"
	"os"
)

// ErrNotRegular is wrapped by the errors of Open and OpenFS for a pipe, a device, a socket or a folder.
var ErrNotRegular = errors.New("not a regular file")

// Open opens a file for reading, through symbolic links. The error is a *fs.PathError.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := check(path, info); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// OpenFS is Open in a file system.
func OpenFS(fsys fs.FS, name string) (fs.File, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if err := check(name, info); err != nil {
		return nil, err
	}
	return fsys.Open(name)
}

func check(name string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
}
