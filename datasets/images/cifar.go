package images

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// CIFAR's pictures: 32 x 32 pixels, three planes of 1024 bytes, red, green, blue.
//
// Source: A. Krizhevsky, "The CIFAR-10 dataset", binary version; one label byte before each picture in
// CIFAR-10, a superclass and a class byte in CIFAR-100.
const (
	cifarSide  = 32
	cifarPlane = cifarSide * cifarSide
)

// CIFAR10Classes are the names of CIFAR-10's classes in label order.
var CIFAR10Classes = [10]string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

// OpenCIFAR10 reads CIFAR-10 binary files (data_batch_1.bin, ..., test_batch.bin), in the order given,
// as one set. Files compressed with gzip are read too.
func OpenCIFAR10(limits Limits, files ...string) (*Set, error) {
	return openCIFAR(limits, ReadCIFAR10, files)
}

// OpenCIFAR100 reads CIFAR-100 binary files (train.bin or test.bin).
func OpenCIFAR100(limits Limits, files ...string) (*Set, error) {
	return openCIFAR(limits, ReadCIFAR100, files)
}

func openCIFAR(limits Limits, read func(string, io.Reader, Limits) (*Set, error), files []string) (*Set, error) {
	if len(files) == 0 {
		return nil, errors.New("images: no CIFAR file is given")
	}
	var all *Set
	for _, path := range files {
		s, err := readFile(path, limits, read)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = s
			continue
		}
		all.Pix = append(all.Pix, s.Pix...)
		all.Labels = append(all.Labels, s.Labels...)
		all.Coarse = append(all.Coarse, s.Coarse...)
		if int64(len(all.Pix)) > limits.bytes() {
			return nil, fmt.Errorf("images: %s: more than %d bytes with the files before it: %w", path, limits.bytes(), ErrTooLarge)
		}
	}
	return all, nil
}

// ReadCIFAR10 reads one CIFAR-10 binary file. The name stands in errors, which are [*FormatError]s: a
// label over 9, a record cut short, no record, more bytes than the limit.
func ReadCIFAR10(name string, r io.Reader, limits Limits) (*Set, error) {
	s, err := readCIFAR(name, r, limits, []uint8{10})
	if err == nil {
		s.ClassNames = CIFAR10Classes[:]
	}
	return s, err
}

// ReadCIFAR100 reads one CIFAR-100 binary file: labels are the 100 classes, Coarse the 20
// superclasses. Errors as in ReadCIFAR10.
func ReadCIFAR100(name string, r io.Reader, limits Limits) (*Set, error) {
	return readCIFAR(name, r, limits, []uint8{20, 100})
}

// readCIFAR reads records that begin with one label byte for each entry of classes, the class last.
func readCIFAR(name string, r io.Reader, limits Limits, classes []uint8) (*Set, error) {
	d, err := openData(name, r)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(d.r, limits.bytes()+1)); err != nil {
		return nil, d.fail(int64(b.Len()), "unreadable", err)
	}
	raw := b.Bytes()
	record := len(classes) + 3*cifarPlane
	switch {
	case int64(len(raw)) > limits.bytes():
		return nil, d.fail(limits.bytes(), fmt.Sprintf("more than %d bytes", limits.bytes()), ErrTooLarge)
	case len(raw) == 0:
		return nil, d.fail(0, "no picture", nil)
	case len(raw)%record != 0:
		return nil, d.fail(int64(len(raw)/record*record), fmt.Sprintf("record of %d bytes is cut short after %d", record, len(raw)%record), io.ErrUnexpectedEOF)
	}
	n := len(raw) / record
	s := &Set{File: name, Height: cifarSide, Width: cifarSide, Channels: 3, Pix: make([]byte, n*3*cifarPlane), Labels: make([]uint8, n)}
	if len(classes) > 1 {
		s.Coarse = make([]uint8, n)
	}
	for i := range n {
		rec := raw[i*record : (i+1)*record]
		for j, limit := range classes {
			if rec[j] >= limit {
				return nil, d.fail(int64(i*record+j), fmt.Sprintf("label %d is not in 0..%d", rec[j], limit-1), nil)
			}
		}
		if s.Coarse != nil {
			s.Coarse[i] = rec[0]
		}
		s.Labels[i] = rec[len(classes)-1]
		interleave(s.Pix[i*3*cifarPlane:], rec[len(classes):])
	}
	return s, nil
}

func interleave(dst, planes []byte) {
	for c := range 3 {
		for p, v := range planes[c*cifarPlane : (c+1)*cifarPlane] {
			dst[3*p+c] = v
		}
	}
}
