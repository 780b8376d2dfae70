package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
	"github.com/dynofa/dynofa/deploy/runner/systemd"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut/load"
)

// runOptions are the flags of Run.
type runOptions struct {
	images, labels, library, policy, accuracy string
	arrivals, trace, loads, format, prepared  string
	signer, listen, model, control            string
	clocks, system                            string
	processors, providers                     string
	frames, frameSize, frameFormat, answers   string
	pending                                   int
	health                                    *runner.Health
	fed                                       *feeding
	ladder                                    *monitor.Ladder
	watching                                  *watching
	params                                    cli.StringSlice
	threads                                   int
	cfg                                       runner.Config
	notifier                                  *systemd.Notifier
	fsys                                      fs.FS // this machine's, or what lies in system
	changer                                   host.Changer
	governor                                  governor
}

// Run is the command that runs a bundle on this machine. version goes into traces.
func Run(version string) *cli.Command {
	var o runOptions
	return &cli.Command{
		Name:      "run",
		Usage:     "run a bundle on this machine: real inference, switched by the bundle's policy",
		ArgsUsage: "BUNDLE",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "images", Usage: "`PICTURES` to classify: " + PicturesUsage + ", or builtin for drawn ones; - takes names of picture files from standard input, one a line", Destination: &o.images},
			&cli.StringFlag{Name: "frames", Usage: "raw frames as requests instead, from the pipe, file or V4L2 `DEVICE`; - is standard input", Destination: &o.frames},
			&cli.StringFlag{Name: "frame-size", Usage: "`WIDTHxHEIGHT` of the frames", Destination: &o.frameSize},
			&cli.StringFlag{Name: "frame-format", Usage: "`FORMAT` of the frames: rgb24, bgr24, rgba, grey, yuyv, nv12, i420", Value: string(images.RGB24), Destination: &o.frameFormat},
			&cli.IntFlag{Name: "pending", Usage: "frames or named pictures that may wait at a time; the source is not read beyond", Value: 4, Destination: &o.pending},
			&cli.StringFlag{Name: "answers", Usage: "write a line of CSV for each frame or named picture to `FILE`; - is standard output", Destination: &o.answers},
			&cli.StringFlag{Name: "control", Usage: "`FILE` with limits in JSON, such as {\"limit\": \"30ms\", \"deadline\": \"50ms\", \"min_accuracy\": \"76%\", \"power_mode\": \"15W\"}: read at the start, when it changes and at SIGHUP", Destination: &o.control},
			&cli.StringFlag{Name: "labels", Usage: "`FILE` with the pictures' classes, if folders do not tell", Destination: &o.labels},
			&cli.StringFlag{Name: "policy", Usage: "another `POLICY` than the bundle's", Destination: &o.policy},
			ParamFlag(&o.params),
			&cli.DurationFlag{Name: "limit", Usage: "latency that each inference is asked to keep", Destination: &o.cfg.Limit},
			&cli.DurationFlag{Name: "deadline", Usage: "time from arrival by which a request is due; default: the limit, if there is one", Destination: &o.cfg.Deadline},
			&cli.StringFlag{Name: "min-accuracy", Usage: "accuracy that is asked for, such as 76%", Destination: &o.accuracy},
			&cli.StringFlag{Name: "arrivals", Usage: "closed (the next when the last is done), periodic or poisson", Value: string(runner.ClosedLoop), Destination: &o.arrivals},
			&cli.DurationFlag{Name: "period", Usage: "time between arrivals; their mean for poisson", Destination: &o.cfg.Period},
			&cli.DurationFlag{Name: "duration", Usage: "no arrivals from then on; 0: see --requests", Destination: &o.cfg.Duration},
			&cli.Int64Flag{Name: "requests", Usage: "end after so many; 0: one for each picture, if there is no --duration", Destination: &o.cfg.Requests},
			&cli.StringFlag{Name: "load", Usage: "co-running `LOADS` meanwhile, KIND:THREADS@FROM-TO, such as cpu:2@4s-8s,mem:1@6s-9s", Destination: &o.loads},
			clocksFlag(&o.clocks),
			systemFlag(&o.system),
			&cli.StringFlag{Name: "trace", Usage: "record the run in `FILE.csv`", Destination: &o.trace},
			&cli.StringFlag{Name: "prepared", Usage: "`FOLDER` for the graphs that are optimised for this machine at the first start; none: plain sessions, which take several times the memory", DefaultText: "dynofa in the user's cache folder, or $CACHE_DIRECTORY", Destination: &o.prepared},
			&cli.StringFlag{Name: "require-signature", Usage: "refuse a bundle that was not signed by `KEY`: a public key of minisign, or a file with one", Destination: &o.signer},
			&cli.StringFlag{Name: "listen", Usage: "answer requests over HTTP at `HOST:PORT` instead (Open Inference Protocol v2, /metrics, a status page at /); without HOST only for this machine", Destination: &o.listen},
			&cli.StringFlag{Name: "model-name", Usage: "`NAME` of the model in URLs of --listen", Value: "family", Destination: &o.model},
			&cli.StringFlag{Name: "processors", Usage: "the `PROCESSORS` of the bundle that serve, such as cpu,gpu; a library that lacks one of them is an error then", DefaultText: "the bundle's; without those that the library lacks, as long as a CPU is among them", Destination: &o.processors},
			&cli.StringFlag{Name: "ep", Aliases: []string{"provider"}, Usage: "another execution `PROVIDER` than the bundle's, or one for each processor: gpu=cpu tries on a PC what runs on a board", Destination: &o.providers},
			&cli.IntFlag{Name: "threads", Usage: "threads of one inference", Value: 1, Destination: &o.threads},
			SeedFlag(&o.cfg.Seed),
			RuntimeFlag(&o.library),
			OutputFlag(&o.format),
		},
		Action: func(c *cli.Context) error {
			o.cfg.Program = c.App.Name + " " + version
			return o.run(c, c.Args().First())
		},
	}
}

