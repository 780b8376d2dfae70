package traffic_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/traffic"
)

const ms = time.Millisecond

func ExampleBuiltin() {
	s, err := traffic.Builtin("fig7")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Family, s.Processor, s.Arrivals.Kind(), s.Limit, s.Accuracy, s.InitialLevel, s.Duration)
	fmt.Println(s.Slowdown("gpu", 2*time.Second), s.Slowdown("gpu", 3*time.Second), s.SwitchTime("ladder"), s.Params("ladder"))
	// Output:
	// paper-gpu6 gpu closed-loop 60ms 76.00% 3 12s
	// 1 1.23 580ms map[min_images:40 restart_at:2.47s]
}

func ExampleParse() {
	_, err := traffic.Parse("mine.yaml", []byte("family: paper-gpu6\nprocessor: gpu\narrivals: {kind: poisson, rate: 30}\nlimt: 60ms\n"))
	fmt.Println(err)
	// Output:
	// traffic: mine.yaml:3: arrivals.rate: "30" is no rate like 30/s
	// traffic: mine.yaml:4: limt: unknown key; known are title, description, sources, family, processor, processors, board, mode, governor, apps, arrivals, limit, accuracy, initial_level, duration, requests, seed, disturbances, co_runners, events, noise, switch_time, policies
}

func ExampleStream() {
	arrivals := traffic.Poisson{PerSecond: 30}.Source()
	rng := traffic.Stream(1, 0, "arrivals")
	for range 3 {
		at, _ := arrivals.Next(rng)
		fmt.Println(at)
	}
	// Output:
	// 138.669274ms
	// 155.939199ms
	// 163.162689ms
}

// full uses every field of a file.
const full = `title: All there is
description: |-
  One line,
    and another.
sources: [a book, "a: paper"]
family: study/7
processor: gpu
arrivals:
  kind: periodic
  period: 33.3ms
  jitter: 1ms
limit: 1m0.5s
accuracy: 76%
initial_level: 3
duration: 1h
requests: 1000
seed: 18446744073709551615
disturbances:
  gpu:
    - at: 0s
      slowdown: 1.1
    - {at: 2.47s, slowdown: 1e0, what: it ends}
  cpu:
    - {at: 1ns, slowdown: 0.5}
noise: {kind: lognormal, sigma: 0.25}
switch_time: {ladder: 580ms, slack: 0s}
policies:
  ladder: {settle: 40, up: "yes", gap: 10ms, none: ""}
  slack: {margin: 1.5}
`

func fullScenario() *traffic.Scenario {
	return &traffic.Scenario{
		Name: "full", Title: "All there is", Description: "One line,\n  and another.", Sources: []string{"a book", "a: paper"},
		Family: "study/7", Processor: "gpu",
		Arrivals: traffic.Periodic{Period: 33300 * time.Microsecond, Jitter: ms},
		Limit:    60500 * ms, Accuracy: 0.76, InitialLevel: 3, Duration: time.Hour, Requests: 1000, Seed: math.MaxUint64,
		Disturbances: []traffic.Disturbance{
			{Processor: "cpu", Profile: traffic.Profile{{At: 1, Slowdown: 0.5}}},
			{Processor: "gpu", Profile: traffic.Profile{{At: 0, Slowdown: 1.1}, {At: 2470 * ms, Slowdown: 1, What: "it ends"}}},
		},
		Noise:       traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.25},
		SwitchTimes: map[string]time.Duration{"ladder": 580 * ms, "slack": 0},
		Policies: map[string]map[string]string{
			"ladder": {"settle": "40", "up": "yes", "gap": "10ms", "none": ""},
			"slack":  {"margin": "1.5"},
		},
	}
}

func TestParseEveryField(t *testing.T) {
	got, err := traffic.Parse("dir/full.yaml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(fullScenario(), got); d != "" {
		t.Error(d)
	}
}

