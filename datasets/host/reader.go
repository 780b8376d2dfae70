package host

import (
	"cmp"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dynofa/dynofa/datasets/unit"
)

const (
	maxFile    = 1 << 20 // /proc/cpuinfo of 512 processors
	maxText    = 256     // characters of a name
	maxEntries = 1024    // of one kind: policies, zones, sensors
	maxCPUs    = 8192    // as Linux allows
)

// reader reads small files of a file system; what cannot be read is empty.
type reader struct{ fs.FS }

// raw returns at most maxFile bytes.
func (r reader) raw(name string) string {
	f, err := r.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil { // some sensors answer with an error when their device sleeps
		return ""
	}
	return string(data)
}

// text returns a name in one line, without what could spoil a terminal or a JSON file.
func (r reader) text(name string) string { return clean(r.raw(name)) }

func clean(s string) string {
	s = strings.TrimSpace(strings.Trim(s, "\x00"))
	var b strings.Builder
	n := 0
	for _, c := range s {
		if n++; n > maxText {
			break
		}
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			c = '?'
		}
		b.WriteRune(c)
	}
	return strings.TrimSpace(b.String())
}

// number returns a whole number; ok is false if there is none.
func (r reader) number(name string) (n int64, ok bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(r.raw(name)), 10, 64)
	return n, err == nil
}

// hertz returns a clock that a file tells in the given unit; 0 if it is none, or beyond 1 THz.
func (r reader) hertz(name string, per float64) unit.Hertz {
	n, ok := r.number(name)
	if f := float64(n) * per; ok && f > 0 && f < 1e12 {
		return unit.Hertz(f)
	}
	return 0
}

// list returns the entries of a folder whose names begin with a prefix, those with numbers at their ends
// in the order of the numbers, as paths.
func (r reader) list(dir, prefix string) []string {
	entries, err := fs.ReadDir(r.FS, dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && len(names) < maxEntries {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(trailing(a), trailing(b)), strings.Compare(a, b))
	})
	for i, n := range names {
		names[i] = path.Join(dir, n)
	}
	return names
}

// trailing is the number at the end of a name, -1 if there is none.
func trailing(name string) int {
	digits := name[len(strings.TrimRight(name, "0123456789")):]
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

// fraction parses a number that is neither negative nor infinite nor NaN.
func fraction(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && f >= 0 && !math.IsInf(f, 0)
}

// onOff names a switch that reads 1 or 0, with the value that means on.
func onOff(text, on string) string {
	switch text {
	case on:
		return "on"
	case "0", "1":
		return "off"
	}
	return ""
}

// count counts the processors of a list such as "0-3,6"; 0 if it is none.
func count(list string) int {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		b := a
		if isRange && err == nil {
			b, err = strconv.Atoi(last)
		}
		if err != nil || a < 0 || b < a || b >= maxCPUs {
			return 0
		}
		n += b - a + 1
	}
	return n
}

// cpuList returns a file's list of processors as it stands, or nothing if it is none.
func (r reader) cpuList(name string) string {
	list := strings.TrimSpace(r.raw(name))
	if count(list) == 0 {
		return ""
	}
	return clean(list)
}
