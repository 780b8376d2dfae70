package formats

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// Bounds on OFA files. The published ones have 96 entries in 16 KB; a space of this family has no
// more than a few hundred blocks. YAML takes more memory per byte to parse.
const (
	maxJSONBytes = 4 << 20
	maxYAMLBytes = 1 << 20
	maxFiles     = 1000
	maxSamples   = 1e12
	maxMillis    = 1e9 // 11 days
)

// ofaFormat is one way of writing OFA's tables.
type ofaFormat struct {
	name       Format
	extensions []string
	limit      int64
	decode     func(data []byte) ([]ofaRecord, error)
}

// ofaRecord is one entry of an OFA file. All fields are checked but Key.
type ofaRecord struct {
	Line  int
	Key   string
	Count int
	Mean  float64 // ms
	Std   float64 // ms
}

func readOFA(ctx context.Context, s source, format ofaFormat, meta Meta) (*lut.Table, error) {
	if meta.Space == nil {
		return nil, fmt.Errorf("lut: import %s: format %s needs a space", s.shown, format.name)
	}
	files, err := s.list(format.extensions)
	if err != nil {
		return nil, err
	}
	t := &lut.Table{
		Space:   meta.Space.Name,
		Point:   meta.Point,
		Origin:  lut.Imported,
		Source:  meta.Source,
		Created: meta.Created,
	}
	var facts []lut.Fact
	fileOf := map[int]string{}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("lut: import %s: %w", s.shown, err)
		}
		r, err := resolutionOf(f.name, meta.Space)
		if err != nil {
			return nil, &Error{File: f.shown, Err: err}
		}
		if other, ok := fileOf[r]; ok {
			return nil, &Error{File: f.shown, Err: fmt.Errorf("%s is for resolution %d too", other, r)}
		}
		fileOf[r] = path.Base(f.name)
		data, err := f.readFile(format.limit)
		if err != nil {
			return nil, err
		}
		entries, missing, err := ofaEntries(data, format, meta.Space, r)
		if err != nil {
			return nil, inFile(f.shown, err)
		}
		if missing > 0 {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%s lacks %d of the %d blocks of %s at resolution %d",
				path.Base(f.name), missing, missing+len(entries), meta.Space.Name, r))
		}
		t.Entries = append(t.Entries, entries...)
		facts = append(facts, fileFact(path.Base(f.name), data, len(entries)))
	}
	t.Provenance = append([]lut.Fact{
		{Name: "format", Value: string(format.name)},
		{Name: "entries", Value: strconv.Itoa(len(t.Entries))},
	}, facts...)
	return t, nil
}

// list returns the files to read: s itself, or the files in folder s that have one of the
// extensions, by name. Hidden files and other extensions are passed over.
func (s source) list(extensions []string) ([]source, error) {
	info, err := fs.Stat(s.fsys, s.name)
	if err != nil {
		return nil, fileError(s.shown, err)
	}
	if !info.IsDir() {
		return []source{s}, nil
	}
	entries, err := fs.ReadDir(s.fsys, s.name)
	if err != nil {
		return nil, fileError(s.shown, err)
	}
	var files []source
	for _, e := range entries {
		if name := e.Name(); !e.IsDir() && !strings.HasPrefix(name, ".") && slices.Contains(extensions, path.Ext(name)) {
			files = append(files, s.join(name))
		}
	}
	if len(files) == 0 {
		return nil, &Error{File: s.shown, Err: fmt.Errorf("the folder has no file named *%s", extensions[0])}
	}
	if len(files) > maxFiles {
		return nil, &Error{File: s.shown, Err: fmt.Errorf("the folder has %d files, more than the %d allowed", len(files), maxFiles)}
	}
	return files, nil
}