func TestMarshalRoundTrip(t *testing.T) {
	scenarios := []*traffic.Scenario{
		fullScenario(),
		{Name: "least", Family: "f", Processor: "p", Arrivals: traffic.ClosedLoop{}, Requests: 1},
		{Name: "closed", Family: "f", Processor: "p", Arrivals: traffic.ClosedLoop{Think: ms}, Duration: 1},
		{Name: "poisson", Family: "f", Processor: "p", Arrivals: traffic.Poisson{PerSecond: 1.0 / 3}, Duration: time.Second, Accuracy: 1.0 / 3,
			Noise: traffic.Noise{Kind: traffic.Exponential}},
		{Name: "odd", Title: "null", Description: " yes: |\n\n # no\n", Sources: []string{"~", "", "- x", "{", "\u00a0"}, Family: "true", Processor: "1.5",
			Arrivals: traffic.Poisson{PerSecond: 1e6}, Requests: 5, Policies: map[string]map[string]string{"null": {"y": "[", "1": "0x1"}}},
	}
	for _, name := range traffic.Builtins() {
		s, err := traffic.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		scenarios = append(scenarios, s)
	}
	for _, s := range scenarios {
		t.Run(s.Name, func(t *testing.T) {
			data, err := s.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			back, err := traffic.ParseIn(os.DirFS("scenarios"), s.Name+".yaml", data)
			if err != nil {
				t.Fatalf("%v\n%s", err, data)
			}
			if d := cmp.Diff(s, back); d != "" {
				t.Errorf("%s\n%s", d, data)
			}
			again, err := back.Marshal()
			if err != nil || string(again) != string(data) {
				t.Errorf("written again (%v):\n%s\nfirst:\n%s", err, again, data)
			}
		})
	}
}

func TestBuiltins(t *testing.T) {
	if n := len(traffic.Builtins()); n < 12 || !slices.Contains(traffic.Builtins(), "fig7") || !slices.IsSorted(traffic.Builtins()) {
		t.Errorf("%d scenarios: %v", n, traffic.Builtins())
	}
	for _, name := range traffic.Builtins() {
		s, err := traffic.Builtin(name + ".yaml")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Name != name || s.Title == "" || s.Description == "" || len(s.Sources) == 0 {
			t.Errorf("%s lacks a title, a description or sources", name)
		}
	}
	for _, name := range []string{"", "fig8", "../traffic", "scenarios/fig7", "fig7.yaml.yaml", "."} {
		if s, err := traffic.Builtin(name); err == nil {
			t.Errorf("Builtin(%q) = %v", name, s)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "full.yaml")
	if err := os.WriteFile(path, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := traffic.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(fullScenario(), got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{filepath.Join(dir, "absent.yaml"), dir} {
		if _, err := traffic.Load(bad); err == nil {
			t.Errorf("Load(%q) succeeded", bad)
		}
	}
}

func TestSlowdown(t *testing.T) {
	s := fullScenario()
	s.Disturbances[1].Profile[0].At = 10 * ms
	tests := []struct {
		processor string
		t         time.Duration
		want      float64
	}{
		{"gpu", 0, 1}, {"gpu", 10*ms - 1, 1}, {"gpu", 10 * ms, 1.1}, {"gpu", 2470*ms - 1, 1.1},
		{"gpu", 2470 * ms, 1}, {"gpu", math.MaxInt64, 1}, {"cpu", 1, 0.5}, {"dla", time.Second, 1},
	}
	for _, tt := range tests {
		if got := s.Slowdown(tt.processor, tt.t); got != tt.want {
			t.Errorf("Slowdown(%s, %v) = %v, want %v", tt.processor, tt.t, got, tt.want)
		}
	}
	// Walking the steps with Next visits every change once.
	p := s.Profile("gpu")
	var at []time.Duration
	for step, ok := p.Next(-1); ok; step, ok = p.Next(step.At) {
		at = append(at, step.At)
	}
	if d := cmp.Diff([]time.Duration{10 * ms, 2470 * ms}, at); d != "" {
		t.Error(d)
	}
	if got := s.Params("static"); got == nil || len(got) != 0 {
		t.Errorf("Params of a policy without any = %v, want an empty map", got)
	}
	s.Params("slack")["margin"] = "changed"
	if got := s.Params("slack")["margin"]; got != "1.5" {
		t.Error("Params shares memory with the scenario")
	}
	if got := s.SwitchTime("static"); got != 0 {
		t.Errorf("SwitchTime of a policy without one = %v", got)
	}
}

// TestGaps compares the generated gaps' mean and squared coefficient of variation with the formulas in the types'
// comments, within 2%. Seeds are fixed.
func TestGaps(t *testing.T) {
	tests := []struct {
		name          string
		arrivals      traffic.Arrivals
		mean, squared float64 // seconds; CV^2
	}{
		{"periodic", traffic.Periodic{Period: 40 * ms}, 0.04, 0},
		{"jitter", traffic.Periodic{Period: 40 * ms, Jitter: 10 * ms}, 0.04, 1.0 / 16 / 6},
		{"full jitter", traffic.Periodic{Period: 40 * ms, Jitter: 40 * ms}, 0.04, 1.0 / 6},
		{"poisson", traffic.Poisson{PerSecond: 30}, 1.0 / 30, 1},
		{"fast poisson", traffic.Poisson{PerSecond: 1e6}, 1e-6, 1},
		{"slow poisson", traffic.Poisson{PerSecond: 1e-3}, 1e3, 1},
	}
	const n = 200_000
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source, rng := tt.arrivals.Source(), traffic.Stream(1, 0, tt.name)
			var last time.Duration
			var sum, squares float64
			for i := range n + 1 {
				at, ok := source.Next(rng)
				if !ok || at < last {
					t.Fatalf("arrival %d at %v, %v after %v", i, at, ok, last)
				}
				if i > 0 {
					off := (at - last).Seconds() - tt.mean
					sum += off
					squares += off * off
				}
				last = at
			}
			mean := tt.mean + sum/n
			squared := (squares/n - sum/n*sum/n) / (mean * mean)
			t.Logf("mean %.6g s (%+.2f%%), CV^2 %.5f (formula %.5f)", mean, 100*(mean/tt.mean-1), squared, tt.squared)
			if math.Abs(mean-tt.mean) > 0.02*tt.mean {
				t.Errorf("mean gap %v s, want %v within 2%%", mean, tt.mean)
			}
			if math.Abs(squared-tt.squared) > 0.02*tt.squared+1e-12 {
				t.Errorf("CV^2 %v, want %v within 2%%", squared, tt.squared)
			}
			if math.Abs(tt.arrivals.Rate()*tt.mean-1) > 1e-12 {
				t.Errorf("Rate = %v, want %v", tt.arrivals.Rate(), 1/tt.mean)
			}
		})
	}
}

