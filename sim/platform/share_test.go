package platform_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim/des"
	"github.com/dynofa/dynofa/sim/platform"
)

const cpu, gpu = 0, 1

// TestSharing: every time is worked out by hand.
func TestSharing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		work   []platform.Work
		events []platform.Event
		want   []time.Duration // ends, by tag
	}{
		{"alone", []platform.Work{work(0, gpu, 100, 0, 0)}, nil, []time.Duration{100 * ms}},
		{"two on the GPU", []platform.Work{work(0, gpu, 100, 0, 0), work(1, gpu, 50, 0, 0)}, nil, []time.Duration{150 * ms, 100 * ms}},
		{"apart", []platform.Work{work(0, cpu, 100, 0, 0), work(1, gpu, 100, 0, 0)}, nil, []time.Duration{100 * ms, 100 * ms}},
		{"a core each", []platform.Work{work(0, cpu, 100, 1, 0), work(1, cpu, 100, 1, 0)}, nil, []time.Duration{100 * ms, 100 * ms}},
		// Three threads on two cores: each runs at 2/3. The first ends at 150 ms; the other has done 100 of its 150 ms.
		{"two threads and one", []platform.Work{work(0, cpu, 100, 1, 0), work(1, cpu, 150, 2, 0)}, nil, []time.Duration{150 * ms, 200 * ms}},
		// 1 GB in 100 ms is 10 GB/s, all there is: together each goes at half pace.
		{"the memory's bandwidth", []platform.Work{work(0, cpu, 100, 0, 1e9), work(1, gpu, 100, 0, 1e9)}, nil, []time.Duration{200 * ms, 200 * ms}},
		// The GPU would take 20 GB/s alone: it is bound by memory, and the CPU, which takes none, is not.
		{"bound by memory", []platform.Work{work(0, cpu, 100, 0, 0), work(1, gpu, 100, 0, 2e9)}, nil, []time.Duration{100 * ms, 200 * ms}},
		{"a slower clock", []platform.Work{work(0, gpu, 100, 0, 0)}, []platform.Event{atClock(50*ms, "gpu", 500e6)}, []time.Duration{150 * ms}},
		{"the clock above", []platform.Work{work(0, gpu, 100, 0, 0)}, []platform.Event{atClock(50*ms, "gpu", 251e6)}, []time.Duration{150 * ms}},
		{"another's clock", []platform.Work{work(0, gpu, 100, 0, 0)}, []platform.Event{atClock(50*ms, "cpu", 500e6)}, []time.Duration{100 * ms}},
		// At half of the clock and one core of two: a quarter of the pace.
		{"a mode", []platform.Work{work(0, cpu, 100, 2, 0)}, []platform.Event{{At: 50 * ms, Kind: platform.ModeSet, Mode: "half"}}, []time.Duration{250 * ms}},
		{"a governor", []platform.Work{work(0, gpu, 100, 0, 0)}, []platform.Event{{At: 50 * ms, Kind: platform.GovernorSet, Processor: "gpu", Governor: platform.Powersave}}, []time.Duration{250 * ms}},
		{"interference", []platform.Work{work(0, gpu, 100, 0, 0)}, []platform.Event{
			{At: 50 * ms, Kind: platform.CoRunnerOn, CoRunner: platform.CoRunner{Name: "a", Processor: "gpu", Interference: 1.5}},
			{At: 80 * ms, Kind: platform.CoRunnerOff, CoRunner: platform.CoRunner{Name: "a"}},
		}, []time.Duration{110 * ms}}, // 30 ms do 20 ms' work
		{"its demand", []platform.Work{work(0, gpu, 100, 0, 0)}, []platform.Event{
			{At: 50 * ms, Kind: platform.CoRunnerOn, CoRunner: platform.CoRunner{Name: "a", Processor: "gpu", Threads: 1}},
			{At: 70 * ms, Kind: platform.CoRunnerOff, CoRunner: platform.CoRunner{Name: "a"}},
		}, []time.Duration{110 * ms}},
		{"its traffic", []platform.Work{work(0, gpu, 100, 0, 0.5e9)}, []platform.Event{ // 5 GB/s beside 10 GB/s
			{At: 0, Kind: platform.CoRunnerOn, CoRunner: platform.CoRunner{Name: "a", Processor: "cpu", Threads: 1, Bandwidth: 10e9}},
		}, []time.Duration{150 * ms}}, // both at 10/15
		{"a second of its name", []platform.Work{work(0, gpu, 100, 0, 0)}, []platform.Event{
			{At: 0, Kind: platform.CoRunnerOn, CoRunner: platform.CoRunner{Name: "a", Processor: "gpu", Interference: 4}},
			{At: 40 * ms, Kind: platform.CoRunnerOn, CoRunner: platform.CoRunner{Name: "a", Processor: "gpu", Interference: 2}},
		}, []time.Duration{220 * ms}}, // 10 ms' work, then half pace
		{"two of them", []platform.Work{work(0, gpu, 100, 0, 0)}, []platform.Event{
			{At: 0, Kind: platform.CoRunnerOn, CoRunner: platform.CoRunner{Name: "a", Processor: "gpu", Interference: 2}},
			{At: 0, Kind: platform.CoRunnerOn, CoRunner: platform.CoRunner{Name: "b", Processor: "gpu", Interference: 3}},
			{At: 0, Kind: platform.CoRunnerOff, CoRunner: platform.CoRunner{Name: "c"}},
		}, []time.Duration{600 * ms}},
		{"a slow-down", []platform.Work{work(0, gpu, 100, 0, 0)}, []platform.Event{
			{At: 50 * ms, Kind: platform.SlowdownSet, Processor: "gpu", Slowdown: 2},
			{At: 70 * ms, Kind: platform.SlowdownSet, Processor: "gpu", Slowdown: 1},
		}, []time.Duration{110 * ms}},
	} {
		b := start(t, platform.Config{Board: lab(t), Events: tt.events})
		for _, w := range tt.work {
			b.Start(w)
		}
		b.k.Run(time.Second)
		for tag, want := range tt.want {
			if got := b.ended[uint64(tag)]; got != want {
				t.Errorf("%s: work %d ends at %v, want %v", tt.name, tag, got, want)
			}
		}
	}
}

