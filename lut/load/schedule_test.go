//go:build linux

package load_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/lut/load"
)

func TestParseSchedule(t *testing.T) {
	s, err := load.ParseSchedule("mem:1:64MiB@5s-6s, cpu:2@4s-8.5s,cpu:2@9s-10s")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, span := range s {
		texts = append(texts, span.String())
	}
	if got := strings.Join(texts, ","); got != "cpu:2@4s-8.5s,mem:1:64MiB@5s-6s,cpu:2@9s-10s" {
		t.Errorf("parsed %s", got)
	}
	if s, err := load.ParseSchedule(""); s != nil || err != nil {
		t.Errorf("empty text: %v, %v", s, err)
	}
	for _, bad := range []string{"cpu:2", "cpu:2@", "cpu:2@4s", "cpu:2@5s-4s", "cpu:2@-1s-4s", "gpu:1@0s-1s", "cpu:2@0s-1s,", "cpu:2@0s-2s,cpu:2@1s-3s"} {
		if s, err := load.ParseSchedule(bad); err == nil {
			t.Errorf("%q: %v and no error", bad, s)
		}
	}
}

// TestPause holds a load to its pauses: it takes no processor time in them, and goes on after them.
func TestPause(t *testing.T) {
	p := start(t, load.Spec{Kind: load.CPU, Threads: 1})
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	stat := "/proc/" + strconv.Itoa(p.PID()) + "/stat"
	eventually(t, "the pause", func() bool { _, state, ok := ticks(stat); return ok && state == "T" })
	before, _, _ := ticks(stat)
	time.Sleep(50 * time.Millisecond)
	if after, _, _ := ticks(stat); after != before {
		t.Errorf("a paused load took %d ticks", after-before)
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "work after the pause", func() bool { n, _, ok := ticks(stat); return ok && n > before })
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.Pause(); err == nil {
		t.Error("a load that is gone was paused")
	}
}

// TestSchedule runs a schedule to its end and one that is cut short.
func TestSchedule(t *testing.T) {
	s, err := load.ParseSchedule("cpu:1@0s-30ms,cpu:1@40ms-1h,mem:1:1MiB@20ms-50ms")
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	p.Begin(ctx)
	<-ctx.Done()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	p, err = s.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil { // paused processes end, too
		t.Error(err)
	}
}