func (o *runOptions) run(c *cli.Context, dir string) error {
	o.health = runner.NewHealth()
	if err := errors.Join(o.checkSource(), o.checkNumbers(), CheckFormat(o.format)); err != nil {
		return err
	}
	if err := o.openSystem(); err != nil {
		return err
	}
	schedule, err := load.ParseSchedule(o.loads)
	if err != nil {
		return Usagef("--load: %w", err)
	}
	b, err := bundle.Open(dir)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := checkSignature(b, o.signer); err != nil {
		return err
	}
	if err := o.configure(b); err != nil {
		return err
	}
	if schedule != nil {
		o.cfg.Notes = append(o.cfg.Notes, "a co-running load ran beside: "+o.loads)
	}
	for _, s := range schedule {
		o.cfg.Loads = append(o.cfg.Loads, trace.Load{What: s.Spec.String(), Span: trace.Span{From: s.From, To: s.To}})
	}
	serving, err := o.serving(b.Manifest())
	if err != nil {
		return err
	}
	closePictures, err := o.open(c)
	if err != nil {
		return err
	}
	defer closePictures()
	rt, err := LoadRuntime(o.library)
	if err != nil {
		return err
	}
	if err := b.Manifest().Runtime.Check(rt.Version()); err != nil {
		return err
	}
	closeSessions, err := o.load(c, b, rt, serving)
	if err != nil {
		return err
	}
	defer closeSessions()
	defer o.service(c)()
	restore, err := o.govern(c)
	if err != nil {
		return err
	}
	defer restore() // whatever happens
	do := func(ctx context.Context) (*runner.Report, error) {
		o.ready(c)
		if o.fed != nil {
			return o.feed(ctx, c.App.Writer)
		}
		return runner.Run(ctx, o.cfg)
	}
	if o.listen != "" {
		do = func(ctx context.Context) (*runner.Report, error) { return o.serve(ctx, c, b) }
	}
	report, err := o.record(c, schedule, do)
	if restored := restore(); err != nil || restored != nil {
		if err == nil { // what was measured is worth something all the same
			err = printReport(c, report, o.cfg.Family, o.format)
		}
		return errors.Join(err, restored)
	}
	return printReport(c, report, o.cfg.Family, o.format)
}

// checkSource refuses command lines without requests, or with two sources of them.
func (o *runOptions) checkSource() error {
	sources := 0
	for _, s := range []string{o.images, o.frames, o.listen} {
		if s != "" {
			sources++
		}
	}
	switch {
	case sources == 0:
		return Required("images", o.images)
	case sources > 1:
		return Usagef("one of --images, --frames and --listen")
	case o.pending < 1:
		return Usagef("--pending %d is below 1", o.pending)
	case o.answers != "" && o.frames == "" && o.images != stdinName:
		return Usagef("--answers goes with --frames, or --images -")
	}
	return nil
}

// checkNumbers refuses numbers that no run can have, before anything is opened.
func (o *runOptions) checkNumbers() error {
	arrivals := []string{string(runner.ClosedLoop), string(runner.Periodic), string(runner.Poisson)}
	err := errors.Join(NotNegative("limit", o.cfg.Limit), NotNegative("deadline", o.cfg.Deadline), NotNegative("period", o.cfg.Period),
		NotNegative("duration", o.cfg.Duration), NotNegative("requests", o.cfg.Requests), InRange("threads", o.threads, 0, ort.MaxThreads))
	switch {
	case err != nil:
		return UsageError{err}
	case !slices.Contains(arrivals, o.arrivals):
		return Usagef("--arrivals %q is none of %s", o.arrivals, strings.Join(arrivals, ", "))
	case o.arrivals != string(runner.ClosedLoop) && o.cfg.Period == 0:
		return Usagef("--arrivals %s needs a --period", o.arrivals)
	}
	if o.listen != "" {
		if _, _, err := net.SplitHostPort(o.listen); err != nil {
			return Usagef("--listen %q is not HOST:PORT: %w", o.listen, err)
		}
	}
	if o.accuracy != "" {
		if _, err := unit.ParseAccuracy(o.accuracy); err != nil {
			return Usagef("--min-accuracy: %w", err)
		}
	}
	return nil
}

