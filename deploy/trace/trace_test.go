package trace_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// What is written is read back the same, and gives the same bytes when it is written again.
func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 30 {
		want := &trace.Trace{Name: "t.csv", Header: header(t), Records: records(rng, rng.IntN(60))}
		if rng.IntN(4) == 0 {
			want.Header.Params, want.Header.Notes, want.Header.Scenario = nil, nil, ""
		}
		written := text(t, want)
		got, err := trace.Read("t.csv", iotest.OneByteReader(strings.NewReader(written)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("read back (-want +got):\n%s", diff)
		}
		for i := range want.Records {
			if !want.Records[i].Equal(&got.Records[i]) {
				t.Fatalf("record %d is not Equal to itself", i+1)
			}
		}
		if again := text(t, got); again != written {
			t.Fatal("written again, the bytes differ")
		}
	}
}

// A version of zero in the header means this program's.
func TestVersion(t *testing.T) {
	tr := small(t)
	want := text(t, tr)
	tr.Header.Version = 0
	if got := text(t, tr); got != want {
		t.Error("version 0 is not written as the current one")
	}
}

func TestReadRefuses(t *testing.T) {
	good := text(t, small(t))
	row := lines(good)[3] // the second record, on line 4
	replaceRow := func(old, with string) string {
		if strings.Count(row, old) == 0 {
			t.Fatalf("%q is not in %q", old, row)
		}
		return strings.Replace(good, row, strings.Replace(row, old, with, 1), 1)
	}
	replace := func(old, with string) string {
		if strings.Count(good, old) == 0 {
			t.Fatalf("%q is not in the trace", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	for name, c := range map[string]struct{ text, message string }{
		"empty":                 {"", "line 1: the file ends"},
		"no header":             {"request\n", `line 1: it does not start with "# {"`},
		"binary":                {"\x00\x01\x02\n", "line 1: it does not start"},
		"header no JSON":        {"# {\n", "line 1: header: unexpected end"},
		"header unknown key":    {replace(`"seed":`, `"sead":`), `line 1: header: json: unknown field "sead"`},
		"header key in family":  {replace(`"macs":`, `"mags":`), `unknown field "mags"`},
		"header repeated key":   {replace(`"kind":`, `"kind":"measured","kind":`), "is not as dynofa writes it"},
		"header other case":     {replace(`"kind":`, `"Kind":`), "is not as dynofa writes it"},
		"header spacing":        {replace(`,"kind"`, `, "kind"`), "is not as dynofa writes it"},
		"header text after":     {replace("\n", " {}\n"), "line 1: header: invalid character"},
		"header newer":          {replace(`"version":1`, `"version":2,"new":1`), "line 1: header: format version 2 is newer"},
		"header older":          {replace(`"version":1`, `"version":0`), "line 1: header: format version 0"},
		"header kind":           {replace(`"kind":"simulated"`, `"kind":"dreamt"`), `kind "dreamt"`},
		"header policy":         {replace(`"policy":"slack"`, `"policy":""`), "names no policy"},
		"header accuracy":       {replace(`"accuracy":0.74202`, `"accuracy":74.202`), "outside [0, 1]"},
		"header latency":        {replace(`"latency_ns":100000000`, `"latency_ns":-100000000`), "latency -1e+08 ns"},
		"header type":           {replace(`"seed":18446744073709551615`, `"seed":-1`), "line 1: header: json: cannot unmarshal number -1"},
		"header too long":       {"# {" + strings.Repeat(" ", 1<<20) + "}\n", "line 1: the line has more than 1048576 bytes"},
		"no columns":            {lines(good)[0], "line 2: the file ends before"},
		"other columns":         {replace("now_ns", "now_ms"), "line 2: the columns are"},
		"line feed of Windows":  {strings.ReplaceAll(good, "\n", "\r\n"), "line 1: header: text follows it"},
		"return in a row":       {replaceRow("\n", "\r\n"), `line 4: outcome "on-time\r"`},
		"empty line":            {replaceRow(row, "\n"), "line 4: it has 1 columns, want 17"},
		"a column less":         {replaceRow("on-time", ""), `line 4: outcome ""`},
		"a column more":         {replaceRow("\n", ",\n"), "line 4: it has 18 columns"},
		"row too long":          {replaceRow("\n", strings.Repeat("x", 3000)+"\n"), "line 4: the line has more than 2048 bytes"},
		"NUL":                   {replaceRow("fits", "fi\x00s"), "line 4: reason"},
		"request no number":     {replaceRow("1,", "one,"), `line 4: column request is "one"`},
		"request negative":      {replaceRow("1,", "-1,"), "line 4: request -1 is negative"},
		"plus sign":             {replaceRow("1,", "+1,"), `column request is "+1"`},
		"leading zero":          {replaceRow("1,", "01,"), `column request is "01"`},
		"too large":             {replaceRow("1,100", "1,9223372036854775808"), "column arrival_ns"},
		"not the head":          {replaceRow("1,100", "1,101"), "line 4: the head of the queue is not this request"},
		"fraction of time":      {replaceRow("1,100", "1,100.5"), "column arrival_ns"},
		"negative limit":        {replaceRow(",70,", ",-70,"), "a time is negative"},
		"going back in time":    {strings.Replace(replaceRow("160,100", "160,150"), lines(good)[4], strings.Replace(lines(good)[4], "260,200", "260,149", 1), 1), "line 5: decided at 149, the one before at 150"},
		"end before start":      {replaceRow("101,151", "101,100"), "end 100 is before start 101"},
		"last level":            {replaceRow("-1,-1", "6,-1"), "last level 6 is outside [-1, 5]"},
		"last processor":        {replaceRow("-1,-1", "-1,-2"), "last processor -2 is outside [-1, 1]"},
		"waiting":               {replaceRow("-1,-1,2", "-1,-1,3"), "the queue shows 2 requests, want the first 10 of 3"},
		"waiting huge":          {replaceRow("-1,-1,2", "-1,-1,2147483648"), `column waiting is "2147483648"`},
		"accuracy of 76":        {replaceRow("0.76", "76"), "required accuracy 76 is outside [0, 1]"},
		"accuracy NaN":          {replaceRow("0.76", "NaN"), "required accuracy NaN"},
		"accuracy longer":       {replaceRow("0.76", "0.760"), "column min_accuracy"},
		"accuracy hexadecimal":  {replaceRow("0.76", "0x1p-1"), "column min_accuracy"},
		"queue empty":           {replaceRow("2,70,0.76,1:100:160;2:200:260", "0,70,0.76,"), "the queue is empty, but the outcome is on-time"},
		"queue too long":        {replaceRow("1:100:160", "1:100:160"+strings.Repeat(";2:200:260", policy.MaxQueue)), "at most 10 requests, not 12"},
		"queue item":            {replaceRow("2:200:260", "2:200"), `column queue is "2:200", want id:arrival:deadline`},
		"queue item longer":     {replaceRow("2:200:260", "2:200:260:1"), "want id:arrival:deadline"},
		"queue negative":        {replaceRow("2:200:260", "2:-200:260"), "a number in the queue is negative"},
		"queue ends in ;":       {replaceRow("2:200:260", "2:200:260;"), "want id:arrival:deadline"},
		"action":                {replaceRow("serve", "sleep"), `line 4: decision: action "sleep"`},
		"no action":             {replaceRow("serve", ""), `action ""`},
		"level":                 {replaceRow("serve,4", "serve,6"), "decision: level 6 is outside [0, 5]"},
		"processor":             {replaceRow("serve,4,1", "serve,4,2"), "decision: processor 2 is outside [0, 1]"},
		"drop with a level":     {replaceRow("serve,4,1", "drop,4,1"), "drop comes with level 4"},
		"no reason":             {replaceRow("fits", ""), `reason ""`},
		"reason of two words":   {replaceRow("fits", "it fits"), `reason "it fits"`},
		"reason too long":       {replaceRow("fits", strings.Repeat("f", 65)), "reason"},
		"outcome":               {replaceRow("on-time", "early"), `line 4: outcome "early" is none of`},
		"outcome not of action": {replaceRow("on-time", "dropped"), "outcome dropped does not follow from action serve"},
	} {
		t.Run(name, func(t *testing.T) {
			tr, err := trace.Read("bad.csv", strings.NewReader(c.text))
			if err == nil || tr != nil {
				t.Fatalf("trace %v, error %v; want an error alone", tr, err)
			}
			if msg := err.Error(); !strings.HasPrefix(msg, "trace: bad.csv: line ") || !strings.Contains(msg, c.message) || len(msg) > 600 {
				t.Errorf("error %q, want one with %q", msg, c.message)
			}
		})
	}
}

// A trace cut anywhere gives its complete records and an error that says where it was cut.
func TestTruncated(t *testing.T) {
	full := text(t, small(t))
	all := lines(full)
	for n := range len(full) + 1 {
		complete := strings.Count(full[:n], "\n")
		tr, err := trace.Read("cut.csv", strings.NewReader(full[:n]))
		var cut *trace.TruncatedError
		switch atLineEnd := n > 0 && full[n-1] == '\n'; {
		case complete < 2:
			if err == nil || tr != nil {
				t.Fatalf("cut at %d: %v, %v; want an error alone", n, tr, err)
			}
		case atLineEnd:
			if err != nil || len(tr.Records) != complete-2 {
				t.Fatalf("cut at %d, the end of a line: %v", n, err)
			}
		case !errors.As(err, &cut) || !errors.Is(err, trace.ErrTruncated) || cut.Line != complete+1 || cut.File != "cut.csv":
			t.Fatalf("cut at %d: error %v, want a truncated line %d", n, err, complete+1)
		case text(t, tr) != strings.Join(all[:complete], ""):
			t.Fatalf("cut at %d: %d records are not the complete ones", n, len(tr.Records))
		}
	}
}

// The error of a reader that fails is not taken for the end.
func TestReadError(t *testing.T) {
	broken := errors.New("broken disk")
	full := text(t, small(t))
	for _, n := range []int{0, 10, len(full)} {
		tr, err := trace.Read("x.csv", io.MultiReader(strings.NewReader(full[:n]), iotest.ErrReader(broken)))
		if tr != nil || !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v, %v", n, tr, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, change := range map[string]func(*trace.Record){
		"request":     func(r *trace.Record) { r.Request = -1 },
		"time":        func(r *trace.Record) { r.Arrival = -1 },
		"outcome":     func(r *trace.Record) { r.Outcome = "" },
		"no decision": func(r *trace.Record) { r.Decision = policy.Decision{} },
		"reason":      func(r *trace.Record) { r.Decision.Reason = "a,b" },
		"line feed":   func(r *trace.Record) { r.Decision.Reason = "a\n" },
		"level":       func(r *trace.Record) { r.Decision.Level = 6 },
		"accuracy":    func(r *trace.Record) { r.Observation.MinAccuracy = 76 },
		"queue": func(r *trace.Record) {
			r.Observation.Queue = append(make([]policy.Request, 0, 11), r.Observation.Queue...)
			r.Observation.Queue = append(r.Observation.Queue, make([]policy.Request, 9)...)
			r.Observation.Waiting = 11
		},
		"waiting": func(r *trace.Record) {
			r.Observation.Queue = append(r.Observation.Queue, make([]policy.Request, 8)...)
			r.Observation.Waiting = math.MaxInt32 + 1
		},
	} {
		tr := small(t)
		var b bytes.Buffer
		w, err := trace.NewWriter(&b, tr.Header)
		if err != nil {
			t.Fatal(err)
		}
		bad := small(t).Records[1]
		change(&bad)
		if err := w.Write(tr.Records[0]); err != nil {
			t.Fatal(err)
		}
		if err := w.Write(bad); err == nil || !strings.Contains(err.Error(), "trace: record 2 (request ") {
			t.Errorf("%s: error %v", name, err)
		}
		if err := errors.Join(w.Write(tr.Records[1]), w.Write(tr.Records[2]), w.Flush()); err != nil {
			t.Errorf("%s: afterwards: %v", name, err)
		}
		if b.String() != text(t, tr) {
			t.Errorf("%s: a refused record changed the trace", name)
		}
	}
	for name, change := range map[string]func(*trace.Header){
		"version": func(h *trace.Header) { h.Version = 2 },
		"kind":    func(h *trace.Header) { h.Kind = "" },
		"policy":  func(h *trace.Header) { h.Policy = "" },
		"family":  func(h *trace.Header) { h.Family.Levels = nil },
		"NaN":     func(h *trace.Header) { h.Family.Levels[0].Arch.E[0] = math.NaN() },
		"size":    func(h *trace.Header) { h.Notes = []string{strings.Repeat("n", 1<<20)} },
	} {
		h := header(t)
		change(&h)
		var b bytes.Buffer
		if w, err := trace.NewWriter(&b, h); err == nil || w != nil || b.Len() > 0 {
			t.Errorf("header %s: %v, %d bytes written; want an error", name, err, b.Len())
		}
	}
}

// lineWriter fails unless it gets whole lines.
type lineWriter struct {
	t     *testing.T
	calls int
	after int // calls until it fails
	bytes.Buffer
}

var errFull = errors.New("disk full")

func (w *lineWriter) Write(p []byte) (int, error) {
	w.calls++
	if w.calls > w.after {
		return 0, errFull
	}
	if len(p) == 0 || p[len(p)-1] != '\n' {
		w.t.Errorf("write %d ends inside a line", w.calls)
	}
	return w.Buffer.Write(p)
}

func TestWriterHandsOnWholeLines(t *testing.T) {
	tr := &trace.Trace{Header: header(t), Records: records(rand.New(rand.NewPCG(2, 2)), 2000)}
	w := &lineWriter{t: t, after: math.MaxInt}
	if _, err := tr.WriteTo(w); err != nil {
		t.Fatal(err)
	}
	if w.calls < 5 {
		t.Errorf("%d bytes arrived in %d writes, want one per 64 KiB or so", w.Len(), w.calls)
	}
	if w.String() != text(t, tr) {
		t.Error("the bytes depend on the writer")
	}
}

// The first error of the underlying writer is returned from then on.
func TestWriterFails(t *testing.T) {
	w, err := trace.NewWriter(&lineWriter{t: t, after: 0}, header(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); !errors.Is(err, errFull) {
		t.Errorf("Flush: %v", err)
	}
	if err := w.Write(small(t).Records[0]); !errors.Is(err, errFull) {
		t.Errorf("Write after it: %v", err)
	}
	if _, err := small(t).WriteTo(&lineWriter{t: t, after: 0}); !errors.Is(err, errFull) {
		t.Errorf("WriteTo: %v", err)
	}
}

// Reader: never panics; what it accepts is written as the same bytes; of a truncated trace, the
// complete lines are.
func FuzzRead(f *testing.F) {
	tr := small(f)
	good := text(f, tr)
	f.Add([]byte(good))
	f.Add([]byte(good[:len(good)-7]))
	f.Add([]byte(lines(good)[0]))
	f.Add([]byte(strings.Replace(good, "1:100:160", "1:100:160;;", 1)))
	f.Add([]byte(strings.Replace(good, "0.76", "1e-400", 1)))
	f.Add([]byte(strings.Replace(good, `"family":{`, `"family":null,"x":{`, 1)))
	tr.Records = records(rand.New(rand.NewPCG(3, 3)), 30)
	f.Add([]byte(text(f, tr)))
	f.Add([]byte(text(f, concurrent(f))))
	f.Add([]byte(text(f, clocked(f))))
	f.Add([]byte(text(f, stepped(f))))
	f.Fuzz(func(t *testing.T, data []byte) {
		tr, err := trace.Read("fuzz", bytes.NewReader(data))
		if tr == nil {
			if err == nil {
				t.Fatal("neither trace nor error")
			}
			return
		}
		want := string(data)
		if errors.Is(err, trace.ErrTruncated) {
			want = want[:strings.LastIndexByte(want, '\n')+1]
		} else if err != nil {
			t.Fatalf("a trace together with %v", err)
		}
		if got := text(t, tr); got != want {
			t.Fatalf("written back:\n%q\nread:\n%q", got, want)
		}
		if _, err := trace.Replay(tr); err != nil && !strings.Contains(err.Error(), "policy") {
			t.Fatal(err)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	recs := records(rand.New(rand.NewPCG(4, 4)), 1000)
	for i := range recs {
		recs[i].Observation.Now = 0
	}
	w, err := trace.NewWriter(io.Discard, header(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n > trace.MaxRecords/2 {
			b.StopTimer()
			if w, err = trace.NewWriter(io.Discard, header(b)); err != nil {
				b.Fatal(err)
			}
			n = 0
			b.StartTimer()
		}
		if err := w.Write(recs[n%len(recs)]); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLoads holds what a header says about co-running programs to its rules and its text form.
func TestLoads(t *testing.T) {
	span := func(what string, from, to time.Duration) trace.Load {
		return trace.Load{What: what, Span: trace.Span{From: from, To: to}}
	}
	h := header(t)
	h.Loads = []trace.Load{span("cpu:2", 0, 10), span("mem:1", 5, 15), span("cpu:2", 12, 14)}
	for at, want := range map[time.Duration]string{0: "cpu:2", 5: "cpu:2+mem:1", 10: "mem:1", 12: "cpu:2+mem:1", 14: "mem:1", 15: ""} {
		if got := h.LoadsAt(at); got != want {
			t.Errorf("at %v: %q, want %q", at, got, want)
		}
	}
	var b bytes.Buffer
	w, err := trace.NewWriter(&b, h)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	read, err := trace.Read("memory", &b)
	if err != nil || !slices.Equal(read.Header.Loads, h.Loads) {
		t.Errorf("read %v, %v", read, err)
	}
	for name, loads := range map[string][]trace.Load{
		"no name": {span("", 0, 1)}, "plus": {span("a+b", 0, 1)}, "empty": {span("a", 1, 1)}, "negative": {span("a", -1, 1)}, "order": {span("a", 2, 3), span("a", 0, 1)},
	} {
		h.Loads = loads
		if h.Validate() == nil {
			t.Errorf("%s: %v is accepted", name, loads)
		}
	}
}
