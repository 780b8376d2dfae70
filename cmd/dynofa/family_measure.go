package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/eval"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/search/store"
)

func familyMeasureCommand() *cli.Command {
	var f testFlags
	var db, name, checkpoint, format string
	return &cli.Command{
		Name:  "measure",
		Usage: "measure the accuracy of a family's levels and store the family with it",
		Description: "The levels are ordered by what was measured. One that is neither more accurate nor, on any processor, faster than\n" +
			"another has no use any more and is left out. Neighbours are compared on the same pictures (McNemar's exact test).",
		Flags: append([]cli.Flag{command.DBFlag(&db), familyFlag(&name), checkpointFlag(&checkpoint), command.OutputFlag(&format)}, f.flags()...),
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			if err := command.Required("checkpoint", checkpoint); err != nil {
				return err
			}
			study, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			fam, err := study.Family(c.Context, name)
			if err != nil {
				return err
			}
			space, err := fam.Supernet()
			if err != nil {
				return err
			}
			m, err := f.open(c, study, space, checkpoint)
			if err != nil {
				return err
			}
			defer m.close()
			var archs []supernet.Arch
			for _, l := range fam.Levels {
				archs = append(archs, l.Arch)
			}
			list, err := m.evaluateAll(c, archs)
			if err != nil {
				return err
			}
			g, err := measuredFamily(fam, list, m)
			if err != nil {
				return err
			}
			if _, err := study.PutFamily(c.Context, g.family, 0, now()); err != nil {
				return err
			}
			return g.print(c, format)
		},
	}
}

// remeasured is a family with measured accuracies.
type remeasured struct {
	family *family.Family
	levels []measuredLevel // of the family, then those left out
	source string
}

type measuredLevel struct {
	was        int // level in the family as it was
	expected   unit.Accuracy
	origin     family.AccuracyOrigin
	evaluation *store.Evaluation
	dominated  bool
}

// measuredFamily orders a family's levels by their measured accuracies and leaves dominated ones out.
func measuredFamily(f *family.Family, list []*store.Evaluation, m *measurer) (*remeasured, error) {
	r := &remeasured{source: fmt.Sprintf("%s, %s (sha256:%s); weights: %s; recalibration: %s", m.test.Source, m.test.order, m.test.sha256, m.source, m.recalibration(f.Levels[0].Arch))}
	for i, l := range f.Levels {
		r.levels = append(r.levels, measuredLevel{was: i, expected: l.Accuracy, origin: l.AccuracyOrigin, evaluation: list[i]})
	}
	for i := range r.levels {
		r.levels[i].dominated = slices.ContainsFunc(r.levels, func(o measuredLevel) bool { return dominates(f, o, r.levels[i]) })
	}
	slices.SortStableFunc(r.levels, func(a, b measuredLevel) int {
		if a.dominated != b.dominated {
			if a.dominated {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.evaluation.Accuracy(), b.evaluation.Accuracy())
	})
	out := *f
	out.Levels, out.Notes = nil, nil
	for _, n := range f.Notes {
		if strings.HasPrefix(n, "Accuracies are predicted") { // no longer
			n = "chosen by predicted accuracies: " + n
		}
		out.Notes = append(out.Notes, n)
	}
	var left []string
	for _, l := range r.levels {
		if l.dominated {
			left = append(left, fmt.Sprintf("%d (%v expected, %v measured)", l.was, l.expected, l.evaluation.Accuracy()))
			continue
		}
		level := f.Levels[l.was]
		level.Accuracy, level.AccuracyOrigin = l.evaluation.Accuracy(), family.AccuracyMeasured
		out.Levels = append(out.Levels, level)
	}
	if len(left) > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("left out of the family as chosen: level %s; others measured at least as accurate and are as fast on every processor", strings.Join(left, ", ")))
	}
	images := list[0].Images
	out.Notes = append(out.Notes, fmt.Sprintf("accuracy: MEASURED top-1 on %d pictures of %s", images, r.source))
	slices.Sort(out.Notes)
	out.Notes = slices.Compact(out.Notes)
	r.family = &out
	return r, out.Validate()
}

// dominates tells whether level a makes level b useless: at least as accurate and as fast everywhere, and
// better in one of these. Of equal levels the first stays.
func dominates(f *family.Family, a, b measuredLevel) bool {
	if a.was == b.was || a.evaluation.Accuracy() < b.evaluation.Accuracy() {
		return false
	}
	better := a.evaluation.Accuracy() > b.evaluation.Accuracy() || a.was < b.was
	for i, l := range f.Levels[a.was].Latencies {
		other := f.Levels[b.was].Latencies[i].Latency
		if l.Latency > other {
			return false
		}
		better = better || l.Latency < other
	}
	return better
}

// print shows expected and measured accuracies.
func (r *remeasured) print(c *cli.Context, format string) error {
	g := &command.Grid{Head: []string{"level", "was", "expected", "expected_origin", "top1", "top1_95%", "top5", "images", "better_than_below", "mcnemar_p", "arch"}}
	for i, l := range r.levels {
		e := l.evaluation
		one, five := lut.NewShare(e.Top1, e.Images), lut.NewShare(e.Top5, e.Images)
		level, more, p := fmt.Sprint(i), "-", "-"
		if l.dominated {
			level = "left out"
		} else if i > 0 {
			pair, err := eval.McNemar(e.Ranks, r.levels[i-1].evaluation.Ranks)
			if err != nil {
				return err
			}
			more, p = fmt.Sprintf("%d:%d", pair.OnlyA, pair.OnlyB), fmt.Sprintf("%.2g", pair.P)
		}
		g.Add(level, l.was, l.expected, l.origin, e.Accuracy(), interval(one), unit.Accuracy(share(five)), e.Images, more, p, e.Inputs.Arch)
	}
	g.Note("family %s; measured on %s", r.family.Name, r.source)
	g.Note("better_than_below: pictures that only this level answers right : that only the level below does; mcnemar_p: how likely as uneven a split is between levels that are equally good")
	return g.Print(c.App.Writer, format)
}
