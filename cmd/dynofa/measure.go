package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/images/fashion"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/eval"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/search/store"
)

// noCalibration is the --calibration argument that keeps the checkpoint's own statistics.
const noCalibration = "none"

// calibrationFlags say how batch normalisation is recalibrated.
type calibrationFlags struct {
	source    string
	pictures  int
	batch     int
	transform string
	threads   int
	library   string
}

func (f *calibrationFlags) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "calibration", Usage: "`PICTURES` to re-estimate every sub-network's batch-normalisation statistics on, as in --images; or none to keep the checkpoint's", Destination: &f.source},
		&cli.IntFlag{Name: "calibration-pictures", Usage: "`NUMBER` of them, drawn with seed 1; 0: all", Value: 2000, Destination: &f.pictures},
		&cli.IntFlag{Name: "calibration-batch", Usage: "`NUMBER` of pictures that are normalised together; 0: 100, fewer above 88 pixels, 16 at 224", Destination: &f.batch},
		&cli.StringFlag{Name: "transform", Usage: "how pictures become inputs: imagenet, fashion-mnist, or `JSON` like {\"crop\":1,\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5]}; default by space", Destination: &f.transform},
		&cli.IntFlag{Name: "threads", Usage: "threads of one inference; 0: one for each processor", Destination: &f.threads},
		command.RuntimeFlag(&f.library),
	}
}

// testFlags say what accuracy is measured on.
type testFlags struct {
	calibrationFlags
	images, labels string
	limit          int
}

func (f *testFlags) flags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "images", Usage: "labelled `PICTURES`: " + command.PicturesUsage, Destination: &f.images},
		&cli.StringFlag{Name: "labels", Usage: "`FILE` with the pictures' classes, if folders do not tell", Destination: &f.labels},
		&cli.IntFlag{Name: "pictures", Usage: "`NUMBER` of pictures to measure on, drawn with seed 1; 0: all", Destination: &f.limit},
	}, f.calibrationFlags.flags()...)
}

// parseTransform reads --transform.
func parseTransform(text string, space *supernet.Space) (images.Transform, error) {
	switch text {
	case "imagenet":
		return images.Transform{}, nil
	case "fashion-mnist":
		return fashion.Transform(), nil
	case "":
		if space.Name == demoSpace {
			return fashion.Transform(), nil
		}
		return images.Transform{}, nil
	}
	var t images.Transform
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return t, command.Usagef("--transform %q is neither imagenet nor fashion-mnist nor JSON: %w", text, err)
	}
	if err := t.Validate(); err != nil {
		return t, command.Usagef("--transform: %w", err)
	}
	return t, nil
}

// dataset are pictures with their digest, and which of them are used.
type dataset struct {
	*command.Pictures
	sha256 string
	list   []int // nil: all in their order
	order  string
}

// drawSeed is the seed of what --pictures and --calibration-pictures draw.
const drawSeed = 1

