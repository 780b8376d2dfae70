package board_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/board"
)

// small is a board with everything that a file may have. Line numbers in TestBad count from its first.
const small = `title: A board
description: For tests.
models: [Test board]
sources:
  doc: {kind: primary, text: A document}
  guess: {kind: derived, text: From the document}
processors:
  cpu:
    source: doc
    kind: cpu
    model: Core
    cores: 4
    clusters: {value: 2, source: guess}
    clocks: [500 MHz, 1 GHz]
    effect: {value: 1ms, assumption: like others}
memory:
  source: doc
  kind: DDR
  size: 2 GiB
  clocks: {values: [800 MHz], source: guess}
  bytes_per_clock: 8
default_mode: full
modes:
  full:
    source: doc
    id: 0
    budget: 5 W
    cores: 4
    max: {cpu: 1000 MHz}
  half:
    source: doc
    id: 1
    cores: 2
    max: {cpu: 500 MHz}
    memory: 800 MHz
    warn: 500 mA
    critical: 1 A
power:
  assumption: made up
  fixed: {rest: 1 W}
  energy: 50 pJ/B
  leakage: 0.01
  parts:
    cpu: {idle: 100 mW, full: 2 W, exponent: 1.5}
  input_rail: IN
  input: 5 V
  rails:
    CPU: {feeds: [cpu]}
thermal:
  assumption: made up
  ambient: 25 C
  die_resistance: 1 K/W
  die_capacity: 2 J/K
  sink_resistance: 5 K/W
  sink_capacity: 50 J/K
  trips:
    hot: {kind: throttle, parts: [cpu], at: {value: 80 C, source: doc}, hysteresis: 5 C}
    fan: {kind: fan, at: 50 C, speed: 0.5}
scaling:
  cpu:
    source: doc
    points:
      - {clock: 1 GHz, co_runners: 0, latency: 10ms}
      - {clock: 500 MHz, co_runners: 0, latency: 20ms}
      - {clock: 1 GHz, co_runners: 1, latency: 12ms}
`

func TestSmall(t *testing.T) {
	b, err := board.Parse("dir/small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if b.Name != "small" || b.Processor("cpu").Clusters.Source != "guess" || b.Processor("cpu").Cores.Source != "doc" || b.Memory.Size.Value != 2<<30 {
		t.Errorf("read %+v", b)
	}
	if effect := b.Processor("cpu").Effect; !effect.Assumption || effect.Source != "like others" {
		t.Errorf("effect %+v", effect)
	}
	if warn := b.Modes[1].Warn; warn.Value != 0.5 || warn.String() != "0.5 A" || b.Processor("cpu").Stall.Known() || b.Processor("cpu").Stall.String() != "unknown" {
		t.Errorf("warn %v, stall %v", warn, b.Processor("cpu").Stall)
	}
	// The effect; of power rest, energy, leakage, three of the cpu and the input; of thermal five numbers,
	// hot's hysteresis and two of the fan.
	if got := len(b.Assumptions()); got != 1+7+5+1+2 {
		t.Errorf("%d assumptions: %v", got, b.Assumptions())
	}
}

