package monitor_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/dynofa/dynofa/deploy/runner/monitor"
)

// levels are levels that take 10 MB each, in a group that holds what they take.
type levels struct {
	m        fstest.MapFS
	resident []bool
	uses     []int64
	may      func(int) bool
	wanted   []bool
	base     int64
	evicted  []int
	failing  bool
}

const mb = 1_000_000

func newLevels(m fstest.MapFS, n int, limit int64) *levels {
	l := &levels{m: m, resident: make([]bool, n), uses: make([]int64, n), wanted: make([]bool, n), base: 20 * mb}
	for i := range n {
		l.resident[i] = true
	}
	set(m, "proc/self/cgroup", "0::/a\n")
	set(m, "sys/fs/cgroup/a/memory.max", fmt.Sprintln(limit))
	l.tell()
	return l
}

func (l *levels) tell() {
	current := l.base
	for _, r := range l.resident {
		if r {
			current += 10 * mb
		}
	}
	set(l.m, "sys/fs/cgroup/a/memory.current", fmt.Sprintln(current+30*mb))
	set(l.m, "sys/fs/cgroup/a/memory.stat", "file 30000000\n")
}

func (l *levels) Len() int                       { return len(l.resident) }
func (l *levels) Resident(level int) bool        { return l.resident[level] }
func (l *levels) Uses(level int) int64           { return l.uses[level] }
func (l *levels) Admit(may func(level int) bool) { l.may = may }

func (l *levels) Evict(level int) error {
	l.resident[level] = false
	l.evicted = append(l.evicted, level)
	l.tell()
	if l.failing {
		return errors.New("it does not close")
	}
	return nil
}

func (l *levels) Retry() {
	for level, w := range l.wanted {
		if w && !l.resident[level] && l.may(level) {
			l.resident[level], l.wanted[level] = true, false
			l.tell()
		}
	}
}

func newLadder(t *testing.T, m fstest.MapFS, l *levels) *monitor.Ladder {
	t.Helper()
	need := make([]int64, len(l.resident))
	for i := range need {
		need[i] = 10 * mb
	}
	ladder, err := monitor.NewLadder(monitor.LadderConfig{FS: m, Levels: l, Need: need})
	if err != nil {
		t.Fatal(err)
	}
	return ladder
}

// TestLadder lowers a limit under a family of six, uses some levels more than others, and raises it again: the least used
// go first, one at a sample, the smallest set that fits stays, and levels come back when they are asked for and there is room.
func TestLadder(t *testing.T) {
	m := jetson()
	l := newLevels(m, 6, 1000*mb)
	ladder := newLadder(t, m, l)
	mon, c, _ := newMonitor(t, m, ladder)
	step := func() { mon.Sample(); c.pass(period) }
	use := func() {
		for level, n := range []int64{1, 0, 50, 2, 40, 3} {
			l.uses[level] += n
		}
	}
	for range 5 {
		use()
		step()
	}
	if len(l.evicted) != 0 {
		t.Fatalf("dropped %v without need", l.evicted)
	}
	set(m, "sys/fs/cgroup/a/memory.max", fmt.Sprintln(61*mb)) // of 80: to stay below 90% four of six fit not, three do: 20 + 30 = 50 < 54.9
	for range 10 {
		use()
		step()
	}
	if !slices.Equal(l.evicted, []int{1, 3, 5}) || ladder.Dropped() != 3 {
		t.Errorf("dropped %v, %d", l.evicted, ladder.Dropped())
	}
	l.wanted[3] = true // the policy asks for it, but there is no room below 75%
	for range 20 {
		use()
		step()
	}
	if l.resident[3] || len(l.evicted) != 3 {
		t.Errorf("level 3 came back where it does not fit; dropped %v", l.evicted)
	}
	l.uses[3] += 1000 // now it is asked for more than level 4 and 2 are used: they make room
	for range 4 {
		step()
	}
	if !l.resident[3] || l.resident[4] {
		t.Errorf("level 3 is wanted most, but resident are %v", l.resident)
	}
	l.wanted[4] = true
	set(m, "sys/fs/cgroup/a/memory.max", fmt.Sprintln(200*mb))
	for range 3 {
		use()
		step()
	}
	if !l.resident[3] || !l.resident[4] || l.resident[1] {
		t.Errorf("after relief: %v", l.resident)
	}
}