// openDataset opens pictures and draws n of them. Shuffled: the order is drawn even if all are used.
func openDataset(ctx context.Context, arg, labels string, n int, order func(total, n int) ([]int, string)) (*dataset, error) {
	p, err := command.OpenPictures(arg, labels)
	if err != nil {
		return nil, err
	}
	d := &dataset{Pictures: p}
	if d.sha256, err = p.Digest(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	d.list, d.order = order(p.Len(), n)
	return d, nil
}

// someInOrder draws n pictures unless that is all.
func someInOrder(total, n int) ([]int, string) {
	if n <= 0 || n >= total {
		return nil, "all"
	}
	return eval.Sample(total, n, drawSeed), fmt.Sprintf("%d of %d, seed %d", n, total, drawSeed)
}

// shuffled draws the order, too: batches of one class have other statistics.
func shuffled(total, n int) ([]int, string) {
	if n <= 0 || n > total {
		n = total
	}
	return eval.Sample(total, n, drawSeed), fmt.Sprintf("%d of %d, seed %d", n, total, drawSeed)
}

func (d *dataset) size() int {
	if d.list != nil {
		return len(d.list)
	}
	return d.Len()
}

// measurer recalibrates and evaluates sub-networks of a supernet and keeps what it finds in a study.
type measurer struct {
	study       *study
	space       *supernet.Space
	weights     onnx.Weights
	source      string // of the weights, with their digest
	note        string // what is doubtful about them
	transform   images.Transform
	calibration *dataset // nil: the checkpoint's own statistics
	batch       int
	test        *dataset // nil: nothing is evaluated
	evaluator   *eval.Evaluator
	version     string // of the runtime
	progress    func(what string, done, of int)
}

// openCalibration makes a measurer that recalibrates.
func (f *calibrationFlags) open(c *cli.Context, study *study, space *supernet.Space, weights string) (*measurer, error) {
	m := &measurer{study: study, space: space, batch: f.batch, progress: countProgress(c)}
	var err error
	if m.transform, err = parseTransform(f.transform, space); err != nil {
		return nil, err
	}
	if f.pictures < 0 || f.batch < 0 || f.batch > 4096 || f.threads < 0 {
		return nil, command.Usagef("--calibration-pictures, --calibration-batch or --threads are out of range")
	}
	if m.weights, m.source, m.note, err = openWeights(weights, space); err != nil {
		return nil, err
	}
	rt, err := command.LoadRuntime(f.library)
	if err != nil {
		return nil, err
	}
	m.version = "onnxruntime " + rt.Version()
	threads := f.threads
	if threads == 0 {
		threads = runtime.NumCPU()
	}
	m.evaluator = &eval.Evaluator{Runtime: rt, Options: ort.Options{Threads: threads}, Space: space, Weights: m.weights, Transform: m.transform}
	if f.source != noCalibration {
		if m.calibration, err = openDataset(c.Context, f.source, "", f.pictures, shuffled); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// open makes a measurer that evaluates. The data is looked at before anything runs.
func (f *testFlags) open(c *cli.Context, study *study, space *supernet.Space, weights string) (*measurer, error) {
	if f.limit < 0 {
		return nil, command.Usagef("--pictures %d is negative", f.limit)
	}
	if f.source == "" && space.Name == demoSpace {
		f.source = demoCalibration
	}
	if err := command.Required("images", f.images, "calibration", f.source); err != nil {
		return nil, err
	}
	m, err := f.calibrationFlags.open(c, study, space, weights)
	if err != nil {
		return nil, err
	}
	if m.test, err = openDataset(c.Context, f.images, f.labels, f.limit, someInOrder); err == nil {
		err = eval.CheckClasses(m.test, space)
	}
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *measurer) close() error {
	var err error
	for _, d := range []*dataset{m.calibration, m.test} {
		if d != nil {
			err = errors.Join(err, d.Close())
		}
	}
	return err
}

// recalibration describes in one line how a sub-network's statistics are estimated.
func (m *measurer) recalibration(a supernet.Arch) string {
	if m.calibration == nil {
		return noCalibration
	}
	return fmt.Sprintf("%s (sha256:%s), %s, batches of %d", m.calibration.Source, m.calibration.sha256, m.calibration.order, m.calibrationBatch(a))
}

func (m *measurer) calibrationBatch(a supernet.Arch) int {
	if m.batch != 0 {
		return m.batch
	}
	return eval.DefaultBatch(a.R)
}

// statistics returns a sub-network's statistics, from the study if it has them; nil without calibration.
func (m *measurer) statistics(ctx context.Context, a supernet.Arch) (map[string]onnx.Moments, error) {
	if m.calibration == nil {
		return nil, nil
	}
	a, err := m.space.Canonical(a)
	if err != nil {
		return nil, err
	}
	norms, err := onnx.BatchNorms(m.space, a)
	if err != nil {
		return nil, err
	}
	in := store.StatisticsInputs{
		Space: m.space.Name, SpaceDescription: m.space.Description(), Arch: a, Weights: m.source, Data: m.calibration.Source, DataSHA256: m.calibration.sha256,
		Pictures: m.calibration.size(), Order: m.calibration.order, Batch: m.calibrationBatch(a), Transform: m.transform.String(), Runtime: m.version,
	}
	file, err := m.study.Statistics(ctx, in)
	switch {
	case err == nil:
		return eval.DecodeStatistics(file, norms)
	case !errors.Is(err, store.ErrNoStatistics):
		return nil, err
	}
	m.evaluator.Progress = func(done, of int) { m.progress("recalibrating", done, of) }
	s, err := m.evaluator.Calibrate(ctx, a, eval.Calibration{Pictures: m.calibration, List: m.calibration.list, Batch: in.Batch})
	if err != nil {
		return nil, fmt.Errorf("recalibrating %s: %w", a, err)
	}
	if file, err = s.Encode(norms); err != nil {
		return nil, err
	}
	return s.Moments, m.study.PutStatistics(ctx, in, file, now())
}

// inputs describes the evaluation of a sub-network.
func (m *measurer) inputs(a supernet.Arch) store.EvaluationInputs {
	return store.EvaluationInputs{
		Space: m.space.Name, SpaceDescription: m.space.Description(), Arch: a, Weights: m.source, Data: m.test.Source, DataSHA256: m.test.sha256, Pictures: m.test.size(), Order: m.test.order,
		Transform: m.transform.String(), Recalibration: m.recalibration(a), Runtime: m.version,
	}
}

// journalEvery is how often the ranks of an evaluation under way are written. Tests shorten it.
var journalEvery = 2 * time.Second

// evaluate measures a sub-network, or returns what the study knows of it. An interrupted evaluation goes on.
func (m *measurer) evaluate(ctx context.Context, a supernet.Arch) (*store.Evaluation, error) {
	a, err := m.space.Canonical(a)
	if err != nil {
		return nil, err
	}
	in := m.inputs(a)
	found, err := m.study.FindEvaluation(ctx, in)
	if !errors.Is(err, store.ErrNoEvaluation) {
		return found, err
	}
	known, err := m.study.KnownRanks(ctx, in)
	if err != nil {
		return nil, err
	}
	statistics, err := m.statistics(ctx, a)
	if err != nil {
		return nil, err
	}
	var pending []eval.Rank
	stored, written := len(known), time.Now()
	flush := func(ctx context.Context) error {
		if len(pending) == 0 {
			return nil
		}
		err := m.study.RecordRanks(ctx, in, stored, pending)
		stored, pending, written = stored+len(pending), nil, time.Now()
		return err
	}
	m.evaluator.Progress = func(done, of int) { m.progress("evaluating", done, of) }
	result, err := m.evaluator.Evaluate(ctx, a, eval.Test{
		Pictures: m.test, List: m.test.list, Statistics: statistics, Known: known,
		Record: func(_ int, ranks []eval.Rank) error {
			pending = append(pending, ranks...)
			if time.Since(written) < journalEvery {
				return nil
			}
			return flush(ctx)
		},
	})
	if err != nil {
		if ctx.Err() != nil { // what was done is kept
			err = errors.Join(err, flush(context.WithoutCancel(ctx)))
		}
		return nil, fmt.Errorf("evaluating %s: %w", a, err)
	}
	return m.study.PutEvaluation(ctx, in, result.Ranks, now())
}

// countProgress shows how far something countable is: a bar on a terminal, nothing elsewhere.
func countProgress(c *cli.Context) func(what string, done, of int) {
	f, ok := c.App.ErrWriter.(*os.File)
	if !ok {
		return func(string, int, int) {}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(string, int, int) {}
	}
	start, drawn, last := time.Now(), time.Time{}, ""
	return func(what string, done, of int) {
		if what != last {
			start, last = time.Now(), what
		}
		if done < of && time.Since(drawn) < 100*time.Millisecond {
			return
		}
		drawn = time.Now()
		full := barWidth * done / max(1, of)
		line := fmt.Sprintf("%s [%s%s] %d/%d", what, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), done, of)
		if left := time.Duration(float64(time.Since(start)) / float64(max(1, done)) * float64(of-done)); left > time.Second {
			line += ", about " + left.Round(time.Second).String() + " left"
		}
		fmt.Fprintf(f, "\r\x1b[K%s", line)
		if done == of {
			fmt.Fprint(f, "\r\x1b[K")
		}
	}
}