func TestClosedLoopSource(t *testing.T) {
	source := traffic.ClosedLoop{Think: time.Second}.Source()
	if at, ok := source.Next(nil); at != 0 || !ok {
		t.Errorf("first arrival at %v, %v", at, ok)
	}
	if _, ok := source.Next(nil); ok {
		t.Error("a closed loop knows its second arrival")
	}
}

// Sources end instead of overflowing, and stay ended.
func TestSourcesEnd(t *testing.T) {
	for _, a := range []traffic.Arrivals{
		traffic.Periodic{Period: traffic.MaxDuration, Jitter: traffic.MaxDuration},
		traffic.Poisson{PerSecond: traffic.MinRate},
	} {
		source, rng := a.Source(), traffic.Stream(1, 0, "end")
		var last time.Duration
		n := 0
		for ; n < 1_000_000; n++ {
			at, ok := source.Next(rng)
			if !ok {
				break
			}
			if at < last {
				t.Fatalf("%s: arrival at %v after %v", a.Kind(), at, last)
			}
			last = at
		}
		if n < 100 || n == 1_000_000 {
			t.Errorf("%s: ended after %d arrivals", a.Kind(), n)
		}
		for range 1000 {
			if _, ok := source.Next(rng); ok {
				t.Fatalf("%s: goes on after its end", a.Kind())
			}
		}
	}
}

