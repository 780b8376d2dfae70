package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/store"
)

// measured is the --accuracy argument that fits to the study's own measurements.
const measured = "measured"

// measurements are a space's measured accuracies under the conditions that most were measured under: same
// weights, pictures and inputs, recalibrated or not. Of equally many those of the newest count.
type measurements struct {
	space *supernet.Space
	rows  []accuracy.Measurement // in the order of measuring
	from  store.EvaluationInputs // conditions; of the newest of them
	left  int                    // measured under other conditions
}

func findMeasurements(ctx context.Context, study *study, space *supernet.Space) (*measurements, error) {
	list, err := study.Evaluations(ctx, space.Name)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the study has no measured accuracies of %s: measure some with dynofa eval --random", space.Name)
	}
	groups, most := map[conditions][]*store.Evaluation{}, conditions{}
	for _, e := range list {
		c := conditionsOf(&e.Inputs)
		groups[c] = append(groups[c], e)
		if len(groups[c]) >= len(groups[most]) {
			most = c
		}
	}
	m := &measurements{space: space, left: len(list) - len(groups[most])}
	for _, e := range groups[most] {
		m.from = e.Inputs
		m.rows = append(m.rows, accuracy.Measurement{Arch: e.Inputs.Arch, Top1: e.Accuracy()})
	}
	return m, nil
}

// conditions are what accuracies must have in common to be compared.
type conditions struct {
	weights, data, order, transform string
	recalibrated                    bool
}

func conditionsOf(in *store.EvaluationInputs) conditions {
	return conditions{in.Weights, in.DataSHA256, in.Order, in.Transform, in.Recalibration != noCalibration}
}

// fit fits a predictor to rows.
func (m *measurements) fit(rows []accuracy.Measurement) (*accuracy.Fitted, []byte, error) {
	var text bytes.Buffer
	if err := accuracy.WriteCSV(&text, m.space, rows); err != nil {
		return nil, nil, err
	}
	file := text.Bytes()
	f, err := accuracy.FitCSV(fmt.Sprintf("measured on %s, %s, weights %.23s", m.from.Data, m.from.Order, m.from.Weights), bytes.NewReader(file), m.space)
	return f, file, err
}

func evalFitCommand() *cli.Command {
	var db, spaceName, output, format string
	var heldOut int
	return &cli.Command{
		Name:  "fit",
		Usage: "fit an accuracy predictor to the study's measurements and say how well it does on sub-networks that it has not seen",
		Description: "search run --accuracy measured uses the same fit, to all measurements. All are of the same weights, pictures and\n" +
			"inputs, those that most were measured with; others are left out.",
		Flags: []cli.Flag{
			command.DBFlag(&db),
			command.SpaceFlag(&spaceName, ""),
			&cli.IntFlag{Name: "held-out", Usage: "`NUMBER` of measurements, the last ones, to hold back and compare with; 0: a third", Destination: &heldOut},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write all measurements to `FILE.csv`, for search run --accuracy FILE.csv", Destination: &output},
			command.OutputFlag(&format),
		},
		Action: func(c *cli.Context) error {
			if err := errors.Join(command.Required("space", spaceName), command.CheckFormat(format)); err != nil {
				return err
			}
			space, err := command.OpenSpace(spaceName)
			if err != nil {
				return err
			}
			study, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			m, err := findMeasurements(c.Context, study, space)
			if err != nil {
				return err
			}
			if heldOut == 0 {
				heldOut = len(m.rows) / 3
			}
			if heldOut < 2 || heldOut >= len(m.rows) {
				return command.Usagef("--held-out %d of %d measurements", heldOut, len(m.rows))
			}
			return m.report(c, heldOut, output, format)
		},
	}
}

// report fits to all but the last measurements, compares with those, and fits to all.
func (m *measurements) report(c *cli.Context, heldOut int, output, format string) error {
	n := len(m.rows) - heldOut
	fitted, _, err := m.fit(m.rows[:n])
	if err != nil {
		return err
	}
	score, err := accuracy.Compare(fitted, m.rows[n:])
	if err != nil {
		return err
	}
	all, file, err := m.fit(m.rows)
	if err != nil {
		return err
	}
	if output != "" {
		err := command.WriteFile(output, func(f *os.File) error {
			_, err := f.Write(file)
			return err
		})
		if err != nil {
			return err
		}
	}
	g := &command.Grid{Head: []string{"compared", "networks", "tau", "mae", "rmse", "bias"}}
	add := func(what string, s accuracy.Score) {
		g.Add(what, s.Rows, fmt.Sprintf("%.4f", s.Tau), points(s.MAE.Percent()), points(s.RMSE.Percent()), points(s.Bias.Percent()))
	}
	add(fmt.Sprintf("held out, fitted to the other %d", n), score)
	v := all.Validation()
	add(fmt.Sprintf("cross-validation in %d parts", v.Folds), v.All)
	for _, r := range v.Resolutions {
		add(fmt.Sprintf("  of which at %d pixels", r.R), r.Score)
	}
	g.Note("measured top-1 of %s on %s (sha256:%s), %s; weights: %s", m.space.Name, m.from.Data, m.from.DataSHA256, m.from.Order, m.from.Weights)
	g.Note("differences are in percentage points; tau is Kendall's tau-b between predicted and measured")
	if m.left > 0 {
		g.Note("%d measurements under other conditions are left out", m.left)
	}
	return g.Print(c.App.Writer, format)
}

func points(p float64) string { return fmt.Sprintf("%.3f", p) }
