package command

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

func TestTight(t *testing.T) {
	folder := t.TempDir()
	const mib = 1 << 20
	if err := os.WriteFile(filepath.Join(folder, "family.bin"), make([]byte, 36*mib), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		limit         string
		current, file int64
		want          bool
	}{
		{"max", 90 * mib, 0, false},
		{fmt.Sprint(100 * mib), 0, 0, false},
		{fmt.Sprint(100 * mib), 10 * mib, 10 * mib, false}, // which the kernel can take back
		{fmt.Sprint(100 * mib), 11 * mib, 10 * mib, true},
		{fmt.Sprint(99 * mib), 0, 0, true},
	} {
		fsys := fstest.MapFS{"proc/self/cgroup": {Data: []byte("0::/a\n")}}
		for name, text := range map[string]string{"memory.max": c.limit, "memory.current": fmt.Sprint(c.current), "memory.stat": fmt.Sprintf("file %d", c.file)} {
			fsys["sys/fs/cgroup/a/"+name] = &fstest.MapFile{Data: []byte(text + "\n")}
		}
		if got := tight(fsys, folder); got != c.want {
			t.Errorf("limit %s, %d in use, %d of them files: %t", c.limit, c.current, c.file, got)
		}
	}
}