// open opens the pictures that the requests ask about; with --listen, --frames and names on standard input they come with the requests.
func (o *runOptions) open(c *cli.Context) (func() error, error) {
	var err error
	if o.fed, err = o.openFeed(c.App.Reader); err != nil {
		return nil, err
	}
	if o.fed != nil {
		o.cfg.Inbox = runner.NewInbox(o.pending, nil)
		return o.fed.close, nil
	}
	if o.listen != "" {
		o.cfg.Inbox = runner.NewInbox(0, nil) // says that requests come from outside; the server has its own
		return func() error { return nil }, nil
	}
	pictures, err := OpenPictures(o.images, o.labels)
	if err != nil {
		return nil, err
	}
	o.cfg.Pictures = pictures
	if o.cfg.Requests == 0 && o.cfg.Duration == 0 {
		o.cfg.Requests = int64(pictures.Len())
	}
	return pictures.Close, nil
}

// checkSignature holds a bundle to a signer: a key, or a file with one. Empty asks for nothing.
func checkSignature(b *bundle.Bundle, signer string) error {
	if signer == "" {
		return nil
	}
	text := []byte(signer)
	if data, err := os.ReadFile(signer); err == nil {
		text = data
	}
	key, err := bundle.ParsePublicKey(text)
	if err != nil {
		return UsageError{fmt.Errorf("--require-signature %.80q: neither a file nor a key: %w", signer, err)}
	}
	_, err = b.CheckSignature(key)
	return err
}

// cacheFolder returns where prepared bundles lie: the argument, the folder that systemd gives a service,
// or dynofa in the user's cache folder.
func cacheFolder(arg string) (string, error) {
	if arg != "" {
		return arg, nil
	}
	if dir := os.Getenv("CACHE_DIRECTORY"); dir != "" {
		return filepath.Join(dir, "prepared"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w; name one with --prepared", err)
	}
	return filepath.Join(dir, "dynofa"), nil
}

// configure takes from the bundle what flags do not override.
func (o *runOptions) configure(b *bundle.Bundle) error {
	m := b.Manifest()
	o.cfg.Family = &m.Family
	o.cfg.Policy = m.Policy
	if m.Transform != nil {
		o.cfg.Transform = *m.Transform
	}
	o.cfg.Arrivals = runner.Arrivals(o.arrivals)
	o.cfg.Notes = append(o.cfg.Notes, m.Notes...)
	if o.policy != "" {
		o.cfg.Policy = bundle.Policy{Spec: o.policy}
	}
	if items := o.params.Value(); len(items) > 0 {
		params, err := ParseParams(items)
		if err != nil {
			return err
		}
		o.cfg.Policy.Params = params
	}
	if o.cfg.Deadline == 0 {
		o.cfg.Deadline = o.cfg.Limit
	}
	if o.accuracy != "" {
		a, err := unit.ParseAccuracy(o.accuracy)
		if err != nil {
			return UsageError{err}
		}
		o.cfg.MinAccuracy = a
	}
	return nil
}

// record runs with the trace and the co-running load that were asked for.
func (o *runOptions) record(c *cli.Context, schedule load.Schedule, do func(context.Context) (*runner.Report, error)) (*runner.Report, error) {
	ctx := c.Context
	if o.trace != "" {
		header, err := o.cfg.Header()
		if err != nil {
			return nil, err
		}
		f, err := os.Create(o.trace)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		w, err := trace.NewWriter(f, header) // it has a buffer of its own, which the run flushes
		if err != nil {
			return nil, err
		}
		o.cfg.Trace = w
	}
	w, err := o.watch(c)
	if err != nil {
		return nil, err
	}
	defer w.stop()
	o.watching = w
	loads, err := schedule.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	during, cancel := context.WithCancel(ctx)
	defer cancel()
	loads.Begin(during)
	report, err := do(ctx)
	cancel()
	if loadErr := loads.Stop(); err == nil && ctx.Err() == nil {
		err = loadErr
	}
	if report != nil {
		report.Notes = append(report.Notes, w.notes()...)
		if o.clocks == setClocks && len(report.Clocks) == 0 {
			report.Notes = append(report.Notes, "the policy chooses no clocks, so none was set")
		}
	}
	return report, err
}
