//go:build cgo

package accuracy_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/studytest"
	"github.com/dynofa/dynofa/search/accuracy"
)

// writeRows writes the table of sub-networks as results.csv.
func writeRows(t *testing.T, rows []row) {
	f, err := os.Create("results.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := csv.NewWriter(f)
	records := [][]string{{"arch", "r", "macs", "cpu_ns", "images", "top1_before", "low_before", "high_before", "images_before", "top1_after", "low_after", "high_after"}}
	for _, r := range rows {
		records = append(records, []string{r.arch.String(), strconv.Itoa(r.arch.R), strconv.FormatInt(r.macs, 10), strconv.FormatInt(int64(r.latency), 10), r.after["images"],
			r.before["top1"], r.before["top1_low"], r.before["top1_high"], r.before["images"], r.after["top1"], r.after["top1_low"], r.after["top1_high"]})
	}
	if err := w.WriteAll(records); err != nil {
		t.Fatal(err)
	}
}

// writeTables puts the tables between their marks in README.md.
func writeTables(t *testing.T, c accuracy.FashionConditions, rows []row, tau float64, cost []costOf) {
	var b strings.Builder
	percent := func(m map[string]string) string {
		if m == nil {
			return ""
		}
		v := func(name string) float64 {
			x, err := strconv.ParseFloat(m[name], 64)
			if err != nil {
				t.Fatal(err)
			}
			return 100 * x
		}
		return fmt.Sprintf("%.2f%% (%.2f..%.2f)", v("top1"), v("top1_low"), v("top1_high"))
	}
	fmt.Fprintf(&b, "### Sub-networks\n\nTop-1 on %s pictures of %s, with Wilson's 95%% intervals; weights: `%s`. Recalibration: %s; before it, %s pictures. Latency: median\nprocessor time of one picture at one thread, of 50 runs on this machine.\n\n",
		rows[0].after["images"], rows[0].after["data"], rows[0].after["weights"], rows[0].after["recalibration"], rows[0].before["images"])
	b.WriteString("| MACs | r | depths | latency | top-1 before | top-1 after recalibration |\n| ---: | ---: | --- | ---: | ---: | ---: |\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %.2f M | %d | %s | %.2f ms | %s | %s |\n", float64(r.macs)/1e6, r.arch.R, strings.Trim(fmt.Sprint(r.arch.D), "[]"), r.latency.Seconds()*1e3, percent(r.before), percent(r.after))
	}
	fmt.Fprintf(&b, "\nThe whole architectures are in `results.csv`. Kendall's tau between MACs and top-1 over the %d drawn at random (all but the smallest and the largest): **%.3f**.\n", sampled, tau)
	fmt.Fprintf(&b, "\n### Predictor\n\n"+
		"Fitted to %d sub-networks and compared with %d others, all measured on %d pictures of %s (recalibration: %s):\nKendall's tau **%.3f**, mean absolute error **%.3f** points. The built-in predictor is fitted to all %d.\n",
		c.Networks-c.HeldOut, c.HeldOut, c.Pictures, c.Data, c.Recalibration, c.Tau, 100*c.MAE, c.Networks)
	fmt.Fprintf(&b, "\n### What recalibration costs\n\nProcessor time of %d pictures of 224 x 224 (a batch) of ofa-mbv3-w1.2 at one thread, the least of 5 runs in turn (80 pictures each way).\n\n", costBatch)
	b.WriteString("| sub-network | inference | recalibration | ratio | where recalibration spends its time |\n| --- | ---: | ---: | ---: | --- |\n")
	for _, k := range cost {
		var parts []string
		for _, o := range k.operators[:min(6, len(k.operators))] {
			parts = append(parts, fmt.Sprintf("%s %.0f%%", o.name, 100*o.share))
		}
		fmt.Fprintf(&b, "| %s | %.0f ms | %.0f ms | %.2f | %s |\n", k.name, k.plain.Seconds()*1e3, k.calibrating.Seconds()*1e3,
			float64(k.calibrating)/float64(k.plain), strings.Join(parts, ", "))
	}
	fmt.Fprintf(&b, "\nLoad average when this was written: %s.\n", studytest.LoadAverage())
	studytest.Rewrite(t, "study-accuracy", b.String())
}
