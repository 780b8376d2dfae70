package profile

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// table summarises the samples.
func (r *run) table() (*lut.Table, error) {
	for u, s := range r.partial {
		r.samples.units[u] = append(r.samples.units[u], s...)
	}
	r.Clock = r.clock()
	t := &lut.Table{Space: r.Space.Name, SpaceDescription: r.Space.Description(), Point: r.Point, Origin: lut.Measured, Source: r.Source,
		Created: r.Created, Warnings: slices.Clone(r.Warnings)}
	summaries := make([]lut.Latency, r.plan.units())
	for u := range summaries {
		summaries[u] = r.summary(u)
	}
	caps := r.conditions.doubts()
	if r.neighbours {
		caps = append(caps, unseen)
	}
	correction, seamFacts, doubt := r.corrections(summaries)
	if doubt != "" {
		caps = append(caps, doubt)
	}
	var missing []string
	var apart []lut.Entry
	for u, target := range r.plan.targets {
		if len(r.Only) > 0 && !slices.Contains(r.Only, lut.Key{Resolution: target.resolution, Block: target.block}) {
			continue // measured for the protocol
		}
		if summaries[u].N == 0 {
			missing = append(missing, r.plan.name(u))
			continue
		}
		key := lut.Key{Resolution: target.resolution, Block: target.block}
		apart = append(apart, lut.Entry{Key: key, Latency: summaries[u]})
		l := shift(summaries[u], correction[u])
		l.Grade, l.Warnings = r.grade(u, l, target.block)
		t.Entries = append(t.Entries, lut.Entry{Key: key, Latency: l})
	}
	if len(t.Entries) == 0 {
		return nil, fmt.Errorf("%w: %v, %d blocks, %d networks", ErrBudget, r.Budget, len(r.plan.targets), len(r.plan.networks))
	}
	if len(missing) > 0 {
		caps = append(caps, fmt.Sprintf("%d of %d blocks are missing, there was no time: %s", len(missing), len(r.plan.targets), firstFew(missing)))
	}
	missing = nil
	for i, a := range r.plan.networks {
		u := r.plan.network(i)
		if summaries[u].N == 0 {
			missing = append(missing, a.String())
			continue
		}
		l := summaries[u]
		blocks, err := r.Space.Blocks(a)
		if err != nil {
			return nil, err
		}
		l.Grade, l.Warnings = r.grade(u, l, blocks...)
		t.Networks = append(t.Networks, lut.NetworkLatency{Arch: a.String(), Latency: l})
	}
	if len(missing) > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("%d of %d whole networks are missing, there was no time", len(missing), len(r.plan.networks)))
	}
	gradeTable(t, caps)
	t.Sort()
	t.Provenance = slices.Concat(r.Facts, r.facts(summaries[r.plan.null()]), r.conditions.facts(), seamFacts)
	if len(t.Entries) == len(r.plan.targets) && len(r.Only) == 0 {
		facts, err := r.judge(t, r.judgedBy(t, apart))
		if err != nil {
			return nil, err
		}
		t.Provenance = append(t.Provenance, facts...)
	}
	t.Provenance = append(t.Provenance, lut.Fact{Name: factPrefix + "grade", Value: string(t.Grade)})
	return t, t.Validate()
}

// summary summarises a unit's samples.
func (r *run) summary(u int) lut.Latency {
	times, preempted, aside := r.samples.units[u].use(r.Clock)
	l := summarize(times, r.alpha())
	l.Preempted = preempted
	if len(times) > 0 {
		l.Samples = &lut.Samples{Times: times}
	}
	if preempted > 0 && !aside { // the tail may be the others'
		l.P99 = unit.Nanoseconds(math.NaN())
	}
	return l
}

func (r *run) alpha() float64 {
	if r.Rounds > 0 {
		return 0.05
	}
	return lookAlpha
}

func (r *run) grade(u int, l lut.Latency, blocks ...supernet.Block) (lut.Grade, []string) {
	times, preempted, aside := r.samples.units[u].use(r.Clock)
	g, why := grade(l, times, len(r.samples.units[u]), r.roofline(blocks...))
	if r.neighbours && lut.GradeC.Worse(g) {
		g, why = lut.GradeC, append(why, unseen)
	}
	if g.Worse(lut.GradeB) && aside {
		why = append(why, fmt.Sprintf("%d preempted samples were set aside", preempted))
	}
	return g, why
}

