package traffic_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/traffic"
)

func ExampleReadCSV() {
	t, err := traffic.ReadCSV("mine.csv", strings.NewReader("time_ms,deadline,class\n12.5,60ms,eye\n0,,ear\n"), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range t.Rows {
		fmt.Printf("%v %v %q\n", r.At, r.Limit, r.Class)
	}
	_, err = traffic.ReadCSV("mine.csv", strings.NewReader("time,deadline\n12.5ms,60\n"), "")
	fmt.Println(err)
	// Output:
	// 0s 0s "ear"
	// 12.5ms 60ms "eye"
	// traffic: mine.csv:2: deadline: "60" is no duration like 12.5ms in [0s, 10000h0m0s]
}

// read is one of the readers.
type read func(data string) (traffic.Arrivals, error)

func reader(format string) read {
	return func(data string) (traffic.Arrivals, error) {
		return traffic.ReadArrivals("t.csv", strings.NewReader(data), format, "")
	}
}

func TestBadTraces(t *testing.T) {
	azure21 := "app,func,end_timestamp,duration\n"
	azure19 := "HashOwner,HashApp,HashFunction,Trigger,1,2\n"
	for _, c := range []struct {
		name, format, data string
		line               int
		key, says          string
	}{
		{"empty", traffic.FormatCSV, "", 1, "", "is empty"},
		{"no column", traffic.FormatCSV, "deadline\n1s\n", 1, "time", "does not name"},
		{"unknown column", traffic.FormatCSV, "time,urgency\n", 1, "urgency", "unknown or repeated column"},
		{"unknown unit", traffic.FormatCSV, "time_min\n", 1, "time_min", "unknown or repeated column"},
		{"two times", traffic.FormatCSV, "time,time_ms\n", 1, "time_ms", "unknown or repeated column"},
		{"twice", traffic.FormatCSV, "time,time\n", 1, "time", "named twice"},
		{"no rows", traffic.FormatCSV, "time\n", 1, "", "has no arrivals"},
		{"blank rows", traffic.FormatCSV, "time\n\n  \n", 3, "", "has no arrivals"},
		{"no unit", traffic.FormatCSV, "time\n1s\n12\n", 3, "time", "no duration"},
		{"negative", traffic.FormatCSV, "time_ms\n-1\n", 2, "time_ms", "no number in"},
		{"NaN", traffic.FormatCSV, "time_s\nnan\n", 2, "time_s", "no number in"},
		{"infinite", traffic.FormatCSV, "time_s\n1e999\n", 2, "time_s", "no number in"},
		{"huge", traffic.FormatCSV, "time_ns\n9223372036854775807\n", 2, "time_ns", "outside"},
		{"beyond int64", traffic.FormatCSV, "time_ns\n9223372036854775808\n", 2, "time_ns", "no number in"},
		{"columns", traffic.FormatCSV, "time,class\n1s,a,b\n", 2, "", "has 3 columns, want the 2"},
		{"class", traffic.FormatCSV, "time,class\n1s," + strings.Repeat("x", 101) + "\n", 2, "class", "longer than 100"},
		{"control", traffic.FormatCSV, "time,class\n1s,\x07\n", 2, "", "control character"},
		{"UTF-8", traffic.FormatCSV, "time,class\n1s,\xff\n", 2, "", "not valid UTF-8"},
		{"long line", traffic.FormatCSV, "time,class\n1s," + strings.Repeat("x", 1<<17), 2, "", "longer than 65536"},
		{"2021 no column", traffic.FormatAzure2021, "app,func,duration\n", 1, "end_timestamp", "does not name"},
		{"2021 end", traffic.FormatAzure2021, azure21 + "a,f,x,1\n", 2, "end_timestamp", "no number of seconds"},
		{"2021 duration", traffic.FormatAzure2021, azure21 + "a,f,5,-1\n", 2, "duration", "no number of seconds"},
		{"2021 app", traffic.FormatAzure2021, azure21 + ",f,5,1\n", 2, "app", "is empty"},
		{"2021 all before", traffic.FormatAzure2021, azure21 + "a,f,1,2\n", 2, "", "has no arrivals"},
		{"2019 no function", traffic.FormatAzure2019, "HashOwner,1\n", 1, "HashFunction", "does not name"},
		{"2019 no minutes", traffic.FormatAzure2019, "HashFunction,Trigger\n", 1, "1", "does not name"},
		{"2019 minutes", traffic.FormatAzure2019, "HashFunction,1,3\n", 1, "3", "want minute 2"},
		{"2019 count", traffic.FormatAzure2019, azure19 + "o,a,f,queue,1,-2\n", 2, "2", "no number of invocations"},
		{"2019 huge", traffic.FormatAzure2019, azure19 + "o,a,f,queue,1,4294967296\n", 2, "2", "no number of invocations"},
		{"2019 sum", traffic.FormatAzure2019, azure19 + "o,a,f,queue,90000000,0\no,a,f,queue,90000000,0\n", 3, "1", "no number of invocations"},
		{"2019 no rows", traffic.FormatAzure2019, azure19, 1, "", "has no function"},
		{"seconds", traffic.FormatPerSecond, "5 6\n7 x 8\n", 2, "", "no number of arrivals"},
		{"seconds huge", traffic.FormatPerSecond, "99999999 99999999", 1, "", "more than 100000000"},
		{"seconds empty", traffic.FormatPerSecond, " \n", 1, "", "is empty"},
		{"format", "parquet", "x", 0, "", "none of csv, azure-2019"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := reader(c.format)(c.data)
			var e *traffic.Error
			if !errors.As(err, &e) {
				t.Fatalf("accepted as %v, or %v is no *Error", got, err)
			}
			if e.File != "t.csv" || e.Line != c.line || e.Key != c.key || !strings.Contains(e.Problem, c.says) {
				t.Errorf("%v; want line %d, column %q and %q", e, c.line, c.key, c.says)
			}
		})
	}
}

