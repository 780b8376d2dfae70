package traffic_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/traffic"
)

// base is a good file of seven lines; each bad case appends to it or replaces part of it.
const base = `family: paper-gpu6
processor: gpu
arrivals:
  kind: poisson
  rate: 30/s
limit: 60ms
duration: 10s
`

// problems returns the typed errors joined in err.
func problems(t *testing.T, err error) []*traffic.Error {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("error %v (%T) does not join others", err, err)
	}
	var all []*traffic.Error
	for _, e := range joined.Unwrap() {
		var p *traffic.Error
		if !errors.As(e, &p) {
			t.Fatalf("error %v is a %T", e, e)
		}
		all = append(all, p)
	}
	return all
}

func TestBaseIsGood(t *testing.T) {
	if _, err := traffic.Parse("bad.yaml", []byte(base)); err != nil {
		t.Fatal(err)
	}
}

func TestBadFiles(t *testing.T) {
	replace := func(old, with string) string {
		if !strings.Contains(base, old) {
			t.Fatalf("%q does not stand in the base", old)
		}
		return strings.Replace(base, old, with, 1)
	}
	type place struct {
		Line int
		Key  string
	}
	tests := []struct {
		name string
		data string
		want []place
		says string // part of the first message
	}{
		{"empty file", "", []place{{1, ""}}, "is empty"},
		{"only a comment", "# nothing\n", []place{{1, ""}}, "empty"},
		{"null", "~\n", []place{{1, ""}}, "want a mapping"},
		{"a list", "- a\n", []place{{1, ""}}, "a list, want a mapping"},
		{"a value", "hello\n", []place{{1, ""}}, "want a mapping"},
		{"two documents", base + "---\na: b\n", []place{{8, ""}}, "more than one document"},
		{"syntax", base + "noise: [\n", []place{{8, ""}}, "did not find"},
		{"tab", base + "noise:\n\tkind: none\n", []place{{9, ""}}, "found character"},
		{"truncated", base[:len(base)-len("10s\n")], []place{{7, "duration"}}, "is empty, want a value"},
		{"control character", replace("paper", "pa\x00per"), []place{{1, ""}}, "control character"},
		{"not UTF-8", base + "title: \xff\n", []place{{8, ""}}, "not valid UTF-8"},
		{"UTF-16", "\xff\xfef\x00a\x00", []place{{1, ""}}, "not valid UTF-8"},
		{"unknown key", base + "limt: 60ms\n", []place{{8, "limt"}}, "unknown key; known are title"},
		{"unknown key within", replace("  rate", "  burst: 3\n  rate"), []place{{5, "arrivals.burst"}}, "unknown key; known are kind"},
		{"duplicate key", base + "limit: 70ms\n", []place{{8, "limit"}}, "given twice, first on line 6"},
		{"duplicate key within", replace("  rate", "  kind: poisson\n  rate"), []place{{5, "arrivals.kind"}}, "given twice, first on line 4"},
		{"duplicate policy", base + "switch_time: {ladder: 1s, ladder: 2s}\n", []place{{8, "switch_time.ladder"}}, "given twice"},
		{"mapping as key", base + "? {a: b}\n: c\n", []place{{8, ""}}, "a key that is a mapping"},
		{"alias bomb", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n", nil, "anchors and aliases are not allowed"},
		{"anchor", replace("60ms", "&x 60ms"), []place{{6, ""}}, "anchors and aliases"},
		{"merge key", "x: &x {a: b}\n<<: *x\n", []place{{1, ""}, {2, ""}}, "anchors and aliases"},
		{"unknown alias", base + "title: *x\n", []place{{8, ""}}, "anchors and aliases"},
		{"tag", base + "title: !!binary aGVsbG8=\n", []place{{8, ""}}, "tags are not allowed"},
		{"foreign tag", base + "title: !ruby/object:Gem x\n", []place{{8, ""}}, "tags are not allowed"},

		{"family missing", replace("family: paper-gpu6\n", ""), []place{{1, "family"}}, "is missing"},
		{"family odd", replace("paper-gpu6", `"a\tb"`), []place{{1, "family"}}, "is no name"},
		{"family as list", replace("paper-gpu6", "[a]"), []place{{1, "family"}}, "is a list, want a value"},
		{"processor missing", replace("processor: gpu\n", ""), []place{{1, "processor"}}, "is missing"},
		{"processor null", replace("gpu\n", "\n"), []place{{2, "processor"}}, "is empty"},
		{"name too long", replace("paper-gpu6", strings.Repeat("a", 101)), []place{{1, "family"}}, "longer than 100"},
		{"text too long", base + "title: " + strings.Repeat("a", 501) + "\n", []place{{8, "title"}}, "longer than 500"},
		{"title of two lines", base + "title: \"a\\nb\"\n", []place{{8, "title"}}, "control character U+000A"},
		{"sources as text", base + "sources: a book\n", []place{{8, "sources"}}, `the value "a book", want a list`},
		{"sources empty", base + "sources: []\n", []place{{8, "sources"}}, "is empty"},
		{"sources null", base + "sources: [a, ~]\n", []place{{8, "sources[1]"}}, "is empty"},
		{"sources many", base + "sources: [" + strings.Repeat("a,", 101) + "]\n", []place{{8, "sources"}}, "101 entries"},

		{"arrivals missing", replace("arrivals:\n  kind: poisson\n  rate: 30/s\n", ""), []place{{1, ""}}, "arrivals is missing"},
		{"arrivals as text", replace("arrivals:\n  kind: poisson\n  rate: 30/s\n", "arrivals: poisson\n"), []place{{3, "arrivals"}}, "want a mapping"},
		{"kind missing", replace("  kind: poisson\n", ""), []place{{3, "arrivals"}}, "kind is missing"},
		{"kind empty", replace("poisson", `""`), []place{{4, "arrivals.kind"}}, "none of periodic"},
		{"kind unknown", replace("poisson", "weibull"), []place{{4, "arrivals.kind"}}, "none of periodic, poisson, gamma, mmpp"},
		{"rate missing", replace("  rate: 30/s\n", ""), []place{{3, "arrivals"}}, "rate is missing"},
		{"rate without unit", replace("30/s", "30"), []place{{5, "arrivals.rate"}}, "no rate like 30/s"},
		{"rate negative", replace("30/s", "-30/s"), []place{{5, "arrivals.rate"}}, "outside"},
		{"rate NaN", replace("30/s", "nan/s"), []place{{5, "arrivals.rate"}}, "no rate"},
		{"rate infinite", replace("30/s", "1e999/s"), []place{{5, "arrivals.rate"}}, "no rate"},
		{"rate huge", replace("30/s", "1e300/s"), []place{{5, "arrivals.rate"}}, "outside"},
		{"period of a poisson process", replace("  rate", "  period: 1s\n  rate"), []place{{5, "arrivals.period"}}, "no meaning for kind poisson"},
		{"period missing", replace("poisson\n  rate: 30/s", "periodic"), []place{{3, "arrivals"}}, "period is missing"},
		{"period tiny", replace("poisson\n  rate: 30/s", "periodic\n  period: 1ns"), []place{{5, "arrivals.period"}}, "outside [1µs, 10000h0m0s]"},
		{"period negative", replace("poisson\n  rate: 30/s", "periodic\n  period: -40ms"), []place{{5, "arrivals.period"}}, "negative"},
		{"jitter above the period", replace("poisson\n  rate: 30/s", "periodic\n  period: 40ms\n  jitter: 41ms"), []place{{6, "arrivals.jitter"}}, "outside [0s, 40ms]"},
		{"think negative", replace("poisson\n  rate: 30/s", "closed-loop\n  think: -1s"), []place{{5, "arrivals.think"}}, "negative"},

		{"limit without unit", replace("60ms", "60"), []place{{6, "limit"}}, "has no unit"},
		{"limit 0 without unit", replace("60ms", "0"), []place{{6, "limit"}}, "has no unit"},
		{"limit with a strange unit", replace("60ms", "60 fortnights"), []place{{6, "limit"}}, "no duration"},
		{"limit negative", replace("60ms", "-60ms"), []place{{6, "limit"}}, "negative"},
		{"limit huge", replace("60ms", "10001h"), []place{{6, "limit"}}, "outside"},
		{"limit beyond int64", replace("60ms", "99999999999999999999s"), []place{{6, "limit"}}, "no duration"},
		{"accuracy in per cent without the sign", base + "accuracy: 76\n", []place{{8, "accuracy"}}, "above 1"},
		{"accuracy NaN", base + "accuracy: .nan\n", []place{{8, "accuracy"}}, "not a number"},
		{"accuracy as mapping", base + "accuracy: {a: b}\n", []place{{8, "accuracy"}}, "want a value"},
		{"level negative", base + "initial_level: -1\n", []place{{8, "initial_level"}}, "no whole number in [0, 999]"},
		{"level huge", base + "initial_level: 1000\n", []place{{8, "initial_level"}}, "no whole number"},
		{"level broken", base + "initial_level: 2.5\n", []place{{8, "initial_level"}}, "no whole number"},
		{"no end", replace("duration: 10s\n", ""), []place{{1, ""}}, "neither duration nor requests"},
		{"both 0", replace("duration: 10s", "duration: 0s\nrequests: 0"), []place{{1, ""}}, "neither duration nor requests"},
		{"duration negative", replace("10s", "-10s"), []place{{7, "duration"}}, "negative"},
		{"requests negative", base + "requests: -1\n", []place{{8, "requests"}}, "no whole number"},
		{"requests huge", base + "requests: 100000001\n", []place{{8, "requests"}}, "no whole number"},
		{"requests beyond uint64", base + "requests: 99999999999999999999\n", []place{{8, "requests"}}, "no whole number"},
		{"too many expected", strings.Replace(replace("30/s", "1e6/s"), "10s", "101s", 1), []place{{7, "duration"}}, "about 1.01e+08 requests"},
		{"seed negative", base + "seed: -1\n", []place{{8, "seed"}}, "no whole number"},
		{"seed beyond uint64", base + "seed: 18446744073709551616\n", []place{{8, "seed"}}, "no whole number"},

		{"slowdown 0", base + "disturbances:\n  gpu:\n    - {at: 1s, slowdown: 0}\n", []place{{10, "disturbances.gpu[0].slowdown"}}, "outside [0.01, 1000]"},
		{"slowdown negative", base + "disturbances:\n  gpu:\n    - {at: 1s, slowdown: -2}\n", []place{{10, "disturbances.gpu[0].slowdown"}}, "outside"},
		{"slowdown NaN", base + "disturbances: {gpu: [{at: 1s, slowdown: .NaN}]}\n", []place{{8, "disturbances.gpu[0].slowdown"}}, "no finite decimal number"},
		{"slowdown nan", base + "disturbances: {gpu: [{at: 1s, slowdown: nan}]}\n", []place{{8, "disturbances.gpu[0].slowdown"}}, "no finite decimal number"},
		{"slowdown infinite", base + "disturbances: {gpu: [{at: 1s, slowdown: .inf}]}\n", []place{{8, "disturbances.gpu[0].slowdown"}}, "no finite decimal number"},
		{"slowdown huge", base + "disturbances: {gpu: [{at: 1s, slowdown: 1e300}]}\n", []place{{8, "disturbances.gpu[0].slowdown"}}, "outside"},
		{"slowdown hexadecimal", base + "disturbances: {gpu: [{at: 1s, slowdown: 0x1p3}]}\n", []place{{8, "disturbances.gpu[0].slowdown"}}, "no finite decimal number"},
		{"slowdown missing", base + "disturbances:\n  gpu:\n    - {at: 1s}\n", []place{{10, "disturbances.gpu[0]"}}, "slowdown is missing"},
		{"at missing", base + "disturbances:\n  gpu:\n    - slowdown: 2\n", []place{{10, "disturbances.gpu[0]"}}, "at is missing"},
		{"at negative", base + "disturbances: {gpu: [{at: -1s, slowdown: 2}]}\n", []place{{8, "disturbances.gpu[0].at"}}, "negative"},
		{"out of order", base + "disturbances:\n  gpu:\n    - {at: 2s, slowdown: 2}\n    - {at: 1s, slowdown: 1}\n", []place{{11, "disturbances.gpu[1].at"}}, "1s is not after the step before, at 2s"},
		{"at the same time", base + "disturbances:\n  gpu:\n    - {at: 2s, slowdown: 2}\n    - {at: 2s, slowdown: 1}\n", []place{{11, "disturbances.gpu[1].at"}}, "not after"},
		{"steps as mapping", base + "disturbances: {gpu: {at: 1s, slowdown: 2}}\n", []place{{8, "disturbances.gpu"}}, "a mapping, want a list"},
		{"step as text", base + "disturbances: {gpu: [2]}\n", []place{{8, "disturbances.gpu[0]"}}, "want a mapping"},
		{"steps empty", base + "disturbances: {gpu: []}\n", []place{{8, "disturbances.gpu"}}, "is empty"},
		{"disturbances empty", base + "disturbances: {}\n", []place{{8, "disturbances"}}, "is empty"},
		{"disturbances as list", base + "disturbances: [{at: 1s, slowdown: 2}]\n", []place{{8, "disturbances"}}, "want a mapping"},
		{"processor's name", base + "disturbances: {\"\": [{at: 1s, slowdown: 2}]}\n", []place{{8, "disturbances"}}, "is missing"},

		{"noise unknown", base + "noise: {kind: pink}\n", []place{{8, "noise.kind"}}, "none of none, lognormal, exponential"},
		{"noise without kind", base + "noise: {sigma: 0.1}\n", []place{{8, "noise"}}, "kind is missing"},
		{"noise as text", base + "noise: lognormal\n", []place{{8, "noise"}}, "want a mapping"},
		{"sigma missing", base + "noise: {kind: lognormal}\n", []place{{8, "noise.sigma"}}, "outside (0, 2]"},
		{"sigma negative", base + "noise: {kind: lognormal, sigma: -1}\n", []place{{8, "noise.sigma"}}, "outside"},
		{"sigma huge", base + "noise: {kind: lognormal, sigma: 3}\n", []place{{8, "noise.sigma"}}, "outside"},
		{"sigma without noise", base + "noise: {kind: none, sigma: 1}\n", []place{{8, "noise.sigma"}}, "for noise of kind none"},
		{"sigma of exponential", base + "noise: {kind: exponential, sigma: 1}\n", []place{{8, "noise.sigma"}}, "for noise of kind exponential"},

		{"switch time negative", base + "switch_time: {ladder: -1s}\n", []place{{8, "switch_time.ladder"}}, "negative"},
		{"switch time without unit", base + "switch_time: {ladder: 0.58}\n", []place{{8, "switch_time.ladder"}}, "no unit"},
		{"policy's name", base + "switch_time: {static 3: 1s}\n", []place{{8, "switch_time.static 3"}}, "is no name"},
		{"policies as text", base + "policies: ladder\n", []place{{8, "policies"}}, "want a mapping"},
		{"parameters as list", base + "policies: {ladder: [a]}\n", []place{{8, "policies.ladder"}}, "want a mapping"},
		{"parameters empty", base + "policies: {ladder: {}}\n", []place{{8, "policies.ladder"}}, "is empty"},
		{"parameter as list", base + "policies: {ladder: {a: [b]}}\n", []place{{8, "policies.ladder.a"}}, "want a value"},
		{"several", replace("60ms", "60") + "seed: x\nseed: y\n", []place{{6, "limit"}, {8, "seed"}, {9, "seed"}}, "no unit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := traffic.Parse("dir/bad.yaml", []byte(tt.data))
			if err == nil {
				t.Fatalf("accepted: %+v", s)
			}
			var got []place
			for _, p := range problems(t, err) {
				if p.File != "dir/bad.yaml" {
					t.Errorf("error %v names the file %q", p, p.File)
				}
				got = append(got, place{p.Line, p.Key})
			}
			if tt.want != nil {
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("%v\n%s", err, d)
				}
			}
			if first := problems(t, err)[0]; !strings.Contains(first.Problem, tt.says) {
				t.Errorf("%v does not say %q", first, tt.says)
			}
			if got[0].Line < 1 || !strings.HasPrefix(err.Error(), fmt.Sprintf("traffic: dir/bad.yaml:%d: ", got[0].Line)) {
				t.Errorf("%v does not begin with file and line", err)
			}
		})
	}
}

func TestHugeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(path, []byte(base+"title: "+strings.Repeat("a", 10<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := traffic.Load(path)
	if p := problems(t, err); len(p) != 1 || !strings.Contains(p[0].Problem, "larger than 1048576 bytes") {
		t.Errorf("10 MiB: %v", err)
	}
	// Small enough to be read, and costly in their own ways.
	const size = traffic.MaxFileSize / 5
	for name, data := range map[string]string{
		"deep flow":     strings.Repeat("[", size),
		"deep block":    strings.Repeat("- ", size/2),
		"many problems": base + strings.Repeat("x: y\n", size/5),
		"many steps":    base + "disturbances: {gpu: [" + strings.Repeat("{at: 1s},", 20_000) + "]}",
		"many comments": strings.Repeat("# c\n", size/4),
		"many anchors":  strings.Repeat("- &a a\n", size/7),
		"many policies": base + "policies:\n" + numbered("  p%d: {a: b}\n", size/20),
	} {
		_, err := traffic.Parse(name, []byte(data))
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if n := len(problems(t, err)); n > 21 || len(err.Error()) > 20_000 {
			t.Errorf("%s: %d problems in %d bytes", name, n, len(err.Error()))
		}
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// Scenarios made by programs are held to the same rules; there is no file to name then.
func TestValidate(t *testing.T) {
	if err := fullScenario().Validate(); err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	tests := []struct {
		name   string
		change func(s *traffic.Scenario)
		want   string
	}{
		{"arrivals", func(s *traffic.Scenario) { s.Arrivals = nil }, "traffic: arrivals is missing"},
		{"rate", func(s *traffic.Scenario) { s.Arrivals = traffic.Poisson{PerSecond: nan} }, "traffic: arrivals.rate: NaN per second is outside [1e-06/s, 1e+06/s]"},
		{"period", func(s *traffic.Scenario) { s.Arrivals = traffic.Periodic{Period: -1} }, "traffic: arrivals.period: -1ns is negative"},
		{"accuracy", func(s *traffic.Scenario) { s.Accuracy = 77.54 }, "traffic: accuracy: accuracy 77.54 is outside [0, 1]"},
		{"level", func(s *traffic.Scenario) { s.InitialLevel = -1 }, "traffic: initial_level: -1 is outside [0, 999]"},
		{"requests", func(s *traffic.Scenario) { s.Requests = -1 }, "traffic: requests: -1 is outside [0, 100000000]"},
		{"slowdown", func(s *traffic.Scenario) { s.Disturbances[1].Profile[0].Slowdown = nan }, "traffic: disturbances.gpu[0].slowdown: NaN is outside [0.01, 1000]"},
		{"processors", func(s *traffic.Scenario) { s.Disturbances[1].Processor = "cpu" }, "traffic: disturbances.cpu: processors are not in ascending order"},
		{"profile", func(s *traffic.Scenario) { s.Disturbances[0].Profile = nil }, "traffic: disturbances.cpu: is empty"},
		{"noise", func(s *traffic.Scenario) { s.Noise.Sigma = nan }, "traffic: noise.sigma: NaN is outside (0, 2]"},
		{"parameters", func(s *traffic.Scenario) { s.Policies["slack"] = nil }, "traffic: policies.slack: is empty"},
		{"text", func(s *traffic.Scenario) { s.Title = "\xff" }, "traffic: title: is not valid UTF-8"},
		{"switch time", func(s *traffic.Scenario) { s.SwitchTimes["ladder"] = -time.Second }, "traffic: switch_time.ladder: -1s is negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := fullScenario()
			tt.change(s)
			err := s.Validate()
			if err == nil || err.Error() != tt.want {
				t.Errorf("Validate = %v, want %s", err, tt.want)
			}
			if data, err := s.Marshal(); err == nil {
				t.Errorf("written: %s", data)
			}
		})
	}
}

// FuzzParse: no input panics, every refusal names the file, and what is accepted can be written and read back.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(base))
	for _, name := range traffic.Builtins() {
		data, err := os.ReadFile(filepath.Join("scenarios", name+".yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte(base + "noise: {kind: exponential}\n"))
	f.Add([]byte(base + "noise: {kind: lognormal, sigma: 1e-5}\ndescription: |2\n    a\n   b\n"))
	f.Add([]byte(base + "title: \"\\u2028\\ud800\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := traffic.Parse("fuzz.yaml", data)
		if err != nil {
			for _, p := range problems(t, err) {
				if p.File != "fuzz.yaml" || p.Problem == "" {
					t.Fatalf("error %+v", p)
				}
			}
			return
		}
		written, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := traffic.Parse("fuzz.yaml", written)
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		if d := cmp.Diff(s, back); d != "" {
			t.Fatalf("%s\n%s", d, written)
		}
	})
}

// FuzzMarshal: any texts, numbers and names that Validate accepts survive being written and read back.
func FuzzMarshal(f *testing.F) {
	f.Add("title", "two\nlines", "ladder", "40", 30.0, int64(60*time.Millisecond))
	f.Add(" - x", "\n\n  a: b\n# c\n ", "null", "'\"", 1e-6, int64(0))
	f.Add("", "\u00a0\u3000a\n\n", "on", "!!x *y &z", 1.0/3, int64(1))
	f.Add("---", "...\n---\n", ".5", "~", 123456.789, int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, title, description, name, value string, number float64, ns int64) {
		s := &traffic.Scenario{
			Name: "fuzz", Title: title, Description: description, Sources: []string{value}, Family: name, Processor: name,
			Arrivals: traffic.Poisson{PerSecond: number}, Limit: time.Duration(ns), Requests: 1,
			Disturbances: []traffic.Disturbance{{Processor: name, Profile: traffic.Profile{{At: time.Duration(ns), Slowdown: number, What: value}}}},
			SwitchTimes:  map[string]time.Duration{name: time.Duration(ns)},
			Policies:     map[string]map[string]string{name: {name: value}},
		}
		if s.Validate() != nil {
			return
		}
		data, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := traffic.Parse("fuzz.yaml", data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if d := cmp.Diff(s, back); d != "" {
			t.Fatalf("%s\n%s", d, data)
		}
	})
}
