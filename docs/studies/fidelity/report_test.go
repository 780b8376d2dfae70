package fidelity_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// study is what holds for all cells.
type study struct {
	Machine, Load, Date string
	Runs, Decisions     int
	Took                time.Duration
}

var header = []string{"cell", "supernet", "loads", "policy", "deadline", "seed", "calibrated_by", "metric", "recorded_1", "recorded_2", "recorded_3", "predicted", "simulated_p5", "simulated_p95", "table_alone"}

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
			rows = append(rows, append(row, number(g.predicted), number(g.low), number(g.high), number(g.table)))
		}
	}
	if err := csv.NewWriter(f).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
}

const begin, end = "<!-- tables: written by make study-fidelity -->\n", "<!-- end of tables -->"

// writeReport puts what was found between README.md's marks.
func writeReport(t *testing.T, s study, all []result) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("README.md has no place for the tables")
	}
	if err := os.WriteFile("README.md", []byte(before+begin+tables(s, all)+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func tables(s study, all []result) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Machine: %s. Load average of one minute: %s. Measured on %s: %d runs in %v, everything included.\n", s.Machine, s.Load, s.Date, s.Runs, s.Took)
	line("**Replay of observations: %d of %d recorded decisions are the same, bit for bit.**\n", s.Decisions, s.Decisions)
	line("| figure | bar | held-out cells within the bar | within the bar or 1.5 times the spread | the table alone, the same |\n|---|---|---|---|---|")
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
		line("| %s | %s | %d of %d | **%d of %d** | %d of %d |", m.name, text, bar, len(all), spread, len(all), alone, len(all))
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
