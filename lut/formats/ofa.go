package formats

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
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
	maxSamples   = 1e9
	maxMillis    = 1e9 // 11 days
)

// ofaFormat is one way of writing OFA's tables.
type ofaFormat struct {
	name       Format
	extensions []string
	limit      int64
	decode     func(data []byte) ([]ofaRecord, error)
	keys       func(*supernet.Space, int) (*keyTable, error)
	// wider says that files may hold more than the space's blocks, and may be named for something
	// else than a resolution, which the stem then tells.
	wider bool
}

// ofaRecord is one entry of an OFA file. All fields are checked but Key.
type ofaRecord struct {
	Line  int
	Key   string
	Count int     // 0: unknown
	Mean  float64 // ms
	Std   float64 // ms; NaN: unknown
}

func (r *ofaRecord) latency() lut.Latency {
	return lut.MeanOnly(r.Count, unit.Milliseconds(r.Mean), unit.Milliseconds(r.Std))
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
		Space: meta.Space.Name, SpaceDescription: meta.Space.Description(),
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
		if err != nil && !format.wider {
			return nil, &Error{File: f.shown, Err: err}
		}
		if other, ok := fileOf[r]; ok && r > 0 {
			return nil, &Error{File: f.shown, Err: fmt.Errorf("%s is for resolution %d too", other, r)}
		}
		data, err := f.readFile(format.limit)
		if err != nil {
			return nil, err
		}
		content, err := ofaEntries(data, format, meta.Space, r)
		if err != nil {
			return nil, inFile(f.shown, err)
		}
		if other, ok := fileOf[content.resolution]; ok {
			return nil, &Error{File: f.shown, Err: fmt.Errorf("%s is for resolution %d too", other, content.resolution)}
		}
		fileOf[content.resolution] = path.Base(f.name)
		entries := content.entries
		if content.missing > 0 {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%s lacks %d of the %d blocks of %s at resolution %d",
				path.Base(f.name), content.missing, content.missing+len(entries), meta.Space.Name, content.resolution))
		}
		if content.foreign > 0 {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%d entries of %s are no block of %s at resolution %d and were left out",
				content.foreign, path.Base(f.name), meta.Space.Name, content.resolution))
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

// publishedSuffix stands behind the resolution in the names of the files as they are published:
// 160_lookup_table.yaml of Once-for-all, 160_lookup_table.json of Dynamic-OFA.
const publishedSuffix = "_lookup_table"

// resolutionOf returns the resolution that a file is named for.
func resolutionOf(name string, s *supernet.Space) (int, error) {
	base := path.Base(name)
	text := strings.TrimSuffix(strings.TrimSuffix(base, path.Ext(base)), publishedSuffix)
	r, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(r) != text {
		return 0, errors.New("the file is not named for a resolution, as 160.json is")
	}
	if !slices.Contains(s.Resolutions, r) {
		return 0, fmt.Errorf("unknown resolution %d: space %s has %v", r, s.Name, s.Resolutions)
	}
	return r, nil
}

// ofaContent is what one file holds.
type ofaContent struct {
	resolution int
	entries    []lut.Entry
	missing    int // blocks of the space without an entry
	foreign    int // entries that are none of the space's blocks
}

// ofaEntries decodes one file and maps its keys to blocks. r is the resolution that the file is named
// for, 0 if it is named for none.
func ofaEntries(data []byte, format ofaFormat, s *supernet.Space, r int) (*ofaContent, error) {
	records, err := format.decode(data)
	if err != nil {
		return nil, err
	}
	if r == 0 {
		if r, err = stemResolution(records, s); err != nil {
			return nil, err
		}
	}
	keys, err := format.keys(s, r)
	if err != nil {
		return nil, err
	}
	c := &ofaContent{resolution: r}
	stem := false
	for _, rec := range records {
		blocks, ok := keys.blocks[rec.Key]
		if !ok && format.wider && ofaKeyForm.MatchString(rec.Key) {
			c.foreign++
			continue
		}
		if !ok {
			return nil, &Error{Line: rec.Line, Key: rec.Key, Err: explainKey(rec.Key, s, r)}
		}
		stem = stem || blocks[0].Op == supernet.OpStem
		c.entries = append(c.entries, lut.Entry{Key: lut.Key{Resolution: r, Block: blocks[0]}, Latency: rec.latency()})
		for _, b := range blocks[1:] { // the entry covers several blocks: the first has the whole of it
			none := lut.MeanOnly(rec.Count, 0, 0)
			none.Warnings = []string{"its latency is part of the entry of " + blocks[0].String()}
			c.entries = append(c.entries, lut.Entry{Key: lut.Key{Resolution: r, Block: b}, Latency: none})
		}
	}
	if !stem {
		return nil, fmt.Errorf("no entry %q..., so that nothing confirms resolution %d", stemPrefix, r)
	}
	c.missing = keys.n - len(c.entries)
	return c, nil
}

