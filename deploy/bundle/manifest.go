package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/search/family"
)

// Format and Schema begin every manifest. A bundle with a higher schema is refused; a change that an
// older program would misread raises it. Schema 1, of which no release was made, held a model per
// level. Schema 3 names several processors; a bundle that needs only one has schema 2.
const (
	Format = "dynofa bundle"
	Schema = 3
)

// Limits of what a bundle may hold.
const (
	MaxManifest = 4 << 20 // bytes of manifest.json
	MaxFile     = 1 << 30 // bytes of one file; the largest published supernet takes 43 MB
	maxFiles    = 5
	maxParams   = 64
	maxNotes    = 256
	maxText     = 4096 // bytes of a one-line text
)

// Manifest says what a bundle is and lists every file of it. Its text form is JSON as Write makes
// it, byte for byte: a reader refuses any other spelling, so repeated, unknown and misspelt keys
// cannot hide in it.
type Manifest struct {
	Format    string `json:"format"`     // Format
	Schema    int    `json:"schema"`     // Schema, or an older one that says everything
	CreatedBy string `json:"created_by"` // program and version
	// Family names the supernet's space; level i of the bundle is level i of the family.
	Family     family.Family `json:"family"`
	Weights    string        `json:"weights"` // one line: where the weights come from
	Policy     Policy        `json:"policy"`
	Runtime    Runtime       `json:"runtime"`
	Supernet   string        `json:"supernet"`             // file of the supernet's tensors, those that the levels use
	Statistics string        `json:"statistics,omitempty"` // file of the levels' batch-normalisation statistics
	Table      string        `json:"table,omitempty"`      // file of the latency table's excerpt
	Labels     string        `json:"labels,omitempty"`     // file of the class names
	Service    string        `json:"service,omitempty"`    // file of a systemd unit that runs the bundle
	// Transform turns pictures into inputs; nil is ImageNet's.
	Transform *images.Transform `json:"transform,omitempty"`
	Notes     []string          `json:"notes,omitempty"` // doubts that travel with the bundle
	Files     []File            `json:"files"`           // ascending by path
}

// Policy is the runtime manager that the bundle was made for.
type Policy struct {
	Spec   string            `json:"spec"` // for policy.New
	Params map[string]string `json:"params,omitempty"`
}

// Runtime is what a device needs to run the levels.
type Runtime struct {
	Name       string `json:"name"`        // "onnxruntime"
	MinVersion string `json:"min_version"` // "major.minor.patch"
	Provider   string `json:"provider"`    // execution provider of the first processor: "cpu"
	// Processors are those that serve at the same time, in the order in which the policy knows them; nil: the family's first
	// alone.
	Processors []Processor `json:"processors,omitempty"`
}

// Check returns an error unless a runtime's version is at least MinVersion.
func (r Runtime) Check(version string) error {
	want, err := parseVersion(r.MinVersion)
	if err != nil {
		return err
	}
	have, err := parseVersion(version)
	if err != nil {
		return fmt.Errorf("%s reports %w", r.Name, err)
	}
	if slices.Compare(have[:], want[:]) < 0 {
		return fmt.Errorf("%s %s is too old: the bundle needs %s or newer", r.Name, version, r.MinVersion)
	}
	return nil
}

// parseVersion reads "1.27.0"; what follows a "-" or "+" does not count.
func parseVersion(s string) (v [3]int, err error) {
	number, _, _ := strings.Cut(s, "-")
	number, _, _ = strings.Cut(number, "+")
	parts := strings.Split(number, ".")
	if len(parts) != len(v) {
		return v, fmt.Errorf("version %q, which is not major.minor.patch", s)
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 31)
		if err != nil {
			return v, fmt.Errorf("version %q, which is not major.minor.patch", s)
		}
		v[i] = int(n)
	}
	return v, nil
}

// File is one file of a bundle.
type File struct {
	Path   string `json:"path"` // below the bundle's directory, with slashes
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// parseManifest reads and validates a manifest. Errors name the line.
func parseManifest(data []byte) (*Manifest, error) {
	var head struct {
		Format string `json:"format"`
		Schema int    `json:"schema"`
	}
	// A later schema may have any other fields; what is wrong with this one is found below.
	if json.Unmarshal(data, &head) == nil && head.Format == Format {
		if head.Schema > Schema {
			return nil, fmt.Errorf("%s: schema %d, this program knows up to %d: %w", manifestName, head.Schema, Schema, ErrNewer)
		}
		if head.Schema == 1 {
			return nil, fmt.Errorf("%s: schema 1: %w", manifestName, ErrOlder)
		}
	}
	var m Manifest
	err := decode(data, &m)
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}
	return &m, nil
}

// Validate returns every problem that makes the manifest unusable.
func (m *Manifest) Validate() error {
	if want := schemaFor(m.Runtime); m.Format != Format || m.Schema != want {
		return fmt.Errorf("format %q schema %d is not %q schema %d", m.Format, m.Schema, Format, want)
	}
	var errs []error
	if err := m.Family.Validate(); err != nil {
		errs = append(errs, err)
	} else if err := errors.Join(checkArchs(&m.Family), m.Runtime.checkProcessors(&m.Family)); err != nil {
		errs = append(errs, err)
	}
	if _, err := parseVersion(m.Runtime.MinVersion); err != nil {
		errs = append(errs, fmt.Errorf("runtime: %w", err))
	}
	if m.Transform != nil {
		errs = append(errs, m.Transform.Validate())
	}
	errs = append(errs, m.checkTexts(), m.checkFiles())
	return errors.Join(errs...)
}