// TestBad changes one place of the small board and expects the problem with file, line and key.
func TestBad(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"title: A board", "titel: A board", `small.yaml:1: titel: unknown key; known are title, description, models, sources`},
		{"title: A board\n", "", "small.yaml:1: title is missing"},
		{"title: A board", "title: A board\ntitle: Again", "small.yaml:2: title: given twice, first on line 1"},
		{"title: A board", "title: [A, board]", "small.yaml:1: title: is a list, want a value"},
		{"title: A board", `title: ""`, "small.yaml:1: title: is empty, want a value"},
		{"models: [Test board]", "models: Test board", `small.yaml:3: models: is the value "Test board", want a list`},
		{"models: [Test board]", "models: []", "small.yaml:3: models: is empty"},
		{"models: [Test board]", "models: [A, A]", `small.yaml:3: models[1]: "A" stands twice`},
		{"kind: primary", "kind: rumour", `small.yaml:5: sources.doc.kind: "rumour" is none of primary, secondary, derived`},
		{"  guess:", "  unused: {kind: primary, text: Nobody}\n  guess:", "small.yaml:6: sources.unused: no number names it"},
		{"processors:\n  cpu:\n    source: doc", "processors:\n  cpu:\n    source: book", `small.yaml:12: processors.cpu.cores: source "book" is none of the board's`},
		{"processors:\n  cpu:\n    source: doc", "processors:\n  cpu:\n    source: doc\n    assumption: too", "small.yaml:10: processors.cpu: has both a source and an assumption"},
		{"processors:\n  cpu:\n    source: doc\n", "processors:\n  cpu:\n", "small.yaml:11: processors.cpu.cores: names neither a source nor an assumption"},
		{"kind: cpu", "kind: tpu", `small.yaml:10: processors.cpu.kind: "tpu" is none of cpu, gpu`},
		{"cores: 4\n    clusters", "cores: 0\n    clusters", "small.yaml:12: processors.cpu.cores: 0 is outside [1, 1048576]"},
		{"cores: 4\n    clusters", "cores: four\n    clusters", `small.yaml:12: processors.cpu.cores: "four" is no whole number`},
		{"cores: 4\n    clusters", "cores: 4.0\n    clusters", `small.yaml:12: processors.cpu.cores: "4.0" is no whole number`},
		{"{value: 2, source: guess}", "{source: guess}", "small.yaml:13: processors.cpu.clusters: value is missing"},
		{"{value: 2, source: guess}", "{value: 2}", "small.yaml:13: processors.cpu.clusters: names neither a source nor an assumption"},
		{"{value: 2, source: guess}", "{value: 2, sauce: guess, source: guess}", "small.yaml:13: processors.cpu.clusters.sauce: unknown key; known are value, source, assumption"},
		{"[500 MHz, 1 GHz]", "[500, 1000]", `small.yaml:14: processors.cpu.clocks[0]: "500" is no number like 1907.2 MHz`},
		{"[500 MHz, 1 GHz]", "[1 GHz, 500 MHz]", "small.yaml:14: processors.cpu.clocks[1]: 500 MHz does not ascend"},
		{"[500 MHz, 1 GHz]", "[-500 MHz, 1 GHz]", "small.yaml:14: processors.cpu.clocks[0]: -500 MHz is outside [0.001 MHz, 1000000 MHz]"},
		{"[500 MHz, 1 GHz]", "[NaN MHz, 1 GHz]", `"NaN MHz" is no number like`},
		{"[500 MHz, 1 GHz]", "[0x1p9 MHz, 1 GHz]", `"0x1p9 MHz" is no number like`},
		{"[500 MHz, 1 GHz]", "[5e2 MHz, 1 GHz]", `"5e2 MHz" is no number like`},
		{"[500 MHz, 1 GHz]", "[500 W, 1 GHz]", `"500 W" is no number like 1907.2 MHz`},
		{"[500 MHz, 1 GHz]", "[]", "small.yaml:14: processors.cpu.clocks: is empty"},
		{"[500 MHz, 1 GHz]", "{source: doc}", "small.yaml:14: processors.cpu.clocks: values are missing"},
		{"{value: 1ms, assumption: like others}", "1", `small.yaml:15: processors.cpu.effect: "1" is no time like 5ms`},
		{"{value: 1ms, assumption: like others}", "-1ms", "small.yaml:15: processors.cpu.effect: -1ms is outside [0s, 1h0m0s]"},
		{"size: 2 GiB", "size: 2 GB", `small.yaml:19: memory.size: "2 GB" is no size like 8 GiB`},
		{"size: 2 GiB", "size: 99999999999 GiB", "is no size like 8 GiB"},
		{"default_mode: full", "default_mode: empty", `small.yaml:22: default_mode: "empty" is none of the modes`},
		{"default_mode: full\n", "", "small.yaml:1: default_mode is missing"},
		{"id: 1", "id: 0", "small.yaml:32: modes.half.id: 0 is the number of full too"},
		{"cores: 2\n    max", "cores: 8\n    max", "small.yaml:33: modes.half.cores: 8 is more than the 4 that there are"},
		{"max: {cpu: 500 MHz}", "max: {cpu: 600 MHz}", "small.yaml:34: modes.half.max.cpu: 600 MHz is no clock step of cpu"},
		{"max: {cpu: 500 MHz}", "max: {gpu: 500 MHz}", `small.yaml:34: modes.half.max.gpu: "gpu" is no processor of the board`},
		{"max: {cpu: 500 MHz}", "max: {cpu: 500 MHz}\n    min: {cpu: 1 GHz}", "modes.half.max.cpu: leaves cpu no clock step"},
		{"memory: 800 MHz", "memory: 900 MHz", "small.yaml:35: modes.half.memory: 900 MHz is no clock step of the memory"},
		{"critical: 1 A", "critical: 400 mA", "small.yaml:36: modes.half.warn: 0.5 A is above the critical 0.4 A"},
		{"fixed: {rest: 1 W}", "fixed: {cpu: 1 W}", "small.yaml:40: power.fixed.cpu: is the name of something else"},
		{"fixed: {rest: 1 W}", "fixed: {}", "small.yaml:40: power.fixed: is empty"},
		{"energy: 50 pJ/B", "energy: -50 pJ/B", "small.yaml:41: power.energy: -50 pJ/B is outside [0 pJ/B, 1000000 pJ/B]"},
		{"    cpu: {idle: 100 mW, full: 2 W, exponent: 1.5}", "    gpu: {idle: 100 mW, full: 2 W, exponent: 1.5}", `small.yaml:44: power.parts.gpu: "gpu" is no processor of the board`},
		{"CPU: {feeds: [cpu]}", "CPU: {feeds: [gpu]}", `small.yaml:48: power.rails.CPU: "gpu" is none of memory, cpu, rest`},
		{"CPU: {feeds: [cpu]}", "CPU: {feeds: [cpu]}\n    ALL: {feeds: [cpu]}", "small.yaml:49: power.rails.ALL: cpu is fed by CPU too"},
		{"CPU: {feeds", "a b: {feeds", `small.yaml:48: power.rails.a b: "a b" is no name`},
		{"ambient: 25 C", "ambient: 25", `small.yaml:51: thermal.ambient: "25" is no number like 90.5 C`},
		{"ambient: 25 C", "ambient: -300 C", "small.yaml:51: thermal.ambient: -300 C is outside [-60 C, 200 C]"},
		{"die_resistance: 1 K/W", "die_resistance: 0 K/W", "small.yaml:52: thermal.die_resistance: 0 K/W is outside"},
		{"parts: [cpu]", "parts: [dla]", `small.yaml:57: thermal.trips.hot.parts: "dla" is no processor of the board`},
		{"kind: fan, at: 50 C, speed: 0.5", "kind: fan, at: 50 C", "small.yaml:58: thermal.trips.fan: speed belongs to trips of kind fan, and to each of them"},
		{"kind: fan, at: 50 C, speed: 0.5", "kind: hard, at: 50 C, speed: 0.5", "small.yaml:58: thermal.trips.fan: speed belongs"},
		{"speed: 0.5", "speed: 1.5", "small.yaml:58: thermal.trips.fan.speed: 1.5 is outside [0, 1]"},
		{"      - {clock: 1 GHz, co_runners: 1, latency: 12ms}\n", "", "small.yaml:60: scaling.cpu: 2 points, want at least 3"},
		{"co_runners: 1", "co_runners: -1", "small.yaml:65: scaling.cpu.points[2].co_runners: -1 is outside [0, 1000]"},
		{"scaling:\n  cpu:", "scaling:\n  gpu:", `small.yaml:60: scaling.gpu: "gpu" is no processor of the board`},
		{"title: A board", "title: &a A board", "small.yaml:1: anchors and aliases are not allowed"},
		{"title: A board", "title: *a", "small.yaml:1: anchors and aliases are not allowed"},
		{"title: A board", "title: !!str A board", "small.yaml:1: tags are not allowed"},
		{"title: A board", "title: A \x01 board", "small.yaml:1: holds a control character or is not valid UTF-8"},
		{"title: A board", "title: A \xff board", "small.yaml:1: holds a control character or is not valid UTF-8"},
		{"title: A board", "title: |\n  two\n  lines", "small.yaml:1: title: holds a control character or a line break"},
		{"title: A board", "title: " + strings.Repeat("x", 2001), "small.yaml:1: title: has 2001 bytes, more than 2000"},
		{"title: A board", "title: A board\n---\ntitle: B", "more than one document, or something after its end"},
		{"title: A board", "title: A: board", "small.yaml:1: mapping values are not allowed"},
		{"processors:", "processors: none\nothers:", `small.yaml:7: processors: is the value "none", want a mapping`},
	} {
		if strings.Count(small, c.old) != 1 {
			t.Errorf("%q stands %d times in the small board", c.old, strings.Count(small, c.old))
		}
		b, err := board.Parse("dir/small.yaml", []byte(strings.Replace(small, c.old, c.new, 1)))
		if err == nil {
			t.Errorf("%q for %q is taken: %+v", c.new, c.old, b)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "board: dir/small.yaml:") {
			t.Errorf("%q for %q:\n%v\nwant %s", c.new, c.old, err, c.want)
		}
		var e *board.Error
		if !errors.As(err, &e) || e.File != "dir/small.yaml" {
			t.Errorf("%q for %q: %T is no Error with the file", c.new, c.old, err)
		}
	}
}

