package command

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Output formats of commands that print results.
const (
	FormatText = "text"
	FormatJSON = "json"
	FormatCSV  = "csv"
)

// Grid is a table of results. The same grid prints as aligned text, CSV or JSON.
type Grid struct {
	Head []string
	rows [][]string
	// notes are printed under the text form, one footnote each, duplicates once.
	notes []string
}

// Add appends a row, one cell per column.
func (g *Grid) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	g.rows = append(g.rows, row)
}

// Note appends a footnote unless it is there already.
func (g *Grid) Note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, n := range g.notes {
		if n == text {
			return
		}
	}
	g.notes = append(g.notes, text)
}

// Printable keeps text on one line of a terminal: tables, families and traces of others name their sources
// and doubts in words of their own, which may hold anything.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case unicode.IsControl(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// Print writes the grid in a format that CheckFormat accepted. As text, control characters are replaced.
func (g *Grid) Print(w io.Writer, format string) error {
	switch format {
	case FormatJSON:
		return g.printJSON(w)
	case FormatCSV:
		return g.printCSV(w)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cells := range append([][]string{g.Head}, g.rows...) {
		row := make([]string, len(cells))
		for i, cell := range cells {
			row[i] = Printable(cell)
		}
		if _, err := fmt.Fprintln(tw, strings.TrimRight(strings.Join(row, "\t"), "\t ")); err != nil {
			return err
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for i, n := range g.notes {
		if _, err := fmt.Fprintf(w, "[%d] %s\n", i+1, Printable(n)); err != nil {
			return err
		}
	}
	return nil
}

func (g *Grid) printCSV(w io.Writer) error {
	cw := csv.NewWriter(w)
	if err := cw.Write(g.Head); err != nil {
		return err
	}
	if err := cw.WriteAll(g.rows); err != nil {
		return err
	}
	return cw.Error()
}

// printJSON writes {"rows":[{column: text}], "notes":[...]}, columns in the order of the head.
func (g *Grid) printJSON(w io.Writer) error {
	var s strings.Builder
	s.WriteString("{\"rows\":[")
	for i, row := range g.rows {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString("\n {")
		for j, name := range g.Head {
			if j > 0 {
				s.WriteByte(',')
			}
			key, err := json.Marshal(name)
			if err != nil {
				return err
			}
			value, err := json.Marshal(row[j])
			if err != nil {
				return err
			}
			fmt.Fprintf(&s, "%s:%s", key, value)
		}
		s.WriteByte('}')
	}
	notes := g.notes
	if notes == nil {
		notes = []string{}
	}
	text, err := json.Marshal(notes)
	if err != nil {
		return err
	}
	fmt.Fprintf(&s, "\n],\"notes\":%s}\n", text)
	_, err = io.WriteString(w, s.String())
	return err
}
