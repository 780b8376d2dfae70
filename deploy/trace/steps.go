package trace

import (
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/deploy/policy"
)

// appendSteps appends the clock steps that can be had, a range such as 1-15 for each processor, with semicolons between;
// 0-0 stands for all of a processor's steps, or for none.
func appendSteps(b []byte, steps []policy.StepRange) []byte {
	for i, s := range steps {
		if i > 0 {
			b = append(b, ';')
		}
		b = strconv.AppendUint(b, uint64(s.Low), 10)
		b = strconv.AppendUint(append(b, '-'), uint64(s.High), 10)
	}
	return b
}

// steps takes what appendSteps writes; an empty text is nil.
func (p *rowParser) steps() []policy.StepRange {
	text := p.word()
	if text == "" {
		return nil
	}
	if strings.Count(text, ";") >= maxStepRanges {
		p.fail(text, "a range of steps for each processor")
		return nil
	}
	var list []policy.StepRange
	for item := range strings.SplitSeq(text, ";") {
		low, high, _ := strings.Cut(item, "-")
		l, err := strconv.ParseUint(low, 10, 8)
		h, err2 := strconv.ParseUint(high, 10, 8)
		s := policy.StepRange{Low: uint8(l), High: uint8(h)}
		if err != nil || err2 != nil || string(appendSteps(nil, []policy.StepRange{s})) != item {
			p.fail(item, "a range of steps such as 1-15")
			return nil
		}
		list = append(list, s)
	}
	return list
}

// maxStepRanges bounds the processors of a row: more than a model may have.
const maxStepRanges = 256