// Mean of the lognormal factor is 1 and the standard deviation of its logarithm is sigma. With n = 400,000 the
// standard errors are sigma/632 (about) and sigma/894.
func TestNoise(t *testing.T) {
	for _, sigma := range []float64{0.02, 0.5} {
		noise := traffic.Noise{Kind: traffic.Lognormal, Sigma: sigma}.Source(traffic.Stream(1, 0, "noise"))
		const n = 400_000
		var sum, logs, squares float64
		for range n {
			f := noise.Next()
			sum += f
			logs += math.Log(f)
			squares += math.Log(f) * math.Log(f)
		}
		std := math.Sqrt(squares/n - logs/n*logs/n)
		if math.Abs(sum/n-1) > 0.005*sigma || math.Abs(std-sigma) > 0.005*sigma {
			t.Errorf("sigma %v: mean %v and deviation of the logarithm %v", sigma, sum/n, std)
		}
	}
	if got := (traffic.Noise{}).Source(nil).Next(); got != 1 {
		t.Errorf("no noise gives the factor %v", got)
	}
}

// The exponential factor has mean 1, standard deviation 1 and median ln 2. With n = 400,000 the standard
// errors are 1/632, sqrt(8)/sqrt(4n) = 1/447 and 1/632; four of the largest are allowed.
func TestExponentialNoise(t *testing.T) {
	noise := traffic.Noise{Kind: traffic.Exponential}.Source(traffic.Stream(1, 0, "exponential noise"))
	const n = 400_000
	var sum, squares float64
	below := 0
	for range n {
		f := noise.Next()
		sum += f
		squares += f * f
		if f < math.Ln2 {
			below++
		}
	}
	mean := sum / n
	std := math.Sqrt(squares/n - mean*mean)
	if share := float64(below) / n; math.Abs(mean-1) > 0.009 || math.Abs(std-1) > 0.009 || math.Abs(share-0.5) > 0.009 {
		t.Errorf("mean %v, deviation %v, share below the median %v", mean, std, share)
	}
}

// TestStreamGolden pins the numbers, which recorded results depend on.
func TestStreamGolden(t *testing.T) {
	tests := []struct {
		root        uint64
		replication int
		name        string
		want        [2]uint64
	}{
		{0, 0, "", [2]uint64{0xc006403b29a032a, 0x37ddb52cb6dfad32}},
		{1, 0, "arrivals", [2]uint64{0x4b1b287286662485, 0x25164d006bab6c7e}},
		{1, 1, "arrivals", [2]uint64{0x5cd3eb2bfd597f2a, 0x9caa456512b5df3b}},
		{1, 0, "noise", [2]uint64{0xd43f12e91084b4b4, 0xc8ca6d67400ca65d}},
		{2, 0, "arrivals", [2]uint64{0xeb2b430765838ba9, 0x597beec4f2069c9b}},
	}
	for _, tt := range tests {
		rng := traffic.Stream(tt.root, tt.replication, tt.name)
		if got := [2]uint64{rng.Uint64(), rng.Uint64()}; got != tt.want {
			t.Errorf("Stream(%d, %d, %q) = %#x, want %#x", tt.root, tt.replication, tt.name, got, tt.want)
		}
	}
}

// Streams that differ in one argument, however little, do not resemble each other: none of their first numbers
// agree, and the correlation of 10,000 uniforms is below 5 standard errors (0.05).
func TestStreamsDiffer(t *testing.T) {
	var streams []*rand.Rand
	for root := range uint64(3) {
		for replication := range 3 {
			for _, name := range []string{"", "a", "b", "ab", "ba", "arrivals", "arrivals2"} {
				streams = append(streams, traffic.Stream(root, replication, name))
			}
		}
	}
	const n = 10_000
	seen := map[uint64]bool{}
	values := make([][]float64, len(streams))
	for i, rng := range streams {
		first := rng.Uint64()
		if seen[first] {
			t.Errorf("stream %d begins like another", i)
		}
		seen[first] = true
		for range n {
			values[i] = append(values[i], rng.Float64()-0.5)
		}
	}
	for i := range values {
		for j := range i {
			var sum float64
			for k := range n {
				sum += values[i][k] * values[j][k]
			}
			if r := sum / n * 12; math.Abs(r) > 0.05 {
				t.Errorf("streams %d and %d correlate: %.3f", i, j, r)
			}
		}
	}
}

func BenchmarkPoisson(b *testing.B) {
	source, rng := traffic.Poisson{PerSecond: 30}.Source(), traffic.Stream(1, 0, "arrivals")
	b.ReportAllocs()
	for b.Loop() {
		source.Next(rng)
	}
}
