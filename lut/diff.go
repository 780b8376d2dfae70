package lut

import (
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/internal/stats"
)

// DiffOptions says how Diff compares. The zero value works.
type DiffOptions struct {
	// Alpha is the probability of one or more false alarms in the whole comparison of two tables of
	// the same latencies; 0 stands for 0.01.
	Alpha float64
	// RunToRun is the relative standard deviation by which a whole table moves from one measurement
	// to the next (another start of the program, another temperature), which the intervals inside a
	// table cannot hold. 0: the tables are compared as if it were none, and the report says so.
	RunToRun float64
	// Smallest is the relative change below which a difference is not reported, however certain.
	Smallest float64
	// Space and Archs name sub-networks whose sums over blocks are compared as well.
	Space *supernet.Space
	Archs []supernet.Arch
}

// Verdict is what Diff says of a row.
type Verdict string

// The verdicts.
const (
	Same     Verdict = "same"     // no difference that chance does not explain, or one below Smallest
	Slower   Verdict = "slower"   // b is slower than a
	Faster   Verdict = "faster"   // b is faster than a
	Untested Verdict = "untested" // the tables do not say how certain the values are
)

// DiffKind says what a row compares.
type DiffKind string

// The kinds of row.
const (
	DiffBlock   DiffKind = "block"   // one entry
	DiffColumn  DiffKind = "column"  // the sum over all entries of a resolution that both tables have
	DiffSum     DiffKind = "sum"     // the sum over a sub-network's blocks, uncalibrated
	DiffNetwork DiffKind = "network" // a whole network measured in both
)

// DiffRow compares one value of two tables.
type DiffRow struct {
	Kind    DiffKind         `json:"kind"`
	Name    string           `json:"name"` // key, resolution or architecture
	A       unit.Nanoseconds `json:"a_ns"`
	B       unit.Nanoseconds `json:"b_ns"`
	Ratio   float64          `json:"ratio"` // b/a
	Verdict Verdict          `json:"verdict"`
	// The rest is zero in an untested row. Low and High are the ratio's 95% interval, for this row
	// alone; P is the probability of a ratio as far from 1 without a difference, for this row alone;
	// Corrected is P after Holm's correction for all tested rows, which the verdict rests on.
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
	P         float64 `json:"p"`
	Corrected float64 `json:"p_corrected"`
	// Basis is what P rests on: "samples" (ranks), "medians" or "means".
	Basis string `json:"basis,omitempty"`
}

// DiffReport compares two tables.
type DiffReport struct {
	Alpha    float64   `json:"alpha"`
	Rows     []DiffRow `json:"rows"` // blocks in key order, columns, sums, networks
	Tested   int       `json:"tested"`
	Slower   int       `json:"slower"`
	Faster   int       `json:"faster"`
	OnlyA    []string  `json:"only_a,omitempty"` // keys that b lacks
	OnlyB    []string  `json:"only_b,omitempty"`
	Warnings []string  `json:"warnings,omitempty"` // what the comparison cannot say
}

// Diff compares table b with table a, entry by entry and in sums.
//
// Where both tables have samples, P is that of Mann and Whitney's rank test; for sums it compares the
// sums of the i-th samples of all blocks. The ratio is that of the medians, with the interval that
// theirs imply. Where samples are missing, or RunToRun adds a doubt that is in no sample, the test is
// one of summaries too: the difference of the logarithms of both medians, divided by its standard
// error, against Student's t. An entry's
// standard error is the width of its median's 95% interval in the units that order statistics give
// (about 2 standard errors to either side), with about sqrt(n) degrees of freedom, because that
// width is itself estimated from few spacings. Where only mean, standard deviation and count are
// known, the standard error of the mean is std/sqrt(n), with n-1 degrees of freedom: an
// approximation that a few hundred samples of skewed latencies justify and a handful does not. Both
// take the samples as independent. Sums add up the entries' squared standard errors, degrees of
// freedom are combined by Welch and Satterthwaite's rule, and all tests of the report are corrected
// together by Holm's.
//
// By medians, a change of d in one of 100 blocks is found with a power of 90% from about n = 2 (7.4 s/d)^2
// samples per entry for lognormal noise of relative standard deviation s: 250 for 2% and s = 3%; a
// change of d everywhere from about 100 times fewer, 6 at least. Below 20 samples per entry, the
// tails of that test are only roughly right. Ranks need about two thirds of the samples.
//
// It returns an error for tables that are not valid or of different spaces, or options out of range.
// Tables at different operating points are compared, with a warning.
//
// Source: McKean and Schrader, "A comparison of methods for Studentizing the sample median",
// Communications in Statistics B 13, 1984; Welch, "The generalization of Student's problem",
// Biometrika 34, 1947; Holm, 1979.
func Diff(a, b *Table, o DiffOptions) (*DiffReport, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	if err := b.Validate(); err != nil {
		return nil, err
	}
	if a.Space != b.Space || o.Space != nil && o.Space.Name != a.Space {
		return nil, fmt.Errorf("lut: diff: the tables, or the sub-networks, are of different spaces: %q and %q", a.Space, b.Space)
	}
	if o.Alpha == 0 {
		o.Alpha = 0.01
	}
	if !(o.Alpha > 0 && o.Alpha < 1 && o.RunToRun >= 0 && o.RunToRun < 1 && o.Smallest >= 0) || len(o.Archs) > 0 && o.Space == nil {
		return nil, fmt.Errorf("lut: diff: alpha %g, run-to-run %g or smallest change %g is out of range, or sub-networks come without a space", o.Alpha, o.RunToRun, o.Smallest)
	}
	d := &differ{o: o, report: &DiffReport{Alpha: o.Alpha}, a: index(a), b: index(b)}
	d.blocks(a, b)
	d.columns()
	if err := d.archs(); err != nil {
		return nil, fmt.Errorf("lut: diff: %w", err)
	}
	d.networks(a, b)
	d.judge()
	d.warn(a, b)
	return d.report, nil
}

