package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// encode returns the one text form of v.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// maxDepth bounds the nesting of JSON; a manifest needs seven levels.
const maxDepth = 16

// decode reads into v what encode wrote, and nothing else: repeated keys, unknown keys, other
// spacing and trailing text are errors that name the line.
func decode(data []byte, v any) error {
	if err := checkKeys(data); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("line %d: %w", errorLine(data, err), err)
	}
	again, err := encode(v)
	if err != nil {
		return err
	}
	if i := differ(data, again); i >= 0 {
		return fmt.Errorf("line %d: not as dynofa writes it (a misspelt key, a default that is written out, or edited by hand)", line(data, i))
	}
	return nil
}

// checkKeys returns an error for JSON that is malformed, nested too deeply or has a key twice in
// one object.
func checkKeys(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	type frame struct {
		keys map[string]bool // nil in a list
		key  bool            // the next token is a key
	}
	var stack []frame
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && len(stack) == 0 {
			return nil
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("line %d: %w", line(data, int(d.InputOffset())), err)
		}
		top := len(stack) - 1
		if delim, ok := t.(json.Delim); ok {
			switch delim {
			case '{', '[':
				if len(stack) == maxDepth {
					return fmt.Errorf("line %d: nested more than %d deep", line(data, int(d.InputOffset())), maxDepth)
				}
				f := frame{}
				if delim == '{' {
					f = frame{keys: map[string]bool{}, key: true}
				}
				stack = append(stack, f)
				continue
			default:
				stack = stack[:top]
				top--
			}
		} else if top >= 0 && stack[top].key {
			name, _ := t.(string)
			if stack[top].keys[name] {
				return fmt.Errorf("line %d: key %.80q is repeated", line(data, int(d.InputOffset())), name)
			}
			stack[top].keys[name], stack[top].key = true, false
			continue
		}
		if top >= 0 && stack[top].keys != nil { // a value has ended
			stack[top].key = true
		}
	}
}

// errorLine finds the line that a decoding error is about.
func errorLine(data []byte, err error) int {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return line(data, int(syntax.Offset))
	case errors.As(err, &kind):
		return line(data, int(kind.Offset))
	}
	if _, quoted, ok := strings.Cut(err.Error(), "unknown field "); ok {
		if name, err := strconv.Unquote(quoted); err == nil {
			return line(data, max(0, bytes.Index(data, []byte(strconv.Quote(name)))))
		}
	}
	return 1
}

// line returns the 1-based line of a byte.
func line(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), len(data))], []byte("\n"))
}

// differ returns the first byte at which a and b differ, -1 if they are equal.
func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}
