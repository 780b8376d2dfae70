package serve_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protodelim"
	gproto "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// metricFamily describes what Prometheus reads, as far as we write it, after prometheus/client_model v0.6.2,
// io/prometheus/client/metrics.proto.
func metricFamily(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	const messages = `
		LabelPair:    1 name string, 2 value string
		Gauge:        1 value double
		Counter:      1 value double
		Bucket:       1 cumulative_count uint64, 2 upper_bound double
		BucketSpan:   1 offset sint32, 2 length uint32
		Histogram:    1 sample_count uint64, 2 sample_sum double, 3 bucket Bucket*, 5 schema sint32, 6 zero_threshold double, 7 zero_count uint64, 12 positive_span BucketSpan*, 13 positive_delta sint64*
		Metric:       1 label LabelPair*, 2 gauge Gauge, 3 counter Counter, 7 histogram Histogram
		MetricFamily: 1 name string, 2 help string, 3 type int32, 4 metric Metric*`
	file := &descriptorpb.FileDescriptorProto{Name: gproto.String("m.proto"), Package: gproto.String("p"), Syntax: gproto.String("proto2")}
	for line := range strings.Lines(messages) {
		name, fields, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		m := &descriptorpb.DescriptorProto{Name: gproto.String(name)}
		for field := range strings.SplitSeq(fields, ",") {
			f := &descriptorpb.FieldDescriptorProto{Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
			var number int32
			var fieldName, kind string
			if _, err := fmt.Sscan(field, &number, &fieldName, &kind); err != nil {
				t.Fatal(err)
			}
			if rest, many := strings.CutSuffix(kind, "*"); many {
				kind, f.Label = rest, descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			f.Number, f.Name = gproto.Int32(number), gproto.String(fieldName)
			if n, ok := descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+strings.ToUpper(kind)]; ok {
				f.Type = descriptorpb.FieldDescriptorProto_Type(n).Enum()
			} else {
				f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), gproto.String(".p."+kind)
			}
			m.Field = append(m.Field, f)
		}
		file.MessageType = append(file.MessageType, m)
	}
	d, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d.Messages().ByName("MetricFamily")
}

// With the format of protocol buffers histograms are native, and everything else is what the text format says.
func TestNativeHistograms(t *testing.T) {
	fx := start(t, nil)
	for range 3 {
		fx.do(t, "POST", inferPath, tensorJSON(4, 1, ""))
	}
	_, _, plain := fx.do(t, "GET", "/metrics", "")
	_, header, body := fx.do(t, "GET", "/metrics", "", "Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;q=0.2")
	if !strings.HasPrefix(header.Get("Content-Type"), "application/vnd.google.protobuf") {
		t.Fatalf("content type %q", header.Get("Content-Type"))
	}
	family := metricFamily(t)
	field := func(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByName(name))
	}
	families, histograms, labels := 0, 0, 0
	for r := bytes.NewReader([]byte(body)); r.Len() > 0; families++ {
		m := dynamicpb.NewMessage(family)
		if err := protodelim.UnmarshalFrom(r, m); err != nil {
			t.Fatalf("after %d families: %v", families, err)
		}
		name := field(m, "name").String()
		kind := map[int64]string{0: "counter", 1: "gauge", 4: "histogram"}[field(m, "type").Int()]
		if !strings.Contains(plain, fmt.Sprintf("# HELP %s %s\n# TYPE %s %s\n", name, field(m, "help"), name, kind)) {
			t.Errorf("the text format has no %s %s", kind, name)
		}
		samples := field(m, "metric").List()
		for i := range samples.Len() {
			s := samples.Get(i).Message()
			if s.GetUnknown() != nil || m.GetUnknown() != nil {
				t.Fatalf("%s has unknown fields", name)
			}
			labels += field(s, "label").List().Len()
			if kind != "histogram" {
				if !s.Has(s.Descriptor().Fields().ByName(protoreflect.Name(kind))) {
					t.Errorf("%s is no %s", name, kind)
				}
				continue
			}
			histograms++
			h := field(s, "histogram").Message()
			count, zero := field(h, "sample_count").Uint(), field(h, "zero_count").Uint()
			total, current := int64(zero), int64(0)
			deltas, length := field(h, "positive_delta").List(), uint64(0)
			for j := range deltas.Len() {
				current += deltas.Get(j).Int()
				total += current
			}
			spans := field(h, "positive_span").List()
			for j := range spans.Len() {
				length += field(spans.Get(j).Message(), "length").Uint()
			}
			if uint64(total) != count || length != uint64(deltas.Len()) || field(h, "schema").Int() != 3 || spans.Len() == 0 {
				t.Errorf("%s counts %d of %d, %d buckets in spans of %d: %v", name, total, count, deltas.Len(), length, h)
			}
			if b := field(h, "bucket").List(); b.Len() < 20 || !math.IsInf(field(b.Get(b.Len()-1).Message(), "upper_bound").Float(), 1) ||
				field(b.Get(b.Len()-1).Message(), "cumulative_count").Uint() != count {
				t.Errorf("%s: bounds %v", name, b)
			}
			if mean := field(h, "sample_sum").Float() / float64(count); count > 0 && !(mean > 0 && mean < 60) {
				t.Errorf("%s: %d values with a sum of %g", name, count, field(h, "sample_sum").Float())
			}
		}
	}
	if want := strings.Count(plain, "# TYPE "); families != want || histograms < 3 || labels < 10 {
		t.Errorf("%d families with %d histograms and %d labels, the text format has %d families", families, histograms, labels, want)
	}
}
