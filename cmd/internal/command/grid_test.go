package command

import (
	"strings"
	"testing"
)

// A table of somebody else may name its source in whatever characters it likes: as text each row stays one
// line and moves no cursor; machines get what there is.
func TestGridPrintsNoControlCharacters(t *testing.T) {
	g := Grid{Head: []string{"id", "source"}}
	g.Add(1, "a\tb\nc\x1b[2J\u009b1m")
	g.Note("doubt\r\x07")
	var text, machine strings.Builder
	if err := g.Print(&text, FormatText); err != nil {
		t.Fatal(err)
	}
	const want = "id  source\n1   a b c\ufffd[2J\ufffd1m\n[1] doubt\ufffd\ufffd\n"
	if text.String() != want {
		t.Errorf("text %q, want %q", text.String(), want)
	}
	if err := g.Print(&machine, FormatCSV); err != nil || !strings.Contains(machine.String(), "\x1b[2J") {
		t.Errorf("csv %q, error %v", machine.String(), err)
	}
}
