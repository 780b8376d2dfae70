package runner

import (
	"slices"
	"testing"
	"time"
)

// TestSamples keeps a long run within bounds, evenly spread, and merges series that are spread differently in proportion.
func TestSamples(t *testing.T) {
	var long, short samples
	const n, few = 10*maxSamples + 3, 1000
	for i := range n {
		long.add(time.Duration(i))
	}
	for i := range few {
		short.add(time.Duration(-i))
	}
	if len(long.kept) > maxSamples || len(long.kept) < maxSamples/2 || long.total != n || long.every != 16 {
		t.Fatalf("%d kept of %d, one of every %d", len(long.kept), long.total, long.every)
	}
	for i, d := range long.kept {
		if int64(d) != int64(i)*long.every {
			t.Fatalf("sample %d is number %d", i, d)
		}
	}
	if len(short.kept) != few || short.latency().Warnings != nil && len(short.latency().Warnings) > 1 {
		t.Errorf("%d kept of %d", len(short.kept), few)
	}
	var all samples
	all.merge(&short)
	all.merge(&long)
	late := 0
	for _, d := range all.kept {
		if d > 0 {
			late++
		}
	}
	if all.total != n+few || late != len(long.kept)-1 || len(all.kept) != len(long.kept)+(few+15)/16 || !slices.Contains(all.kept, -16) {
		t.Errorf("%d of %d, %d of them of the long series", len(all.kept), all.total, late)
	}
}
