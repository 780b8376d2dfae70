package sqlite

import (
	"encoding/binary"
	"time"

	"github.com/dynofa/dynofa/lut"
)

// encodeSamples returns the value of a samples column.
func encodeSamples(s *lut.Samples) any {
	if s == nil {
		return nil
	}
	b := make([]byte, 0, 3*len(s.Times))
	last := time.Duration(0)
	for _, t := range s.Times {
		b = binary.AppendVarint(b, int64(t-last))
		last = t
	}
	return b
}

// decodeSamples is the inverse of encodeSamples.
func decodeSamples(b []byte) (*lut.Samples, error) {
	if b == nil {
		return nil, nil
	}
	var s lut.Samples
	last := time.Duration(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			return nil, Damagedf("samples are cut short or a number is too large")
		}
		b = b[n:]
		last += time.Duration(d)
		s.Times = append(s.Times, last)
	}
	return &s, nil
}
