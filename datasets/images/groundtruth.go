package images

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxLabel bounds numeric labels, and so the number of classes.
const maxLabel = 1 << 20

// A truth is one line of a ground-truth file.
type truth struct {
	line        int
	name, label string // name is empty in files of labels only
}

// readTruth parses lines of "name label" or of "label". A name may hold spaces, a label may not.
func readTruth(file string, r io.Reader) ([]truth, error) {
	var out []truth
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 64<<10)
	line := 0
	fail := func(reason string, err error) error {
		return &FormatError{File: file, Offset: -1, Line: line, Reason: reason, Err: err}
	}
	for scanner.Scan() {
		line++
		text := strings.TrimSpace(scanner.Text())
		if text == "" {
			continue
		}
		t := truth{line: line, label: text}
		if i := strings.LastIndexAny(text, " \t"); i >= 0 {
			t.name, t.label = strings.TrimSpace(text[:i]), text[i+1:]
		}
		if len(out) > 0 && (t.name == "") != (out[0].name == "") {
			return nil, fail(fmt.Sprintf("some lines have a name and some have none (compare line %d)", out[0].line), nil)
		}
		if len(out) == maxPictures {
			return nil, fail(fmt.Sprintf("more than %d pictures", maxPictures), ErrTooLarge)
		}
		out = append(out, t)
	}
	if err := scanner.Err(); err != nil {
		line++
		return nil, fail("unreadable", err)
	}
	if len(out) == 0 {
		return nil, &FormatError{File: file, Offset: 0, Reason: "no label in the file"}
	}
	return out, nil
}

// number gives every line its class: numbers as they stand if all labels are numbers, names by their
// place in classes, which are the distinct labels in byte order unless they are given.
func number(file string, truths []truth, classes []string) (labels []int, named []string, err error) {
	labels = make([]int, len(truths))
	numeric := !slices.ContainsFunc(truths, func(t truth) bool { _, ok := parseLabel(t.label); return !ok })
	if numeric {
		limit := maxLabel
		if len(classes) > 0 {
			limit = len(classes)
		}
		for i, t := range truths {
			n, _ := parseLabel(t.label)
			if n < 0 || n >= int64(limit) {
				return nil, nil, &FormatError{File: file, Offset: -1, Line: t.line, Reason: fmt.Sprintf("label %s is not in 0..%d", t.label, limit-1)}
			}
			labels[i] = int(n)
		}
		return labels, classes, nil
	}
	if len(classes) == 0 {
		for _, t := range truths {
			classes = append(classes, t.label)
		}
		slices.Sort(classes)
		classes = slices.Compact(classes)
	}
	index := make(map[string]int, len(classes))
	for i, c := range classes {
		index[c] = i
	}
	for i, t := range truths {
		n, ok := index[t.label]
		if !ok {
			return nil, nil, &FormatError{File: file, Offset: -1, Line: t.line, Reason: fmt.Sprintf("class %q is not among the %d given", t.label, len(classes))}
		}
		labels[i] = n
	}
	return labels, classes, nil
}

// parseLabel tells whether a label is a number; beyond 64 bits it still is one, and out of range.
func parseLabel(text string) (n int64, numeric bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// label fills the folder's items from a ground-truth file.
func (f *Folder) label(file string) (err error) {
	r, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("images: ground truth: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	truths, err := readTruth(file, r)
	if err != nil {
		return err
	}
	labels, classes, err := number(file, truths, f.classes)
	if err != nil {
		return err
	}
	f.classes = classes
	if truths[0].name == "" {
		return f.labelInOrder(file, labels)
	}
	seen := make(map[string]int, len(truths))
	for i, t := range truths {
		t.name = path.Clean(t.name)
		if first, ok := seen[t.name]; ok {
			return &FormatError{File: file, Offset: -1, Line: t.line, Reason: fmt.Sprintf("%q stands in line %d already", t.name, first)}
		}
		seen[t.name] = t.line
		info, err := f.stat(t.name)
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%q is not a regular file", t.name)
		}
		if err != nil {
			return &FormatError{File: file, Offset: -1, Line: t.line, Reason: "no such picture", Err: err}
		}
		f.items = append(f.items, item{t.name, labels[i]})
	}
	slices.SortFunc(f.items, func(a, b item) int { return strings.Compare(a.name, b.name) })
	return nil
}

// labelInOrder gives the pictures of a flat folder, in byte order, the labels in file order.
func (f *Folder) labelInOrder(file string, labels []int) error {
	pictures, folders, err := f.list(".")
	if err != nil {
		return err
	}
	if len(folders) > 0 {
		return fmt.Errorf("images: %s holds folders (%s), so a list of labels needs names: %s", f.dir, folders[0], file)
	}
	if len(pictures) != len(labels) {
		return fmt.Errorf("images: %s holds %d pictures, %s %d labels", f.dir, len(pictures), file, len(labels))
	}
	for i, name := range pictures {
		f.items = append(f.items, item{name, labels[i]})
	}
	return nil
}
