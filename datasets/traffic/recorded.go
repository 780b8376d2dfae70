package traffic

import (
	"cmp"
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Formats of trace files.
const (
	FormatCSV       = "csv"        // time, deadline, class: see ReadCSV
	FormatAzure2019 = "azure-2019" // invocations per function and minute: see ReadAzure2019
	FormatAzure2021 = "azure-2021" // one invocation a line: see ReadAzure2021
	FormatPerSecond = "per-second" // counts per second: see ReadPerSecond
)

// Formats lists the formats of trace files.
var Formats = []string{FormatCSV, FormatAzure2019, FormatAzure2021, FormatPerSecond}

// Origin says which part of which file arrivals come from, and how fast it is played.
type Origin struct {
	File   string // as it stands in the scenario, relative to its folder
	Format string
	// From is the time in the file that becomes the start of the run; what is before is left out.
	From time.Duration
	// Speed divides the times of the file, 1 by default: at 60 an hour of it takes a minute. In
	// [MinSpeed, MaxSpeed].
	Speed float64
	// Class leaves only the arrivals of one class, empty for all.
	Class string
}

func (o Origin) speed() float64 {
	if o.Speed == 0 {
		return 1
	}
	return o.Speed
}

// scaled returns a time of the file as a time of the run, which is negative before From.
func (o Origin) scaled(t time.Duration) time.Duration {
	f := math.Round(float64(t-o.From) / o.speed())
	return time.Duration(min(f, float64(horizon)))
}

func (o Origin) problems(r *report) {
	r.text("file", o.File, maxLine)
	if o.File == "" {
		r.add("file", "is missing")
	}
	if !slices.Contains(Formats, o.Format) {
		r.add("format", "%q is none of %s", o.Format, strings.Join(Formats, ", "))
	}
	r.between("from", o.From, 0, MaxDuration)
	if s := o.speed(); !(s >= MinSpeed && s <= MaxSpeed) {
		r.add("speed", "%g is outside [%g, %g]", s, MinSpeed, MaxSpeed)
	}
	r.text("class", o.Class, maxLine)
}

func (o Origin) file() arrivalsFile {
	f := arrivalsFile{Kind: traceKind, File: o.File, From: durationText(o.From), Class: o.Class}
	if o.Format != FormatCSV {
		f.Format = o.Format
	}
	if o.speed() != 1 {
		f.Speed = o.Speed
	}
	return f
}

// traceKind is the kind of both Recorded and Counted in files.
const traceKind = "trace"

// Row is one recorded arrival.
type Row struct {
	At time.Duration // since the start of the file's clock
	Label
}

// Recorded are arrivals at recorded times.
type Recorded struct {
	Origin
	Rows []Row // 1 to MaxRows, ascending in At, of Class only if that is given
	// Skipped counts lines of the file that are no arrivals, such as invocations that began before the trace.
	Skipped int
}

var _ Arrivals = Recorded{}

// Kind returns "trace".
func (Recorded) Kind() string { return traceKind }

// Rate returns the mean rate between the first and the last arrival that are played.
func (t Recorded) Rate() float64 {
	first := t.first()
	n := len(t.Rows) - first
	if n < 2 {
		return 0
	}
	span := (t.Rows[len(t.Rows)-1].At - t.Rows[first].At).Seconds() / t.speed()
	if span == 0 {
		return 0
	}
	return float64(n-1) / span
}

func (t Recorded) first() int {
	i, _ := slices.BinarySearchFunc(t.Rows, t.From, func(r Row, from time.Duration) int {
		if r.At < from {
			return -1
		}
		return 1
	})
	return i
}

// Expected returns the number of recorded arrivals before d.
func (t Recorded) Expected(d time.Duration) float64 {
	n := 0
	for _, r := range t.Rows[t.first():] {
		if t.scaled(r.At) >= d {
			break
		}
		n++
	}
	return float64(n)
}

// Source plays the rows.
func (t Recorded) Source() Source { return &recordedSource{Recorded: t, next: t.first()} }

func (t Recorded) problems(r *report) {
	t.Origin.problems(r)
	if len(t.Rows) == 0 || t.first() == len(t.Rows) {
		r.add("file", "has no arrival to play")
	}
	r.size("file", len(t.Rows), MaxRows)
	for i, row := range t.Rows {
		switch {
		case row.At < 0 || row.At > horizon:
			r.add("file", "arrival %d is at %v", i+1, row.At)
		case i > 0 && row.At < t.Rows[i-1].At:
			r.add("file", "arrival %d at %v is before the one before, at %v", i+1, row.At, t.Rows[i-1].At)
		case row.Limit < 0 || row.Limit > MaxDuration:
			r.add("file", "arrival %d has a deadline of %v", i+1, row.Limit)
		default:
			continue
		}
		return // one is enough
	}
}

type recordedSource struct {
	Recorded
	next int
	last Label
}

var _ Labelled = (*recordedSource)(nil)

func (s *recordedSource) Next(*rand.Rand) (time.Duration, bool) {
	if s.next >= len(s.Rows) {
		return 0, false
	}
	row := s.Rows[s.next]
	s.next++
	s.last = row.Label
	return s.scaled(row.At), true
}

// Label returns what the last row says.
func (s *recordedSource) Label() Label { return s.last }

// Counted are arrivals of which only the number in each interval is recorded: in each they are independent
// and uniform, so a Poisson process given its counts.
type Counted struct {
	Origin
	Bin    time.Duration // length of an interval, at least MinPeriod
	Counts []int64       // 1 to MaxRows, each not negative, MaxRequests in all
}

var _ Arrivals = Counted{}

// Kind returns "trace".
func (Counted) Kind() string { return traceKind }

// Rate returns the mean rate over the intervals that are played.
func (t Counted) Rate() float64 {
	n := len(t.Counts) - t.first()
	if n <= 0 {
		return 0
	}
	return t.Expected(horizon) / (float64(n) * t.Bin.Seconds() / t.speed())
}

// first returns the first interval that is played as a whole.
func (t Counted) first() int { return int((t.From + t.Bin - 1) / t.Bin) }

// Expected returns the number of arrivals in the intervals that begin before d.
func (t Counted) Expected(d time.Duration) float64 {
	sum := int64(0)
	for i := t.first(); i < len(t.Counts); i++ {
		if t.scaled(time.Duration(i)*t.Bin) >= d {
			break
		}
		sum += t.Counts[i]
	}
	return float64(sum)
}

// Source plays the counts.
func (t Counted) Source() Source { return &countedSource{Counted: t, bin: t.first()} }

func (t Counted) problems(r *report) {
	t.Origin.problems(r)
	r.between("file", t.Bin, MinPeriod, MaxDuration)
	r.size("file", len(t.Counts), MaxRows)
	sum := int64(0)
	for i, n := range t.Counts {
		if n < 0 || n > MaxRequests-sum {
			r.add("file", "interval %d: a count of %d, or more than %d arrivals up to it", i+1, n, MaxRequests)
			return
		}
		sum += n
	}
	if t.Bin >= MinPeriod && t.Expected(horizon) == 0 {
		r.add("file", "has no arrival to play")
	}
}

// mostTimes is how many times are drawn at once: a count in a file is a few bytes that stand for up to MaxRequests of them.
const mostTimes = 1 << 16

type countedSource struct {
	Counted
	bin   int             // the next interval
	cells []cell          // of the present interval, yet to come, the last first
	times []time.Duration // of the present cell, yet to come, descending
}

// cell is one of 2^depth equal parts of an interval, with its share of the arrivals.
type cell struct {
	index int64
	depth int
	n     int64
}

func (s *countedSource) Next(rng *rand.Rand) (time.Duration, bool) {
	for len(s.times) == 0 {
		if len(s.cells) == 0 {
			if s.bin >= len(s.Counts) {
				return 0, false
			}
			s.cells = append(s.cells, cell{n: s.Counts[s.bin]})
			s.bin++
		}
		c := s.cells[len(s.cells)-1]
		s.cells = s.cells[:len(s.cells)-1]
		if c.n > mostTimes {
			first := heads(c.n, rng)
			s.cells = append(s.cells, cell{2*c.index + 1, c.depth + 1, c.n - first}, cell{2 * c.index, c.depth + 1, first})
			continue
		}
		s.draw(c, rng)
	}
	at := s.times[len(s.times)-1]
	s.times = s.times[:len(s.times)-1]
	return s.scaled(at), true
}

// draw draws the times of a cell.
func (s *countedSource) draw(c cell, rng *rand.Rand) {
	start := time.Duration(s.bin-1) * s.Bin
	for range c.n {
		var in time.Duration
		if c.depth == 0 {
			in = time.Duration(rng.Int64N(int64(s.Bin)))
		} else {
			in = min(time.Duration(math.Ldexp((float64(c.index)+rng.Float64())*float64(s.Bin), -c.depth)), s.Bin-1)
		}
		s.times = append(s.times, start+in)
	}
	slices.SortFunc(s.times, func(a, b time.Duration) int { return cmp.Compare(b, a) })
}

// heads tosses n coins.
func heads(n int64, rng *rand.Rand) int64 {
	sum := 0
	for ; n >= 64; n -= 64 {
		sum += bits.OnesCount64(rng.Uint64())
	}
	return int64(sum + bits.OnesCount64(rng.Uint64()>>(64-n)))
}

var errNoFolder = errors.New("a trace file is read beside a scenario file, and there is none here")
