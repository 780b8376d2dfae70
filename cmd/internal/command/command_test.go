package command

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

// app is a small program: "leaf" takes one argument, "many" one or more, "group inner" none.
func app(ran *[]string) *cli.App {
	var text string
	var on bool
	flags := func() []cli.Flag {
		return []cli.Flag{&cli.StringFlag{Name: "text", Aliases: []string{"t"}, Destination: &text}, &cli.BoolFlag{Name: "on", Destination: &on}}
	}
	action := func(c *cli.Context) error {
		*ran = append([]string{c.Command.Name, text}, c.Args().Slice()...)
		if on {
			*ran = append(*ran, "on")
		}
		return nil
	}
	return Prepare(&cli.App{Name: "app", Commands: []*cli.Command{
		{Name: "leaf", ArgsUsage: "FILE", Flags: flags(), Action: action},
		{Name: "many", ArgsUsage: "FILE...", Flags: flags(), Action: action},
		{Name: "group", Subcommands: []*cli.Command{{Name: "inner", Flags: flags(), Action: action}}},
		{Name: "fail", Action: func(*cli.Context) error { return errors.New("it failed") }},
	}}, new(bytes.Buffer), new(bytes.Buffer))
}

func TestMainArguments(t *testing.T) {
	for _, c := range []struct {
		line string
		code int
		want []string // command, --text, arguments, "on"
	}{
		{"leaf --text a file", ExitOK, []string{"leaf", "a", "file"}},
		{"leaf file --text a", ExitOK, []string{"leaf", "a", "file"}},
		{"leaf file --on", ExitOK, []string{"leaf", "", "file", "on"}},
		{"leaf --on file -t=b", ExitOK, []string{"leaf", "b", "file", "on"}},
		{"leaf -- --text", ExitOK, []string{"leaf", "", "--text"}},
		{"leaf -", ExitOK, []string{"leaf", "", "-"}},
		{"many a --text x b", ExitOK, []string{"many", "x", "a", "b"}},
		{"group inner --text a", ExitOK, []string{"inner", "a"}},
		{"leaf", ExitUsage, nil},
		{"leaf a b", ExitUsage, nil},
		{"many", ExitUsage, nil},
		{"leaf a --unknown", ExitUsage, nil},
		{"leaf a --text", ExitUsage, nil},
		{"group inner stray", ExitUsage, nil},
		{"group unknown", ExitUsage, nil},
		{"group --unknown", ExitUsage, nil},
		{"unknown", ExitUsage, nil},
		{"--unknown", ExitUsage, nil},
		{"fail", ExitFailure, nil},
	} {
		var ran []string
		code := Main(t.Context(), app(&ran), append([]string{"app"}, strings.Fields(c.line)...))
		if code != c.code || !cmp.Equal(ran, c.want) {
			t.Errorf("app %s: exit code %d, ran %q; want %d, %q", c.line, code, ran, c.code, c.want)
		}
	}
}

func TestGrid(t *testing.T) {
	g := &Grid{Head: []string{"name", "value"}}
	g.Add("a, \"quoted\"", 1)
	g.Add("b", 2.5)
	g.Note("doubt %d", 1)
	g.Note("doubt %d", 1)
	var text, table, object bytes.Buffer
	for format, w := range map[string]*bytes.Buffer{FormatText: &text, FormatCSV: &table, FormatJSON: &object} {
		if err := g.Print(w, format); err != nil {
			t.Fatal(err)
		}
	}
	if want := "name         value\na, \"quoted\"  1\nb            2.5\n[1] doubt 1\n"; text.String() != want {
		t.Errorf("text form:\n%s\nwant:\n%s", text.String(), want)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if want := [][]string{{"name", "value"}, {"a, \"quoted\"", "1"}, {"b", "2.5"}}; err != nil || !cmp.Equal(rows, want) {
		t.Errorf("CSV form: %q, %v", rows, err)
	}
	var decoded struct {
		Rows  []map[string]string
		Notes []string
	}
	if err := json.Unmarshal(object.Bytes(), &decoded); err != nil || len(decoded.Rows) != 2 || decoded.Rows[0]["name"] != "a, \"quoted\"" || len(decoded.Notes) != 1 {
		t.Errorf("JSON form: %+v, %v", decoded, err)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("disk full")
	if err := WriteFile(path, func(f *os.File) error { _, _ = f.WriteString("half"); return failure }); !errors.Is(err, failure) {
		t.Fatalf("error %v, want %v", err, failure)
	}
	if data, _ := os.ReadFile(path); string(data) != "old" {
		t.Errorf("a failed write left %q", data)
	}
	if err := WriteFile(path, func(f *os.File) error { _, err := f.WriteString("new"); return err }); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(path); string(data) != "new" {
		t.Errorf("the file holds %q", data)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left, want 1", len(entries))
	}
}
