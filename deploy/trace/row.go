package trace

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
)

// rowParser takes the fields of a line one by one and keeps the first error.
type rowParser struct {
	columns []string // their names
	fields  []string
	next    int
	err     error
}

func (p *rowParser) word() string {
	p.next++
	return p.fields[p.next-1]
}

func (p *rowParser) fail(text, want string) {
	if p.err == nil {
		p.err = fmt.Errorf("column %s is %.80q, want %s", p.columns[p.next-1], text, want)
	}
}

// integer takes a whole number of magnitude up to limit, written the only way.
func (p *rowParser) integer(limit int64) int64 {
	text := p.word()
	n, ok := parseInteger(text)
	if !ok || n > limit || n < -limit {
		p.fail(text, "a whole number")
		return 0
	}
	return n
}

func (p *rowParser) small() int          { return int(p.integer(math.MaxInt32)) }
func (p *rowParser) time() time.Duration { return time.Duration(p.integer(math.MaxInt64)) }

// bits takes a set of processors.
func (p *rowParser) bits() uint64 {
	text := p.word()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != text {
		p.fail(text, "a whole number that is not negative")
		return 0
	}
	return n
}

func (p *rowParser) accuracy() unit.Accuracy {
	text := p.word()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || strconv.FormatFloat(f, 'g', -1, 64) != text {
		p.fail(text, "a fraction in its shortest form")
		return 0
	}
	return unit.Accuracy(f)
}

// queue takes the visible requests; an empty text is no queue.
func (p *rowParser) queue() []policy.Request {
	text := p.word()
	if text == "" {
		return nil
	}
	if n := strings.Count(text, ";") + 1; n > policy.MaxQueue {
		p.fail(text, fmt.Sprintf("at most %d requests, not %d", policy.MaxQueue, n))
		return nil
	}
	queue := make([]policy.Request, 0, strings.Count(text, ";")+1)
	for item := range strings.SplitSeq(text, ";") {
		id, times, _ := strings.Cut(item, ":")
		arrival, deadline, _ := strings.Cut(times, ":")
		i, ok1 := parseInteger(id)
		a, ok2 := parseInteger(arrival)
		d, ok3 := parseInteger(deadline)
		if !ok1 || !ok2 || !ok3 {
			p.fail(item, "id:arrival:deadline")
			return nil
		}
		queue = append(queue, policy.Request{ID: i, Arrival: time.Duration(a), Deadline: time.Duration(d)})
	}
	return queue
}

// parseInteger reads a whole number as strconv prints it: "+1", "01" and "-0" are refused.
func parseInteger(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, false
	}
	var b [20]byte
	return n, string(strconv.AppendInt(b[:0], n, 10)) == text
}
