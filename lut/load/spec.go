package load

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kind says what a load does.
type Kind string

const (
	// CPU keeps threads busy with dependent integer and floating-point arithmetic in registers.
	CPU Kind = "cpu"
	// Memory makes threads read and write through a buffer larger than the last-level cache.
	Memory Kind = "mem"
)

const (
	// MaxThreads bounds the threads of one load.
	MaxThreads = 256
	// MinBytes and MaxBytes bound the buffer of a memory load.
	MinBytes = 1 << 20
	MaxBytes = 64 << 30
)

// Spec describes a load.
type Spec struct {
	Kind    Kind
	Threads int // 1..MaxThreads
	// Bytes is the size of a memory load's buffer, shared out among its threads; 0 means four times
	// the last-level cache, but at least 64 MiB and at most 256 MiB. It must be 0 for other kinds.
	Bytes int64
}

// Validate returns an error that lists everything that is wrong.
func (s Spec) Validate() error {
	var errs []error
	if s.Kind != CPU && s.Kind != Memory {
		errs = append(errs, fmt.Errorf("load: unknown kind %q, known are %s and %s", s.Kind, CPU, Memory))
	}
	if s.Threads < 1 || s.Threads > MaxThreads {
		errs = append(errs, fmt.Errorf("load: %d threads, not in 1..%d", s.Threads, MaxThreads))
	}
	switch {
	case s.Bytes == 0:
	case s.Kind != Memory:
		errs = append(errs, fmt.Errorf("load: a %s load has no buffer", s.Kind))
	case s.Bytes < MinBytes || s.Bytes > MaxBytes:
		errs = append(errs, fmt.Errorf("load: buffer of %d bytes, not in %d..%d", s.Bytes, MinBytes, int64(MaxBytes)))
	}
	return errors.Join(errs...)
}

// String is the form that ParseSpec reads: "cpu:2", "mem:1", "mem:1:512MiB".
func (s Spec) String() string {
	text := fmt.Sprintf("%s:%d", s.Kind, s.Threads)
	switch {
	case s.Bytes == 0:
	case s.Bytes%(1<<20) == 0:
		text += fmt.Sprintf(":%dMiB", s.Bytes>>20)
	default:
		text += fmt.Sprintf(":%d", s.Bytes)
	}
	return text
}

// ParseSpec reads KIND, KIND:THREADS or mem:THREADS:BYTES. THREADS is 1 unless given; BYTES is a whole
// number of bytes, or of KiB, MiB or GiB.
func ParseSpec(text string) (Spec, error) {
	parts := strings.Split(text, ":")
	s := Spec{Kind: Kind(parts[0]), Threads: 1}
	var err error
	if len(parts) > 1 {
		if s.Threads, err = strconv.Atoi(parts[1]); err != nil {
			return Spec{}, fmt.Errorf("load: %q: threads %q is not a whole number", text, parts[1])
		}
	}
	if len(parts) > 2 {
		if s.Bytes, err = parseBytes(parts[2]); err != nil {
			return Spec{}, fmt.Errorf("load: %q: %w", text, err)
		}
	}
	if len(parts) > 3 {
		return Spec{}, fmt.Errorf("load: %q has more parts than KIND:THREADS:BYTES", text)
	}
	if err := s.Validate(); err != nil {
		return Spec{}, fmt.Errorf("load: %q: %w", text, err)
	}
	return s, nil
}

// parseBytes accepts positive sizes only: zero would mean the default.
func parseBytes(text string) (int64, error) {
	digits, shift := text, 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if d, ok := strings.CutSuffix(text, unit); ok {
			digits, shift = d, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > MaxBytes>>shift {
		return 0, fmt.Errorf("size %q is not a whole number of bytes, KiB, MiB or GiB up to 64GiB", text)
	}
	return n << shift, nil
}
