package fidelity_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/studytest"
	base "github.com/dynofa/dynofa/lut/plot"
)

// study is what holds for all cells.
type study struct {
	Machine, Load, Date string
	Runs, Decisions     int
	Took                time.Duration
}

var header = []string{"cell", "supernet", "loads", "policy", "deadline", "seed", "calibrated_by", "metric", "recorded_1", "recorded_2", "recorded_3", "predicted", "simulated_p5", "simulated_p95", "table_alone", "agreement", "agreement_table_alone"}

// writeResults stores every figure.
func writeResults(t *testing.T, all []result) {
	t.Helper()
	f, err := os.Create("results.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	number := func(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }
	rows := [][]string{header}
	for _, r := range all {
		for i, g := range r.figures {
			row := []string{r.cell.name, r.cell.supernet, r.cell.loads, r.cell.policy, strconv.FormatFloat(r.cell.deadline, 'g', -1, 64), strconv.FormatUint(r.cell.seed, 10), r.cell.calibratedBy, metrics[i].name}
			for _, v := range g.recorded {
				row = append(row, number(v))
			}
			rows = append(rows, append(row, number(g.predicted), number(g.low), number(g.high), number(g.table), number(r.agreement), number(r.fresh)))
		}
	}
	if err := csv.NewWriter(f).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
}

// readResults reads what writeResults wrote.
func readResults(t *testing.T) []result {
	t.Helper()
	f, err := os.Open("results.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []result
	for i, row := range rows[1:] {
		values := make([]float64, len(row)-8)
		for k, text := range row[8:] {
			if values[k], err = strconv.ParseFloat(text, 64); err != nil {
				t.Fatalf("line %d: %v", i+2, err)
			}
		}
		if i%len(metrics) == 0 {
			c := cell{name: row[0], supernet: row[1], loads: row[2], policy: row[3], calibratedBy: row[6]}
			if c.deadline, err = strconv.ParseFloat(row[4], 64); err != nil {
				t.Fatal(err)
			}
			all = append(all, result{cell: c, agreement: values[7], fresh: values[8]})
		}
		r := &all[len(all)-1]
		r.figures = append(r.figures, figure{recorded: values[:repeats], predicted: values[3], low: values[4], high: values[5], table: values[6]})
	}
	return all
}

// TestCommitted holds tables and picture to results.csv: neither is edited by hand.
func TestCommitted(t *testing.T) {
	all := readResults(t)
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, want, ok := strings.Cut(tables(study{}, all), "\n| figure |")
	if !ok || !strings.Contains(string(text), "\n| figure |"+want) {
		t.Error("README.md's tables are not what results.csv gives")
	}
	var picture bytes.Buffer
	if err := drawResults(all).Write(&picture, base.SVG); err != nil {
		t.Fatal(err)
	}
	if file, err := os.ReadFile("predicted.svg"); err != nil || !bytes.Equal(file, picture.Bytes()) {
		t.Errorf("predicted.svg is not what results.csv gives (%v)", err)
	}
	held := map[string]cell{}
	for _, c := range cells {
		held[c.name] = c
	}
	for _, r := range all {
		if c := held[r.cell.name]; c.policy != r.cell.policy || c.loads != r.cell.loads || c.deadline != r.cell.deadline {
			t.Errorf("results.csv has another cell %s than cells_test.go: run make study-fidelity", r.cell.name)
		}
	}
	if len(all) != 8 {
		t.Errorf("%d held-out cells", len(all))
	}
}

// writeReport puts what was found between README.md's marks.
func writeReport(t *testing.T, s study, all []result) {
	t.Helper()
	studytest.Rewrite(t, "study-fidelity", tables(s, all))
}

func tables(s study, all []result) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Machine: %s. Load average of one minute: %s. Measured on %s: %d runs in %v, everything included.\n", s.Machine, s.Load, s.Date, s.Runs, s.Took)
	line("**Replay of observations: %d of %d recorded decisions are the same, bit for bit.**\n", s.Decisions, s.Decisions)
	line("| figure | bar | held-out cells within the bar | within the bar or 1.5 times the spread | the table alone, the same | median error | the table alone |\n|---|---|---|---|---|---|---|")
	for i, m := range metrics[:judged] {
		bar, spread, alone := 0, 0, 0
		for _, r := range all {
			f := r.figures[i]
			inBar, inSpread := f.within(i)
			bar, spread = bar+count(inBar), spread+count(inSpread)
			g := f
			g.predicted = f.table
			_, inSpread = g.within(i)
			alone += count(inSpread)
		}
		text := fmt.Sprintf("%g point", m.bar)
		if m.relative {
			text = fmt.Sprintf("%g%%", 100*m.bar)
		}
		unit, scale := "", 1.
		if m.relative {
			unit, scale = "%", 100
		}
		line("| %s | %s | %d of %d | **%d of %d** | %d of %d | %.2f%s | %.2f%s |", m.name, text, bar, len(all), spread, len(all), alone, len(all),
			scale*medianError(all, i, func(f figure) float64 { return f.predicted }), unit, scale*medianError(all, i, func(f figure) float64 { return f.table }), unit)
	}
	line("\nEach cell: mean of the repetitions (spread: largest less smallest), then what was predicted. Bold: outside the bar and outside 1.5 times the spread.\n")
	head, rule := "| cell | loads | policy | deadline | calibrated by | decisions that agree |", "|---|---|---|---|---|---|"
	for _, m := range metrics {
		head, rule = head+" "+m.name+" |", rule+"---|"
	}
	line("%s\n%s", head, rule)
	for _, r := range all {
		row := fmt.Sprintf("| %s %s | %s | %s | %g x | %s | %.1f%% (table alone %.1f%%) |", r.cell.name, r.cell.supernet, r.cell.loads, r.cell.policy, r.cell.deadline, r.cell.calibratedBy, 100*r.agreement, 100*r.fresh)
		for i, f := range r.figures {
			text := digits(f.predicted)
			if _, in := f.within(i); !in && i < judged {
				text = "**" + text + "**"
			}
			row += fmt.Sprintf(" %s (%s), %s |", digits(f.mean()), digits(f.spread()), text)
		}
		line("%s", row)
	}
	return b.String()
}

// medianError returns the median over the cells by how much a prediction is off the mean of the repetitions, as a share of it where the
// metric's bar is one.
func medianError(all []result, metric int, of func(figure) float64) float64 {
	var errors []float64
	for _, r := range all {
		f := r.figures[metric]
		off := math.Abs(of(f) - f.mean())
		if metrics[metric].relative {
			off /= f.mean()
		}
		errors = append(errors, off)
	}
	slices.Sort(errors)
	return (errors[(len(errors)-1)/2] + errors[len(errors)/2]) / 2
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// digits writes a number with two decimals, or fewer if it is large.
func digits(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
