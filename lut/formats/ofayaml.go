package formats

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// decodeYAML reads the same structure as decodeJSON from block or flow YAML: one document, plain
// mappings. Anchors, aliases and tags are refused, so that nothing in a file can refer to, repeat
// or retype anything else.
func decodeYAML(data []byte) ([]ofaRecord, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err == io.EOF {
		return nil, &Error{Line: 1, Err: errors.New("the file is empty")}
	} else if err != nil {
		return nil, yamlError(err)
	}
	var next yaml.Node
	if err := dec.Decode(&next); err == nil {
		return nil, &Error{Line: max(next.Line, 1), Err: errors.New("a second document follows")}
	} else if err != io.EOF {
		return nil, yamlError(err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, &Error{Line: 1, Err: errors.New("a mapping is expected")}
	}
	var records []ofaRecord
	seen := map[string]bool{}
	err := eachPair(doc.Content[0], func(key string, line int, value *yaml.Node) error {
		if seen[key] {
			return &Error{Line: line, Key: key, Err: errors.New("the key is repeated")}
		}
		seen[key] = true
		rec, err := yamlRecord(key, line, value)
		records = append(records, rec)
		return err
	})
	if err != nil {
		return nil, err
	}
	return records, nil
}

// yamlRecord reads the value of a key.
func yamlRecord(key string, line int, n *yaml.Node) (ofaRecord, error) {
	f := newRecord(line, key)
	err := eachPair(n, func(name string, line int, v *yaml.Node) error {
		if err := plain(v); err != nil {
			return &Error{Line: v.Line, Key: key, Err: err}
		}
		if v.Kind != yaml.ScalarNode || v.Tag != "!!int" && v.Tag != "!!float" {
			return &Error{Line: v.Line, Key: key, Err: fmt.Errorf("%s is no number", clip(name))}
		}
		if err := f.set(name, v.Value); err != nil {
			return &Error{Line: v.Line, Key: key, Err: err}
		}
		return nil
	})
	var e *Error
	if errors.As(err, &e) && e.Key == "" {
		e.Key = key
	}
	if err != nil {
		return f.rec, err
	}
	if err := f.missing(); err != nil {
		return f.rec, &Error{Line: line, Key: key, Err: err}
	}
	return f.rec, nil
}

// eachPair visits the pairs of a mapping with text keys.
func eachPair(n *yaml.Node, visit func(key string, line int, value *yaml.Node) error) error {
	if err := plain(n); err != nil {
		return &Error{Line: n.Line, Err: err}
	}
	if n.Kind != yaml.MappingNode {
		return &Error{Line: n.Line, Err: errors.New("a mapping is expected")}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if err := plain(k); err != nil {
			return &Error{Line: k.Line, Err: err}
		}
		if k.Kind != yaml.ScalarNode || k.Tag != "!!str" {
			return &Error{Line: k.Line, Err: fmt.Errorf("key %q is no text", clip(k.Value))}
		}
		if err := visit(k.Value, k.Line, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// plain refuses aliases, anchors and explicit tags.
func plain(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode:
		return errors.New("aliases are not allowed")
	case n.Anchor != "":
		return errors.New("anchors are not allowed")
	case n.Style&yaml.TaggedStyle != 0:
		return errors.New("tags are not allowed")
	}
	return nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// yamlError moves the line number out of a parser error's text.
func yamlError(err error) error {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return &Error{Err: err}
	}
	line, _ := strconv.Atoi(m[1]) // 0 where the parser gave none
	return &Error{Line: line, Err: errors.New(m[2])}
}