// A reader that fails is no trace that ends.
func TestBrokenReader(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, format := range traffic.Formats {
		_, err := traffic.ReadArrivals("t.csv", io.MultiReader(strings.NewReader("time\n1s\n"), errReader{broken}), format, "")
		if format == traffic.FormatCSV && !errors.Is(err, broken) {
			t.Errorf("%s: %v", format, err)
		}
		if err == nil {
			t.Errorf("%s: accepted", format)
		}
	}
}

type errReader struct{ error }

func (e errReader) Read([]byte) (int, error) { return 0, e.error }

// Sources of trace files play what is asked for: a part of the file, faster, of one class.
func TestTraceScenario(t *testing.T) {
	files := fstest.MapFS{
		"a.csv":     {Data: []byte("time,deadline,class\n2s,,eye\n1s,50ms,ear\n3s,70ms,eye\n5s,,eye\n")},
		"sub/n.txt": {Data: []byte("0 3 0 2\n")},
	}
	parse := func(arrivals string) (*traffic.Scenario, error) {
		return traffic.ParseIn(files, "s.yaml", []byte("family: f\nprocessor: gpu\nrequests: 9\narrivals: "+arrivals+"\n"))
	}
	s, err := parse("{kind: trace, file: a.csv, from: 1500ms, speed: 2, class: eye}")
	if err != nil {
		t.Fatal(err)
	}
	source := s.Arrivals.Source().(traffic.Labelled)
	type arrival struct {
		At time.Duration
		traffic.Label
	}
	var got []arrival
	for at, ok := source.Next(nil); ok; at, ok = source.Next(nil) {
		got = append(got, arrival{at, source.Label()})
	}
	if d := cmp.Diff([]arrival{{250 * ms, traffic.Label{Class: "eye"}}, {750 * ms, traffic.Label{Limit: 70 * ms, Class: "eye"}}, {1750 * ms, traffic.Label{Class: "eye"}}}, got); d != "" {
		t.Error(d)
	}
	if s.Arrivals.Expected(750*ms) != 1 || s.Arrivals.Expected(time.Hour) != 3 || math.Abs(s.Arrivals.Rate()-2/1.5) > 1e-12 {
		t.Errorf("Expected %v and %v, Rate %v", s.Arrivals.Expected(750*ms), s.Arrivals.Expected(time.Hour), s.Arrivals.Rate())
	}
	// Written and read back beside the same files.
	data, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := traffic.ParseIn(files, "s.yaml", data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if d := cmp.Diff(s, back); d != "" {
		t.Error(d)
	}

	s, err = parse("{kind: trace, file: sub/n.txt, format: per-second, from: 1s}")
	if err != nil {
		t.Fatal(err)
	}
	counts, rng := map[int64]int{}, traffic.Stream(1, 0, "counts")
	src := s.Arrivals.Source()
	last := time.Duration(-1)
	for at, ok := src.Next(rng); ok; at, ok = src.Next(rng) {
		if at < last {
			t.Errorf("%v after %v", at, last)
		}
		last = at
		counts[int64(at/time.Second)]++
	}
	if d := cmp.Diff(map[int64]int{0: 3, 2: 2}, counts); d != "" {
		t.Error(d)
	}
	if s.Arrivals.Expected(time.Hour) != 5 || math.Abs(s.Arrivals.Rate()-5.0/3) > 1e-12 {
		t.Errorf("Expected %v, Rate %v", s.Arrivals.Expected(time.Hour), s.Arrivals.Rate())
	}

	for _, c := range []struct{ arrivals, says string }{
		{"{kind: trace, file: ../a.csv}", "s.yaml:4: arrivals.file: \"../a.csv\" is no path of a file in the scenario's folder"},
		{"{kind: trace, file: /etc/passwd}", "is no path of a file"},
		{"{kind: trace, file: none.csv}", "s.yaml:4: arrivals.file: open none.csv"},
		{"{kind: trace, file: sub}", "sub"},
		{"{kind: trace}", "file is missing"},
		{"{kind: trace, file: a.csv, format: parquet}", "none of csv, azure-2019, azure-2021, per-second"},
		{"{kind: trace, file: sub/n.txt}", "traffic: sub/n.txt:1: 0 3 0 2: unknown or repeated column"},
		{"{kind: trace, file: a.csv, class: nose}", "a.csv:5: has no arrivals of class \"nose\""},
		{"{kind: trace, file: a.csv, from: 6s}", "has no arrival to play"},
		{"{kind: trace, file: a.csv, speed: 0}", "arrivals.speed: 0 is outside"},
		{"{kind: trace, file: a.csv, rate: 3/s}", "rate: has no meaning for kind trace"},
	} {
		if _, err := parse(c.arrivals); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one with %q", c.arrivals, err, c.says)
		}
	}
	if _, err := traffic.Parse("s.yaml", []byte("family: f\nprocessor: gpu\nrequests: 9\narrivals: {kind: trace, file: a.csv}\n")); err == nil || !strings.Contains(err.Error(), "beside a scenario file") {
		t.Errorf("without a folder: %v", err)
	}
}

