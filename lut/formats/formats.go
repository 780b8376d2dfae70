// Package formats reads and writes latency tables: the forms that other projects publish, the Go
// benchmark format, and dynofa's own CSV form. It trusts no file: sizes are bounded, unknown and repeated names are errors, and
// every error names the file and where it can the line and the key. It judges no measurement (that
// is the audit's business), stores nothing and writes only to the writer that it is given.
package formats

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// Format names a file format.
type Format string

// The formats that Read knows.
const (
	// OFAJSON is Dynamic-OFA's: a file R.json or R_lookup_table.json per resolution R, or a folder of them. Keys are OFA's
	// (see OFAKey), values {"count": n, "mean": ms, "std": ms}, or "var" for the square of std. Only the
	// mean must be there.
	OFAJSON Format = "ofa-json"
	// OFAYAML is Once-for-all's: R.yaml or R_lookup_table.yaml with the same keys and values.
	OFAYAML Format = "ofa-yaml"
	// ProxylessYAML is ProxylessNAS's: one YAML file per resolution, of any name if its stem tells the
	// resolution, with keys by expand ratio and one entry for pooling and classifier. Entries of other
	// spaces in it are left out with a warning.
	ProxylessYAML Format = "proxyless-yaml"
	// CSV is dynofa's own; see WriteCSV.
	CSV Format = "csv"
	// GoBench is the Go benchmark format, which benchstat compares; see WriteGoBench.
	GoBench Format = "gobench"
)

// Formats lists what Read knows.
func Formats() []Format { return []Format{OFAJSON, OFAYAML, ProxylessYAML, CSV, GoBench} }

// Meta is what the files themselves do not say.
type Meta struct {
	// Space is the supernet whose blocks the files hold; every key must name one of its blocks.
	// Nil is allowed for CSV and the Go benchmark format, which name their space themselves.
	Space *supernet.Space
	// DefaultSpace is that of a file which may name its space and does not; it counts where Space is nil.
	DefaultSpace *supernet.Space
	// Point is where the numbers were measured; device and processor are required. A CSV file that
	// names another device or processor is refused, and may supply what is empty here.
	Point lut.OperatingPoint
	// Source is one line that says where the files come from; empty: format and path.
	Source string
	// Created is the time of the import.
	Created time.Time
}

// Error says where in a file a problem is.
type Error struct {
	File string // as given to Read, joined with the name of a file inside it; empty from ReadCSV
	Line int    // from 1; 0 if the problem has no line
	Key  string // the entry; empty if it is in none
	Err  error
}

// Error returns "lut: import FILE: line N: "KEY": problem" without the parts that are unknown.
func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString("lut: import")
	if e.File != "" {
		s.WriteString(" " + e.File)
	}
	if e.Line > 0 {
		fmt.Fprintf(&s, ": line %d", e.Line)
	}
	if e.Key != "" {
		fmt.Fprintf(&s, ": %q", clip(e.Key))
	}
	return s.String() + ": " + e.Err.Error()
}

// Unwrap returns the problem without its place.
func (e *Error) Unwrap() error { return e.Err }

// clip shortens hostile text for a message.
func clip(s string) string {
	const most = 160
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// Read imports the file or folder at path as one table, entries sorted. Its origin is lut.Imported
// (a CSV file that says modelled stays modelled), and its provenance lists every file with its
// SHA-256 and number of entries. A file that lacks blocks of the space leaves a warning in the
// table. Everything else that is wrong is an error that wraps *Error; there is no partial result.
func Read(ctx context.Context, path string, format Format, meta Meta) (*lut.Table, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	if info.IsDir() {
		return read(ctx, source{os.DirFS(path), ".", path}, format, meta)
	}
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	return read(ctx, source{os.DirFS(dir), name, path}, format, meta)
}

// ReadFS is Read for a file or folder of fsys.
func ReadFS(ctx context.Context, fsys fs.FS, name string, format Format, meta Meta) (*lut.Table, error) {
	return read(ctx, source{fsys, name, name}, format, meta)
}

// source is a file or folder, with the path that messages show.
type source struct {
	fsys  fs.FS
	name  string
	shown string
}

func (s source) join(name string) source {
	return source{s.fsys, path.Join(s.name, name), filepath.Join(s.shown, name)}
}

func read(ctx context.Context, s source, format Format, meta Meta) (*lut.Table, error) {
	if meta.Source == "" {
		meta.Source = fmt.Sprintf("imported from %s (%s)", s.shown, format)
	}
	var t *lut.Table
	var err error
	switch format {
	case OFAJSON:
		t, err = readOFA(ctx, s, ofaFormat{OFAJSON, []string{".json"}, maxJSONBytes, decodeJSON, ofaKeys, false}, meta)
	case OFAYAML:
		t, err = readOFA(ctx, s, ofaFormat{OFAYAML, []string{".yaml", ".yml"}, maxYAMLBytes, decodeYAML, ofaKeys, false}, meta)
	case ProxylessYAML:
		t, err = readOFA(ctx, s, ofaFormat{ProxylessYAML, []string{".yaml", ".yml"}, maxYAMLBytes, decodeYAML, proxylessKeys, true}, meta)
	case CSV:
		t, err = importCSV(s, meta)
	case GoBench:
		t, err = importGoBench(s, meta)
	default:
		return nil, fmt.Errorf("lut: import: unknown format %q; known are %v", format, Formats())
	}
	if err != nil {
		return nil, err
	}
	t.Sort() // first: sorted entries are checked without a copy of their keys
	if err := t.Validate(); err != nil {
		return nil, &Error{File: s.shown, Err: err}
	}
	return t, nil
}

// readFile reads a regular file of at most limit bytes.
func (s source) readFile(limit int64) ([]byte, error) {
	var data []byte
	err := s.stream(limit, func(r io.Reader) (err error) {
		data, err = io.ReadAll(r)
		return err
	})
	return data, err
}

// stream calls read with the content of a regular file, which fails after limit bytes.
func (s source) stream(limit int64, read func(io.Reader) error) error {
	info, err := fs.Stat(s.fsys, s.name) // before opening: opening a pipe would wait
	if err != nil {
		return fileError(s.shown, err)
	}
	if !info.Mode().IsRegular() {
		return &Error{File: s.shown, Err: errors.New("it is not a regular file")}
	}
	f, err := s.fsys.Open(s.name)
	if err != nil {
		return fileError(s.shown, err)
	}
	defer f.Close()
	if err := read(&boundedReader{f, limit, limit}); err != nil {
		return fileError(s.shown, err)
	}
	return nil
}

// fileError gives an error of the file system the common form, without its own copy of the path.
func fileError(file string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return inFile(file, err)
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return &Error{File: file, Err: err}
}

// fileFact is the provenance of one file.
func fileFact(name string, data []byte, entries int) lut.Fact {
	sum := sha256.Sum256(data)
	return digestFact(name, sum[:], entries)
}

func digestFact(name string, sum []byte, entries int) lut.Fact {
	return lut.Fact{Name: "file " + name, Value: fmt.Sprintf("sha256:%s, %d entries", hex.EncodeToString(sum), entries)}
}
