package trace

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
)

// PerfettoOptions say what stands in a Perfetto trace beside the records.
type PerfettoOptions struct {
	// Counters are drawn as tracks of their own, such as a processor's clock.
	Counters []Counter
}

// Counter is a number over time.
type Counter struct {
	Name   string // with its unit, such as "gpu clock (MHz)"
	Points []CounterPoint
}

// CounterPoint is a value from a time on.
type CounterPoint struct {
	At    time.Duration
	Value float64 // finite
}

// Perfetto's field numbers, as of 2026.
//
// Source: the Perfetto project, protos/perfetto/trace/trace.proto, trace_packet.proto, track_event/track_event.proto,
// track_event/track_descriptor.proto, track_event/debug_annotation.proto, track_event/process_descriptor.proto
// (Apache-2.0).
const (
	tracePacket = 1 // Trace.packet

	packetTimestamp     = 8  // uint64, ns
	packetSequence      = 10 // uint32 trusted_packet_sequence_id
	packetEvent         = 11 // TrackEvent
	packetSequenceFlags = 13 // uint32
	packetDescriptor    = 60 // TrackDescriptor

	descriptorUUID    = 1 // uint64
	descriptorName    = 2 // string
	descriptorProcess = 3 // ProcessDescriptor
	descriptorParent  = 5 // uint64 parent_uuid
	descriptorCounter = 8 // CounterDescriptor

	processPID  = 1 // int32
	processName = 6 // string

	eventAnnotation = 4  // DebugAnnotation
	eventType       = 9  // enum
	eventTrack      = 11 // uint64 track_uuid
	eventCategory   = 22 // string
	eventName       = 23 // string
	eventDouble     = 44 // double_counter_value
	eventFlow       = 47 // fixed64 flow_ids

	annotationInt    = 4  // int64
	annotationDouble = 5  // double
	annotationString = 6  // string
	annotationName   = 10 // string

	typeBegin   = 1
	typeEnd     = 2
	typeInstant = 3
	typeCounter = 4

	sequenceCleared = 1 // SEQ_INCREMENTAL_STATE_CLEARED
)

// Tracks have fixed numbers, so that equal traces are equal bytes.
const (
	uuidProcess    = 1
	uuidArrivals   = 2
	uuidMisses     = 3
	uuidQueue      = 4
	uuidLevel      = 5
	uuidProcessors = 1000
	uuidCounters   = 2000
)

// perfettoEvent is an event on its way out.
type perfettoEvent struct {
	at    time.Duration
	order int // at one time ends come first, begins last
	body  []byte
}

// WritePerfetto writes the trace as TrackEvent protobuf for ui.perfetto.dev: a slice per inference, named for its level
// and request, on a track per processor, with a slice before it while a switch stops service (of a measured run: while the
// input is prepared); instants for arrivals and
// misses, connected by flows; and counters of the requests that wait, the level that serves, and what the options give.
// Equal traces are equal bytes.
//
// It returns an error for a header that is invalid, a counter without a name or with a value that is not finite, or w's.
func (t *Trace) WritePerfetto(w io.Writer, o PerfettoOptions) error {
	if err := t.Header.Validate(); err != nil {
		return fmt.Errorf("trace: perfetto: %w", err)
	}
	for _, c := range o.Counters {
		if c.Name == "" {
			return errors.New("trace: perfetto: a counter has no name")
		}
		for _, p := range c.Points {
			if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) || p.At < 0 {
				return fmt.Errorf("trace: perfetto: counter %.80q is %g at %v", c.Name, p.Value, p.At)
			}
		}
	}
	out := bufio.NewWriter(w)
	packet := func(b []byte) {
		var head []byte
		head = appendVarint(appendKey(head, tracePacket, 2), uint64(len(b)))
		out.Write(head) // errors stay until Flush
		out.Write(b)
	}
	for i, d := range t.perfettoTracks(o) {
		var b []byte
		b = appendUint(b, packetSequence, 1)
		if i == 0 {
			b = appendUint(b, packetSequenceFlags, sequenceCleared)
		}
		packet(appendBytes(b, packetDescriptor, d))
	}
	for _, e := range t.perfettoEvents(o) {
		var b []byte
		b = appendUint(b, packetTimestamp, uint64(e.at))
		b = appendUint(b, packetSequence, 1)
		packet(appendBytes(b, packetEvent, e.body))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("trace: perfetto: %w", err)
	}
	return nil
}

// perfettoTracks describes the tracks.
func (t *Trace) perfettoTracks(o PerfettoOptions) [][]byte {
	var all [][]byte
	add := func(uuid uint64, name string, counter bool) {
		b := appendUint(nil, descriptorUUID, uuid)
		b = appendText(b, descriptorName, name)
		b = appendUint(b, descriptorParent, uuidProcess)
		if counter {
			b = appendBytes(b, descriptorCounter, nil)
		}
		all = append(all, b)
	}
	process := appendUint(nil, processPID, 1)
	process = appendText(process, processName, fmt.Sprintf("%s, policy %s (%s)", t.Header.Family.Name, t.Header.Policy, t.Header.Kind))
	all = append(all, appendBytes(appendUint(nil, descriptorUUID, uuidProcess), descriptorProcess, process))
	add(uuidArrivals, "arrivals", false)
	add(uuidMisses, "misses", false)
	for i, name := range t.Header.Family.Processors() {
		add(uuidProcessors+uint64(i), name, false)
	}
	add(uuidQueue, "waiting requests", true)
	add(uuidLevel, "level", true)
	for i, c := range o.Counters {
		add(uuidCounters+uint64(i), c.Name, true)
	}
	return all
}

