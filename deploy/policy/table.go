package policy

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Tabled is a policy that learns a table which a fresh one can start from.
type Tabled interface {
	// Table returns what was learned, as the policy's parameter table takes it; empty if nothing was.
	Table() string
}

var _ Tabled = (*QDP)(nil)

// The table of QDP in text: base64 of varints, which are the version, the time from arrival to deadline, the gaps, ascending
// and as differences, and the values of the waiting time, as differences.
const (
	tableVersion = 1
	tableGaps    = 64 // quantiles of the gaps
	maxTable     = 8192
)

// Table returns the law of the gaps and the solved values of the waiting time.
func (p *QDP) Table() string {
	if p.due == 0 || p.gaps.count < tableGaps {
		return ""
	}
	b := binary.AppendVarint(nil, tableVersion)
	b = binary.AppendVarint(b, int64(p.due))
	sorted := slices.Clone(p.gaps.ring[:p.gaps.count])
	slices.Sort(sorted)
	last := time.Duration(0)
	for i := range tableGaps {
		gap := sorted[(2*i+1)*len(sorted)/(2*tableGaps)]
		b = binary.AppendVarint(b, int64(gap-last))
		last = gap
	}
	value := int64(0)
	for _, h := range p.values.h {
		b = binary.AppendVarint(b, h-value)
		value = h
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// table is a decoded one.
type table struct {
	due  time.Duration
	gaps [tableGaps]time.Duration
	h    [waits + 1]int64
}

func parseTable(text string) (*table, error) {
	if len(text) > maxTable {
		return nil, fmt.Errorf("it has %d characters, %d are allowed", len(text), maxTable)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, err
	}
	next := func(low, high int64) (v int64) {
		v, n := binary.Varint(b)
		if n <= 0 || v < low || v > high {
			err = errors.Join(err, fmt.Errorf("a number is missing or outside [%d, %d]", low, high))
			b = nil
			return low
		}
		b = b[n:]
		return v
	}
	if v := next(0, 1<<30); err == nil && v != tableVersion {
		return nil, fmt.Errorf("its version is %d, known is %d", v, tableVersion)
	}
	t := &table{due: time.Duration(next(1, int64(maxSpan)))}
	last := int64(0)
	for i := range t.gaps {
		last += next(0, int64(maxSpan)-last)
		t.gaps[i] = time.Duration(last)
	}
	value := int64(0)
	for i := range t.h {
		value += next(-maxValue-value, maxValue-value)
		t.h[i] = value
	}
	if err == nil && len(b) > 0 {
		err = fmt.Errorf("%d bytes follow it", len(b))
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// maxValue bounds the values of a table: sums of them times masses stay far from overflow.
const maxValue = unitValue << 14

// load begins with a table.
func (p *QDP) load(t *table) {
	p.due = t.due
	copy(p.gaps.ring[:], t.gaps[:])
	p.gaps.count, p.gaps.next = tableGaps, tableGaps
	p.values.h = t.h
}
