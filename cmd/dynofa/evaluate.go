package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/store"
)

// evalFlags are the flags of eval.
type evalFlags struct {
	testFlags
	db, space, checkpoint string
	archs                 cli.StringSlice
	family, resolutions   string
	random                int
	seed                  uint64
	format                string
}

func evalCommand() *cli.Command {
	var f evalFlags
	return &cli.Command{
		Name:  "eval",
		Usage: "measure top-1 and top-5 of sub-networks on labelled pictures, with recalibrated batch normalisation",
		Description: "Results are kept in the study; what is there already is not measured again, and an interrupted evaluation\n" +
			"goes on where it stopped. Intervals are Wilson's, 95%.",
		Flags: append([]cli.Flag{
			command.DBFlag(&f.db),
			command.SpaceFlag(&f.space, ""),
			checkpointFlag(&f.checkpoint),
			&cli.StringSliceFlag{Name: "arch", Usage: "`ARCH` to measure, in OFA's JSON form; may be repeated", Destination: &f.archs},
			&cli.StringFlag{Name: "family", Usage: "`NAME` of a family of the study whose levels are measured", Destination: &f.family},
			&cli.IntFlag{Name: "random", Usage: "measure `N` different sub-networks drawn from --seed, evenly over the resolutions", Destination: &f.random},
			&cli.StringFlag{Name: "resolutions", Usage: "input resolutions of --random, `R,R,...`; default all of the space", Destination: &f.resolutions},
			command.SeedFlag(&f.seed),
			command.OutputFlag(&f.format),
		}, f.testFlags.flags()...),
		Action: f.action,
		Subcommands: []*cli.Command{
			evalListCommand(),
			evalFitCommand(),
		},
	}
}

func checkpointFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "checkpoint", Usage: "supernet weights: a PyTorch or safetensors `FILE`, demo for the built-in trained supernet, or random:SEED for weights that know nothing", Destination: to}
}

func (f *evalFlags) action(c *cli.Context) error {
	if c.Args().Present() {
		return command.Usagef("unknown command %q", c.Args().First())
	}
	if err := command.CheckFormat(f.format); err != nil {
		return err
	}
	asked := 0
	for _, given := range []bool{len(f.archs.Value()) > 0, f.family != "", f.random != 0} {
		if given {
			asked++
		}
	}
	if asked != 1 || f.random < 0 {
		return command.Usagef("give one of --arch, --family, --random N")
	}
	if f.checkpoint == demoCheckpoint && f.space == "" {
		f.space = demoSpace
	}
	if err := command.Required("checkpoint", f.checkpoint); err != nil {
		return err
	}
	if f.family == "" {
		if err := command.Required("space", f.space); err != nil {
			return err
		}
	}
	space, archs, err := f.subNetworks(c.Context)
	if err != nil {
		return err
	}
	study, err := createStudy(c.Context, f.db)
	if err != nil {
		return err
	}
	defer study.Close()
	m, err := f.testFlags.open(c, study, space, f.checkpoint)
	if err != nil {
		return err
	}
	defer m.close()
	list, err := m.evaluateAll(c, archs)
	if err != nil {
		return err
	}
	return printEvaluations(c, list, f.format)
}

// subNetworks returns what is to be measured, canonical.
func (f *evalFlags) subNetworks(ctx context.Context) (*supernet.Space, []supernet.Arch, error) {
	if f.family != "" {
		fam, err := findFamily(ctx, f.db, f.family)
		if err != nil {
			return nil, nil, err
		}
		if f.space != "" && f.space != fam.Space {
			return nil, nil, command.Usagef("--space %s, but family %s is of %s", f.space, fam.Name, fam.Space)
		}
		space, err := fam.Supernet()
		var archs []supernet.Arch
		for _, l := range fam.Levels {
			archs = append(archs, l.Arch)
		}
		return space, archs, err
	}
	space, err := command.OpenSpace(f.space)
	if err != nil {
		return nil, nil, err
	}
	if f.random > 0 {
		rs := space.Resolutions
		if f.resolutions != "" {
			if rs, err = command.ParseInts("resolutions", f.resolutions); err != nil {
				return nil, nil, err
			}
		}
		archs, err := randomArchs(space.WithResolutions(rs...), f.random, f.seed)
		return space, archs, err
	}
	var archs []supernet.Arch
	for _, text := range f.archs.Value() {
		a, err := supernet.ParseArch([]byte(text))
		if err == nil {
			a, err = space.Canonical(a)
		}
		if err != nil {
			return nil, nil, command.Usagef("--arch: %w", err)
		}
		archs = append(archs, a)
	}
	return space, archs, nil
}

const randomStream = 0x6576616c // "eval"

// randomArchs draws n different sub-networks, one resolution after the other. The first of n are those of a
// smaller n.
func randomArchs(space *supernet.Space, n int, seed uint64) ([]supernet.Arch, error) {
	rng := rand.New(rand.NewPCG(seed, randomStream))
	seen := map[string]bool{}
	var list []supernet.Arch
	for try := 0; len(list) < n; try++ {
		if try > 100*n {
			return nil, fmt.Errorf("%s has no %d different sub-networks", space.Name, n)
		}
		a := space.Random(rng, space.Resolutions[len(list)%len(space.Resolutions)])
		if _, err := space.Canonical(a); err != nil {
			return nil, command.UsageError{Err: err}
		}
		if id := a.String(); !seen[id] {
			seen[id] = true
			list = append(list, a)
		}
	}
	return list, nil
}

