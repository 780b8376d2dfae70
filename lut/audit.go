package lut

import (
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Severity says how bad a Finding is.
type Severity string

// The severities, worst first.
const (
	Fault Severity = "fault" // the table is wrong, or useless for what it claims
	Doubt Severity = "doubt" // it may be wrong: look at the evidence
	Note  Severity = "note"  // worth knowing, nothing is wrong
)

// Code names a check of the audit.
type Code string

// The checks.
const (
	CodeMissing         Code = "missing"          // blocks of the space without an entry
	CodeForeign         Code = "foreign"          // entries that are no block of the space
	CodeCopied          Code = "copied"           // entries identical to another table's
	CodeRepeated        Code = "repeated"         // different blocks with identical statistics
	CodeKernelOrder     Code = "kernel-order"     // a larger kernel is cheaper, all else equal
	CodeExpandOrder     Code = "expand-order"     // a larger expand ratio is cheaper, all else equal
	CodeResolutionOrder Code = "resolution-order" // a higher resolution does not raise the sum of all entries
	CodeKernelFlat      Code = "kernel-flat"      // latency does not follow the kernel size
	CodeExpandFlat      Code = "expand-flat"      // latency does not follow the expand ratio
	CodeResolutionFlat  Code = "resolution-flat"  // latency does not follow the resolution
	CodeSpread          Code = "spread"           // standard deviation against mean
	CodeSamples         Code = "samples"          // too few samples, or too wide an interval
	CodeTail            Code = "tail"             // a 99th percentile from too few samples
	CodeMixed           Code = "mixed-samples"    // sample counts differ
	CodeRoofline        Code = "roofline"         // entries faster than the device can be
	CodeUnit            Code = "unit"             // seconds or microseconds taken for milliseconds
	CodeSum             Code = "sum"              // sums against measured whole networks
	CodeGrade           Code = "grade"            // entries that whoever measured them would not use
	CodeWarnings        Code = "warnings"         // what the table says of itself
)

// Evidence is one instance of a finding.
type Evidence struct {
	Where string `json:"where"` // a key, a resolution, a network
	What  string `json:"what"`  // the numbers
}

// Finding is something an audit found: Count of Of instances, and what they look like.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"` // one line with the numbers
	Count    int      `json:"count"`
	Of       int      `json:"of"`
	// Raw counts instances before intervals are looked at: it is above Count where intervals that
	// overlap excuse some.
	Raw      int        `json:"raw"`
	Evidence []Evidence `json:"evidence,omitempty"` // worst first, at most AuditOptions.MaxEvidence
}

// Check is a check that found nothing, or could not be made.
type Check struct {
	Code Code   `json:"code"`
	Text string `json:"text"` // what was looked at, or why it was not
}

// AuditReport is what an audit found. Lists are in the order of the codes.
type AuditReport struct {
	Device    string    `json:"device"`
	Processor string    `json:"processor"`
	Space     string    `json:"space"`
	Origin    Origin    `json:"origin"`
	Source    string    `json:"source"`
	Entries   int       `json:"entries"`
	Findings  []Finding `json:"findings"`
	Passed    []Check   `json:"passed"`
	Skipped   []Check   `json:"skipped"`
}

// Count returns how many findings have the severity.
func (r *AuditReport) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// AuditOptions is what an audit may compare a table with. The zero value audits the table by itself.
type AuditOptions struct {
	// Space is the table's space; nil skips the checks of missing and foreign keys and of sums.
	Space *supernet.Space
	// Others are tables of other devices or processors that the table should share no entry with.
	Others []*Table
	// Known are whole networks measured at the table's operating point; the table's own are judged
	// too, by themselves.
	Known []NetworkLatency
	// PeakMACs is the most multiply-accumulates per second that the device can do, 0 if not known.
	// Without it entries are compared with each other, which finds only a few that stand out.
	PeakMACs float64
	// PeakBytes is the most bytes per second that the device can move from or to memory, 0 if not
	// known. Leave it out where blocks fit a cache.
	PeakBytes float64
	// MaxEvidence bounds the evidence per finding; 0 stands for 10.
	MaxEvidence int
}

