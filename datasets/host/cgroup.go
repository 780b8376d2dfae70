package host

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// MemoryLimit is the memory of this process's control group, or of the group above it that has least left
// (Linux; control groups of version 2, or of version 1 as on JetPack 5, which has no High and no pressure).
type MemoryLimit struct {
	Group   string `json:"group,omitempty"` // "/system.slice/dynofa.service"
	Current int64  `json:"current_bytes,omitempty"`
	// High is where the kernel begins to slow the group down and to reclaim, Max where it kills; 0: no limit.
	High int64 `json:"high_bytes,omitempty"`
	Max  int64 `json:"max_bytes,omitempty"`
	// File is what of Current the kernel can take back without asking: the page cache, mapped files included, but not
	// tmpfs and shared memory, which the kernel counts among it and can only swap out.
	File int64 `json:"file_bytes,omitempty"`
	// Events since the group began: over High, at Max, out of memory, and processes killed for it.
	OverHigh int64 `json:"over_high,omitempty"`
	AtMax    int64 `json:"at_max,omitempty"`
	OOM      int64 `json:"oom,omitempty"`
	Killed   int64 `json:"oom_kill,omitempty"`
	// SomeAvg10 and Some are the group's own pressure stall information, as in Pressure.
	SomeAvg10 float64       `json:"some_avg10,omitempty"`
	Some      time.Duration `json:"some_ns,omitempty"`
}

// Limit returns the lower of High and Max, 0 if there is none.
func (m MemoryLimit) Limit() int64 {
	if m.High > 0 && (m.Max == 0 || m.High < m.Max) {
		return m.High
	}
	return m.Max
}

// Left returns what the limit leaves, negative if it is exceeded; false without a limit.
func (m MemoryLimit) Left() (int64, bool) {
	limit := m.Limit()
	return limit - m.Current, limit > 0
}

// Used returns the share of the limit in use by memory that the kernel cannot take back by itself; 0 without a limit.
func (m MemoryLimit) Used() float64 {
	if limit := m.Limit(); limit > 0 {
		return float64(max(m.Current-m.File, 0)) / float64(limit)
	}
	return 0
}

// maxDepth bounds the groups above this process's.
const maxDepth = 64

// ReadMemoryLimit reads the memory of this process's control group: of all groups from its own to the root the one whose
// limit leaves least; its own group if there is no limit. Zero where there are no control groups.
func ReadMemoryLimit(fsys fs.FS) MemoryLimit {
	r := reader{fsys}
	group, read := "", r.memoryLimit
	for line := range strings.Lines(r.raw("proc/self/cgroup")) {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, g, ok := strings.Cut(rest, ":")
		switch {
		case !ok:
		case controllers == "memory": // where version 1 has it, version 2 has not
			group, read = path.Clean("/"+g), r.memoryLimit1
		case number == "0" && controllers == "" && group == "":
			group = path.Clean("/" + g)
		}
	}
	if group == "" {
		return MemoryLimit{}
	}
	tightest := read(group)
	for depth := 0; group != "/" && depth < maxDepth; depth++ {
		group = path.Dir(group)
		m := read(group)
		left, ok := m.Left()
		if least, limited := tightest.Left(); ok && (!limited || left < least) {
			tightest = m
		}
	}
	return tightest
}

// memoryLimit1 reads one group of version 1.
func (r reader) memoryLimit1(group string) MemoryLimit {
	const none = 1 << 60 // no limit is a number near 2^63
	dir := path.Join("sys/fs/cgroup/memory", strings.TrimPrefix(group, "/"))
	m := MemoryLimit{Group: clean(group)}
	m.Current, _ = r.number(path.Join(dir, "memory.usage_in_bytes"))
	if limit, ok := r.number(path.Join(dir, "memory.limit_in_bytes")); ok && limit > 0 && limit < none {
		m.Max = limit
	}
	m.AtMax, _ = r.number(path.Join(dir, "memory.failcnt"))
	r.pairs(path.Join(dir, "memory.oom_control"), func(key string, n int64) {
		if key == "oom_kill" {
			m.Killed = n
		}
	})
	r.pairs(path.Join(dir, "memory.stat"), func(key string, n int64) {
		switch key {
		case "total_cache":
			m.File += n
		case "total_shmem":
			m.File -= n
		}
	})
	m.File = max(m.File, 0)
	return m
}

// pairs reads lines of a name and a number.
func (r reader) pairs(name string, take func(key string, n int64)) {
	for line := range strings.Lines(r.raw(name)) {
		key, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
			take(key, n)
		}
	}
}

// memoryLimit reads one group.
func (r reader) memoryLimit(group string) MemoryLimit {
	dir := path.Join("sys/fs/cgroup", strings.TrimPrefix(group, "/"))
	bytes := func(name string) int64 { // "max" is no limit
		n, ok := r.number(path.Join(dir, name))
		if !ok || n < 0 {
			return 0
		}
		return n
	}
	m := MemoryLimit{Group: clean(group), Current: bytes("memory.current"), High: bytes("memory.high"), Max: bytes("memory.max")}
	r.pairs(path.Join(dir, "memory.events"), func(key string, n int64) {
		switch key {
		case "high":
			m.OverHigh = n
		case "max":
			m.AtMax = n
		case "oom":
			m.OOM = n
		case "oom_kill":
			m.Killed = n
		}
	})
	r.pairs(path.Join(dir, "memory.stat"), func(key string, n int64) {
		switch key {
		case "file":
			m.File += n
		case "shmem":
			m.File -= n
		}
	})
	m.File = max(m.File, 0)
	for line := range strings.Lines(r.raw(path.Join(dir, "memory.pressure"))) {
		if avg, total, ok := parsePressure(line); ok && strings.HasPrefix(line, "some ") {
			m.SomeAvg10, m.Some = avg, total
		}
	}
	return m
}
