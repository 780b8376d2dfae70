package policy

// option is a level on a processor, as it is at present.
type option struct {
	level, processor int
	latency          int64 // expected, in ticks
	step             int64 // its part in the time of the service: the same but for batches and several processors
	value            int64 // of an answer in time, not negative
	safe             int64 // ticks that suffice with the probability asked for
	knot             [knots]int64
}

// onTime returns the probability, in units of 2^-16, that an inference ends within the slack.
func (p *option) onTime(slack int64) int64 {
	if slack >= p.knot[knots-1] {
		return 1 << 16
	}
	if slack < p.knot[0] {
		return 0
	}
	i := 1
	for slack >= p.knot[i] {
		i++
	}
	return knotAt[i-1] + (knotAt[i]-knotAt[i-1])*(slack-p.knot[i-1])/(p.knot[i]-p.knot[i-1])
}

// options are what may serve, none slower and less valuable than another, in order of latency and value.
type options []option

// reward returns the value of an inference of option j that begins with a slack: 0 if it would be late,
// or more likely to be late than it may be where the fastest option is not.
func (s options) reward(j int, slack int64) int64 {
	o := &s[j]
	if slack < o.safe && slack >= s[0].safe && j > 0 {
		return 0
	}
	return o.value * o.onTime(slack) >> 16
}

// insert adds an option in order of latency, unless another is at least as fast and as valuable, and
// removes those of which the same is true then.
func (s options) insert(o option) options {
	at := 0
	for at < len(s) && (s[at].latency < o.latency || s[at].latency == o.latency && s[at].value >= o.value) {
		at++
	}
	if at > 0 && s[at-1].value >= o.value {
		return s
	}
	end := at
	for end < len(s) && s[end].value <= o.value {
		end++
	}
	if end > at {
		s[at] = o
		return append(s[:at+1], s[end:]...)
	}
	s = append(s, option{})
	copy(s[at+1:], s[at:])
	s[at] = o
	return s
}

// thin leaves at most maxOptions, evenly chosen, the first and the last among them.
func (s options) thin() options {
	n := len(s)
	if n <= maxOptions {
		return s
	}
	for i := range maxOptions {
		s[i] = s[i*(n-1)/(maxOptions-1)]
	}
	return s[:maxOptions]
}