// checkArchs returns an error unless the family's space is known and its architectures are canonical
// sub-networks of it.
func checkArchs(f *family.Family) error {
	s, err := f.Supernet()
	if err != nil {
		return err
	}
	for i, l := range f.Levels {
		c, err := s.Canonical(l.Arch)
		if err != nil {
			return fmt.Errorf("level %d: %w", i, err)
		}
		if !c.Equal(l.Arch) {
			return fmt.Errorf("level %d: architecture %v is not canonical", i, l.Arch)
		}
	}
	return nil
}

// checkTexts returns an error for texts that are missing, too long or not printable: they end up
// on terminals and in logs.
func (m *Manifest) checkTexts() error {
	f := &m.Family
	required := []struct{ name, text string }{
		{"created_by", m.CreatedBy}, {"weights", m.Weights}, {"policy", m.Policy.Spec},
		{"runtime name", m.Runtime.Name}, {"runtime provider", m.Runtime.Provider},
		{"family name", f.Name}, {"family source", f.Source},
	}
	optional := slices.Concat([]string{f.Rule}, f.Notes, m.Notes)
	for _, l := range f.Levels {
		for _, lat := range l.Latencies {
			optional = append(optional, lat.Processor, string(lat.Origin), lat.Source)
		}
	}
	for k, v := range m.Policy.Params {
		optional = append(optional, k, v)
	}
	var errs []error
	for _, r := range required {
		if r.text == "" {
			errs = append(errs, fmt.Errorf("%s is empty", r.name))
		}
		optional = append(optional, r.text)
	}
	slices.Sort(optional) // map order must not reach the error
	for _, t := range optional {
		if err := oneLine(t); err != nil {
			errs = append(errs, err)
			break
		}
	}
	if len(m.Policy.Params) > maxParams || len(m.Notes) > maxNotes || len(f.Notes) > maxNotes {
		errs = append(errs, fmt.Errorf("more than %d parameters or %d notes", maxParams, maxNotes))
	}
	return errors.Join(errs...)
}

func oneLine(s string) error {
	if len(s) > maxText {
		return fmt.Errorf("a text of %d bytes is longer than %d: %.40q", len(s), maxText, s)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("a text is not one line of printable UTF-8: %.80q", s)
	}
	return nil
}

// checkFiles returns an error unless the files are listed once, ascending, each with a clean local
// path, a size within bounds, a digest and a role.
func (m *Manifest) checkFiles() error {
	if len(m.Files) > maxFiles {
		return fmt.Errorf("%d files are more than %d", len(m.Files), maxFiles)
	}
	roles := map[string]string{}
	assign := func(role, path string) error {
		if other, ok := roles[path]; ok {
			return fmt.Errorf("%s and %s are the same file %q", other, role, path)
		}
		roles[path] = role
		return nil
	}
	if m.Supernet == "" {
		return errors.New("no file of the supernet is named")
	}
	var errs []error
	for _, part := range m.parts() {
		if part.path != "" {
			errs = append(errs, assign(part.role, part.path))
		}
	}
	folded := map[string]bool{manifestName: true, digestName: true, signName: true}
	for i, f := range m.Files {
		if err := f.check(); err != nil {
			errs = append(errs, fmt.Errorf("file %d: %w", i, err))
			continue
		}
		if i > 0 && f.Path <= m.Files[i-1].Path {
			errs = append(errs, fmt.Errorf("file %q is repeated or out of order", f.Path))
		} else if name := strings.ToLower(f.Path); folded[name] { // file systems that ignore case
			errs = append(errs, fmt.Errorf("file %q differs from another only in case or is the bundle's own", f.Path))
		}
		folded[strings.ToLower(f.Path)] = true
		if roles[f.Path] == "" {
			errs = append(errs, fmt.Errorf("file %q serves no purpose", f.Path))
		}
		delete(roles, f.Path)
	}
	if len(roles) > 0 {
		for _, part := range m.parts() {
			if roles[part.path] != "" {
				errs = append(errs, fmt.Errorf("the file of %s, %q, is not listed", part.role, part.path))
			}
		}
	}
	return errors.Join(errs...)
}

// part is a file with a purpose; path is empty where a bundle has no such part.
type part struct{ role, path string }

func (m *Manifest) parts() []part {
	return []part{{"the supernet", m.Supernet}, {"statistics", m.Statistics}, {"the table", m.Table}, {"labels", m.Labels}, {"the service", m.Service}}
}

// check returns an error unless f's own fields make sense.
func (f File) check() error {
	if !fs.ValidPath(f.Path) || f.Path == "." || len(f.Path) > 255 || !filepath.IsLocal(filepath.FromSlash(f.Path)) ||
		strings.ContainsAny(f.Path, `\:`) || oneLine(f.Path) != nil {
		return fmt.Errorf("path %.300q is not a clean path inside the bundle", f.Path)
	}
	if f.Size < 1 || f.Size > MaxFile {
		return fmt.Errorf("%q: size %d is outside [1, %d]", f.Path, f.Size, MaxFile)
	}
	if !isDigest(f.SHA256) {
		return fmt.Errorf("%q: %.80q is not a SHA-256 in lower-case hexadecimal", f.Path, f.SHA256)
	}
	return nil
}

// isDigest reports whether s is a SHA-256 as Write spells it.
func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
