package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search"
	searchplot "github.com/dynofa/dynofa/search/plot"
	"github.com/dynofa/dynofa/search/store"
)

func deadlineFlag(to *time.Duration) cli.Flag {
	return &cli.DurationFlag{Name: "deadline", Usage: "show the probability that one inference ends in this time", Destination: to}
}

// frontOptions say how a front is shown.
type frontOptions struct {
	format   string
	limit    int // networks shown as text, evenly spaced; machines get all
	deadline time.Duration
	doubts   []string // about the choice of the run's table
}

// doubt is what is known of the uncertainty of a front's numbers, network by network.
type doubt struct {
	ties    []search.Tie
	latency []unit.Nanoseconds // half-widths of 95% intervals; nil: unknown
	meets   []float64          // nil: not asked for, or unknown
	bars    map[int]search.AccuracyError
	notes   []string
	audit   []string // a line about the table's faults, if it has any
}

// half95 is the half-width of a 95% interval in standard deviations of a normal distribution.
const half95 = 1.959963984540054

// doubtOf works out the uncertainty of a front from the table that it was predicted from and the errors
// that its accuracy predictor stated.
func doubtOf(ctx context.Context, study *study, run *store.Run, deadline time.Duration) (*doubt, error) {
	d := &doubt{bars: map[int]search.AccuracyError{}}
	for _, e := range run.Result.AccuracyErrors {
		d.bars[e.Resolution] = e
	}
	table, predictor, err := runPredictor(ctx, study, run)
	if err != nil {
		return nil, err
	}
	if note, err := auditNote(table); err != nil {
		return nil, err
	} else if note != "" {
		d.audit = []string{note}
	}
	front := run.Result.Front
	var comparer search.Comparer
	if predictor != nil {
		comparer = predictor
	}
	var reason error
	if d.ties, reason = search.Ties(front, comparer, run.Result.AccuracyErrors); reason != nil {
		d.notes = append(d.notes, fmt.Sprintf("ties by latency are unknown: %v", reason))
	}
	if predictor == nil {
		return d, nil
	}
	for i := range front {
		se, err := predictor.StandardError(front[i].Arch)
		if err != nil {
			d.latency = nil
			break
		}
		d.latency = append(d.latency, unit.Nanoseconds(half95)*se)
	}
	if deadline == 0 {
		return d, nil
	}
	for i := range front {
		p, err := predictor.Meets(front[i].Arch, unit.Nanoseconds(deadline))
		if err != nil {
			d.meets = nil
			d.notes = append(d.notes, fmt.Sprintf("the probability to end in %v is unknown: %v", deadline, err))
			return d, nil
		}
		d.meets = append(d.meets, p)
	}
	d.notes = append(d.notes, fmt.Sprintf("probability that one inference ends in %v: %s", deadline, predictor.MeetsBasis()))
	return d, nil
}

// runPredictor returns the table of a run's latencies and its predictor, nil if the table is not in the study any more.
func runPredictor(ctx context.Context, study *study, run *store.Run) (*lut.Table, *lut.Predictor, error) {
	if run.Table.ID == 0 {
		return nil, nil, nil
	}
	table, err := study.Table(ctx, lut.Query{ID: run.Table.ID})
	if err != nil {
		return nil, nil, err
	}
	space, err := run.Result.Supernet()
	if err != nil {
		return nil, nil, err
	}
	predictor, err := lut.NewPredictor(table, space)
	return table, predictor, err
}

// auditNote says what an audit finds wrong with a table that somebody else measured; what is wrong with our own stands among its
// warnings.
func auditNote(table *lut.Table) (string, error) {
	if table == nil || table.Origin != lut.Imported {
		return "", nil
	}
	space, err := table.Supernet()
	if err != nil {
		return "", err
	}
	report, err := lut.Audit(table, lut.AuditOptions{Space: space, MaxEvidence: 1})
	if err != nil {
		return "", err
	}
	var faults []string
	for _, f := range report.Findings {
		if f.Severity == lut.Fault {
			faults = append(faults, f.Message)
		}
	}
	if len(faults) == 0 {
		return "", nil
	}
	return fmt.Sprintf("latency: the audit finds faults in this table ('dynofa lut audit --table %d' shows them): %s", table.ID, strings.Join(faults, "; ")), nil
}

// printFront prints a run and its front, with what is doubtful about it.
func printFront(c *cli.Context, study *study, run *store.Run, o frontOptions) error {
	r := &run.Result
	d, err := doubtOf(c.Context, study, run, o.deadline)
	if err != nil {
		return err
	}
	text := o.format == command.FormatText
	if text {
		stop := string(r.Stop)
		if r.Reason != "" {
			stop += ": " + r.Reason
		}
		fmt.Fprintf(c.App.Writer, "search %d: %d networks on the front, %d evaluations (%s), seed %d, %s\n",
			run.ID, len(r.Front), r.Evaluations, stop, r.Seed, r.Method)
	} else {
		o.limit = len(r.Front)
	}
	g := &command.Grid{Head: frontHead(r, d, o)}
	shown := 0
	for i := range r.Front {
		if len(r.Front) > o.limit && i*(o.limit-1)/(len(r.Front)-1) < shown {
			continue
		}
		shown++
		if text {
			g.Add(textRow(r, d, i)...)
		} else {
			g.Add(machineRow(r, d, o, i)...)
		}
	}
	if text && shown < len(r.Front) {
		g.Note("%d of %d networks are shown; --format csv prints all", shown, len(r.Front))
	}
	for _, q := range r.Objectives {
		g.Note("objective: %v", q)
	}
	for _, q := range r.Constraints {
		g.Note("constraint: %v", q)
	}
	noteDoubt(g, r, d)
	g.Note("latency: %s", tableNote(run.Table))
	for _, w := range slices.Concat(run.Table.Point.Doubts(), o.doubts, run.Table.Warnings) {
		g.Note("latency: %s", w)
	}
	g.Note("accuracy: %s", accuracyNote(r.Accuracy))
	return g.Print(c.App.Writer, o.format)
}