// stemResolution returns the resolution of the only stem among records.
func stemResolution(records []ofaRecord, s *supernet.Space) (int, error) {
	found := 0
	for _, rec := range records {
		shape, ok := strings.CutPrefix(rec.Key, stemPrefix)
		if !ok {
			continue
		}
		text, _, _ := strings.Cut(shape, "x")
		r, err := strconv.Atoi(text)
		if err != nil || !slices.Contains(s.Resolutions, r) {
			return 0, &Error{Line: rec.Line, Key: rec.Key, Err: fmt.Errorf("unknown resolution %q: space %s has %v", clip(text), s.Name, s.Resolutions)}
		}
		if found != 0 && found != r {
			return 0, &Error{Line: rec.Line, Key: rec.Key, Err: fmt.Errorf("a second resolution, beside %d: name one file per resolution", found)}
		}
		found = r
	}
	if found == 0 {
		return 0, fmt.Errorf("neither the file's name nor an entry %q... tells the resolution", stemPrefix)
	}
	return found, nil
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

// recordFields collects and checks the values of one record.
type recordFields struct {
	rec  ofaRecord
	seen [4]bool
}

// fieldNames are the fields of a record. Only the mean must be there, because the authors' programs
// read nothing else; std and var, its square, exclude each other.
var fieldNames = [4]string{"count", "mean", "std", "var"}

const (
	countField = iota
	meanField
	stdField
	varField
)

// newRecord returns fields of which nothing is known.
func newRecord(line int, key string) recordFields {
	return recordFields{rec: ofaRecord{Line: line, Key: key, Std: math.NaN()}}
}

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
	if f.seen[stdField] && f.seen[varField] {
		return errors.New("both std and var are given")
	}
	if i == countField {
		n, err := strconv.Atoi(wholeText(text))
		if err != nil || !decimal(text) || n < 1 || n > maxSamples {
			return fmt.Errorf("count %s is not a whole number of samples of at least 1", clip(text))
		}
		f.rec.Count = n
		return nil
	}
	limit := float64(maxMillis)
	if i == varField {
		limit *= maxMillis
	}
	ms, err := parseMillis(name, text, limit)
	switch i {
	case meanField:
		f.rec.Mean = ms
	case stdField:
		f.rec.Std = ms
	case varField:
		f.rec.Std = math.Sqrt(ms) // ms^2
	}
	return err
}

// wholeText takes a fraction of zeros off a number: some programs write every number as "500.0".
func wholeText(text string) string {
	if whole, fraction, ok := strings.Cut(text, "."); ok && fraction != "" && strings.Trim(fraction, "0") == "" {
		return whole
	}
	return text
}

// missing returns an error if there is no mean.
func (f *recordFields) missing() error {
	if !f.seen[meanField] {
		return fmt.Errorf("%s is missing", fieldNames[meanField])
	}
	return nil
}

// parseMillis reads a time in milliseconds, or the square of one, up to a limit.
func parseMillis(name, text string, limit float64) (float64, error) {
	switch strings.ToLower(strings.TrimLeft(text, "+-.")) {
	case "nan":
		return 0, fmt.Errorf("%s is NaN", name)
	case "inf":
		return 0, fmt.Errorf("%s is infinite", name)
	}
	if !decimal(text) {
		return 0, fmt.Errorf("%s %q is not a decimal number", name, clip(text))
	}
	f, err := strconv.ParseFloat(text, 64) // an error is out of range: f is infinite then
	switch {
	case f < 0:
		return 0, fmt.Errorf("%s is negative", name)
	case err != nil || f > limit:
		return 0, fmt.Errorf("%s is above %g ms", name, limit)
	}
	return f, nil
}
