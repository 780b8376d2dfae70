package runner_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"io"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
)

// fed is a fixture that takes its requests from a source.
func fed(t *testing.T, s runner.Source, cfg runner.FeedConfig) (*runner.Report, runner.FeedReport, error) {
	t.Helper()
	fx := newFixture(t)
	fx.cfg.Inbox = runner.NewInbox(8, nil)
	fx.cfg.Clock, fx.cfg.Pictures = nil, nil
	for _, l := range fx.cfg.Family.Levels {
		cfg.Resolutions = append(cfg.Resolutions, l.Arch.R)
	}
	cfg.Inbox, cfg.Source = fx.cfg.Inbox, s
	type feed struct {
		report runner.FeedReport
		err    error
	}
	done := make(chan feed, 1)
	go func() {
		r, err := runner.Feed(t.Context(), cfg)
		done <- feed{r, err}
	}()
	report := fx.run(t)
	f := <-done
	return report, f.report, f.err
}

// TestFeedFrames serves a pipe of raw frames to its end, which comes within a frame: every whole one is answered, in order.
func TestFeedFrames(t *testing.T) {
	spec := images.FrameSpec{Width: 48, Height: 48, Format: images.NV12}
	const n = 50
	r, w := io.Pipe()
	go func() {
		frame := make([]byte, spec.Bytes())
		for range n {
			for part := range 3 { // a pipe hands on what comes
				if _, err := w.Write(frame[part*len(frame)/3 : (part+1)*len(frame)/3]); err != nil {
					return
				}
			}
		}
		_, _ = w.Write(frame[:7])
		_ = w.Close()
	}()
	s, err := runner.FrameSource(r, spec, images.Streamed)
	if err != nil {
		t.Fatal(err)
	}
	var answered []int64
	report, feed, err := fed(t, s, runner.FeedConfig{Slots: 3, Done: func(n int64, r runner.Result) {
		if r.Outcome == trace.OnTime {
			answered = append(answered, n)
		}
	}})
	if err != nil || feed.Pictures != n || feed.Lost != 1 || report.OnTime != n || report.Ended != "drained" {
		t.Errorf("%+v, %+v, %v", feed, report, err)
	}
	for i, a := range answered {
		if int64(i) != a {
			t.Fatalf("answer %d is for picture %d", i, a)
		}
	}
}

// TestFeedEnds ends for every reason that there is.
func TestFeedEnds(t *testing.T) {
	spec := images.FrameSpec{Width: 48, Height: 48, Format: images.Grey}
	s, err := runner.FrameSource(bytes.NewReader(nil), spec, images.Streamed)
	if err != nil {
		t.Fatal(err)
	}
	if report, feed, err := fed(t, s, runner.FeedConfig{}); err != nil || feed.Pictures != 0 || report.Requests != 0 {
		t.Errorf("an empty source: %+v, %+v, %v", report, feed, err)
	}
	broken := errors.New("unplugged")
	if _, feed, err := fed(t, &counted{left: 5, end: broken}, runner.FeedConfig{}); !errors.Is(err, broken) || feed.Pictures != 5 {
		t.Errorf("a source that breaks: %+v, %v", feed, err)
	}
	if _, err := runner.FrameSource(nil, images.FrameSpec{}, images.Streamed); err == nil {
		t.Error("frames without a size are accepted")
	}
	if _, err := runner.Feed(t.Context(), runner.FeedConfig{}); err == nil {
		t.Error("a feed of nothing is accepted")
	}
	// A source that does not come back does not hold the feed.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	hanging, w := io.Pipe()
	defer w.Close()
	s, err = runner.FrameSource(hanging, spec, images.Streamed)
	if err != nil {
		t.Fatal(err)
	}
	inbox := runner.NewInbox(1, nil)
	if _, err := runner.Feed(ctx, runner.FeedConfig{Inbox: inbox, Source: s, Resolutions: []int{32}}); err != nil {
		t.Error(err)
	}
	if err := inbox.Send(runner.Call{}); !errors.Is(err, runner.ErrDraining) {
		t.Errorf("the inbox takes more: %v", err)
	}
}

// TestFeedWaits counts how many pictures are under way: never more than there are slots.
func TestFeedWaits(t *testing.T) {
	c := &counted{left: 100, end: io.EOF}
	report, feed, err := fed(t, c, runner.FeedConfig{Slots: 2})
	if err != nil || feed.Pictures != 100 || report.OnTime != 100 {
		t.Errorf("%+v, %+v, %v", feed, report, err)
	}
	if c.most > 1 { // slots 0 and 1
		t.Errorf("slot %d was used", c.most)
	}
}

// counted is a source of so many grey pictures.
type counted struct {
	left, most int
	end        error
}

func (c *counted) Next(slot int) (image.Image, error) {
	if c.most = max(c.most, slot); c.left == 0 {
		return nil, c.end
	}
	c.left--
	return image.NewGray(image.Rect(0, 0, 48, 48)), nil
}
