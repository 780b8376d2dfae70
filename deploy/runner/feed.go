package runner

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"

	"github.com/dynofa/dynofa/datasets/images"
)

// Source hands out pictures one after the other: a camera, a pipe, a list of names.
type Source interface {
	// Next waits for the next picture; one call at a time. Slot says which of Feed's Slots the picture may keep in memory of the source until
	// Feed asks for the same slot again. It returns io.EOF at the end, an error that wraps ErrSkip for a picture that is lost,
	// and any other error to end.
	Next(slot int) (image.Image, error)
}

// ErrSkip is wrapped by errors about a picture that is lost while the next one may be good.
var ErrSkip = errors.New("runner: a picture is lost")

// FeedConfig says how pictures become requests. Inbox, Source and Resolutions are required.
type FeedConfig struct {
	Inbox     *Inbox
	Source    Source
	Transform images.Transform
	// Resolutions are those of the family's levels.
	Resolutions []int
	// Slots is how many pictures may wait or be served at a time: with that many under way the source is not asked for more, so that a
	// file is read as fast as it is served, and a camera drops what nobody fetches. Default 4.
	Slots  int
	Logger *slog.Logger // told of pictures that are lost, the same message once in a row; nil: discard
	// Done gets what became of picture n, counted from 0, in the run's goroutine, which it must not keep waiting; may be nil.
	Done func(n int64, r Result)
}

// FeedReport says what came from a source.
type FeedReport struct {
	Pictures int64 // handed to the run
	Lost     int64 // damaged, or with no room in the inbox
}

// Feed hands a source's pictures to a run until the source ends, ctx does or the run takes no more; then it closes the inbox, so that
// the run ends with what is under way. A picture arrives when the source has it. A source that waits for its next picture when ctx ends is
// left behind waiting: closing what it reads from is the caller's.
func Feed(ctx context.Context, cfg FeedConfig) (FeedReport, error) {
	if cfg.Slots == 0 {
		cfg.Slots = 4
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Inbox == nil || cfg.Source == nil || cfg.Slots < 0 || len(cfg.Resolutions) == 0 {
		return FeedReport{}, errors.New("runner: feed: an inbox, a source, resolutions and slots that are not negative are required")
	}
	defer cfg.Inbox.Close()
	makers := map[int]*images.Preprocessor{}
	for _, r := range cfg.Resolutions {
		m, err := images.NewPreprocessor(cfg.Transform.At(r))
		if err != nil {
			return FeedReport{}, err
		}
		makers[r] = m // only the run's goroutine uses them
	}
	free := make(chan int, cfg.Slots)
	for slot := range cfg.Slots {
		free <- slot
	}
	next := fetch(ctx, cfg.Source, free)
	var report FeedReport
	told := "" // last
	for {
		var p fetched
		var ok bool
		select {
		case p, ok = <-next:
		case <-ctx.Done():
			return report, nil
		}
		switch {
		case !ok || errors.Is(p.err, io.EOF):
			return report, nil
		case errors.Is(p.err, ErrSkip):
			report.Lost++
			if text := p.err.Error(); text != told {
				told = text
				cfg.Logger.Warn("a picture is lost", "error", p.err)
			}
			free <- p.slot
			continue
		case p.err != nil:
			return report, fmt.Errorf("runner: feed: %w", p.err)
		}
		n := report.Pictures
		err := cfg.Inbox.Send(Call{
			Fill: func(dst []float32, resolution int) error {
				m := makers[resolution]
				if m == nil {
					return fmt.Errorf("no level of resolution %d was announced", resolution)
				}
				return m.Into(dst, p.picture)
			},
			Done: func(r Result) {
				if cfg.Done != nil {
					cfg.Done(n, r)
				}
				free <- p.slot // never blocks: there are as many places as slots
			},
		})
		switch {
		case errors.Is(err, ErrDraining): // the run has ended
			return report, nil
		case err != nil:
			report.Lost++
			free <- p.slot
		default:
			report.Pictures++
		}
	}
}

// fetched is what a source gave.
type fetched struct {
	picture image.Image
	slot    int
	err     error
}

// fetch asks a source for pictures in a goroutine of its own, which ends with the source or, unless the source does not return, with ctx.
func fetch(ctx context.Context, s Source, free <-chan int) <-chan fetched {
	next := make(chan fetched)
	go func() {
		defer close(next)
		for {
			var p fetched
			select {
			case p.slot = <-free:
			case <-ctx.Done():
				return
			}
			p.picture, p.err = s.Next(p.slot)
			select {
			case next <- p:
			case <-ctx.Done():
				return
			}
			if p.err != nil && !errors.Is(p.err, ErrSkip) {
				return
			}
		}
	}()
	return next
}

// frames is a source of raw frames.
type frames struct {
	reader *images.FrameReader
	spec   images.FrameSpec
	slots  map[int]*images.Frame
}

// FrameSource returns a source that reads raw frames. It returns an error for an invalid spec.
func FrameSource(r io.Reader, spec images.FrameSpec, framing images.Framing) (Source, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	return &frames{reader: images.NewFrameReader(r, framing), spec: spec, slots: map[int]*images.Frame{}}, nil
}

// Next implements Source.
func (f *frames) Next(slot int) (image.Image, error) {
	frame := f.slots[slot]
	if frame == nil {
		frame = images.NewFrame(f.spec)
		f.slots[slot] = frame
	}
	if err := f.reader.Read(frame); err != nil {
		if errors.Is(err, images.ErrShortFrame) {
			return nil, fmt.Errorf("%w: %w", ErrSkip, err)
		}
		return nil, err
	}
	return frame.Picture(), nil
}
