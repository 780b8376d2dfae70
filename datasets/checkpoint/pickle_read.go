package checkpoint

import (
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"
)

// bytes reads the n bytes of an argument.
func (u *unpickler) bytes(n int64) ([]byte, error) {
	if n > u.end-u.pos {
		return nil, truncated("an argument of %d bytes, but %d are left", n, u.end-u.pos)
	}
	b := make([]byte, n)
	m, err := io.ReadFull(u.r, b)
	u.pos += int64(m)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = truncated("the file ends within an argument of %d bytes", n)
	}
	return b, err
}

func (u *unpickler) byte() (byte, error) {
	if u.pos >= u.end {
		return 0, truncated("the pickle has no end")
	}
	b, err := u.r.ReadByte()
	if errors.Is(err, io.EOF) {
		return 0, truncated("the file ends within a pickle")
	}
	u.pos++
	return b, err
}

// uint reads an unsigned little-endian integer of 1, 2 or 4 bytes.
func (u *unpickler) uint(width int) (uint32, error) {
	var b [4]byte
	for i := range width {
		v, err := u.byte()
		if err != nil {
			return 0, err
		}
		b[i] = v
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

// long reads a LONG1: a length byte and two's complement bytes, least significant first.
func (u *unpickler) long() (any, error) {
	n, err := u.byte()
	if err != nil {
		return nil, err
	}
	b, err := u.bytes(int64(n))
	if err != nil {
		return nil, err
	}
	if n > 8 {
		return long(b), nil
	}
	var wide [8]byte
	copy(wide[8-n:], b)
	return int64(binary.LittleEndian.Uint64(wide[:])) >> (64 - 8*int64(n)), nil
}

// string reads a text whose length takes width bytes.
func (u *unpickler) string(width int) (any, error) {
	n, err := u.uint(width)
	if err != nil {
		return nil, err
	}
	if left := u.end - u.pos; int64(n) > left {
		return nil, truncated("a string of %d bytes, but %d are left", n, left)
	}
	if n > maxString {
		return nil, tooLarge("a string of %d bytes, more than the limit of %d", n, maxString)
	}
	b, err := u.bytes(int64(n))
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(b) {
		return nil, malformed("a string is not UTF-8")
	}
	return string(b), nil
}

// global reads a GLOBAL and looks it up.
func (u *unpickler) global() (any, error) {
	var words [2]string
	for i := range words {
		var line []byte
		for {
			b, err := u.byte()
			if err != nil {
				return nil, err
			}
			if b == '\n' {
				break
			}
			if line = append(line, b); len(line) > maxGlobal {
				return nil, tooLarge("a class name longer than %d bytes: %.40q...", maxGlobal, line)
			}
		}
		words[i] = string(line)
	}
	g := findGlobal(words[0], words[1])
	if g == nil {
		return nil, refused("refuses to construct %q", words[0]+"."+words[1])
	}
	return g, nil
}