// resolutionOf returns the resolution that a file is named for.
func resolutionOf(name string, s *supernet.Space) (int, error) {
	base := path.Base(name)
	text := strings.TrimSuffix(base, path.Ext(base))
	r, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(r) != text {
		return 0, errors.New("the file is not named for a resolution, as 160.json is")
	}
	if !slices.Contains(s.Resolutions, r) {
		return 0, fmt.Errorf("unknown resolution %d: space %s has %v", r, s.Name, s.Resolutions)
	}
	return r, nil
}

// ofaEntries decodes one file and maps its keys to blocks. It also returns how many blocks of the
// space at r the file lacks.
func ofaEntries(data []byte, format ofaFormat, s *supernet.Space, r int) ([]lut.Entry, int, error) {
	records, err := format.decode(data)
	if err != nil {
		return nil, 0, err
	}
	keys, err := ofaKeys(s, r)
	if err != nil {
		return nil, 0, err
	}
	entries := make([]lut.Entry, 0, len(records))
	stem := false
	for _, rec := range records {
		b, ok := keys[rec.Key]
		if !ok {
			return nil, 0, &Error{Line: rec.Line, Key: rec.Key, Err: explainKey(rec.Key, s, r)}
		}
		stem = stem || b.Op == supernet.OpStem
		entries = append(entries, lut.Entry{
			Key:     lut.Key{Resolution: r, Block: b},
			Latency: lut.MeanOnly(rec.Count, unit.Milliseconds(rec.Mean), unit.Milliseconds(rec.Std)),
		})
	}
	if !stem {
		return nil, 0, fmt.Errorf("no entry %q..., so that nothing confirms resolution %d", stemPrefix, r)
	}
	return entries, len(keys) - len(entries), nil
}

// inFile completes an error of a decoder with the file's name.
func inFile(file string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.File = file
		return e
	}
	return &Error{File: file, Err: err}
}

// recordFields collects and checks the three values of one record.
type recordFields struct {
	rec  ofaRecord
	seen [3]bool
}

var fieldNames = [3]string{"count", "mean", "std"}

// set stores a field given as the text of a number. It refuses unknown and repeated fields and
// values that no measurement gives.
func (f *recordFields) set(name, text string) error {
	i := slices.Index(fieldNames[:], name)
	if i < 0 {
		return fmt.Errorf("unknown field %q", clip(name))
	}
	if f.seen[i] {
		return fmt.Errorf("%s is repeated", name)
	}
	f.seen[i] = true
	if name == "count" {
		n, err := strconv.Atoi(text)
		if err != nil || !numberForm.MatchString(text) || n < 1 || n > maxSamples {
			return fmt.Errorf("count %s is not a whole number of samples of at least 1", clip(text))
		}
		f.rec.Count = n
		return nil
	}
	ms, err := parseMillis(name, text)
	if name == "mean" {
		f.rec.Mean = ms
	} else {
		f.rec.Std = ms
	}
	return err
}

// missing returns an error that names the first field not set.
func (f *recordFields) missing() error {
	for i, ok := range f.seen {
		if !ok {
			return fmt.Errorf("%s is missing", fieldNames[i])
		}
	}
	return nil
}

// numberForm is a decimal number as JSON writes it; YAML's other ways (hexadecimal, octal with a
// leading zero, underscores) are refused.
var numberForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?$`)

// parseMillis reads a time in milliseconds.
func parseMillis(name, text string) (float64, error) {
	switch strings.ToLower(strings.TrimLeft(text, "+-.")) {
	case "nan":
		return 0, fmt.Errorf("%s is NaN", name)
	case "inf":
		return 0, fmt.Errorf("%s is infinite", name)
	}
	if !numberForm.MatchString(text) {
		return 0, fmt.Errorf("%s %q is not a decimal number", name, clip(text))
	}
	f, err := strconv.ParseFloat(text, 64) // an error is out of range: f is infinite then
	switch {
	case f < 0:
		return 0, fmt.Errorf("%s is negative", name)
	case err != nil || f > maxMillis:
		return 0, fmt.Errorf("%s is above %g ms", name, float64(maxMillis))
	}
	return f, nil
}