func TestBadWhole(t *testing.T) {
	many := "sources:\n"
	for i := range 1001 {
		many += "  s" + strings.Repeat("x", i%60) + string(rune('a'+i%26)) + strings.Repeat("y", i/60) + ": {}\n"
	}
	for _, c := range []struct{ data, want string }{
		{"", "board: x.yaml:1: is empty"},
		{"# nothing\n", "board: x.yaml:1: is empty"},
		{"[]", "board: x.yaml:1: is a list, want a mapping"},
		{"null", "board: x.yaml:1: is empty, want a mapping"},
		{"{}", "board: x.yaml:1: title is missing"},
		{"? [a]\n: b\n", "board: x.yaml:1: has a key that is a list"},
		{strings.Repeat("[", 20000), "board: x.yaml:"},
		{strings.Repeat("#", board.MaxFileSize+1), "board: x.yaml: is larger than 1048576 bytes"},
		{many, "has 1001 entries, more than 1000"},
	} {
		if _, err := board.Parse("x.yaml", []byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: error %v, want %s", c.data, err, c.want)
		}
	}
}

// TestManyProblems: all of them, up to twenty, in the order of the file.
func TestManyProblems(t *testing.T) {
	bad := strings.NewReplacer("500 MHz", "500", "1 GHz", "1", " W", "", "10ms", "10", "5 C", "5", "50 C", "50").Replace(small)
	_, err := board.Parse("x.yaml", []byte(bad))
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) < 8 || len(lines) > 21 || !strings.HasPrefix(lines[0], "board: x.yaml:14: ") {
		t.Errorf("%d problems:\n%v", len(lines), err)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := board.Load(path)
	if err != nil || b.Name != "mine" {
		t.Errorf("loaded %+v, %v", b, err)
	}
	if _, err := board.Load(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// TestValidate: a board built in code has no lines, but keys.
func TestValidate(t *testing.T) {
	b := builtin(t, "raspberry-pi-5")
	b.Processors[0].Clocks.Values[3] = 1
	b.Thermal.Ambient.Source = ""
	b.Modes[0].Name = "turbo!"
	err := b.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"board: processors.cpu.clocks[3]: 0.000001 MHz is outside",
		"board: processors.cpu.clocks[3]: 0.000001 MHz does not ascend",
		"board: thermal: ambient is missing",
		`board: modes.turbo!: "turbo!" is no name`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	if _, err := b.Encode(); err == nil {
		t.Error("an invalid board is written")
	}
	if _, err := b.Override(); err == nil {
		t.Error("an invalid board is copied")
	}
	if err := new(board.Board).Validate(); err == nil || !strings.Contains(err.Error(), "board: title is missing") {
		t.Errorf("no board at all: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	for _, name := range board.Builtins() {
		data, err := os.ReadFile(filepath.Join("boards", name+".yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{
		"", "{}", "title: [", "sources: {a: {kind: primary, text: x}}\nprocessors: {cpu: {source: a, clocks: [1 GHz]}}",
		strings.Replace(small, "25 C", "25.000000000000000000001 C", 1), strings.Replace(small, "1 GHz", "1000000 kHz", 1),
		strings.Replace(small, "A document", "'6'", 1), strings.Replace(small, "description: For tests.", "description: \"#\"", 1),
		strings.Replace(small, "50 pJ/B", "0.00000005 J/B", 1), strings.Replace(small, "100 mW", "-0 W", 1),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := board.Parse("fuzz.yaml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "board: fuzz.yaml") {
				t.Errorf("error %v names no file", err)
			}
			return
		}
		written, err := b.Encode()
		if err != nil {
			t.Fatalf("a board that was read is not written: %v", err)
		}
		again, err := board.Parse("fuzz.yaml", written)
		if err != nil {
			t.Fatalf("a board that was written is not read: %v\n%s", err, written)
		}
		if diff := cmp.Diff(b, again); diff != "" {
			t.Errorf("written and read (-was +is):\n%s", diff)
		}
		if err := b.Describe(new(strings.Builder)); err != nil {
			t.Error(err)
		}
	})
}
