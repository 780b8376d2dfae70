package load_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/lut/load"
)

func TestParseSpec(t *testing.T) {
	for _, c := range []struct {
		text string
		want load.Spec
		back string
	}{
		{"cpu", load.Spec{Kind: load.CPU, Threads: 1}, "cpu:1"},
		{"cpu:2", load.Spec{Kind: load.CPU, Threads: 2}, "cpu:2"},
		{"mem:256", load.Spec{Kind: load.Memory, Threads: 256}, "mem:256"},
		{"mem:1:512MiB", load.Spec{Kind: load.Memory, Threads: 1, Bytes: 512 << 20}, "mem:1:512MiB"},
		{"mem:1:64GiB", load.Spec{Kind: load.Memory, Threads: 1, Bytes: 64 << 30}, "mem:1:65536MiB"},
		{"mem:3:2048KiB", load.Spec{Kind: load.Memory, Threads: 3, Bytes: 2 << 20}, "mem:3:2MiB"},
		{"mem:1:1500000", load.Spec{Kind: load.Memory, Threads: 1, Bytes: 1500000}, "mem:1:1500000"},
	} {
		got, err := load.ParseSpec(c.text)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" || got.String() != c.back {
			t.Errorf("%s: %s %s", c.text, got, diff)
		}
	}
}

func TestParseSpecRejects(t *testing.T) {
	for _, text := range []string{
		"", ":", "gpu:1", "CPU:1", "cpu:", "cpu:0", "cpu:-1", "cpu:257", "cpu:1.5", "cpu:99999999999999999999", "cpu:1:64MiB", "cpu:1:",
		"mem:1:", "mem:1:0", "mem:1:-1MiB", "mem:1:1", "mem:1:65GiB", "mem:1:9223372036854775807GiB", "mem:1:64MB", "mem:1:MiB", "mem:1:2MiB:3", " cpu:1",
	} {
		if s, err := load.ParseSpec(text); err == nil {
			t.Errorf("%q is accepted as %s", text, s)
		} else if !strings.HasPrefix(err.Error(), "load: ") || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: the error does not name it: %v", text, err)
		}
	}
}

// No text crashes the parser; what is accepted is valid and survives printing.
func FuzzParseSpec(f *testing.F) {
	for _, s := range []string{"cpu", "cpu:2", "mem:1:512MiB", "mem:1:1048577", "mem:1:9223372036854775807GiB", "cpu:1:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := load.ParseSpec(text)
		if err != nil {
			return
		}
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		if again, err := load.ParseSpec(s.String()); err != nil || again != s {
			t.Errorf("%q: %v becomes %v (%v)", text, s, again, err)
		}
	})
}

// FuzzParseSchedule: what is accepted is valid, and reads back from its text form.
func FuzzParseSchedule(f *testing.F) {
	f.Add("cpu:2@4s-8s,mem:1:64MiB@1ms-2ms")
	f.Add("cpu:1@0s-1h,cpu:1@30m-2h")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := load.ParseSchedule(text)
		if err != nil {
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		var items []string
		for _, span := range s {
			items = append(items, span.String())
		}
		again, err := load.ParseSchedule(strings.Join(items, ","))
		if err != nil || !slices.Equal(s, again) {
			t.Errorf("%v reads back as %v, %v", s, again, err)
		}
	})
}
