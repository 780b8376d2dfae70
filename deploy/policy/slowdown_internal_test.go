package policy

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// The oracle is arithmetic on big integers.
func TestFactorArithmetic(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	one := big.NewInt(int64(unity))
	ceil := func(a, b *big.Int) *big.Int {
		q, r := new(big.Int).QuoRem(a, b, new(big.Int))
		if r.Sign() > 0 {
			q.Add(q, big.NewInt(1))
		}
		return q
	}
	clip := func(v *big.Int, most int64) int64 {
		if m := big.NewInt(most); v.Cmp(m) > 0 {
			return most
		}
		return v.Int64()
	}
	positive := func() int64 { return rng.Int64N(math.MaxInt64) >> rng.IntN(62) }
	for range 20_000 {
		observed, predicted := positive(), positive()+1
		want := max(1, clip(ceil(new(big.Int).Mul(big.NewInt(observed), one), big.NewInt(predicted)), int64(maxFactor)))
		got := ratioOf(time.Duration(observed), time.Duration(predicted))
		if int64(got) != want {
			t.Fatalf("ratio %d/%d is %d, want %d", observed, predicted, got, want)
		}
		f, d := factor(rng.Int64N(int64(maxFactor))+1), positive()
		want = clip(ceil(new(big.Int).Mul(big.NewInt(d), big.NewInt(int64(f))), one), math.MaxInt64/4)
		if got := f.of(time.Duration(d)); int64(got) != want {
			t.Fatalf("factor %d of %d is %d, want %d", f, d, got, want)
		}
		g := factor(rng.Int64N(int64(maxFactor)) + 1)
		want = clip(new(big.Int).Quo(new(big.Int).Mul(big.NewInt(int64(g)), big.NewInt(int64(f))), one), int64(maxFactor))
		if got := f.times(g); int64(got) != want {
			t.Fatalf("factor %d times %d is %d, want %d", f, g, got, want)
		}
	}
	if got := ratioOf(-1, 1); got != 1 {
		t.Errorf("ratio of a negative latency is %d", got)
	}
	if got := fromShare(0.05); got != 68813 { // 65536 x 1.05 = 68812.8
		t.Errorf("1 + 5%% is %d", got)
	}
}

func TestSlowdown(t *testing.T) {
	type step struct {
		ratio, value float64 // observed, and in force afterwards
		n            int     // repetitions with that value
	}
	for name, steps := range map[string][]step{
		"a rise is believed at once, a fall after 8": {
			{1.23, 1.23, 50}, {1.1, 1.23, 7}, {1.1, 1.1, 1},
		},
		"a fall within the dead band is none": {
			{1.23, 1.23, 2}, {1.18, 1.23, 50},
		},
		"the highest of 8 is taken over": {
			{1.5, 1.5, 2}, {1, 1.5, 3}, {1.2, 1.5, 1}, {1, 1.5, 3}, {1, 1.2, 1},
		},
		"an outlier is undone": {
			{1, 1, 20}, {5, 5, 1}, {1, 1, 20},
		},
		"two in a row are none": {
			{1, 1, 20}, {1.5, 1.5, 2}, {1, 1.5, 7}, {1, 1, 1},
		},
		"two steps": { // a program starts during an inference, so the first slow one is half slow
			{1, 1, 20}, {1.12, 1.12, 1}, {1.23, 1.23, 20},
		},
		"after a second outlier soon after the first, 16 must show the fall": {
			{1, 1, 20}, {1.5, 1.5, 1}, {1, 1, 2}, {1.5, 1.5, 1}, {1, 1.5, 15}, {1, 1, 1},
		},
		"patience returns when a fall has stood for 32": {
			{1, 1, 20}, {1.5, 1.5, 1}, {1, 1, 2}, {1.5, 1.5, 1}, {1, 1.5, 15}, {1, 1, 1}, {1, 1, 33},
			{1.5, 1.5, 2}, {1, 1.5, 7}, {1, 1, 1},
		},
		"not earlier": {
			{1, 1, 20}, {1.5, 1.5, 1}, {1, 1, 2}, {1.5, 1.5, 1}, {1, 1.5, 15}, {1, 1, 1}, {1, 1, 32},
			{1.5, 1.5, 2}, {1, 1.5, 15}, {1, 1, 1},
		},
		"a table too high": {
			{0.5, 1, 7}, {0.5, 0.5, 20},
		},
	} {
		s := newSlowdown(8, 0.05)
		seen := 0
		for _, step := range steps {
			for range step.n {
				s.observe(fromShare(step.ratio - 1))
				seen++
				if want := fromShare(step.value - 1); s.value != want {
					t.Errorf("%s: after observation %d, %g: value %.4f, want %g", name, seen, step.ratio, float64(s.value)/float64(unity), step.value)
				}
			}
		}
	}
}

// With independent noise the value settles: it covers what was seen, and hardly moves any more. 1.7% is
// the noise of the paper's Fig. 7; noise beyond the dead band is covered less, and moves it more.
func TestSlowdownSettles(t *testing.T) {
	for _, c := range []struct{ sigma, share float64 }{{0.005, 0.001}, {0.017, 0.01}, {0.05, 0.11}} {
		rng := rand.New(rand.NewPCG(2, uint64(c.sigma*1000)))
		s := newSlowdown(8, 0.05)
		moves, below := 0, 0
		const warm, n = 100, 5000
		for i := range warm + n {
			before := s.value
			r := fromShare(1.35*math.Exp(c.sigma*rng.NormFloat64()) - 1)
			s.observe(r)
			if i < warm {
				continue
			}
			if r > before {
				below++
			}
			if s.value != before {
				moves++
			}
		}
		if most := int(c.share * n); moves > most || below > most {
			t.Errorf("sigma %g: %d moves and %d ratios above the value, of %d, want at most %d", c.sigma, moves, below, n, most)
		}
	}
}

// Observations that are slow whenever the value says fast, as from a table that is wrong for one level,
// are provoked ever more rarely: 8, 16, 32, ... 512 observations apart.
func TestSlowdownBacksOff(t *testing.T) {
	s := newSlowdown(8, 0.05)
	provoked := 0
	for range 10_000 {
		r := unity // the level that is chosen when things are slow
		if s.value < fromShare(0.2) {
			r, provoked = fromShare(0.23), provoked+1
		}
		s.observe(r)
	}
	if provoked > 30 { // 6 doublings and 10,000 / 512
		t.Errorf("provoked %d times in 10,000", provoked)
	}
}

func FuzzSlowdown(f *testing.F) {
	f.Add([]byte{10, 200, 10, 10, 10, 10}, byte(8), byte(5))
	f.Add([]byte{0, 255, 0, 255}, byte(1), byte(0))
	f.Fuzz(func(t *testing.T, ratios []byte, patience, band byte) {
		s := newSlowdown(max(1, int(patience)), float64(band)/255)
		for _, b := range ratios {
			before := s.value
			r := factor(b)<<10 + 1
			s.observe(r)
			switch {
			case s.value < r:
				t.Fatalf("value %d is below the last ratio %d", s.value, r)
			case r > before && s.value != r:
				t.Fatalf("ratio %d above the value %d gave %d", r, before, s.value)
			case s.value > max(before, r):
				t.Fatalf("value rose from %d to %d with ratio %d", before, s.value, r)
			case s.patience < s.first || s.patience > slowdownCap*s.first:
				t.Fatalf("patience %d", s.patience)
			}
		}
	})
}