// TestLadderKeepsLevel0 goes on under pressure until nothing is left to drop.
func TestLadderKeepsLevel0(t *testing.T) {
	m := jetson()
	l := newLevels(m, 4, 10*mb) // not even nothing fits
	l.failing = true
	mon, c, _ := newMonitor(t, m, newLadder(t, m, l))
	for range 10 {
		mon.Sample()
		c.pass(period)
	}
	if !slices.Equal(l.resident, []bool{true, false, false, false}) {
		t.Errorf("resident %v", l.resident)
	}
}

// TestLadderSigns drops a level for each sign of short memory, and for none of their absence.
func TestLadderSigns(t *testing.T) {
	const group = "sys/fs/cgroup/a/"
	for name, c := range map[string]struct {
		file, text string
		drops      bool
	}{
		"nothing":                   {group + "memory.events", "high 0\nmax 0\noom 0\noom_kill 0\n", false},
		"page cache at the limit":   {group + "memory.events", "high 0\nmax 500\noom 0\noom_kill 0\n", false},
		"out of memory":             {group + "memory.events", "high 0\nmax 0\noom 1\noom_kill 0\n", true},
		"killed":                    {group + "memory.events", "high 0\nmax 0\noom 0\noom_kill 1\n", true},
		"stalls of the group":       {group + "memory.pressure", "some avg10=12.00 avg60=0.00 avg300=0.00 total=5\n", true},
		"few stalls":                {group + "memory.pressure", "some avg10=3.00 avg60=0.00 avg300=0.00 total=5\n", false},
		"stalls of the machine":     {"proc/pressure/memory", "some avg10=25.00 avg60=0.00 avg300=0.00 total=5\n", true},
		"stalls for a processor":    {"proc/pressure/cpu", "some avg10=90.00 avg60=0.00 avg300=0.00 total=5\n", false},
		"no memory on the machine":  {"proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 100000 kB\n", true},
		"memory.high below the max": {group + "memory.high", "60000000\n", true},
	} {
		m := jetson()
		l := newLevels(m, 4, 200*mb) // 60 in use
		mon, clock, _ := newMonitor(t, m, newLadder(t, m, l))
		mon.Sample()
		clock.pass(period)
		set(m, c.file, c.text)
		mon.Sample()
		if dropped := len(l.evicted) > 0; dropped != c.drops {
			t.Errorf("%s: dropped %v", name, l.evicted)
		}
	}
}

// TestLadderDoesNotFlap has room for a level only while it is away: it comes back ever more rarely.
func TestLadderDoesNotFlap(t *testing.T) {
	m := jetson()
	l := newLevels(m, 3, 1000*mb)
	mon, c, _ := newMonitor(t, m, newLadder(t, m, l))
	for range 1000 {
		l.uses[0]++
		l.uses[1]++
		l.wanted[2] = true
		if l.resident[2] { // somebody else's memory grows whenever it is there
			set(m, "proc/pressure/memory", "some avg10=25.00 avg60=0.00 avg300=0.00 total=5\n")
		} else {
			set(m, "proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n")
		}
		mon.Sample()
		c.pass(period)
	}
	if n := len(l.evicted); n < 2 || n > 25 {
		t.Errorf("dropped %d times in 1000 samples", n)
	}
}

func TestLadderConfig(t *testing.T) {
	m := jetson()
	l := newLevels(m, 2, mb)
	for name, cfg := range map[string]monitor.LadderConfig{
		"no levels": {FS: m}, "no files": {Levels: l}, "order": {FS: m, Levels: l, High: 0.5, Low: 0.6}, "all": {FS: m, Levels: l, High: 1}, "needs": {FS: m, Levels: l, Need: []int64{1}},
	} {
		if _, err := monitor.NewLadder(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := monitor.New(monitor.Config{}); err == nil {
		t.Error("a monitor of nothing is accepted")
	}
}
