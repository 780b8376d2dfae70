package bundle_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/deploy/bundle"
)

// manifestOf returns the text of the fixture's manifest.
func manifestOf(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(written(t, 1), "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// badManifests are edits of a good manifest and a part of the error that each must cause.
var badManifests = []struct{ name, old, new, want string }{
	{"parent folder", `"path": "statistics.safetensors"`, `"path": "../0.onnx"`, "clean path"},
	{"parent inside", `"path": "statistics.safetensors"`, `"path": "a/../0.onnx"`, "clean path"},
	{"absolute path", `"path": "statistics.safetensors"`, `"path": "/etc/passwd"`, "clean path"},
	{"backslash", `"path": "statistics.safetensors"`, `"path": "a\\0.onnx"`, "clean path"},
	{"drive", `"path": "statistics.safetensors"`, `"path": "C:0.onnx"`, "clean path"},
	{"dot", `"path": "statistics.safetensors"`, `"path": "."`, "clean path"},
	{"empty path", `"path": "statistics.safetensors"`, `"path": ""`, "clean path"},
	{"long path", `"path": "statistics.safetensors"`, `"path": "` + strings.Repeat("a/", 200) + `b"`, "clean path"},
	{"control character in path", `"path": "statistics.safetensors"`, `"path": "a/\u00070.onnx"`, "clean path"},
	{"own manifest", `"path": "labels.txt"`, `"path": "manifest.json"`, "the bundle's own"},
	{"repeated file", `"path": "supernet.safetensors"`, `"path": "statistics.safetensors"`, "repeated"},
	{"case only", `"path": "statistics.safetensors"`, `"path": "Supernet.safetensors"`, "differs from another only in case"},
	{"two gigabytes", `"size": 130`, `"size": 2147483648`, "outside [1, 1073741824]"},
	{"huge", `"size": 130`, `"size": 9223372036854775807`, "outside"},
	{"too large for int64", `"size": 130`, `"size": 9223372036854775808`, "cannot unmarshal"},
	{"negative size", `"size": 130`, `"size": -1`, "outside"},
	{"fractional size", `"size": 130`, `"size": 130.5`, "cannot unmarshal"},
	{"size as text", `"size": 130`, `"size": "3000"`, "cannot unmarshal"},
	{"exponent", `"size": 130`, `"size": 3e3`, "line"},
	{"other size", `"size": 130`, `"size": 131`, "has 130 bytes, the manifest says 131"},
	{"short digest", `"sha256": "`, `"sha256": "0`, "not a SHA-256"},
	{"repeated key", `"schema": 2,`, `"schema": 2, "schema": 2,`, `key "schema" is repeated`},
	{"repeated key, deep", `"size": 130,`, `"size": 130, "size": 130,`, `line`},
	{"unknown key", `"schema": 2,`, `"schema": 2, "run": "rm",`, `unknown field "run"`},
	{"misspelt key", `"created_by"`, `"Created_By"`, "not as dynofa writes it"},
	{"spacing", `"schema": 2,`, `"schema":  2,`, "line 3: not as dynofa writes it"},
	{"other format", `"format": "dynofa bundle"`, `"format": "zip"`, `"zip"`},
	{"schema 0", `"schema": 2,`, `"schema": 0,`, "schema 0"},
	{"schema as text", `"schema": 2,`, `"schema": "2",`, "line 3"},
	{"NaN", `"accuracy": 0.7,`, `"accuracy": NaN,`, "invalid character"},
	{"negative accuracy", `"accuracy": 0.7,`, `"accuracy": -0.7,`, "outside [0, 1]"},
	{"percentage", `"accuracy": 0.7,`, `"accuracy": 70,`, "outside [0, 1]"},
	{"negative latency", `"latency_ns": `, `"latency_ns": -`, "is not in (0, 1e15)"},
	{"null family", `"family": {`, `"family": null, "x": {`, "line"},
	{"unknown space", `"space": "ofa-mbv3-w0.25-c10"`, `"space": "resnet"`, "unknown space"},
	{"unknown resolution", `"r":128`, `"r":1`, "resolution 1"},
	{"unknown kernel", "\"ks\": [\n            3,", "\"ks\": [\n            4,", "ks[0] is 4"},
	{"version", `"min_version": "1.24.0"`, `"min_version": "latest"`, "latest"},
	{"terminal codes", `"weights": "random`, `"weights": "\u001b[2J`, "printable"},
	{"supernet without file", `"supernet": "supernet.safetensors"`, `"supernet": "s.safetensors"`, "is not listed"},
	{"no supernet", `"supernet": "supernet.safetensors"`, `"supernet": ""`, "no file of the supernet"},
	{"one file twice", `"statistics": "statistics.safetensors"`, `"statistics": "supernet.safetensors"`, "same file"},
	{"labels not listed", `"labels": "labels.txt"`, `"labels": "l.txt"`, "is not listed"},
	{"unused file", "  \"labels\": \"labels.txt\",\n", "", "serves no purpose"},
}

func TestBadManifests(t *testing.T) {
	good, dir := manifestOf(t), written(t, 1)
	for _, c := range badManifests {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(good, c.old, c.new, 1)
			if c.name == "unknown resolution" { // Write spreads the lists over lines
				bad = strings.Replace(good, `"r": 128`, `"r": 1`, 1)
			}
			if bad == good {
				t.Fatalf("the manifest has no %q", c.old)
			}
			edit(t, dir, bad)
			err := check(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	edit(t, dir, good)
	if err := check(dir); err != nil {
		t.Error(err)
	}
}

func TestTruncatedManifest(t *testing.T) {
	good, dir := manifestOf(t), written(t, 1)
	for i := 0; i < len(good); i += 97 {
		edit(t, dir, good[:i])
		if check(dir) == nil {
			t.Errorf("%d of %d bytes accepted", i, len(good))
		}
	}
	for name, bad := range map[string]string{
		"followed by another": good + good,
		"nested":              strings.Repeat("[", 100_000),
		"huge":                good + strings.Repeat(" ", bundle.MaxManifest),
		"list":                "[]\n", "null": "null\n", "number": "7\n",
	} {
		edit(t, dir, bad)
		if err := check(dir); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNewerSchemaIsRefusedByName(t *testing.T) {
	good, dir := manifestOf(t), written(t, 1)
	edit(t, dir, strings.Replace(good, `"schema": 2,`, `"schema": 4, "levels": {"something": "else"},`, 1))
	if _, err := bundle.Open(dir); !errors.Is(err, bundle.ErrNewer) {
		t.Errorf("error %v", err)
	}
	// Write replaces it all the same: the user asked for a bundle there.
	if _, err := bundle.Write(t.Context(), dir, mustFixture(t, 1)); err != nil {
		t.Error(err)
	}
}

func FuzzManifest(f *testing.F) {
	good := manifestOf(f)
	f.Add([]byte(good))
	f.Add([]byte(good[:len(good)/2]))
	pair := strings.Replace(strings.Replace(good, `"schema": 2,`, `"schema": 3,`, 1), "\"provider\": \"cpu\"\n", "\"provider\": \"cpu\",\n    \"processors\": [\n      {\n        \"name\": \"cpu\",\n        \"provider\": \"cpu\"\n      }\n    ]\n", 1)
	f.Add([]byte(pair))
	f.Add([]byte("{}"))
	for _, c := range badManifests {
		f.Add([]byte(strings.Replace(good, c.old, c.new, 1)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := bundle.ParseManifest(data)
		if err != nil {
			if m != nil || !strings.HasPrefix(err.Error(), "manifest.json: ") {
				t.Errorf("manifest %v, error %v", m, err)
			}
			return
		}
		again, err := bundle.Encode(m)
		if err != nil || string(again) != string(data) {
			t.Errorf("accepted, but not written the same: %v", err)
		}
	})
}

func FuzzTable(f *testing.F) {
	spec := mustFixture(f, 1)
	t, err := bundle.Excerpt(spec.Table, spec.Family)
	if err != nil {
		f.Fatal(err)
	}
	t.Entries = t.Entries[:3]
	good, err := bundle.EncodeTable(t)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, c := range badTables {
		f.Add([]byte(strings.Replace(string(good), c.old, c.new, 1)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := bundle.ParseTable(data)
		if err != nil {
			return
		}
		again, err := bundle.EncodeTable(table)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.ParseTable(again); err != nil {
			t.Errorf("accepted, but not what was written from it: %v", err)
		}
	})
}

// badTables are edits of a good table that must be refused.
var badTables = []struct{ name, old, new string }{
	{"negative latency", `"mean_ns": `, `"mean_ns": -`},
	{"NaN", `"mean_ns": `, `"mean_ns": NaN, "x": `},
	{"infinite", `"mean_ns": `, `"mean_ns": 1e999, "x": `},
	{"no latency", `"mean_ns": `, `"min_ns": `},
	{"repeated key", `"n": 100,`, `"n": 100, "n": 100,`},
	{"unknown key", `"n": 100,`, `"n": 100, "m": 1,`},
	{"unknown block", `"block": "`, `"block": "x`},
	{"unknown origin", `"origin": "modelled"`, `"origin": "guessed"`},
	{"negative resolution", `"resolution": 1`, `"resolution": -1`},
	{"repeated fact", `"name": "b"`, `"name": "a"`},
	{"bad network", `"arch": "{`, `"arch": "{{`},
	{"bad time", `"created": "2026`, `"created": "soon`},
}

func TestBadTables(t *testing.T) {
	spec := mustFixture(t, 1)
	table, err := bundle.Excerpt(spec.Table, spec.Family)
	if err != nil {
		t.Fatal(err)
	}
	good, err := bundle.EncodeTable(table)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.ParseTable(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range badTables {
		bad := strings.Replace(string(good), c.old, c.new, 1)
		if bad == string(good) {
			t.Errorf("%s: the table has no %q", c.name, c.old)
		}
		if _, err := bundle.ParseTable([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", c.name)
		} else {
			t.Logf("%s: %v", c.name, err)
		}
	}
}
