package traffic

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A count is a few bytes of a file: its arrivals are ascending and uniform in the interval whatever it is, and memory is not in
// proportion to it.
func TestCountedInPieces(t *testing.T) {
	const n, parts = 1_500_001, 16
	counts := Counted{Bin: time.Second, Counts: []int64{2, n, 3}}
	s := counts.Source().(*countedSource)
	rng := rand.New(rand.NewPCG(1, 2))
	var last time.Duration
	var seen [parts]float64
	all := 0
	for at, ok := s.Next(rng); ok; at, ok = s.Next(rng) {
		if at < last {
			t.Fatalf("arrival %d at %v, after one at %v", all, at, last)
		}
		if last = at; at >= time.Second && at < 2*time.Second {
			seen[int64(at-time.Second)*parts/int64(time.Second)]++
		}
		all++
	}
	total, chi := 0.0, 0.0
	for _, k := range seen {
		total += k
		const want = n / float64(parts)
		chi += (k - want) * (k - want) / want
	}
	if all != n+5 || total != n || last < 2*time.Second || last >= 3*time.Second {
		t.Errorf("%d arrivals, %g in the second interval, the last at %v", all, total, last)
	}
	if chi > 37.7 { // 99.9% of chi-squared with 15 degrees of freedom
		t.Errorf("chi-squared over %d parts is %.1f: not uniform", parts, chi)
	}
	if cap(s.times) > 4*mostTimes {
		t.Errorf("%d times were in memory at once", cap(s.times))
	}
}

func TestHeads(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int64{0, 1, 63, 64, 65, 1000} {
		sum := int64(0)
		for range 2000 {
			k := heads(n, rng)
			if k < 0 || k > n {
				t.Fatalf("%d heads of %d", k, n)
			}
			sum += k
		}
		if mean := float64(sum) / 2000; mean < 0.45*float64(n)-0.01 || mean > 0.55*float64(n) {
			t.Errorf("%d coins show heads %g times on average", n, mean)
		}
	}
}

// What is allowed in all is not allowed twice.
func TestCountedInAll(t *testing.T) {
	c := Counted{Origin: Origin{File: "f", Format: FormatPerSecond}, Bin: time.Second, Counts: []int64{MaxRequests, 0}}
	problems := func() int {
		var r report
		c.problems(&r)
		return len(r.problems)
	}
	if n := problems(); n != 0 {
		t.Errorf("%d problems with %d arrivals", n, c.Counts[0])
	}
	if c.Counts[1] = 1; problems() == 0 {
		t.Error("one more is accepted")
	}
}
