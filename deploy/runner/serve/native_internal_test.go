package serve

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Every value is in the bucket whose bounds hold it, by the definition.
func TestNativeBuckets(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	values := []float64{1, 2, .5, 1e-3, 0.25, math.Nextafter(1, 2), math.Nextafter(1, 0), 1e-6, 900, 1024}
	for range 2000 {
		values = append(values, math.Exp2(-20+30*rng.Float64()))
	}
	for _, v := range values {
		var n native
		n.add(v)
		runs, deltas := n.spans()
		if len(runs) != 1 || runs[0].length != 1 || len(deltas) != 1 || deltas[0] != 1 {
			t.Fatalf("%g: spans %v, deltas %v", v, runs, deltas)
		}
		low, high := math.Exp2(float64(runs[0].offset-1)/8), math.Exp2(float64(runs[0].offset)/8)
		if slack := 1 + 1e-14; v*slack < low || v > high*slack { // Exp2 is not exact
			t.Errorf("%g is in (%g, %g]", v, low, high)
		}
	}
	for exact, index := range map[float64]int32{1: 0, 2: 8, .5: -8, 1.5: 5} { // 1.414 < 1.5 <= 1.542
		var n native
		n.add(exact)
		if runs, _ := n.spans(); runs[0].offset != index {
			t.Errorf("%g is in bucket %d, want %d", exact, runs[0].offset, index)
		}
	}
	var n native
	for _, v := range []float64{0, -1, 1e-9, math.NaN(), zeroThreshold} {
		n.add(v)
	}
	if runs, _ := n.spans(); n.zero != 5 || len(runs) != 0 {
		t.Errorf("%d zeros, spans %v", n.zero, runs)
	}
	n.add(1e9)
	if runs, _ := n.spans(); runs[0].offset != nativeMost {
		t.Errorf("the largest values are in bucket %d", runs[0].offset)
	}
}

// Spans and deltas give back every count.
func TestNativeSpans(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 2))
	for range 200 {
		var n native
		for range rng.IntN(60) {
			n.counts[rng.IntN(len(n.counts))%(1+rng.IntN(nativeBuckets))] += rng.Uint64N(4)
		}
		var back native
		runs, deltas := n.spans()
		index, count, d := 0, int64(0), 0
		for i, r := range runs {
			if i > 0 && r.offset <= 2 {
				t.Fatalf("a gap of %d begins a run", r.offset)
			}
			index += int(r.offset)
			for range r.length {
				count += deltas[d]
				back.counts[index-nativeLeast-1] = uint64(count)
				index++
				d++
			}
		}
		if back != n || d != len(deltas) {
			t.Fatalf("%v and %v give %v, want %v", runs, deltas, back.counts, n.counts)
		}
	}
}

func TestHistogramDoesNotAllocate(t *testing.T) {
	var h histogram
	if n := testing.AllocsPerRun(100, func() { h.add(3 * time.Millisecond) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestWantsProto(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "text/plain": false, "application/json": false,
		// Prometheus 2.x and 3.x, with and without native histograms.
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5": true,
		"application/openmetrics-text;version=1.0.0;q=0.6,application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5": false,
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text":                                                             false,
		"application/vnd.google.protobuf;encoding=delimited":                                                                                                false,
	} {
		if wantsProto(accept) != want {
			t.Errorf("%q: %v", accept, !want)
		}
	}
}
