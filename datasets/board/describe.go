package board

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Describe writes the board for people: every number with its source, its source's kind unless that is
// primary, and a mark at every assumption. The keys are those that Override takes.
func (b *Board) Describe(w io.Writer) error {
	p := &printer{board: b}
	p.line("%s: %s", b.Name, b.Title)
	if b.Description != "" {
		p.line("%s", b.Description)
	}
	for _, s := range b.Processors {
		p.line("\n%s: %s", s.Name, s.Model)
		p.numbers(s.schema(), "processors."+s.Name)
		p.steps(s.Clocks.Values)
	}
	p.line("\nmemory: %s", b.Memory.Kind)
	p.numbers(b.Memory.schema(), "memory")
	for _, c := range b.Memory.Clocks.Values {
		p.line("  at %s\t%s\tderived", format(c), b.Memory.Bandwidth(c))
	}
	p.modes()
	p.line("\npower")
	p.numbers(b.Power.schema(), "power")
	if b.Power.InputRail != "" {
		p.line("  power.input_rail\t%s", b.Power.InputRail)
	}
	for _, r := range b.Power.Rails {
		p.line("  power.rails.%s\tfeeds %s", r.Name, strings.Join(r.Feeds, ", "))
	}
	p.line("\nthermal")
	p.numbers(b.Thermal.schema(), "thermal")
	p.scaling()
	p.sources()
	if p.err != nil {
		return p.err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(t, p.text.String()); err != nil {
		return err
	}
	return t.Flush()
}

// printer collects lines with columns separated by tabs.
type printer struct {
	board   *Board
	text    strings.Builder
	total   int
	assumed int
	err     error
}

func (p *printer) line(format string, args ...any) { fmt.Fprintf(&p.text, format+"\n", args...) }

// numbers prints each number of a part.
func (p *printer) numbers(e element, key string) {
	e.visit(key, func(key string, q quantity) {
		p.line("  %s\t%s\t%s", key, q, p.origin(*q.origin()))
	})
}

// steps prints clock steps, ten in a line.
func (p *printer) steps(steps []unit.Hertz) {
	for line := range slices.Chunk(steps, 10) {
		var texts []string
		for _, c := range line {
			texts = append(texts, strings.TrimSuffix(format(c), " MHz"))
		}
		p.line("    %s MHz", strings.Join(texts, ", "))
	}
}

// origin prints where a number comes from, and counts it.
func (p *printer) origin(o Origin) string {
	p.total++
	if o.Assumption {
		p.assumed++
		return "ASSUMED: " + o.Source
	}
	for _, s := range p.board.Sources {
		if s.ID == o.Source && s.Kind != Primary {
			return fmt.Sprintf("%s (%s)", o.Source, s.Kind)
		}
	}
	return o.Source
}

// modes prints a table, and below it the numbers that come from elsewhere than their mode.
func (p *printer) modes() {
	b := p.board
	if len(b.Modes) == 0 {
		return
	}
	p.line("\npower modes, %s by default", b.DefaultMode)
	head := "  id\tname\tbudget\tcores"
	for _, r := range b.Processors {
		head += "\t" + r.Name
	}
	p.line("%s\tmemory\twarn\tcritical\t", head)
	for i := range b.Modes {
		m := &b.Modes[i]
		row := fmt.Sprintf("  %d\t%s\t%s\t%s", m.ID, m.Name, short(&m.Budget), short(&m.Cores))
		for _, r := range b.Processors {
			row += "\t" + span(m, r.Name)
		}
		p.line("%s\t%s\t%s\t%s\t%s", row, short(&m.Memory), short(&m.Warn), short(&m.Critical), p.modeOrigin(m))
	}
	head = "  of these, from elsewhere:\n" // without tabs, so that the columns begin anew
	for i := range b.Modes {
		m := &b.Modes[i]
		m.schema().visit("modes."+m.Name, func(key string, q quantity) {
			origin := p.origin(*q.origin())
			if *q.origin() != m.Origin {
				p.line("%s  %s\t%s\t%s", head, key, q, origin)
				head = ""
			}
		})
	}
}

// modeOrigin prints the origin of a mode without counting it: the mode is no number.
func (p *printer) modeOrigin(m *PowerMode) string {
	if m.Source == "" {
		return ""
	}
	text := p.origin(m.Origin)
	p.total--
	if m.Assumption {
		p.assumed--
	}
	return text
}

// span prints the clocks that a mode leaves a processor.
func span(m *PowerMode, processor string) string {
	low, high := limit(m.Min, processor, 0), limit(m.Max, processor, 0)
	switch {
	case low == 0 && high == 0:
		return "-"
	case low == 0:
		return "to " + format(high)
	case high == 0:
		return "from " + format(low)
	}
	return format(low) + " to " + format(high)
}

func short[T Quantity](n *Number[T]) string {
	if !n.Known() {
		return "-"
	}
	return n.String()
}

// scaling prints the measurements and what was fitted to them.
func (p *printer) scaling() {
	for i := range p.board.Scaling {
		d := &p.board.Scaling[i]
		s, err := d.Fit()
		if err != nil {
			p.err = fmt.Errorf("board: %s: scaling of %s: %w", p.board.Name, d.Processor, err)
			return
		}
		p.line("\nscaling of %s: latency ~ (1/clock)^%.2f x %.2f^co-runners, %d points, off by %.1f%% at most; only from %s to %s, co-runners up to %d",
			d.Processor, s.Exponent, s.CoRunner, s.Points, 100*s.Worst, format(s.Low), format(s.Reference), s.Most)
		for _, point := range d.Points {
			fitted, _ := s.Latency(point.Clock.Value, point.CoRunners.Value)
			p.total += 2 // clock and co-runners
			p.line("  %s, %s co-runners\t%s, fitted %s\t%s", point.Clock, point.CoRunners, point.Latency, unit.Nanos(fitted), p.origin(point.Latency.Origin))
		}
	}
}

func (p *printer) sources() {
	p.line("\nsources")
	for _, s := range p.board.Sources {
		p.line("  %s (%s): %s", s.ID, s.Kind, s.Text)
	}
	p.line("\n%d of %d numbers are assumptions.", p.assumed, p.total)
}
