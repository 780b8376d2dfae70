package command

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/regular"
	"github.com/dynofa/dynofa/deploy/runner"
)

// feeding is a source of requests that is not an image folder: raw frames, or names of pictures on standard input.
type feeding struct {
	source runner.Source
	close  func() error
}

// stdinName stands for standard input.
const stdinName = "-"

// openFeed opens --frames, or --images - for names of pictures; nil if neither was asked for.
func (o *runOptions) openFeed(stdin io.Reader) (*feeding, error) {
	if o.frames == "" {
		if o.images != stdinName {
			return nil, nil
		}
		return &feeding{&names{lines: bufio.NewScanner(stdin)}, func() error { return nil }}, nil
	}
	spec, err := images.ParseFrameSpec(o.frameSize, o.frameFormat)
	if err != nil {
		return nil, Usagef("--frame-size, --frame-format: %w", err)
	}
	if o.frames == stdinName {
		s, err := runner.FrameSource(stdin, spec, images.Streamed)
		return &feeding{s, func() error { return nil }}, err
	}
	info, err := os.Stat(o.frames)
	if err != nil {
		return nil, err
	}
	if info.Mode()&os.ModeNamedPipe != 0 {
		p := &pipe{path: o.frames}
		s, err := runner.FrameSource(p, spec, images.Streamed)
		return &feeding{s, p.Close}, err
	}
	f, err := os.Open(o.frames)
	if err != nil {
		return nil, err
	}
	framing := images.Streamed
	if info.Mode()&os.ModeCharDevice != 0 {
		framing = images.PerRead
	}
	s, err := runner.FrameSource(f, spec, framing)
	return &feeding{s, f.Close}, err
}

// pipe is a named pipe, opened when it is first read: opening waits for a program that writes.
type pipe struct {
	path string
	mu   sync.Mutex
	file *os.File
}

func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	f := p.file
	p.mu.Unlock()
	if f == nil {
		var err error
		if f, err = os.Open(p.path); err != nil {
			return 0, err
		}
		p.mu.Lock()
		p.file = f
		p.mu.Unlock()
	}
	return f.Read(b)
}

func (p *pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// names is a source of pictures whose names come one a line.
type names struct {
	lines *bufio.Scanner
	read  int // lines
}

// Next implements runner.Source. A picture that cannot be read is lost; the next one may be good.
func (n *names) Next(int) (image.Image, error) {
	for n.lines.Scan() {
		n.read++
		name := strings.TrimSpace(n.lines.Text())
		if name == "" {
			continue
		}
		f, err := regular.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", runner.ErrSkip, err)
		}
		img, err := images.Decode(name, f, images.Limits{})
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("%w: %w", runner.ErrSkip, err)
		}
		return img, nil
	}
	if err := n.lines.Err(); err != nil {
		return nil, fmt.Errorf("standard input: line %d: %w", n.read+1, err)
	}
	return nil, io.EOF
}

// feed serves what a source has to its end.
func (o *runOptions) feed(ctx context.Context, stdout io.Writer) (*runner.Report, error) {
	answers, closeAnswers, err := o.openAnswers(stdout)
	if err != nil {
		return nil, err
	}
	cfg := runner.FeedConfig{Inbox: o.cfg.Inbox, Source: o.fed.source, Transform: o.cfg.Transform, Slots: o.pending, Logger: o.cfg.Logger, Done: answers}
	for _, l := range o.cfg.Family.Levels {
		cfg.Resolutions = append(cfg.Resolutions, l.Arch.R)
	}
	type end struct {
		report runner.FeedReport
		err    error
	}
	done := make(chan end, 1)
	go func() {
		r, err := runner.Feed(ctx, cfg)
		done <- end{r, err}
	}()
	if o.cfg.Duration > 0 {
		defer time.AfterFunc(o.cfg.Duration, o.cfg.Inbox.Close).Stop()
	}
	report, err := runner.Run(ctx, o.cfg)
	o.cfg.Inbox.Close()
	_ = o.fed.close() // wakes a source that waits, where the system does that
	var fed end
	select {
	case fed = <-done:
	case <-time.After(500 * time.Millisecond): // nobody writes: it ends with the process
	}
	if report != nil && fed.report.Lost > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("%d pictures were damaged or came too fast, beside the %d that were served", fed.report.Lost, fed.report.Pictures))
	}
	return report, errors.Join(err, fed.err, closeAnswers())
}

// openAnswers returns what writes --answers, a line of CSV for each request.
func (o *runOptions) openAnswers(stdout io.Writer) (func(n int64, r runner.Result), func() error, error) {
	if o.answers == "" {
		return nil, func() error { return nil }, nil
	}
	w, closeFile := stdout, func() error { return nil }
	if o.answers != stdinName {
		f, err := os.Create(o.answers)
		if err != nil {
			return nil, nil, err
		}
		w, closeFile = f, f.Close
	}
	lines := csv.NewWriter(w)
	err := lines.Write([]string{"request", "outcome", "class", "level", "arrival_ns", "start_ns", "end_ns"})
	write := func(n int64, r runner.Result) {
		class := ""
		if r.Outcome.Answered() {
			class = strconv.Itoa(r.Class)
		}
		number := func(d int64) string { return strconv.FormatInt(d, 10) }
		_ = lines.Write([]string{number(n), string(r.Outcome), class, strconv.Itoa(r.Decision.Level), number(int64(r.Arrival)), number(int64(r.Start)), number(int64(r.End))}) // kept by the writer
		lines.Flush()
	}
	return write, func() error { lines.Flush(); return errors.Join(err, lines.Error(), closeFile()) }, err
}
