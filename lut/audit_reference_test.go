package lut_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// paperNetworks returns the six networks that the authors measured on the GPU.
func paperNetworks(t testing.TB) []lut.NetworkLatency {
	t.Helper()
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	var networks []lut.NetworkLatency
	for _, l := range f.Levels {
		networks = append(networks, lut.NetworkLatency{Arch: l.Arch.String(), Latency: lut.MeanOnly(0, l.Latencies[0].Latency, 0)})
	}
	return networks
}

func audit(t testing.TB, tab *lut.Table, o lut.AuditOptions) *lut.AuditReport {
	t.Helper()
	r, err := lut.Audit(tab, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// finding returns the report's finding of a code.
func finding(t testing.TB, r *lut.AuditReport, code lut.Code) lut.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Code == code {
			return f
		}
	}
	t.Fatalf("no finding %q in %+v", code, r)
	return lut.Finding{}
}

// codes lists the findings of a severity.
func codes(r *lut.AuditReport, s lut.Severity) (list []lut.Code) {
	for _, f := range r.Findings {
		if f.Severity == s {
			list = append(list, f.Code)
		}
	}
	return list
}

// mentions fails unless the finding has the counts, and its message the words.
func mentions(t *testing.T, f lut.Finding, count, of int, words ...string) {
	t.Helper()
	if f.Count != count || f.Of != of {
		t.Errorf("%s: %d of %d, want %d of %d", f.Code, f.Count, f.Of, count, of)
	}
	for _, w := range words {
		if !strings.Contains(f.Message, w) {
			t.Errorf("%s: message %q lacks %q", f.Code, f.Message, w)
		}
	}
}

// What is wrong with the authors' GPU table. The counts were known beforehand, from another program.
func TestAuditOfThePublishedGPUTable(t *testing.T) {
	s := space(t)
	r := audit(t, xavierGPU(t), lut.AuditOptions{Space: s, Others: []*lut.Table{note10(t)}, Known: paperNetworks(t)})
	want := []lut.Code{lut.CodeCopied, lut.CodeKernelOrder, lut.CodeExpandOrder, lut.CodeResolutionOrder, lut.CodeSum}
	if diff := cmp.Diff(want, codes(r, lut.Fault)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]lut.Code{lut.CodeKernelFlat, lut.CodeExpandFlat, lut.CodeResolutionFlat}, codes(r, lut.Doubt)); diff != "" {
		t.Errorf("doubts (-want +got):\n%s", diff)
	}
	mentions(t, finding(t, r, lut.CodeKernelOrder), 537, 1020)
	mentions(t, finding(t, r, lut.CodeExpandOrder), 472, 1020)
	mentions(t, finding(t, r, lut.CodeCopied), 30, 480, "note10/cpu", "6 at each of r=160, 176, 192, 208, 224")
	order := finding(t, r, lut.CodeResolutionOrder)
	mentions(t, order, 9, 16, "r=160 is the most out of order with 127.5 ms, the others have 117.8 to 119.2 ms")
	if diff := cmp.Diff(lut.Evidence{Where: "r=160", What: "127.5 ms over 96 entries, and 118.7 ms at r=164: 6.9% less"}, order.Evidence[0]); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
	mentions(t, finding(t, r, lut.CodeSum), 6, 6, "0.44 to 0.49")
	if n := len(finding(t, r, lut.CodeKernelOrder).Evidence); n != 10 {
		t.Errorf("%d items of evidence, want 10", n)
	}
}

func TestAuditOfThePublishedCPUTable(t *testing.T) {
	r := audit(t, xavierCPU(t), lut.AuditOptions{Space: space(t), Others: []*lut.Table{note10(t)}})
	if diff := cmp.Diff([]lut.Code{lut.CodeCopied, lut.CodeResolutionOrder, lut.CodeSpread}, codes(r, lut.Fault)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	mentions(t, finding(t, r, lut.CodeKernelOrder), 29, 1020)
	mentions(t, finding(t, r, lut.CodeExpandOrder), 2, 1020)
	mentions(t, finding(t, r, lut.CodeCopied), 5, 480, "1 at each of r=160, 176, 192, 208, 224")
	mentions(t, finding(t, r, lut.CodeSpread), 1615, 1632, "34% of the mean in the median")
	mentions(t, finding(t, r, lut.CodeMixed), 102, 1632, "79 to 500 samples")
	// The copied first block is ten times as fast as the rest of the table.
	mentions(t, finding(t, r, lut.CodeRoofline), 17, 1632)
}

// The tables of the first block are the same in both of the authors' folders at every resolution.
func TestAuditOfThePublishedTablesAgainstEachOther(t *testing.T) {
	r := audit(t, xavierGPU(t), lut.AuditOptions{Others: []*lut.Table{xavierCPU(t)}})
	mentions(t, finding(t, r, lut.CodeCopied), 17, 1632, "1 at each of r=160, 164")
}

// A table of which nothing is known to be wrong.
func TestAuditOfThePhoneTable(t *testing.T) {
	r := audit(t, note10(t), lut.AuditOptions{Space: space(t)})
	if n := r.Count(lut.Fault); n != 0 {
		t.Errorf("%d faults: %+v", n, r.Findings)
	}
	if diff := cmp.Diff([]lut.Code{lut.CodeMixed}, codes(r, lut.Doubt)); diff != "" {
		t.Errorf("doubts (-want +got):\n%s", diff)
	}
}
