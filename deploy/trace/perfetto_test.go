package trace_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// message is a decoded protobuf message: values by field number, in order.
type message map[protowire.Number][]any

// decode reads a message with the protobuf project's own wire package, which shares no code with the writer.
func decode(t *testing.T, b []byte) message {
	t.Helper()
	m := message{}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		var v any
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			v, n = protowire.ConsumeBytes(b)
		default:
			t.Fatalf("field %d has wire type %d", number, kind)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		m[number] = append(m[number], v)
		b = b[n:]
	}
	return m
}

func (m message) text(field protowire.Number) string {
	if len(m[field]) == 0 {
		return ""
	}
	return string(m[field][0].([]byte))
}

func (m message) number(field protowire.Number) uint64 {
	if len(m[field]) == 0 {
		return 0
	}
	return m[field][0].(uint64)
}

// The trace is decoded again by the public schema's field numbers (written out here once more), and says what the
// records say: each inference is a slice on its processor's track, slices on a track do not overlap, events are in
// order of time, each arrival has its instant, and the counter of waiting requests ends at 0.
func TestPerfetto(t *testing.T) {
	tr := record(t, "ladder", map[string]string{"window": "3", "warmup": "0"}, 200)
	options := trace.PerfettoOptions{Counters: []trace.Counter{{Name: "gpu clock (MHz)", Points: []trace.CounterPoint{{0, 1109.25}, {time.Second, 1109.25}, {2 * time.Second, 510}}}}}
	var out bytes.Buffer
	if err := tr.WritePerfetto(&out, options); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := tr.WritePerfetto(&again, options); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("written again: %v, other bytes", err)
	}
	const process, arrivals = 1, 2
	tracks := map[uint64]string{}
	counters := map[uint64]bool{}
	type slice struct {
		begin uint64
		name  string
	}
	open := map[uint64]*slice{}
	var slices []string
	last, instants, misses := uint64(0), 0, 0
	values := map[string][]float64{}
	for i, raw := range decode(t, out.Bytes())[1] { // Trace.packet
		packet := decode(t, raw.([]byte))
		if packet.number(10) != 1 { // trusted_packet_sequence_id
			t.Fatalf("packet %d is of sequence %d", i, packet.number(10))
		}
		if i == 0 != (packet.number(13) == 1) { // sequence_flags
			t.Errorf("packet %d has sequence flags %d", i, packet.number(13))
		}
		if d := packet[60]; d != nil { // track_descriptor
			track := decode(t, d[0].([]byte))
			name := track.text(2)
			if p := track[3]; p != nil {
				descriptor := decode(t, p[0].([]byte))
				name = descriptor.text(6)
				if descriptor.number(1) != 1 || !strings.Contains(name, "ladder") {
					t.Errorf("process %v", descriptor)
				}
			} else if track.number(5) != process {
				t.Errorf("track %q has the parent %d", name, track.number(5))
			}
			tracks[track.number(1)], counters[track.number(1)] = name, track[8] != nil
			continue
		}
		event := decode(t, packet[11][0].([]byte)) // track_event
		at, track := packet.number(8), event.number(11)
		if at < last {
			t.Fatalf("packet %d at %d after %d", i, at, last)
		}
		last = at
		name, known := tracks[track]
		if !known {
			t.Fatalf("packet %d is on track %d, which is not described", i, track)
		}
		if kind := event.number(9); (kind == 4) != counters[track] {
			t.Fatalf("an event of type %d is on track %q", kind, name)
		}
		switch event.number(9) {
		case 1:
			if open[track] != nil {
				t.Fatalf("slice %q begins in slice %q", event.text(23), open[track].name)
			}
			open[track] = &slice{at, event.text(23)}
		case 2:
			if open[track] == nil {
				t.Fatalf("a slice ends at %d that never began", at)
			}
			slices = append(slices, fmt.Sprintf("%s %s %d-%d", name, open[track].name, open[track].begin, at))
			open[track] = nil
		case 3:
			if instants++; track != arrivals {
				instants--
				misses++
			}
			if len(event[47]) != 1 {
				t.Error("an instant has no flow")
			}
		case 4:
			values[name] = append(values[name], math.Float64frombits(event.number(44)))
		}
	}
	var want []string
	missed := 0
	for _, r := range tr.Records {
		if r.Outcome != trace.OnTime {
			missed++
		}
		if r.Decision.Action != policy.Serve {
			continue
		}
		if r.Start > r.Observation.Now {
			want = append(want, fmt.Sprintf("%s switch to L%d %d-%d", tr.Header.Family.Processors()[r.Decision.Processor], r.Decision.Level, r.Observation.Now, r.Start))
		}
		if r.End == r.Start {
			continue
		}
		want = append(want, fmt.Sprintf("%s L%d request %d %d-%d", tr.Header.Family.Processors()[r.Decision.Processor], r.Decision.Level, r.Request, r.Start, r.End))
	}
	if strings.Join(slices, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d slices, want %d; the first %s, want %s", len(slices), len(want), slices[0], want[0])
	}
	if instants != len(tr.Records) || misses != missed {
		t.Errorf("%d arrivals and %d misses, want %d and %d", instants, misses, len(tr.Records), missed)
	}
	if clock := fmt.Sprint(values["gpu clock (MHz)"]); clock != "[1109.25 510]" {
		t.Errorf("clock %s", clock)
	}
	if w := values["waiting requests"]; len(w) == 0 || w[len(w)-1] != 0 {
		t.Errorf("%v requests wait at the end", w)
	}
	if len(values["level"]) == 0 {
		t.Error("no counter of levels")
	}
}

// TestPerfettoOfARun: what comes before an inference of a measured run is no switch, which takes no time there.
func TestPerfettoOfARun(t *testing.T) {
	tr := record(t, "static:1", nil, 50)
	for i := range tr.Records { // something comes before the inference
		if r := &tr.Records[i]; r.Outcome.Answered() {
			r.Start, r.End = r.Start+time.Microsecond, r.End+time.Microsecond
		}
	}
	slices := func() (switches, prepares int) {
		var out bytes.Buffer
		if err := tr.WritePerfetto(&out, trace.PerfettoOptions{}); err != nil {
			t.Fatal(err)
		}
		return strings.Count(out.String(), "switch to L"), strings.Count(out.String(), "prepare the input")
	}
	switches, prepares := slices()
	if switches == 0 || prepares != 0 {
		t.Fatalf("simulated: %d switches, %d preparations", switches, prepares)
	}
	tr.Header.Kind = trace.Measured
	if s, p := slices(); s != 0 || p != switches {
		t.Errorf("measured: %d switches, %d preparations, want none and %d", s, p, switches)
	}
}

func TestPerfettoRefuses(t *testing.T) {
	tr := record(t, "static:1", nil, 3)
	for name, o := range map[string]trace.PerfettoOptions{
		"no name": {Counters: []trace.Counter{{}}},
		"NaN":     {Counters: []trace.Counter{{Name: "x", Points: []trace.CounterPoint{{0, math.NaN()}}}}},
	} {
		if err := tr.WritePerfetto(&bytes.Buffer{}, o); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if err := tr.WritePerfetto(full{}, trace.PerfettoOptions{}); !errors.Is(err, errDiskFull) {
		t.Errorf("full disk: %v", err)
	}
	tr.Header.Kind = "guessed"
	if err := tr.WritePerfetto(&bytes.Buffer{}, trace.PerfettoOptions{}); err == nil {
		t.Error("an invalid header is written")
	}
}

var errDiskFull = errors.New("disk full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errDiskFull }