// frontHead names the columns. Machines always get those of the uncertainty, empty where it is not known.
func frontHead(r *search.Result, d *doubt, o frontOptions) []string {
	var others []string
	if len(r.Front) > 0 {
		for _, v := range r.Front[0].Others {
			others = append(others, v.Quantity.String())
		}
	}
	head := []string{"accuracy", "latency", "macs"}
	if o.format != command.FormatText {
		head[1] = "latency_ns"
		head = append(append(head, others...), "accuracy_sd", "latency_se_ns", "ties", "tied_with")
		if o.deadline != 0 {
			head = append(head, "meets_deadline")
		}
		return append(head, "arch")
	}
	head = append(append(head, others...), "ties")
	if d.meets != nil {
		head = append(head, "meets "+o.deadline.String())
	}
	return append(head, "arch")
}

func textRow(r *search.Result, d *doubt, i int) []any {
	f := &r.Front[i]
	accuracy, latency := f.Accuracy.String(), f.Latency.String()
	if bar, ok := d.bars[f.Arch.R]; ok {
		accuracy += fmt.Sprintf(" +-%.2f", half95*bar.Bar.StdDev.Percent())
	}
	if d.latency != nil {
		latency += " +-" + d.latency[i].String()
	}
	row := []any{accuracy, latency, fmt.Sprintf("%.1f M", float64(f.MACs)/1e6)}
	for _, v := range f.Others {
		row = append(row, v.Quantity.Format(v.Value))
	}
	switch t := d.ties[i]; {
	case t.Both < 0:
		row = append(row, "?")
	default:
		row = append(row, t.Both)
	}
	if d.meets != nil {
		row = append(row, search.Quantity{Kind: search.KindMeets}.Format(d.meets[i]))
	}
	return append(row, f.Arch)
}

func machineRow(r *search.Result, d *doubt, o frontOptions, i int) []any {
	f := &r.Front[i]
	row := []any{float64(f.Accuracy), float64(f.Latency), f.MACs}
	for _, v := range f.Others {
		row = append(row, v.Value)
	}
	var bar, se, ties, tied, meets any = "", "", "", "", ""
	if b, ok := d.bars[f.Arch.R]; ok {
		bar = float64(b.Bar.StdDev)
	}
	if d.latency != nil {
		se = float64(d.latency[i]) / half95
	}
	if t := d.ties[i]; t.Both >= 0 {
		ties, tied = t.Both, t.First
	}
	row = append(row, bar, se, ties, tied)
	if d.meets != nil {
		meets = d.meets[i]
	}
	if o.deadline != 0 {
		row = append(row, meets)
	}
	return append(row, f.Arch)
}

// spreads returns what a picture of the front shows of them.
func (d *doubt) spreads(r *search.Result) []searchplot.Spread {
	if d.latency == nil && len(d.bars) == 0 {
		return nil
	}
	list := make([]searchplot.Spread, len(r.Front))
	for i := range list {
		if d.latency != nil {
			list[i].Latency = d.latency[i]
		}
		list[i].Accuracy = half95 * d.bars[r.Front[i].Arch.R].Bar.StdDev
	}
	return list
}

// noteDoubt says what the columns of the uncertainty mean, and how far the front is a front.
func noteDoubt(g *command.Grid, r *search.Result, d *doubt) {
	tied := 0
	for _, t := range d.ties {
		if t.Both > 0 {
			tied++
		}
	}
	if len(d.ties) > 0 && d.ties[0].Both >= 0 {
		by := "latency alone, as the predictor does not state its errors"
		switch {
		case d.latency != nil && len(d.bars) > 0:
			by = "latency and accuracy"
		case d.latency == nil:
			by = "accuracy alone, as the table does not state its intervals"
		}
		g.Note("ties: how many others of the front cannot be told from this network by the 95%% intervals of %s; %d of %d have any", by, tied, len(r.Front))
	}
	if d.latency != nil {
		g.Note("+- of latency: 95%% interval from the table's entries alone; what a sum over blocks gets wrong as a whole is not in it")
	}
	if len(d.bars) > 0 {
		g.Note("+- of accuracy: 95%% interval, 1.96 root mean squared errors of the predictor on networks that it had not seen, in points")
	}
	for _, n := range slices.Concat(d.audit, d.notes) {
		g.Note("%s", n)
	}
}
