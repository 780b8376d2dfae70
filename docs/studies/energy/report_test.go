package energy_test

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/studytest"
)

var header = []string{"cell", "level", "hits", "effective", "j_per_request", "dynamic_share",
	"rule", "energy", "qdp_hits", "qdp_effective", "saved", "saved_half_width", "saved_low_30", "saved_high_30", "dynamic_saved"}

// rows renders a result, a row for each rule.
func (r *result) rows() [][]string {
	number := func(x float64) string { return strconv.FormatFloat(x, 'f', 5, 64) }
	var rows [][]string
	for i := range r.rules {
		o := &r.rules[i]
		row := []string{r.cell.String(), strconv.Itoa(r.level), number(r.hits), number(r.effective), number(r.perRequest), number(r.dynamicShare), o.rule}
		if o.weight == "" {
			row = append(row, "none", "", "", "", "", "", "", "")
		} else {
			row = append(row, o.weight, number(o.hits), number(o.effective), number(o.saved.Share), number(o.over.Half()), number(o.saved.Low), number(o.saved.High), number(o.dynamic))
		}
		rows = append(rows, row)
	}
	return rows
}

// TestStudy repeats some cells, or all of them with -update.
func TestStudy(t *testing.T) {
	if reftest.RaceDetector && !*update {
		t.Skip("long; what runs at once here other tests run too")
	}
	all := cells()
	if !*update {
		committed := read(t)
		for _, i := range []int{9} {
			r := measure(t, all[i])
			for _, row := range r.rows() {
				want, ok := committed[row[0]+" "+row[6]]
				if !ok || want[1] != row[1] || want[7] != row[7] {
					t.Errorf("%v, committed is %v (make study-energy)", row, want)
					continue
				}
				for _, k := range []int{2, 8, 10} { // the last bits of noise and power may differ between architectures
					a, _ := strconv.ParseFloat(row[k], 64)
					b, _ := strconv.ParseFloat(want[k], 64)
					if math.Abs(a-b) > 0.005 {
						t.Errorf("%s: %s is %s, committed is %s (make study-energy)", row[0], header[k], row[k], want[k])
					}
				}
			}
		}
		return
	}
	var results []result
	for _, c := range all {
		results = append(results, measure(t, c))
	}
	write(t, results)
}

func read(t *testing.T) map[string][]string {
	f, err := os.Open("results.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{}
	for _, r := range rows[1:] {
		known[r[0]+" "+r[6]] = r
	}
	return known
}

func write(t *testing.T, results []result) {
	rows := [][]string{header}
	for i := range results {
		rows = append(rows, results[i].rows()...)
	}
	var b strings.Builder
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("results.csv", []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	studytest.Rewrite(t, "study-energy", tables(results))
}

// tables renders what README.md shows.
func tables(results []result) string {
	var b strings.Builder
	for rule := range results[0].rules {
		name := results[0].rules[rule].rule
		fmt.Fprintf(&b, "\n### Equal %s\n\n", name)
		b.WriteString("| cell | static level | on time: schedutil | qdp | accuracy of answers: schedutil | qdp | J per request: schedutil | energy | board's energy saved | at 30% other coefficients | saved on top of idle |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
		reached, dynamic, kept, most, sum := 0, 0, 0, math.Inf(-1), 0.0
		for i := range results {
			r := &results[i]
			o := &r.rules[rule]
			fmt.Fprintf(&b, "| %s | %d | %.1f%% |", r.cell, r.level, 100*r.hits)
			if o.weight == "" {
				fmt.Fprintf(&b, " no setting | %.2f%% | | %.3f | | | | |\n", 100*r.accuracy, r.perRequest)
				continue
			}
			kept++
			sum += o.saved.Share
			most = math.Max(most, o.saved.Share)
			if o.saved.Share >= 0.165 {
				reached++
			}
			if o.dynamic >= 0.165 {
				dynamic++
			}
			fmt.Fprintf(&b, " %.1f%% | %.2f%% | %.2f%% | %.3f | %s | %s%% | %.1f to %.1f%% | %.1f%% |\n", 100*o.hits, 100*r.accuracy, 100*o.accuracy, r.perRequest, o.weight,
				o.over.Format(100, 1), 100*o.saved.Low, 100*o.saved.High, 100*o.dynamic)
		}
		fmt.Fprintf(&b, "\nIn %d of %d cells a setting kept %s. Of these it saved at least 16.5%% of the board's energy in %d (%.1f%% on average, %.1f%% at most), and at least 16.5%% of what is drawn on top of idle in %d.\n",
			kept, len(results), name, reached, 100*sum/float64(max(kept, 1)), 100*most, dynamic)
	}
	return b.String()
}
