package formats

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// decodeJSON reads {"KEY": {"count": n, "mean": ms, "std": ms}, ...}. It works on tokens, because
// decoding into a map would let repeated keys pass.
func decodeJSON(data []byte) ([]ofaRecord, error) {
	d := jsonReader{data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: 1}
	d.dec.UseNumber()
	if t, err := d.token(); err != nil {
		return nil, err
	} else if t != json.Delim('{') {
		return nil, d.fail("", errors.New("an object {...} is expected"))
	}
	var records []ofaRecord
	seen := map[string]bool{}
	for {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok { // the end of the object: the decoder allows nothing else here
			break
		}
		if seen[key] {
			return nil, d.fail(key, errors.New("the key is repeated"))
		}
		seen[key] = true
		rec, err := d.record(key)
		if err != nil {
			return nil, err
		}
		records = append(records, rec)
	}
	if _, err := d.dec.Token(); err != io.EOF {
		return nil, d.fail("", errors.New("text follows the object"))
	}
	return records, nil
}

// jsonReader is a token reader that knows its line.
type jsonReader struct {
	data   []byte
	dec    *json.Decoder
	line   int
	offset int64 // where line was counted up to
}

// token returns the next token and moves the line to its end.
func (d *jsonReader) token() (json.Token, error) {
	t, err := d.dec.Token()
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		d.line = 1 + bytes.Count(d.data, []byte{'\n'})
		return nil, d.fail("", errors.New("the file ends too early"))
	}
	end := d.dec.InputOffset()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		end = max(end, min(syntax.Offset, int64(len(d.data))))
	}
	d.line += bytes.Count(d.data[d.offset:end], []byte{'\n'})
	d.offset = end
	if err != nil {
		return nil, d.fail("", err)
	}
	return t, nil
}

func (d *jsonReader) fail(key string, err error) error {
	return &Error{Line: d.line, Key: key, Err: err}
}

// within is token inside the value of a key, which errors name.
func (d *jsonReader) within(key string) (json.Token, error) {
	t, err := d.token()
	var e *Error
	if errors.As(err, &e) {
		e.Key = key
	}
	return t, err
}

// record reads the value of a key.
func (d *jsonReader) record(key string) (ofaRecord, error) {
	f := newRecord(d.line, key)
	t, err := d.within(key)
	if err != nil {
		return f.rec, err
	}
	if t != json.Delim('{') {
		return f.rec, d.fail(key, errors.New("an object {count, mean, std} is expected"))
	}
	for {
		t, err := d.within(key)
		if err != nil {
			return f.rec, err
		}
		name, ok := t.(string)
		if !ok {
			break
		}
		v, err := d.within(key)
		if err != nil {
			return f.rec, err
		}
		number, ok := v.(json.Number)
		if !ok {
			return f.rec, d.fail(key, fmt.Errorf("%s is no number", clip(name)))
		}
		if err := f.set(name, number.String()); err != nil {
			return f.rec, d.fail(key, err)
		}
	}
	if err := f.missing(); err != nil {
		return f.rec, &Error{Line: f.rec.Line, Key: key, Err: err}
	}
	return f.rec, nil
}