// Audit looks for everything in a table that a measurement done right does not give, and shows the
// evidence. It knows no device: what it calls a fault contradicts arithmetic, other tables or the
// table itself.
//
// Pairs are counted like this: two entries at the same resolution whose blocks differ in the kernel
// size alone (or in the middle channels alone, that is in the expand ratio), with no third between
// them, make one pair. A resolution of a space with three kernel sizes, three expand ratios and two
// kinds of block per stage (the first and the others) in five stages has 5*2*3*2 = 60 pairs of
// either sort, 17 resolutions have 1020.
//
// It returns an error for a table that is not valid, for a space that is not the table's, and for
// options that are not numbers of a device. It changes nothing.
func Audit(t *Table, o AuditOptions) (*AuditReport, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if o.Space != nil && o.Space.Name != t.Space {
		return nil, fmt.Errorf("lut: audit: the table is for space %q, not %q", t.Space, o.Space.Name)
	}
	if !(o.PeakMACs >= 0 && o.PeakBytes >= 0) || math.IsInf(o.PeakMACs+o.PeakBytes, 0) {
		return nil, fmt.Errorf("lut: audit: peaks of %g multiply-accumulates and %g bytes per second are not a device's", o.PeakMACs, o.PeakBytes)
	}
	if o.MaxEvidence <= 0 {
		o.MaxEvidence = 10
	}
	a := &auditor{t: t, o: o, report: &AuditReport{
		Device: t.Point.Device, Processor: t.Point.Processor, Space: t.Space, Origin: t.Origin, Source: t.Source, Entries: len(t.Entries),
	}}
	sorted := Table{Entries: slices.Clone(t.Entries)}
	sorted.Sort()
	a.entries = sorted.Entries
	a.unmeasured()
	for _, check := range []func() error{
		a.keys, a.copied, a.repeated, a.kernels, a.expands, a.columns,
		a.spread, a.samples, a.tail, a.mixed, a.roofline, a.unit, a.sums, a.grades, a.warnings,
	} {
		if err := check(); err != nil {
			return nil, fmt.Errorf("lut: audit: %w", err)
		}
	}
	return a.report, nil
}

// auditor is an audit under way.
type auditor struct {
	t       *Table
	o       AuditOptions
	entries []Entry // sorted
	report  *AuditReport
	// measured leaves out entries that say that they are interpolated or fitted: N is 0 and the
	// table is modelled. What they lack in samples is no fault.
	measured []Entry
}

func (a *auditor) unmeasured() {
	for _, e := range a.entries {
		if a.t.Origin != Modelled || e.Latency.N > 0 {
			a.measured = append(a.measured, e)
		}
	}
}

func (a *auditor) find(f Finding) {
	if f.Raw == 0 {
		f.Raw = f.Count
	}
	if len(f.Evidence) > a.o.MaxEvidence {
		f.Evidence = f.Evidence[:a.o.MaxEvidence]
	}
	a.report.Findings = append(a.report.Findings, f)
}

func (a *auditor) pass(c Code, format string, args ...any) {
	a.report.Passed = append(a.report.Passed, Check{c, fmt.Sprintf(format, args...)})
}

func (a *auditor) skip(c Code, format string, args ...any) {
	a.report.Skipped = append(a.report.Skipped, Check{c, fmt.Sprintf(format, args...)})
}

// ranked is evidence with the number that ranks it.
type ranked struct {
	badness float64
	Evidence
}

// worst returns evidence by falling badness; equal ones keep their order.
func worst(list []ranked) []Evidence {
	slices.SortStableFunc(list, func(a, b ranked) int {
		switch {
		case a.badness > b.badness:
			return -1
		case a.badness < b.badness:
			return 1
		}
		return 0
	})
	var evidence []Evidence
	for _, r := range list {
		evidence = append(evidence, r.Evidence)
	}
	return evidence
}

// median returns the middle of values, the mean of the middle two of an even number; NaN of none.
// It sorts values.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// percent prints a share as in "34%" or "2.8%".
func percent(f float64) string {
	if math.Abs(f) >= 0.095 {
		return fmt.Sprintf("%.0f%%", 100*f)
	}
	return fmt.Sprintf("%.1f%%", 100*f)
}
