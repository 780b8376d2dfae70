package runtime_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/deploy/runner"
)

// results is everything that is measured. Times are CPU times in milliseconds unless named wall; sizes
// are bytes.
type results struct {
	Prepare       preparing
	Mapped, Plain memory
	Starts        []start
	Switches      switches
	Overhead      overhead
	Load, Machine string
}

type preparing struct{ Unique, Total, CPU, Wall float64 }

type memory struct {
	Anonymous, PSS, RSS float64   // of the whole process, six levels resident and run
	BeforeTrim          float64   // anonymous, before memory was given back
	Empty               float64   // anonymous, with the library loaded and no session
	Differences         []float64 // largest difference to a plain session over the largest logit, per level
}

type start struct{ Library, Digests, Level0, Total, Wall, All float64 }

type switches struct {
	Ratio, Low, High float64 // first after a switch over steady: median of pairs, 95% interval
	Pairs            int
	Levels           []float64 // median ratio per level
	SwapP50, SwapP99 float64   // nanoseconds, wall
	Swaps            int
	Lost, Requests   int64
	Steady           []float64 // median of the steady inferences per level, milliseconds
	Large            float64   // bytes of the tensors that lie in large pages
}

// child does one measurement and prints it as JSON.
func child(arg string) error {
	began := time.Now()
	parts := strings.SplitN(arg, "|", 4)
	if len(parts) != 4 {
		return fmt.Errorf("argument %q", arg)
	}
	c := &process{ctx: context.Background(), cache: parts[2], library: parts[3], began: began}
	b, err := bundle.Open(parts[1])
	if err != nil {
		return err
	}
	defer b.Close()
	c.bundle = b
	var result any
	switch parts[0] {
	case "prepare":
		result, err = c.prepare()
	case "mapped":
		result, err = c.mapped()
	case "plain":
		result, err = c.plain()
	case "start":
		result, err = c.start()
	case "switch":
		result, err = c.switching()
	default:
		err = fmt.Errorf("mode %q", parts[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

type process struct {
	ctx            context.Context
	bundle         *bundle.Bundle
	runtime        *ort.Runtime
	cache, library string
	began          time.Time
}

func (c *process) load() (err error) {
	c.runtime, err = ort.Load(c.library)
	return err
}

func (c *process) preparation() (bundle.Preparation, error) {
	target, err := c.runtime.Target(ort.Options{})
	return bundle.Preparation{Cache: c.cache, Target: target, Optimise: func(m []byte, dir, name string) ([]byte, error) {
		return c.runtime.Optimise(m, dir, name, ort.Options{})
	}}, err
}

func (c *process) open(graph []byte, dir string) (runner.Session, error) {
	return c.runtime.NewMappedSession(graph, dir, ort.Options{})
}

func (c *process) prepare() (p preparing, err error) {
	if err := c.load(); err != nil {
		return p, err
	}
	prep, err := c.preparation()
	if err != nil {
		return p, err
	}
	cpu, wall := cpuTime(), time.Now()
	made, err := c.bundle.Prepare(c.ctx, prep)
	if err != nil {
		return p, err
	}
	return preparing{float64(made.UniqueBytes()), float64(made.TotalBytes()), ms(cpuTime() - cpu), ms(time.Since(wall))}, nil
}

// pool returns the prepared bundle with all levels resident.
func (c *process) pool() (*runner.Pool, error) {
	if err := c.load(); err != nil {
		return nil, err
	}
	prep, err := c.preparation()
	if err != nil {
		return nil, err
	}
	pool, _, err := runner.LoadPrepared(c.ctx, c.bundle, prep, c.open)
	if err != nil {
		return nil, err
	}
	for i := range pool.Len() {
		if err := pool.Load(i); err != nil {
			return nil, err
		}
	}
	return pool, nil
}

func (c *process) mapped() (m memory, err error) {
	pool, err := c.pool()
	if err != nil {
		return m, err
	}
	var sessions []runner.Session
	for i := range pool.Len() {
		sessions = append(sessions, pool.Session(i))
	}
	if m, err = use(sessions); err != nil {
		return m, err
	}
	// Afterwards, since plain sessions take memory.
	for i, s := range sessions {
		model, err := c.bundle.Level(i)
		if err != nil {
			return m, err
		}
		plain, err := c.runtime.NewSession(model, ort.Options{})
		if err != nil {
			return m, err
		}
		fill(plain.Input(), 3)
		fill(s.Input(), 3)
		if err := plain.Run(); err != nil {
			return m, err
		}
		if err := s.Run(); err != nil {
			return m, err
		}
		peak, diff := 0., 0.
		for j, v := range plain.Output() {
			peak, diff = max(peak, math.Abs(float64(v))), max(diff, math.Abs(float64(v-s.Output()[j])))
		}
		m.Differences = append(m.Differences, diff/peak)
		if err := plain.Close(); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (c *process) plain() (m memory, err error) {
	if err := c.load(); err != nil {
		return m, err
	}
	ort.Trim()
	empty, err := usage()
	if err != nil {
		return m, err
	}
	sessions, err := runner.Load(c.ctx, c.bundle, func(model []byte) (runner.Session, error) { return c.runtime.NewSession(model, ort.Options{}) })
	if err != nil {
		return m, err
	}
	m, err = use(sessions)
	m.Empty = empty.Anonymous
	return m, err
}

// use runs every session three times and returns what the process takes then.
func use(sessions []runner.Session) (memory, error) {
	for range 3 {
		for _, s := range sessions {
			fill(s.Input(), 1)
			if err := s.Run(); err != nil {
				return memory{}, err
			}
		}
	}
	before, err := usage()
	if err != nil {
		return before, err
	}
	ort.Trim()
	m, err := usage()
	m.BeforeTrim = before.Anonymous
	return m, err
}

// start is a start of a prepared bundle up to level 0's first result, then of the other levels.
func (c *process) start() (s start, err error) {
	if err := c.load(); err != nil {
		return s, err
	}
	s.Library = ms(cpuTime())
	at := cpuTime()
	prep, err := c.preparation() // hashes the library
	if err != nil {
		return s, err
	}
	if err := c.bundle.CheckDigests(c.ctx); err != nil {
		return s, err
	}
	prepared, graphs, remade, err := c.bundle.PrepareRead(c.ctx, prep) // hashes the tensors
	if err != nil || remade {
		return s, fmt.Errorf("prepared again: %w", err)
	}
	s.Digests = ms(cpuTime() - at)
	at = cpuTime()
	pool := runner.NewPool(len(graphs), func(level int) (runner.Session, error) { return c.open(graphs[level], prepared.Dir()) })
	if err := pool.Load(0); err != nil { // runs it once: the first result
		return s, err
	}
	s.Level0 = ms(cpuTime() - at)
	s.Total, s.Wall = ms(cpuTime()), ms(time.Since(c.began))
	at = cpuTime()
	for i := range pool.Len() {
		if err := pool.Load(i); err != nil {
			return s, err
		}
	}
	s.All = ms(cpuTime() - at)
	return s, nil
}

// switching visits the levels in random order; at each visit the first inference is compared with
// those that follow.
func (c *process) switching() (r switches, err error) {
	pool, err := c.pool()
	if err != nil {
		return r, err
	}
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	rng := rand.New(rand.NewPCG(1, 1))
	const rounds, steady = 16, 4
	first, all := newPairs(pool.Len()), make([][]float64, pool.Len())
	last := -1
	for round := range rounds + 1 {
		for _, level := range rng.Perm(pool.Len()) {
			s := pool.Session(level)
			var times []float64
			for i := range 1 + steady {
				fill(s.Input(), round+i)
				at := threadTime()
				if err := s.Run(); err != nil {
					return r, err
				}
				times = append(times, float64(threadTime()-at))
			}
			if round > 0 && level != last { // the first round warms up
				first.add(level, times[0]/median(times[1:]))
			}
			if round > 0 {
				all[level] = append(all[level], times[1:]...)
			}
			last = level
		}
	}
	r.Ratio, r.Low, r.High, r.Levels, r.Pairs = first.result()
	for _, times := range all {
		r.Steady = append(r.Steady, median(times)/1e6)
	}
	if r.Large, err = largePages(c.cache); err != nil {
		return r, err
	}
	swaps := make([]float64, 100_000)
	var current runner.Session
	for i := range swaps {
		level := rng.IntN(pool.Len())
		at := time.Now()
		current = pool.Session(level)
		swaps[i] = float64(time.Since(at))
	}
	goruntime.KeepAlive(current)
	slices.Sort(swaps)
	r.Swaps, r.SwapP50, r.SwapP99 = len(swaps), swaps[len(swaps)/2], swaps[len(swaps)*99/100]
	r.Requests, r.Lost, err = everyRequestSwitches(c, pool)
	return r, err
}

// pairs are ratios of two times, by level.
type pairs struct {
	all    []float64
	levels [][]float64
}

func newPairs(levels int) *pairs { return &pairs{levels: make([][]float64, levels)} }

func (p *pairs) add(level int, ratio float64) {
	p.all, p.levels[level] = append(p.all, ratio), append(p.levels[level], ratio)
}

// result returns the median with its 95% interval by order statistics, and the medians of the levels.
func (p *pairs) result() (ratio, low, high float64, levels []float64, n int) {
	slices.Sort(p.all)
	n = len(p.all)
	half := 1.96 * math.Sqrt(float64(n)) / 2 // binomial, normal approximation
	for _, v := range p.levels {
		levels = append(levels, median(v))
	}
	return median(p.all), p.all[int(float64(n)/2-half)], p.all[min(n-1, int(math.Ceil(float64(n)/2+half)))], levels, n
}

// usage reads what the process takes.
func usage() (memory, error) {
	f, err := os.Open("/proc/self/smaps_rollup")
	if err != nil {
		return memory{}, err
	}
	defer f.Close()
	var m memory
	fields := map[string]*float64{"Anonymous:": &m.Anonymous, "Pss:": &m.PSS, "Rss:": &m.RSS}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 3 && fields[words[0]] != nil {
			kib, err := strconv.ParseFloat(words[1], 64)
			if err != nil {
				return m, err
			}
			*fields[words[0]] = kib * 1024
		}
	}
	return m, lines.Err()
}

// largePages returns how many bytes of mapped files in a folder lie in large pages.
func largePages(folder string) (float64, error) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	sum, inside := 0., false
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) > 4 && strings.Contains(words[0], "-"): // the first line of a mapping
			inside = strings.Contains(lines.Text(), " "+folder+"/")
		case inside && words[0] == "FilePmdMapped:":
			kib, err := strconv.ParseFloat(words[1], 64)
			if err != nil {
				return 0, err
			}
			sum += kib * 1024
		}
	}
	return sum, lines.Err()
}

// cpuTime returns the processor time of the process since it began.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// threadTime returns the processor time of the calling thread.
func threadTime() time.Duration {
	var ts syscall.Timespec
	const clockThreadCPUTime = 3
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPUTime, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func fill(x []float32, phase int) {
	for i := range x {
		x[i] = float32((i*37+phase*11)&255)/128 - 1
	}
}