// Load reads beside the scenario file and nowhere else, also not through a symbolic link.
func TestLoadTrace(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write := func(path, data string) {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "a.csv"), "time\n1s\n")
	write(filepath.Join(outside, "b.csv"), "time\n1s\n")
	if err := os.Symlink(filepath.Join(outside, "b.csv"), filepath.Join(dir, "b.csv")); err != nil {
		t.Skip(err)
	}
	for file, good := range map[string]bool{"a.csv": true, "b.csv": false} {
		path := filepath.Join(dir, "s.yaml")
		write(path, "family: f\nprocessor: gpu\nrequests: 9\narrivals: {kind: trace, file: "+file+"}\n")
		if _, err := traffic.Load(path); (err == nil) != good {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// The samples of the public traces: what stands in them, counted by other means (awk, wc).
func TestReferenceTraces(t *testing.T) {
	open := func(name string) io.Reader {
		data, err := os.ReadFile(reftest.Path(t, "traces", name))
		if err != nil {
			t.Fatal(err)
		}
		return bytes.NewReader(data)
	}
	a21, err := traffic.ReadAzure2021("2021", open("invitro_Azure2021_200.csv"), "")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(a21.Rows) + a21.Skipped; n != azure2021Lines {
		t.Errorf("2021: %d arrivals and %d skipped, want %d in all", len(a21.Rows), a21.Skipped, azure2021Lines)
	}
	a19, err := traffic.ReadAzure2019("2019", open("invitro_invocations.csv"), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(a19.Counts) != 1440 || a19.Expected(time.Duration(math.MaxInt64)) != azure2019Sum {
		t.Errorf("2019: %d minutes, %v invocations; want 1440 and %d", len(a19.Counts), a19.Expected(time.Duration(math.MaxInt64)), azure2019Sum)
	}
	one, err := traffic.ReadAzure2019("2019", open("invitro_invocations.csv"), "c13acdc7567b225971cef2416a3a2b03c8a4d8d154df48afe75834e2f5c59ddf")
	if err != nil || one.Counts[0] != 5 {
		t.Errorf("2019, one function: %v in the first minute, %v", one.Counts[0], err)
	}
}

const (
	azure2021Lines = 199
	azure2019Sum   = 4525
)

// FuzzTraces: no input panics, refusals name the file, and what is accepted makes arrivals in order.
func FuzzTraces(f *testing.F) {
	f.Add(uint8(0), []byte("time,deadline,class\n1s,60ms,a\n0s,,b\n"))
	f.Add(uint8(0), []byte("time_ns,deadline_us\n12,4.5\n\n"))
	f.Add(uint8(1), []byte("HashOwner,HashApp,HashFunction,Trigger,1,2,3\no,a,f,queue,1,0,2\n"))
	f.Add(uint8(2), []byte("app,func,end_timestamp,duration\na,f,57.15,57.154\nb,g,1e3,0\n"))
	f.Add(uint8(3), []byte("1 2 3\n4\n"))
	f.Fuzz(func(t *testing.T, format uint8, data []byte) {
		a, err := traffic.ReadArrivals("t.csv", bytes.NewReader(data), traffic.Formats[int(format)%len(traffic.Formats)], "")
		if err != nil {
			var e *traffic.Error
			if !errors.As(err, &e) || e.File != "t.csv" || e.Line < 1 {
				t.Fatalf("error %v", err)
			}
			return
		}
		if a.Expected(time.Duration(math.MaxInt64)) > 1e5 {
			return // valid, and not worth the time
		}
		source, rng := a.Source(), traffic.Stream(1, 0, "fuzz")
		last := time.Duration(0)
		for at, ok := source.Next(rng); ok; at, ok = source.Next(rng) {
			if at < last {
				t.Fatalf("%v after %v", at, last)
			}
			last = at
		}
	})
}
