package load

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

const (
	leastBuffer = 64 << 20
	mostBuffer  = 256 << 20
)

// defaultBytes is four times the last-level cache of the first processor, as Linux tells it below /sys,
// within leastBuffer..mostBuffer. Servers report hundreds of MiB of a cache they share with other
// machines; the upper bound keeps the load from taking the memory of a small board.
func defaultBytes(fsys fs.FS) int64 {
	var cache int64
	for i := range 8 {
		text, err := fs.ReadFile(fsys, fmt.Sprintf("sys/devices/system/cpu/cpu0/cache/index%d/size", i))
		if err != nil {
			continue
		}
		// "32K"; the kernel knows no other unit here.
		digits, ok := strings.CutSuffix(strings.TrimSpace(string(text)), "K")
		if n, err := strconv.ParseInt(digits, 10, 32); ok && err == nil {
			cache = max(cache, n<<10)
		}
	}
	return min(max(4*cache, leastBuffer), mostBuffer)
}