// TestClocksTakeEffect: a clock that is asked for is in force after the effect, and then the processor stands still for
// the stall. The last request before the effect counts, and one for the clock in force stops nothing.
func TestClocksTakeEffect(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []platform.Event
		want   time.Duration
	}{
		{"down", []platform.Event{atClock(20*ms, "gpu", 500e6)}, 20*ms + 5*ms + 2*ms + 150*ms},
		{"twice", []platform.Event{atClock(20*ms, "gpu", 500e6), atClock(24*ms, "gpu", 250e6)}, 25*ms + 2*ms + 300*ms},
		{"and back", []platform.Event{atClock(20*ms, "gpu", 500e6), atClock(24*ms, "gpu", 1e9)}, 100 * ms},
		{"during the stall", []platform.Event{atClock(20*ms, "gpu", 500e6), atClock(21*ms, "cpu", 500e6), atClock(26*ms, "gpu", 1e9)},
			25*ms + 2*ms + 4*ms + 2*ms + 73*ms}, // half pace from 27 to 31 ms, stall to 33 ms
		{"the memory", []platform.Event{{At: 20 * ms, Kind: platform.ModeSet, Mode: "full"}}, 100 * ms},
	} {
		board := lab(t)
		for i := range board.Processors {
			board.Processors[i].Effect.Value, board.Processors[i].Stall.Value = 5*ms, 2*ms
		}
		b := start(t, platform.Config{Board: board, Events: tt.events})
		b.Start(work(0, gpu, 100, 0, 0))
		b.k.Run(time.Second)
		if got := b.ended[0]; got != tt.want {
			t.Errorf("%s: ends at %v, want %v", tt.name, got, tt.want)
		}
	}
	// A change of the memory's clock stops everything.
	board := lab(t)
	board.Memory.Effect.Value, board.Memory.Stall.Value = 8*ms, 3*ms
	b := start(t, platform.Config{Board: board, Events: []platform.Event{{At: 10 * ms, Kind: platform.ModeSet, Mode: "half"}}})
	b.Start(work(0, gpu, 100, 0, 0))
	b.k.Run(time.Second)
	if want := 10*ms + 8*ms + 3*ms + 172*ms; b.ended[0] != want { // 10 and 4 ms' work before the stall, 86 left at half pace
		t.Errorf("ends at %v, want %v", b.ended[0], want)
	}
}

// load keeps a platform busy with random work.
type load struct {
	*bench
	rng *rand.Rand
	n   int
}

func (l *load) Handle(k *des.Kernel, _ des.Event) {
	if l.n--; l.n > 0 {
		w := work(uint64(l.n), l.rng.IntN(2), 1+8*l.rng.Float64(), float64(l.rng.IntN(3)), 4e7*l.rng.Float64())
		l.Start(w)
		k.After(time.Duration(l.rng.Int64N(int64(40*ms))), des.Arrival, 1, des.Event{})
	}
}

func randomLoad(t testing.TB, seed uint64, c platform.Config) *load {
	l := &load{bench: start(t, c), rng: rand.New(rand.NewPCG(seed, 1)), n: 300}
	if h := l.k.Register(l); h != 1 {
		t.Fatalf("handler %d", h)
	}
	l.k.At(0, des.Arrival, 1, des.Event{})
	return l
}

// disturb is a list of random events.
func disturb(rng *rand.Rand, n int) []platform.Event {
	var events []platform.Event
	for range n {
		at := time.Duration(rng.Int64N(int64(6 * time.Second)))
		name := []string{"cpu", "gpu"}[rng.IntN(2)]
		e := onProcessor(at, []platform.EventKind{platform.CoRunnerOn, platform.CoRunnerOff, platform.ModeSet, platform.ClockSet, platform.GovernorSet,
			platform.AmbientSet, platform.SensorLost, platform.SensorBack, platform.SlowdownSet}[rng.IntN(9)], name)
		e.CoRunner = platform.CoRunner{Name: string(rune('a' + rng.IntN(3))), Processor: name, Threads: float64(rng.IntN(3)), Bandwidth: 3e9, Interference: 1 + rng.Float64()}
		e.Mode = []string{"full", "half"}[rng.IntN(2)]
		e.Clock, e.Slowdown, e.Ambient = 1e9, 0.5+rng.Float64(), 20
		e.Governor = platform.Governors()[rng.IntN(4)]
		events = append(events, e)
	}
	return events
}