// evaluateAll evaluates one sub-network after the other and says how far it is.
func (m *measurer) evaluateAll(c *cli.Context, archs []supernet.Arch) ([]*store.Evaluation, error) {
	var list []*store.Evaluation
	for i, a := range archs {
		e, err := m.evaluate(c.Context, a)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(c.App.ErrWriter, "eval: %d of %d: %v of %d pictures, %s\n", i+1, len(archs), e.Accuracy(), e.Images, a)
		list = append(list, e)
	}
	return list, nil
}

// printEvaluations prints measured accuracies with their intervals.
func printEvaluations(c *cli.Context, list []*store.Evaluation, format string) error {
	g := &command.Grid{Head: []string{"id", "r", "macs", "top1", "top1_95%", "top5", "top5_95%", "images", "skipped", "arch"}}
	if format != command.FormatText {
		g.Head = []string{"id", "space", "r", "macs", "top1", "top1_low", "top1_high", "top5", "top5_low", "top5_high", "images", "skipped", "weights", "data", "recalibration", "arch"}
	}
	for _, e := range list {
		in := &e.Inputs
		space, err := supernet.Resolve(in.Space, in.SpaceDescription)
		if err != nil {
			return err
		}
		macs, err := space.MACs(in.Arch)
		if err != nil {
			return err
		}
		one, five := lut.NewShare(e.Top1, e.Images), lut.NewShare(e.Top5, e.Images)
		if format != command.FormatText {
			g.Add(e.ID, in.Space, in.Arch.R, macs, share(one), one.Low, one.High, share(five), five.Low, five.High, e.Images, e.Skipped,
				in.Weights, in.Data, in.Recalibration, in.Arch)
			continue
		}
		g.Add(e.ID, in.Arch.R, fmt.Sprintf("%.2f M", float64(macs)/1e6), unit.Accuracy(share(one)), interval(one),
			unit.Accuracy(share(five)), interval(five), e.Images, e.Skipped, in.Arch)
	}
	if format == command.FormatText {
		for _, n := range conditionNotes(list) {
			g.Note("%s", n)
		}
	}
	return g.Print(c.App.Writer, format)
}

// conditionNotes says what accuracies were measured under, each condition with the evaluations that it is true of unless
// it is true of all.
func conditionNotes(list []*store.Evaluation) []string {
	var notes []string
	ids := map[string][]int64{}
	for _, e := range list {
		in := &e.Inputs
		of := []string{
			fmt.Sprintf("measured sub-networks of %s with %s; weights: %s", in.Space, in.Runtime, in.Weights),
			fmt.Sprintf("pictures: %s (sha256:%s), %s", in.Data, in.DataSHA256, in.Order),
			"inputs: " + in.Transform,
			"recalibration: " + in.Recalibration,
		}
		if e.Skipped > 0 {
			of = append(of, "pictures that could not be decoded were passed over")
		}
		for _, n := range of {
			if ids[n] == nil {
				notes = append(notes, n)
			}
			ids[n] = append(ids[n], e.ID)
		}
	}
	for i, n := range notes {
		if len(ids[n]) < len(list) {
			notes[i] = idRanges(ids[n]) + ": " + n
		}
	}
	return notes
}

// idRanges prints "1..3, 7".
func idRanges(ids []int64) string {
	var parts []string
	for i := 0; i < len(ids); {
		end := i + 1
		for end < len(ids) && ids[end] == ids[end-1]+1 {
			end++
		}
		if part := fmt.Sprint(ids[i]); end == i+1 {
			parts = append(parts, part)
		} else {
			parts = append(parts, fmt.Sprintf("%s..%d", part, ids[end-1]))
		}
		i = end
	}
	return strings.Join(parts, ", ")
}

func share(s lut.Share) float64 { return float64(s.Count) / float64(max(1, s.Of)) }

// interval prints the 95% interval of a share.
func interval(s lut.Share) string { return fmt.Sprintf("%.2f..%.2f", 100*s.Low, 100*s.High) }

func evalListCommand() *cli.Command {
	var db, space, format string
	return &cli.Command{
		Name:  "list",
		Usage: "list the measured accuracies of the study, of all spaces or of one",
		Flags: []cli.Flag{command.DBFlag(&db), command.SpaceFlag(&space, ""), command.OutputFlag(&format)},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			study, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			name := space // any that the study knows
			if ext := filepath.Ext(space); ext == ".yaml" || ext == ".yml" {
				s, err := command.OpenSpace(space)
				if err != nil {
					return err
				}
				name = s.Name
			}
			list, err := study.Evaluations(c.Context, name)
			if err != nil {
				return err
			}
			if len(list) == 0 && space != "" {
				fmt.Fprintf(c.App.ErrWriter, "the study has no measured accuracies of %s\n", name)
			}
			return printEvaluations(c, list, format)
		},
	}
}