// differ is a comparison under way.
type differ struct {
	o      DiffOptions
	report *DiffReport
	a, b   map[Key]Latency
	shared []Key // sorted
}

func index(t *Table) map[Key]Latency {
	m := make(map[Key]Latency, len(t.Entries))
	for _, e := range t.Entries {
		m[e.Key] = e.Latency
	}
	return m
}

func (d *differ) blocks(a, b *Table) {
	var onlyA, onlyB []Key
	for _, e := range a.Entries {
		if _, ok := d.b[e.Key]; ok {
			d.shared = append(d.shared, e.Key)
		} else {
			onlyA = append(onlyA, e.Key)
		}
	}
	for _, e := range b.Entries {
		if _, ok := d.a[e.Key]; !ok {
			onlyB = append(onlyB, e.Key)
		}
	}
	slices.SortFunc(d.shared, Key.Compare)
	for _, k := range d.shared {
		d.add(DiffBlock, k.String(), []term{{d.a[k], d.b[k], 1}})
	}
	d.report.OnlyA, d.report.OnlyB = names(onlyA), names(onlyB)
}

func names(keys []Key) []string {
	slices.SortFunc(keys, Key.Compare)
	var texts []string
	for _, k := range keys {
		texts = append(texts, k.String())
	}
	return texts
}

func (d *differ) columns() {
	for i := 0; i < len(d.shared); {
		r := d.shared[i].Resolution
		var terms []term
		for ; i < len(d.shared) && d.shared[i].Resolution == r; i++ {
			terms = append(terms, term{d.a[d.shared[i]], d.b[d.shared[i]], 1})
		}
		name := fmt.Sprintf("r=%d, %d entries", r, len(terms))
		if r == 0 {
			name = fmt.Sprintf("%d entries that serve every resolution", len(terms))
		}
		d.add(DiffColumn, name, terms)
	}
}

func (d *differ) archs() error {
	for i, arch := range d.o.Archs {
		c, err := d.o.Space.Canonical(arch)
		if err != nil {
			return fmt.Errorf("sub-network %d: %w", i, err)
		}
		blocks, err := d.o.Space.Blocks(c)
		if err != nil {
			return fmt.Errorf("sub-network %d: %w", i, err)
		}
		times := map[Key]float64{}
		var keys []Key // in network order
		for _, b := range blocks {
			k := Key{c.R, b}
			if _, ok := d.a[k]; !ok {
				k.Resolution = 0
			}
			_, inA := d.a[k]
			if _, inB := d.b[k]; !inA || !inB {
				return fmt.Errorf("sub-network %d: the tables do not both have %v", i, Key{c.R, b})
			}
			if times[k]++; times[k] == 1 {
				keys = append(keys, k)
			}
		}
		var terms []term
		for _, k := range keys {
			terms = append(terms, term{d.a[k], d.b[k], times[k]})
		}
		d.add(DiffSum, c.String(), terms)
	}
	return nil
}

func (d *differ) networks(a, b *Table) {
	theirs := map[string]Latency{}
	for _, n := range b.Networks {
		theirs[n.Arch] = n.Latency
	}
	for _, n := range a.Networks {
		if l, ok := theirs[n.Arch]; ok {
			d.add(DiffNetwork, n.Arch, []term{{n.Latency, l, 1}})
		}
	}
}

// judge corrects the tests and gives verdicts.
func (d *differ) judge() {
	r := d.report
	p := make([]float64, len(r.Rows))
	for i, row := range r.Rows {
		p[i] = row.P
		if row.Verdict == Untested {
			p[i] = math.NaN()
		} else {
			r.Tested++
		}
	}
	for i, corrected := range stats.Holm(p) {
		row := &r.Rows[i]
		if row.Verdict == Untested {
			continue
		}
		row.Corrected = corrected
		if corrected < d.o.Alpha && math.Abs(row.Ratio-1) >= d.o.Smallest {
			row.Verdict = Faster
			r.Faster++
			if row.Ratio > 1 {
				row.Verdict = Slower
				r.Faster--
				r.Slower++
			}
		}
	}
}

// warn says what the comparison cannot say.
func (d *differ) warn(a, b *Table) {
	r := d.report
	warn := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	for _, x := range a.Point.Differences(b.Point) {
		warn("operating points: %v", x)
	}
	for _, t := range []*Table{a, b} {
		if t.Origin == Modelled {
			warn("the table of %s/%s is modelled: %s", t.Point.Device, t.Point.Processor, t.Source)
		}
	}
	if n := len(r.Rows) - r.Tested; n > 0 {
		warn("%d of %d rows are not tested: neither interval and count nor mean, standard deviation and count are known on both sides", n, len(r.Rows))
	}
	means := 0
	for _, row := range r.Rows {
		if row.Basis == "means" {
			means++
		}
	}
	if means > 0 {
		warn("%d rows compare means by the normal approximation, for want of medians with intervals", means)
	}
	if d.o.RunToRun == 0 && r.Tested > 0 {
		warn("what changes from one measurement of a whole table to the next is not in the intervals: measure twice, and give the scatter as run-to-run deviation")
	}
}