// corrections returns what each target alone costs more than in a network, in nanoseconds.
func (r *run) corrections(summaries []lut.Latency) (by []float64, facts []lut.Fact, doubt string) {
	by = make([]float64, len(r.plan.targets))
	if len(r.plan.pairs) == 0 {
		return by, nil, ""
	}
	for u := range r.plan.network(0) {
		if summaries[u].N == 0 {
			return by, nil, "there was no time to measure seams: entries hold what a block costs alone, and sums come out too large"
		}
	}
	s := r.plan.solveSeams(func(u int) float64 { return float64(summaries[u].P50) })
	clamped := 0
	for i, target := range r.plan.targets {
		by[i] = math.Round(s.of(target)) // whole nanoseconds, as samples are
		if most := mostCorrection * float64(summaries[i].Min); by[i] > most {
			by[i] = math.Floor(most)
			clamped++
		}
	}
	facts = append(s.facts, lut.Fact{Name: factPrefix + "seams cut", Value: fmt.Sprintf("%d blocks would give more than %.0f%% of their fastest run", clamped, 100*mostCorrection)})
	return by, facts, ""
}

// mostCorrection is the share of a block's fastest run that may be taken off for its seams.
const mostCorrection = 0.8

// shift takes a constant, whole nanoseconds, off a distribution.
func shift(l lut.Latency, by float64) lut.Latency {
	d := unit.Nanoseconds(by)
	for _, p := range []*unit.Nanoseconds{&l.Min, &l.P50, &l.P90, &l.P99, &l.Mean, &l.CILow, &l.CIHigh} {
		*p -= d
	}
	if l.Samples != nil {
		times := slices.Clone(l.Samples.Times)
		for i := range times {
			times[i] -= time.Duration(by)
		}
		l.Samples = &lut.Samples{Times: times}
	}
	return l
}

// facts returns what the protocol adds to the provenance.
func (r *run) facts(null lut.Latency) []lut.Fact {
	all, preempted := 0, 0
	for _, s := range r.samples.units {
		all += len(s)
		for _, x := range s {
			if x.Preempted {
				preempted++
			}
		}
	}
	clock := "wall time"
	if r.Clock == Thread {
		clock = "processor time of the measuring thread"
	}
	seams := "not measured: entries hold what a block costs alone"
	if n := len(r.plan.pairs); n > 0 {
		seams = fmt.Sprintf("taken off: %d pairs of blocks, %d for each kind of seam", n, r.Seams)
	}
	estimate := "median over the time of measuring, 95% interval by order statistics"
	if r.Rounds == 0 {
		estimate += fmt.Sprintf(", the whole stopping rule included (looks after %d rounds and half as many more each time, at 96%%)", firstLook)
	}
	list := []lut.Fact{
		{Name: "protocol", Value: "rotation: a round visits every block once, in network order, dealt at random to walks; whole networks between walks"},
		{Name: "seams", Value: seams},
		{Name: "timed region", Value: r.meter.TimedRegion()},
		{Name: "clock", Value: clock},
		{Name: "estimate", Value: estimate},
		{Name: "rounds kept", Value: strconv.Itoa(r.samples.rounds)},
		{Name: "rounds of earlier runs", Value: strconv.Itoa(r.resumed)},
		{Name: "warm-up rounds dropped", Value: strconv.Itoa(r.warmup)},
		{Name: "samples", Value: fmt.Sprintf("%d, preempted %d", all, preempted)},
		{Name: "stopped because", Value: r.stop},
		{Name: "null model", Value: fmt.Sprintf("%v, %d samples: what running anything takes", null.P50, null.N)},
		{Name: "roofline", Value: r.rooflineText()},
		{Name: "seed", Value: strconv.FormatUint(r.Seed, 10)},
	}
	if r.Now != nil {
		list = append(list, lut.Fact{Name: "measuring took", Value: r.elapsed().Round(time.Millisecond).String()})
	}
	for i := range list {
		list[i].Name = factPrefix + list[i].Name
	}
	return list
}

func (r *run) rooflineText() string {
	if r.Peak < 0 {
		return "no gate"
	}
	return fmt.Sprintf("%.4g operations per second at most", r.Peak)
}

// firstFew lists at most five names.
func firstFew(names []string) string {
	const most = 5
	if n := len(names) - most; n > 0 {
		return strings.Join(names[:most], "; ") + fmt.Sprintf("; and %d more", n)
	}
	return strings.Join(names, "; ")
}
