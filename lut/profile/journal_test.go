package profile_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/profile"
)

// TestResume stops a run at any moment and starts it again with the same journal, until it ends: the
// keys are those of a run that was never stopped, every acknowledged round is in the table, and no
// round is measured twice.
func TestResume(t *testing.T) {
	s := tiny(t)
	cfg := config(s)
	cfg.Rounds, cfg.Warmup, cfg.Seams, cfg.Hot = 9, 1, 1, 2
	whole, err := measure(t.Context(), cfg, newFakeMeter(s, 0.1, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, every := range []int{1, 700, 1000, 1234, 3000} {
		journal := &memory{}
		cfg.Journal = journal
		var table *lut.Table
		for attempt := 1; table == nil; attempt++ {
			if attempt > 100 {
				t.Fatalf("stopped every %d runs: no progress", every)
			}
			ctx, cancel := context.WithCancel(t.Context())
			m := newFakeMeter(s, 0.1, uint64(attempt))
			m.onRun = func(n int) {
				if n == every+attempt*97 {
					cancel()
				}
			}
			before := len(journal.rounds)
			table, err = measure(ctx, cfg, m)
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			// A round is 192 targets, the pairs, 4 networks and the null model, some with 384 hot runs:
			// all but the one in flight and the warm-up are kept.
			if rounds := len(journal.rounds) - before; err != nil && (len(m.visits)-1)/1000 > rounds+2 {
				t.Errorf("%d runs, %d rounds kept", len(m.visits), rounds)
			}
			cancel()
		}
		if got := fact(table, "profile: rounds kept"); got != "9" {
			t.Errorf("%s rounds", got)
		}
		for i := range whole.Entries {
			if table.Entries[i].Key != whole.Entries[i].Key || table.Entries[i].Latency.N != 9 {
				t.Fatalf("entry %d: %v with %d samples", i, table.Entries[i].Key, table.Entries[i].Latency.N)
			}
		}
		// Nothing is left to do: the table comes from the journal alone.
		m := newFakeMeter(s, 0.1, 1)
		again, err := measure(t.Context(), cfg, m)
		if err != nil || len(m.visits) > 0 {
			t.Fatalf("%d runs, %v", len(m.visits), err)
		}
		if d := cmp.Diff(table.Entries, again.Entries, sameBits); d != "" {
			t.Error(d)
		}
	}
}

func TestResumeRefuses(t *testing.T) {
	s := tiny(t)
	cfg := config(s)
	for name, b := range map[string][]byte{
		"empty": {}, "another format": {9, 1, 0}, "another plan": profile.EncodeRound([]profile.Sample{{Wall: 1}}, nil),
	} {
		cfg.Journal = &memory{rounds: [][]byte{b}}
		if _, err := profile.Run(t.Context(), cfg, newFakeMeter(s, 0, 1)); err == nil || !strings.Contains(err.Error(), "journal: round 0: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	full := errors.New("the disk is full")
	cfg.Journal = &memory{fail: full}
	if r, err := profile.Run(t.Context(), cfg, newFakeMeter(s, 0, 1)); !errors.Is(err, full) || r.Table != nil {
		t.Errorf("%v, %v", r, err)
	}
}

// TestDigest: what decides the samples decides the digest, how long to go on does not.
func TestDigest(t *testing.T) {
	s := tiny(t)
	digest := func(change func(*profile.Config)) string {
		t.Helper()
		cfg := config(s)
		change(&cfg)
		d, err := profile.Digest(cfg)
		if err != nil || len(d) != 64 {
			t.Fatalf("%q, %v", d, err)
		}
		return d
	}
	base := digest(func(*profile.Config) {})
	for name, c := range map[string]struct {
		change func(*profile.Config)
		same   bool
	}{
		"rounds":     {func(c *profile.Config) { c.Rounds = 99 }, true},
		"target":     {func(c *profile.Config) { c.Target = 0.5 }, true},
		"seed":       {func(c *profile.Config) { c.Seed++ }, false},
		"threads":    {func(c *profile.Config) { c.Point.Threads = 7 }, false},
		"networks":   {func(c *profile.Config) { c.Networks = 5 }, false},
		"seams":      {func(c *profile.Config) { c.Seams = 1 }, false},
		"hot":        {func(c *profile.Config) { c.Hot = 1 }, false},
		"machine":    {func(c *profile.Config) { c.Fingerprint = "another" }, false},
		"resolution": {func(c *profile.Config) { c.Resolutions = []int{128, 192} }, false},
	} {
		if got := digest(c.change); (got == base) != c.same {
			t.Errorf("%s: %s and %s", name, got, base)
		}
	}
	if _, err := profile.Digest(profile.Config{}); err == nil {
		t.Error("nothing has a digest")
	}
}

func TestRoundCodec(t *testing.T) {
	units := []profile.Sample{{Wall: 1}, {Wall: time.Hour, CPU: time.Hour, Preempted: true}, {Wall: 12345, CPU: 12000}}
	hot := []profile.Sample{{Wall: 77, CPU: 76}, {Wall: 78, Preempted: true}}
	for _, h := range [][]profile.Sample{nil, hot} {
		b := profile.EncodeRound(units, h)
		again, err := profile.Recode(b, 3, 2)
		if err != nil || !bytes.Equal(b, again) {
			t.Errorf("%v, %v", again, err)
		}
		for n := range b {
			if _, err := profile.Recode(b[:n], 3, 2); err == nil {
				t.Errorf("the first %d of %d bytes are accepted", n, len(b))
			}
		}
		if _, err := profile.Recode(append(b, 0), 3, 2); err == nil {
			t.Error("a byte too many is accepted")
		}
	}
	for name, s := range map[string]profile.Sample{"no wall time": {}, "too long": {Wall: time.Hour + 1}, "too much CPU": {Wall: 1, CPU: time.Hour + 1}} {
		if _, err := profile.Recode(profile.EncodeRound([]profile.Sample{s}, nil), 1, 0); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	huge := binary.AppendUvarint([]byte{1, 1, 0}, math.MaxUint64)
	if _, err := profile.Recode(append(huge, huge[3:]...), 1, 0); err == nil {
		t.Error("huge numbers are accepted")
	}
}

func FuzzRound(f *testing.F) {
	f.Add(profile.EncodeRound([]profile.Sample{{Wall: 5, CPU: 4}, {Wall: 6, Preempted: true}}, nil))
	f.Add(profile.EncodeRound([]profile.Sample{{Wall: 5}, {Wall: 6}}, []profile.Sample{{Wall: 7}}))
	f.Add([]byte{1, 2, 0, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := profile.Recode(b, 2, 1)
		if err != nil {
			return
		}
		third, err := profile.Recode(again, 2, 1)
		if err != nil || !bytes.Equal(again, third) {
			t.Errorf("%v becomes %v, then %v (%v)", b, again, third, err)
		}
	})
}
