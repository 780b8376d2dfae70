package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/noise"
	"github.com/dynofa/dynofa/sim"
)

func simNoiseCommand() *cli.Command {
	var quantile float64
	var format string
	return &cli.Command{
		Name:      "noise",
		Usage:     "fit the scatter of a trace's latencies, bursts included, for a scenario's noise",
		ArgsUsage: "TRACE",
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "quantile", Usage: "`SHARE` of the inferences below which the tail begins", Value: 0.95, Destination: &quantile},
			command.OutputFlag(&format),
		},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			if err := command.InRange("quantile", quantile, 0.5, 0.999); err != nil {
				return err
			}
			t, err := readTrace(c, c.Args().First())
			if err != nil {
				return err
			}
			factors, err := sim.Factors(t)
			if err != nil {
				return err
			}
			m, err := noise.Fit(factors, quantile)
			if err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
			g := &command.Grid{Head: []string{"mu", "sigma", "threshold", "enter", "stay", "scale", "shape", "persist"}}
			g.Add(m.Mu, m.Sigma, m.Threshold, m.Enter, m.Stay, m.Scale, m.Shape, m.Persist)
			g.Note("noise: {kind: burst, mu: %.6g, sigma: %.6g, threshold: %.6g, enter: %.6g, stay: %.6g, scale: %.6g, shape: %.6g, persist: %.6g}",
				m.Mu, m.Sigma, m.Threshold, m.Enter, m.Stay, m.Scale, m.Shape, m.Persist)
			g.Note("fitted to %d %s inferences; P(above the threshold) %.4f, again after one above it %.3f; mean factor %.4f",
				len(factors), t.Header.Kind, m.Above(m.Threshold), m.AboveAgain(m.Threshold), m.Mean())
			return g.Print(c.App.Writer, format)
		},
	}
}
