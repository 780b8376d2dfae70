package serve

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// printer writes metrics in one of the formats that Prometheus reads. Labels are names and values in turn.
type printer interface {
	head(name, kind, help string) // begins the family that the following samples belong to
	value(name string, v float64, labels ...string)
	histogram(name string, h *histogram, labels ...string)
}

// The content types of the two formats.
const (
	textFormat  = "text/plain; version=0.0.4; charset=utf-8"
	protoFormat = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

// wantsProto reports whether an Accept header asks for the format with protocol buffers, which native histograms need.
// Prometheus names it first when it scrapes native histograms.
func wantsProto(accept string) bool {
	first, _, _ := strings.Cut(accept, ",")
	return strings.HasPrefix(strings.TrimSpace(first), "application/vnd.google.protobuf") && strings.Contains(first, "io.prometheus.client.MetricFamily") &&
		strings.Contains(first, "encoding=delimited")
}

// text writes the text format 0.0.4, which has histograms with given bounds.
type text struct{ w io.Writer }

var _ printer = (*text)(nil)

func (p *text) head(name, kind, help string) {
	fmt.Fprintf(p.w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (p *text) value(name string, v float64, labels ...string) {
	var pairs []string
	for i := 0; i < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+`="`+escape(labels[i+1])+`"`)
	}
	if len(pairs) > 0 {
		name += "{" + strings.Join(pairs, ",") + "}"
	}
	fmt.Fprintf(p.w, "%s %s\n", name, strconv.FormatFloat(v, 'g', -1, 64))
}

func (p *text) histogram(name string, h *histogram, labels ...string) {
	total := uint64(0)
	for i, bound := range buckets {
		total += h.counts[i]
		p.value(name+"_bucket", float64(total), append(slices.Clone(labels), "le", strconv.FormatFloat(bound, 'g', -1, 64))...)
	}
	p.value(name+"_bucket", float64(h.n), append(slices.Clone(labels), "le", "+Inf")...)
	p.value(name+"_sum", h.sum, labels...)
	p.value(name+"_count", float64(h.n), labels...)
}

// escape writes a label's value as the text format wants it.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(valid(s))
}

func valid(s string) string { return strings.ToValidUTF8(s, "?") }

// proto writes the format with protocol buffers: one length-delimited MetricFamily after the other, histograms as native
// ones and with the text format's bounds besides.
//
// Source: prometheus/client_model v0.6.2, io/prometheus/client/metrics.proto, for field numbers.
type proto struct {
	out    []byte
	family []byte
	gauge  bool
}

var _ printer = (*proto)(nil)

// bytes ends the last family and returns everything.
func (p *proto) bytes() []byte {
	if len(p.family) > 0 {
		p.out = protowire.AppendBytes(p.out, p.family)
		p.family = nil
	}
	return p.out
}

func (p *proto) head(name, kind, help string) {
	p.bytes()
	kinds := map[string]uint64{"counter": 0, "gauge": 1, "histogram": 4}
	p.gauge = kind == "gauge"
	p.family = str(str(p.family, 1, name), 2, help)
	p.family = protowire.AppendVarint(protowire.AppendTag(p.family, 3, protowire.VarintType), kinds[kind])
}

func (p *proto) value(_ string, v float64, labels ...string) {
	field := protowire.Number(3) // Counter
	if p.gauge {
		field = 2
	}
	p.metric(labels, field, double(nil, 1, v))
}

func (p *proto) histogram(_ string, h *histogram, labels ...string) {
	m := double(varint(nil, 1, h.n), 2, h.sum)
	total := uint64(0)
	for i, bound := range buckets {
		total += h.counts[i]
		m = sub(m, 3, double(varint(nil, 1, total), 2, bound))
	}
	m = sub(m, 3, double(varint(nil, 1, h.n), 2, math.Inf(1)))
	m = varint(m, 5, protowire.EncodeZigZag(nativeSchema))
	m = varint(double(m, 6, zeroThreshold), 7, h.native.zero)
	runs, deltas := h.native.spans()
	if len(runs) == 0 {
		runs = []span{{}} // tells a native histogram that is empty from one that is none
	}
	for _, r := range runs {
		m = sub(m, 12, varint(varint(nil, 1, protowire.EncodeZigZag(int64(r.offset))), 2, uint64(r.length)))
	}
	for _, d := range deltas {
		m = varint(m, 13, protowire.EncodeZigZag(d))
	}
	p.metric(labels, 7, m)
}

// metric adds a sample to the family.
func (p *proto) metric(labels []string, field protowire.Number, content []byte) {
	var m []byte
	for i := 0; i < len(labels); i += 2 {
		m = sub(m, 1, str(str(nil, 1, labels[i]), 2, valid(labels[i+1])))
	}
	p.family = sub(p.family, 4, sub(m, field, content))
}

func str(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func sub(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

func varint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func double(b []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(v))
}