// TestRandomLoads: whatever happens, all work ends, twice the same.
func TestRandomLoads(t *testing.T) {
	for seed := range uint64(50) {
		var prints [2]uint64
		for i := range prints {
			rng := rand.New(rand.NewPCG(seed, 2))
			board := lab(t)
			for j := range board.Processors {
				board.Processors[j].Effect.Value, board.Processors[j].Stall.Value = time.Duration(rng.IntN(6))*ms, time.Duration(rng.IntN(2))*100*time.Microsecond
			}
			l := randomLoad(t, seed, platform.Config{Board: board, Events: disturb(rng, 60)})
			l.k.Run(time.Minute)
			if len(l.ended) != 299 {
				t.Fatalf("seed %d: %d of 299 ended", seed, len(l.ended))
			}
			prints[i] = l.k.Fingerprint()
		}
		if prints[0] != prints[1] {
			t.Errorf("seed %d: two runs differ", seed)
		}
	}
}

// TestWorkConservation: on one processor that its activities share without another limit, work is done at full pace
// whenever there is any, so the last of what is there at the start ends when all work is done.
func TestWorkConservation(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	for range 200 {
		b := start(t, platform.Config{Board: lab(t)})
		sum, last := 0.0, time.Duration(0)
		n := uint64(1 + rng.IntN(12))
		for tag := range n {
			millis := 1 + 50*rng.Float64()
			sum += millis
			b.Start(work(tag, gpu, millis, 0, 0))
		}
		b.k.Run(time.Minute)
		for _, at := range b.ended {
			last = max(last, at)
		}
		if math.Abs(float64(last)/1e6-sum) > 1e-5 || len(b.ended) != int(n) {
			t.Fatalf("%d pieces of work of %g ms end at %v", n, sum, last)
		}
	}
}

// TestLowerCap: no work ends earlier under a lower clock of its processor.
func TestLowerCap(t *testing.T) {
	for seed := range uint64(20) {
		var ends [3]map[uint64]time.Duration
		for i, clock := range []unit.Hertz{1e9, 500e6, 250e6} {
			b := start(t, platform.Config{Board: lab(t), Events: []platform.Event{atClock(0, "gpu", clock)}})
			b.k.Run(0)
			rng := rand.New(rand.NewPCG(seed, 1))
			for tag := range uint64(10) {
				b.Start(work(tag, gpu, 1+50*rng.Float64(), 0.3, 4e8*rng.Float64()))
			}
			b.k.Run(time.Minute)
			ends[i] = b.ended
		}
		for tag, at := range ends[0] {
			if ends[1][tag] < at || ends[2][tag] < ends[1][tag] {
				t.Errorf("work %d ends at %v, %v and %v under ever lower clocks", tag, at, ends[1][tag], ends[2][tag])
			}
		}
	}
}

// Half of the clock takes work that is inverse to it twice as long, and work that is bound by memory just as long.
func TestFrequencyScaling(t *testing.T) {
	for _, bytes := range []float64{0, 4e9} {
		b := start(t, platform.Config{Board: lab(t)})
		b.Start(work(0, gpu, 100, 0, bytes)) // 4 GB at 10 GB/s take 400 ms, at any clock
		b.k.Run(time.Second)
		half := start(t, platform.Config{Board: lab(t), Events: []platform.Event{atClock(0, "gpu", 500e6)}})
		half.k.Run(0)
		half.Start(work(0, gpu, 100, 0, bytes))
		half.k.Run(time.Second)
		want := 2.0
		if bytes > 0 {
			want = 1
		}
		if got := float64(half.ended[0]) / float64(b.ended[0]); math.Abs(got-want) > 1e-6 {
			t.Errorf("with %g bytes: %v and at half of the clock %v", bytes, b.ended[0], half.ended[0])
		}
	}
}

// TestCoRunnersAtATime: as many co-runners as the board has room for, over time any number.
func TestCoRunnersAtATime(t *testing.T) {
	event := func(kind platform.EventKind, at time.Duration, name string) platform.Event {
		return platform.Event{At: at, Kind: kind, CoRunner: platform.CoRunner{Name: name, Processor: "cpu", Threads: 1}}
	}
	var events []platform.Event
	for i := range 128 {
		events = append(events, event(platform.CoRunnerOn, time.Second, fmt.Sprint(i)))
	}
	events = append(events, event(platform.CoRunnerOn, 3*time.Second, "another"), event(platform.CoRunnerOff, 2*time.Second, "5"))
	b := start(t, platform.Config{Board: lab(t), Events: events})
	b.k.Run(5 * time.Second)
	c := platform.Config{Board: lab(t), Events: events[:129]}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "event 129 at 3s: more than 128 co-runners") {
		t.Errorf("129 at a time: error %v", err)
	}
}
