package command

import (
	"io/fs"
	"os"

	"github.com/dynofa/dynofa/datasets/host"
)

// tight reports whether the limit of this process's control group leaves no room for all files in a folder beside the rest of the
// program: some of their pages are read again and again then.
func tight(fsys fs.FS, folder string) bool {
	const program = 64 << 20 // what libraries, sessions and pictures take, about
	m := host.ReadMemoryLimit(fsys)
	if m.Limit() == 0 {
		return false
	}
	need := int64(program)
	entries, _ := os.ReadDir(folder) // what cannot be read does not count
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			need += info.Size()
		}
	}
	return m.Limit()-max(m.Current-m.File, 0) < need
}
