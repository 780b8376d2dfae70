package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/checkpoint/fashion"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner/systemd"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// randomPrefix marks a checkpoint argument that asks for seeded random weights.
const randomPrefix = "random:"

// minRuntime is the oldest ONNX Runtime that is known to run the graphs. What the program itself needs of a library it
// checks when it loads one.
const minRuntime = "1.18.0"

func exportCommand() *cli.Command {
	var db, familyName, weights, policySpec, out, keyFile string
	var params cli.StringSlice
	var serving servingFlags
	var standalone bool
	var calibration calibrationFlags
	return &cli.Command{
		Name:  "export",
		Usage: "write a family and its policy as a bundle, the folder that goes to the board",
		Flags: append(append([]cli.Flag{
			command.DBFlag(&db),
			familyFlag(&familyName),
			checkpointFlag(&weights),
			&cli.StringFlag{Name: "policy", Usage: "`POLICY` of the runtime manager: " + strings.Join(policy.Names(), ", ") + "; or tuned, tuned:NAME, which 'policy tune' picked", Value: "slack", Destination: &policySpec},
			command.ParamFlag(&params),
			&cli.BoolFlag{Name: "standalone", Usage: "write one plain ONNX model per level instead, for other runtimes", Destination: &standalone},
			&cli.StringFlag{Name: "sign", Usage: "sign the bundle with the secret key in `FILE`, made by dynofa key new or minisign -G -W", Destination: &keyFile},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FOLDER` of the bundle", Destination: &out},
		}, serving.flags()...), calibration.flags()...),
		Action: func(c *cli.Context) error {
			if err := command.Required("checkpoint", weights, "output", out); err != nil {
				return err
			}
			values, err := command.ParseParams(params.Value())
			if err != nil {
				return err
			}
			study, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			f, err := study.Family(c.Context, familyName)
			if err != nil {
				return err
			}
			runtime, err := serving.runtime(f)
			if err != nil {
				return err
			}
			table, err := tableFor(c.Context, study, f, servingNames(runtime, f)[0])
			if err != nil {
				return err
			}
			key, err := readSecretKey(keyFile)
			if err != nil {
				return err
			}
			write := exportBundle
			if standalone {
				write = exportModels
			}
			p, f, err := policyOf(c.Context, study, policySpec, values, f)
			if err != nil {
				return err
			}
			spec, err := exportSpec(c, study, f, weights, p, runtime, &calibration)
			if err != nil {
				return err
			}
			spec.Table, spec.Sign = table, key
			if note := lonely(p, servingNames(runtime, f)); note != "" {
				spec.Notes = append(spec.Notes, note)
			}
			spec.Service, err = systemd.Unit{
				Description: fmt.Sprintf("dynofa: %d levels of %s, policy %s", len(f.Levels), f.Space, p.Spec), Provider: deviceProvider(runtime),
			}.Text()
			if err != nil {
				return err
			}
			return export(c, spec, out, write)
		},
	}
}

// tableFor returns the newest table of the family's space and a processor that holds every block
// of its levels, nil if the study has none (for a built-in family, say).
func tableFor(ctx context.Context, store lut.Store, f *family.Family, processor string) (*lut.Table, error) {
	infos, err := store.Tables(ctx, lut.Query{Space: f.Space, Processor: processor})
	if err != nil {
		return nil, err
	}
	for _, info := range slices.Backward(infos) {
		table, err := store.Table(ctx, lut.Query{ID: info.ID})
		if err != nil {
			return nil, err
		}
		_, err = bundle.Excerpt(table, f)
		var missing *lut.MissingError
		if err == nil {
			return table, nil
		} else if !errors.As(err, &missing) {
			return nil, err
		}
	}
	return nil, nil
}

// exportSpec says what a bundle is made of. With calibration pictures the statistics of every level are
// re-estimated, or taken from the study.
func exportSpec(c *cli.Context, study *study, f *family.Family, weights string, p bundle.Policy, runtime bundle.Runtime, calibration *calibrationFlags) (spec bundle.Spec, err error) {
	space, err := f.Supernet()
	if err != nil {
		return spec, err
	}
	var names []string // nil: all that the family has latencies for
	if len(runtime.Processors) > 0 {
		names = servingNames(runtime, f)
	}
	model, err := policy.NewModel(f, names...)
	if err != nil {
		return spec, err
	}
	if _, err := policy.New(p.Spec, p.Params, model); err != nil {
		return spec, command.UsageError{Err: err}
	}
	spec = bundle.Spec{
		CreatedBy: "dynofa " + version,
		Family:    f,
		Policy:    p,
		Runtime:   runtime,
	}
	transform, err := parseTransform(calibration.transform, space)
	if err != nil {
		return spec, err
	}
	if transform != (images.Transform{}) {
		spec.Transform = &transform
	}
	if calibration.source == "" && space.Name == demoSpace {
		calibration.source = demoCalibration
	}
	var note string
	if calibration.source == "" || calibration.source == noCalibration {
		spec.Supernet, spec.Weights, note, err = openWeights(weights, space)
		spec.Notes = append([]string{note}, f.Notes...)
		return spec, err
	}
	m, err := calibration.open(c, study, space, weights)
	if err != nil {
		return spec, err
	}
	defer m.close()
	spec.Supernet, spec.Weights = m.weights, m.source
	for i, l := range f.Levels {
		s, err := m.statistics(c.Context, l.Arch)
		if err != nil {
			return spec, fmt.Errorf("level %d: %w", i, err)
		}
		spec.Statistics = append(spec.Statistics, s)
	}
	note = fmt.Sprintf("batch-normalisation statistics of every level were re-estimated on %s", m.recalibration(f.Levels[0].Arch))
	if strings.HasPrefix(weights, randomPrefix) {
		note = m.note
	}
	spec.Notes = append([]string{note}, f.Notes...)
	return spec, nil
}

func export(c *cli.Context, spec bundle.Spec, out string,
	write func(ctx context.Context, out string, spec bundle.Spec) (what string, files []bundle.File, err error)) error {
	what, files, err := write(c.Context, out, spec)
	if err != nil {
		return err
	}
	g := &command.Grid{Head: []string{"file", "size", "sha256"}}
	for _, file := range files {
		g.Add(file.Path, unit.Bytes(file.Size), file.SHA256[:16])
	}
	fmt.Fprintf(c.App.Writer, "%s, weights %s\n", what, spec.Weights)
	for _, n := range spec.Notes {
		g.Note("%s", n)
	}
	return g.Print(c.App.Writer, command.FormatText)
}

// exportBundle writes a bundle.
func exportBundle(ctx context.Context, out string, spec bundle.Spec) (string, []bundle.File, error) {
	digest, err := bundle.Write(ctx, out, spec)
	if err != nil {
		return "", nil, err
	}
	b, err := bundle.Open(out)
	if err != nil {
		return "", nil, err
	}
	defer b.Close()
	return fmt.Sprintf("bundle %s, digest %s, policy %s", out, digest, spec.Policy.Spec), b.Manifest().Files, nil
}

// exportModels writes plain models.
func exportModels(ctx context.Context, out string, spec bundle.Spec) (string, []bundle.File, error) {
	files, err := bundle.WriteModels(ctx, out, spec)
	return "models " + out, files, err
}

// openWeights opens a checkpoint or makes random weights, and says in one line where they come from
// and what is doubtful about them.
func openWeights(arg string, space *supernet.Space) (w onnx.Weights, source, note string, err error) {
	if text, ok := strings.CutPrefix(arg, randomPrefix); ok {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, "", "", command.Usagef("--checkpoint %q: the seed is no number", arg)
		}
		w, err := onnx.RandomWeights(space, seed)
		return w, "random, seed " + text,
			"the weights are random: classes that the networks answer mean nothing, latencies and switching are real", err
	}
	var f *checkpoint.File
	if arg == demoCheckpoint {
		f, err = fashion.Weights()
	} else {
		f, err = checkpoint.Open(arg)
	}
	if err != nil {
		return nil, "", "", err
	}
	return f, "checkpoint sha256:" + f.SHA256(),
		"batch normalisation uses the checkpoint's own statistics, not re-estimated ones: sub-networks of a trained supernet stay near chance until they are recalibrated", nil
}