// perfettoEvents returns everything that happens, in order of time.
func (t *Trace) perfettoEvents(o PerfettoOptions) []perfettoEvent {
	var all []perfettoEvent
	event := func(at time.Duration, kind, track uint64, name, category string, more ...[]byte) {
		b := appendUint(nil, eventType, kind)
		b = appendUint(b, eventTrack, track)
		if name != "" {
			b = appendText(b, eventName, name)
			b = appendText(b, eventCategory, category)
		}
		for _, m := range more {
			b = append(b, m...)
		}
		order := map[uint64]int{typeEnd: 0, typeCounter: 1, typeInstant: 2, typeBegin: 3}[kind]
		all = append(all, perfettoEvent{at, order, b})
	}
	count := func(at time.Duration, track uint64, value float64) {
		event(at, typeCounter, track, "", "", appendDouble(nil, eventDouble, value))
	}
	waits := make([]CounterPoint, 0, 2*len(t.Records)) // +1 at arrivals, -1 at decisions
	batch := 0                                         // requests of the present batch that are yet to come
	for i := range t.Records {
		r := &t.Records[i]
		flow := appendFixed64(nil, eventFlow, uint64(r.Request)+1) // 0 is none
		event(r.Arrival, typeInstant, uuidArrivals, fmt.Sprintf("request %d", r.Request), "arrival", flow,
			annotateInt("deadline_ns", int64(r.Deadline)))
		decided := max(r.Observation.Now, r.Arrival)
		waits = append(waits, CounterPoint{r.Arrival, 1}, CounterPoint{decided, -1})
		if r.Outcome != OnTime {
			event(r.End, typeInstant, uuidMisses, string(r.Outcome), "miss", flow, annotateInt("request", r.Request))
		}
		d := r.Decision
		if d.Action != policy.Serve {
			continue
		}
		if batch > 0 { // served with the one before
			batch--
			continue
		}
		batch = d.Size() - 1
		track := uuidProcessors + uint64(d.Processor)
		name := fmt.Sprintf("L%d request %d", d.Level, r.Request)
		if d.Batch > 0 {
			name = fmt.Sprintf("L%d batch of %d from request %d", d.Level, d.Batch, r.Request)
		}
		if r.Start > decided {
			name, category := fmt.Sprintf("switch to L%d", d.Level), "switch"
			if t.Header.Kind == Measured { // switching takes no time there
				name, category = "prepare the input", "prepare"
			}
			event(decided, typeBegin, track, name, category)
			event(r.Start, typeEnd, track, "", "")
		}
		if r.End > r.Start {
			event(r.Start, typeBegin, track, name, "inference", flow,
				annotateText("reason", string(d.Reason)), annotateInt("level", int64(d.Level)), annotateText("outcome", string(r.Outcome)),
				annotateDouble("accuracy", float64(t.accuracy(d.Level))), annotateInt("waiting", int64(r.Observation.Waiting)))
			event(r.End, typeEnd, track, "", "")
		}
		count(r.Start, uuidLevel, float64(d.Level))
	}
	slices.SortStableFunc(waits, func(a, b CounterPoint) int { return cmp.Compare(a.At, b.At) })
	waiting := 0.0
	for i, p := range waits {
		waiting += p.Value
		if i+1 == len(waits) || waits[i+1].At != p.At {
			count(p.At, uuidQueue, waiting)
		}
	}
	for i, c := range o.Counters {
		for k, p := range c.Points {
			if k > 0 && p.Value == c.Points[k-1].Value {
				continue
			}
			count(p.At, uuidCounters+uint64(i), p.Value)
		}
	}
	slices.SortStableFunc(all, func(a, b perfettoEvent) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order))
	})
	return all
}

func (t *Trace) accuracy(level int) float64 {
	if level < 0 || level >= len(t.Header.Family.Levels) {
		return 0
	}
	return float64(t.Header.Family.Levels[level].Accuracy)
}

func annotate(name string, value []byte) []byte {
	return appendBytes(nil, eventAnnotation, append(appendText(nil, annotationName, name), value...))
}

func annotateInt(name string, v int64) []byte {
	return annotate(name, appendUint(nil, annotationInt, uint64(v)))
}
func annotateDouble(name string, v float64) []byte {
	return annotate(name, appendDouble(nil, annotationDouble, v))
}
func annotateText(name, v string) []byte { return annotate(name, appendText(nil, annotationString, v)) }

// The wire format: https://protobuf.dev/programming-guides/encoding.

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendKey(b []byte, field, wire uint64) []byte { return appendVarint(b, field<<3|wire) }

func appendUint(b []byte, field, v uint64) []byte { return appendVarint(appendKey(b, field, 0), v) }

func appendFixed64(b []byte, field, v uint64) []byte {
	b = appendKey(b, field, 1)
	for range 8 {
		b = append(b, byte(v))
		v >>= 8
	}
	return b
}

func appendDouble(b []byte, field uint64, v float64) []byte {
	return appendFixed64(b, field, math.Float64bits(v))
}

func appendBytes(b []byte, field uint64, v []byte) []byte {
	return append(appendVarint(appendKey(b, field, 2), uint64(len(v))), v...)
}

func appendText(b []byte, field uint64, v string) []byte {
	return appendBytes(b, field, []byte(strings.ToValidUTF8(v, "?")))
}
