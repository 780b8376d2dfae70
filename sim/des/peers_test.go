package des_test

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dynofa/dynofa/sim/des"
)

var (
	peers     = flag.Int("peers", 0, "rounds of TestPeers, which compares the kernel with others and writes docs/performance.md's table")
	peersOnly = flag.String("peers-only", "", "part of the name of the only comparisons to make; the table is not written")
)

const (
	holdSlice     = 100_000   // operations of the hold model that are timed together
	holdSlices    = 10        // of which the fastest counts
	mm1Operations = 2_000_000 // two events a customer
	simpyShare    = 20        // the part of them that SimPy does
)

// numbers are the random numbers that all contenders get.
type numbers struct {
	hold, gaps, services []time.Duration
	path                 string
}

func draw(t testing.TB) *numbers {
	n := &numbers{hold: holdTimes(), path: filepath.Join(t.TempDir(), "numbers")}
	rng := rand.New(rand.NewPCG(5, 6))
	for range mm1Operations/2 + 1 {
		n.gaps = append(n.gaps, time.Duration(rng.ExpFloat64()*1.25e9))
	}
	for range mm1Operations/2 + 1 {
		n.services = append(n.services, time.Duration(rng.ExpFloat64()*1e9))
	}
	var file bytes.Buffer
	for _, list := range [][]time.Duration{n.hold, n.gaps, n.services} {
		if err := binary.Write(&file, binary.LittleEndian, list); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(n.path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return n
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// contender does a number of operations and returns a checksum of what happened and the CPU time of each in ns.
type contender struct {
	name string
	run  func(n *numbers) (checksum uint64, ns float64)
}

// hold measures the hold model in slices: f does holdSlice operations and returns the checksum so far.
func hold(f func() uint64) (sum uint64, ns float64) {
	ns = math.Inf(1)
	for range holdSlices {
		var took float64
		sum, took = timed(holdSlice, f)
		ns = min(ns, took)
	}
	return sum, ns
}

// timed measures a function of this program.
func timed(operations int, f func() uint64) (uint64, float64) {
	start := cpuTime()
	sum := f()
	return sum, float64(cpuTime()-start) / float64(operations)
}

// holdSum is a holder that sums up the times like the others.
type holdSum struct {
	times []time.Duration
	self  des.HandlerID
	next  int
	left  int
	sum   uint64
}

func (h *holdSum) Handle(k *des.Kernel, ev des.Event) {
	h.sum = h.sum*31 + uint64(k.Now())
	h.next = (h.next + 1) & (len(h.times) - 1)
	k.After(h.times[h.next], des.Completion, h.self, ev)
	if h.left--; h.left == 0 {
		k.Stop()
	}
}

func holdKernel(pending int) func(*numbers) (uint64, float64) {
	return func(n *numbers) (uint64, float64) {
		k := des.New()
		h := &holdSum{times: n.hold}
		h.self = k.Register(h)
		for i := range pending {
			k.At(h.times[i], des.Completion, h.self, des.Event{Arg: uint64(i)})
		}
		return hold(func() uint64 {
			h.left = holdSlice
			k.Run(des.Forever)
			return h.sum
		})
	}
}

func holdValues(pending int) func(*numbers) (uint64, float64) {
	return func(n *numbers) (uint64, float64) {
		var q refQueue
		for i := range pending {
			heap.Push(&q, refEvent{at: n.hold[i], seq: uint64(i)})
		}
		next, seq, sum := 0, uint64(pending), uint64(0)
		return hold(func() uint64 {
			for range holdSlice {
				ev := heap.Pop(&q).(refEvent)
				sum = sum*31 + uint64(ev.at)
				next = (next + 1) & (len(n.hold) - 1)
				heap.Push(&q, refEvent{at: ev.at + n.hold[next], seq: seq, arg: ev.arg})
				seq++
			}
			return sum
		})
	}
}

func holdPointers(pending int) func(*numbers) (uint64, float64) {
	return func(n *numbers) (uint64, float64) {
		var q refPointers
		for i := range pending {
			heap.Push(&q, &refEvent{at: n.hold[i], seq: uint64(i)})
		}
		next, seq, sum := 0, uint64(pending), uint64(0)
		return hold(func() uint64 {
			for range holdSlice {
				ev := heap.Pop(&q).(*refEvent)
				sum = sum*31 + uint64(ev.at)
				next = (next + 1) & (len(n.hold) - 1)
				heap.Push(&q, &refEvent{at: ev.at + n.hold[next], seq: seq, arg: ev.arg})
				seq++
			}
			return sum
		})
	}
}

// line is an M/M/1 queue whose times are given.
type line struct {
	*numbers
	self     des.HandlerID
	arrived  []time.Duration
	in, done int
	waits    uint64
}

func (l *line) Handle(k *des.Kernel, ev des.Event) {
	if ev.Kind == evArrive {
		l.arrived[l.in] = k.Now()
		if l.in++; l.in < len(l.arrived) {
			k.After(l.gaps[l.in], des.Arrival, l.self, des.Event{Kind: evArrive})
		}
		if l.in-l.done == 1 {
			k.After(l.services[l.done], des.Completion, l.self, des.Event{Kind: evDepart})
		}
		return
	}
	if l.done++; l.done < l.in {
		l.waits += uint64(k.Now() - l.arrived[l.done])
		k.After(l.services[l.done], des.Completion, l.self, des.Event{Kind: evDepart})
	}
}

func mm1Kernel(n *numbers) (uint64, float64) {
	k := des.New()
	l := &line{numbers: n, arrived: make([]time.Duration, mm1Operations/2)}
	l.self = k.Register(l)
	return timed(mm1Operations, func() uint64 {
		k.At(n.gaps[0], des.Arrival, l.self, des.Event{Kind: evArrive})
		k.Run(des.Forever)
		return l.waits
	})
}

// mm1Closures is the usual way with container/heap: pointers to events that hold closures.
func mm1Closures(n *numbers) (uint64, float64) {
	var q refClosures
	var now time.Duration
	var seq, waits uint64
	after := func(d time.Duration, fn func()) {
		heap.Push(&q, &refClosure{refEvent{at: now + d, seq: seq}, fn})
		seq++
	}
	arrived := make([]time.Duration, mm1Operations/2)
	in, done := 0, 0
	var arrive, depart func()
	arrive = func() {
		arrived[in] = now
		if in++; in < len(arrived) {
			after(n.gaps[in], func() { arrive() })
		}
		if in-done == 1 {
			after(n.services[done], func() { depart() })
		}
	}
	depart = func() {
		if done++; done < in {
			waits += uint64(now - arrived[done])
			after(n.services[done], func() { depart() })
		}
	}
	return timed(mm1Operations, func() uint64 {
		after(n.gaps[0], func() { arrive() })
		for q.Len() > 0 {
			ev := heap.Pop(&q).(*refClosure)
			now = ev.at
			ev.fn()
		}
		return waits
	})
}

// program is a contender in another language.
func program(t testing.TB, args ...string) func(*numbers) (uint64, float64) {
	return func(n *numbers) (uint64, float64) {
		filled := slices.Clone(args)
		for i, a := range filled {
			if a == "NUMBERS" {
				filled[i] = n.path
			}
		}
		out, err := exec.Command(filled[0], filled[1:]...).Output()
		if err != nil {
			t.Fatalf("%v: %v", filled, err)
		}
		var sum uint64
		var ns float64
		if _, err := fmt.Sscan(string(out), &sum, &ns); err != nil {
			t.Fatalf("%v: %q: %v", filled, out, err)
		}
		return sum, ns
	}
}

// group is a comparison: the first contender is the kernel.
type group struct {
	name       string
	contenders []contender
}

func groups(t testing.TB) []group {
	cc := ""
	if gxx, err := exec.LookPath("g++"); err == nil {
		cc = filepath.Join(t.TempDir(), "peers")
		if out, err := exec.Command(gxx, "-O2", "-o", cc, "testdata/peers.cc").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	var all []group
	for _, pending := range []int{10, 100, 1000} {
		g := group{fmt.Sprintf("hold, %d pending", pending), []contender{
			{"des", holdKernel(pending)},
			{"container/heap, values", holdValues(pending)},
			{"container/heap, pointers", holdPointers(pending)},
		}}
		if cc != "" {
			g.contenders = append(g.contenders, contender{"C++ std::priority_queue", program(t, cc, "hold", "NUMBERS", strconv.Itoa(pending), strconv.Itoa(holdSlice))})
		}
		all = append(all, g)
	}
	g := group{"M/M/1, 10^6 arrivals", []contender{{"des", mm1Kernel}, {"container/heap, pointers and closures", mm1Closures}}}
	if cc != "" {
		g.contenders = append(g.contenders, contender{"C++ std::priority_queue", program(t, cc, "mm1", "NUMBERS", "0", strconv.Itoa(mm1Operations))})
	}
	all = append(all, g)
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import simpy").Run() == nil {
			all = append(all, group{fmt.Sprintf("M/M/1, SimPy with the first %d arrivals", mm1Operations/2/simpyShare), []contender{
				{"des", mm1Kernel}, // of all of them; per event
				{"SimPy, process style", program(t, python, "testdata/peers.py", "NUMBERS", strconv.Itoa(mm1Operations/simpyShare), strconv.Itoa(mm1Operations/2))},
			}})
			break
		}
	}
	return all
}

// TestPeers compares the kernel with what others use, on the same random numbers, in CPU time, round by round so that what else the
// machine does meets all of them. With -peers=N it does N rounds and writes the table; else it only checks that all see the same.
func TestPeers(t *testing.T) {
	if *peers == 0 && testing.Short() {
		t.Skip("short")
	}
	n := draw(t)
	rounds := max(1, *peers)
	if *peers > 0 {
		defer debug.SetGCPercent(debug.SetGCPercent(100))
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| model | contender | ns per operation, least of %d (median) | times des's: of leasts (of medians) |\n|---|---|---|---|\n", rounds)
	for _, g := range groups(t) {
		if *peers == 0 && strings.Contains(g.name, "SimPy") || !strings.Contains(g.name, *peersOnly) {
			continue
		}
		ns := make([][]float64, len(g.contenders))
		var want uint64
		for range rounds {
			for i, c := range g.contenders {
				sum, took := c.run(n)
				if i == 0 {
					want = sum
				} else if sum != want && !strings.Contains(c.name, "SimPy") {
					t.Errorf("%s: %s comes to %d, des to %d", g.name, c.name, sum, want)
				}
				ns[i] = append(ns[i], took)
			}
		}
		for i, c := range g.contenders {
			least, middle := low(ns[i])
			desLeast, desMiddle := low(ns[0])
			fmt.Fprintf(&table, "| %s | %s | %.1f (%.1f) | %.2f (%.2f) |\n", g.name, c.name, least, middle, least/desLeast, middle/desMiddle)
		}
	}
	t.Logf("\n%s", table.String())
	if *peers > 0 && *peersOnly == "" {
		writeTable(t, table.String())
	}
}

// low returns the least and the median.
func low(x []float64) (least, median float64) {
	s := slices.Sorted(slices.Values(x))
	return s[0], s[len(s)/2]
}

// writeTable puts the table between the marks in docs/performance.md.
func writeTable(t *testing.T, table string) {
	const path = "../../docs/performance.md"
	const begin, end = "<!-- kernel -->\n", "<!-- /kernel -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no marks", path)
	}
	if err := os.WriteFile(path, []byte(before+begin+table+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
