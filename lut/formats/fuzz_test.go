package formats_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
)

func fuzzOFA(f *testing.F, file string, format formats.Format, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	m := meta(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := fstest.MapFS{file: {Data: data}}
		tab, err := formats.ReadFS(context.Background(), fsys, file, format, m)
		if err != nil {
			return
		}
		if err := tab.Validate(); err != nil {
			t.Fatalf("accepted but invalid: %v", err)
		}
		roundTrip(t, tab)
	})
}

// roundTrip writes and reads tab as CSV.
func roundTrip(t *testing.T, tab *lut.Table) {
	t.Helper()
	var b bytes.Buffer
	if err := formats.WriteCSV(&b, tab); err != nil {
		t.Fatal(err)
	}
	back, err := formats.ReadCSV(&b)
	if err != nil {
		t.Fatalf("accepted but unreadable once written: %v", err)
	}
	tab.Sort()
	if diff := cmp.Diff(tab, back, equalOrNaN, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(lut.Table{}, "ID")); diff != "" {
		t.Fatalf("round trip (-want +got):\n%s", diff)
	}
}

func FuzzOFAJSON(f *testing.F) {
	const stem = `{"Conv-input:128x128x3-output:64x64x24": {"count": 3, "mean": 1.5, "std": 0.25}`
	fuzzOFA(f, "128.json", formats.OFAJSON, "", "{}", stem+"}", stem+`, "Logits-input:1x1x1536-output:1000": {"std": 0, "mean": 1e-3, "count": 1}}`,
		stem+stem, stem[:40], `{"a": {"count": 1e999}}`, "[[[[")
}

func FuzzOFAYAML(f *testing.F) {
	const stem = "Conv-input:128x128x3-output:64x64x24:\n  count: 3\n  mean: 1.5\n  std: 0.25\n"
	fuzzOFA(f, "128.yaml", formats.OFAYAML, "", stem, stem+"Logits-input:1x1x1536-output:1000: {count: 1, mean: 2, std: 0}\n",
		"a: &a [1]\nb: *a\n", stem+"---\n"+stem, "? [x\n", stem[:50], "%YAML 1.2\n---\n"+stem)
}

func FuzzCSV(f *testing.F) {
	var b bytes.Buffer
	if err := formats.WriteCSV(&b, fullTable(f)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("# dynofa latency table, format 2\nkind"))
	f.Add([]byte("# dynofa latency table, format 2\n# created: 2026-01-02T03:04:05+02:00\n"))
	if data, err := os.ReadFile("testdata/ofa-json/128.json"); err == nil {
		f.Add(data[:200])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tab, err := formats.ReadCSV(bytes.NewReader(data))
		if err != nil || tab.Validate() != nil {
			return
		}
		roundTrip(t, tab)
	})
}

func FuzzProxylessYAML(f *testing.F) {
	const stem = "Conv-input:224x224x3-output:112x112x32: {count: 10, mean: 2, var: 0.04}\n"
	for _, s := range []string{"", stem, stem + "Logits-input:7x7x1280-output:1000: {mean: 7}\n", "Conv-input:9999999999999999999x: {mean: 1}\n", stem + "Conv-input:160x160x3-output:80x80x32: {mean: 1}\n"} {
		f.Add([]byte(s))
	}
	m := meta(f)
	var err error
	if m.Space, err = supernet.ByName("ofa-proxyless-w1.0"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tab, err := formats.ReadFS(context.Background(), fstest.MapFS{"a.yaml": {Data: data}}, "a.yaml", formats.ProxylessYAML, m)
		if err != nil {
			return
		}
		roundTrip(t, tab)
		if _, err := formats.ReadFS(context.Background(), fstest.MapFS{"a.yaml": {Data: writeOFA(t, tab, formats.OFAOptions{
			Format: formats.ProxylessYAML, Space: m.Space, Resolution: tab.Resolutions()[0]})}}, "a.yaml", formats.ProxylessYAML, m); err != nil {
			t.Fatalf("accepted but unreadable once written: %v", err)
		}
	})
}
