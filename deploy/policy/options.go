package policy

// option is a level on a processor, as it is at present.
type option struct {
	level, processor int
	clock            int   // step as in a Decision
	cost             int64 // of an inference, in time or not
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

// net returns what an answer in time is worth less what it costs.
func (p *option) net() int64 { return p.value - p.cost }

// options are what may serve, none slower and worth less than another, in order of latency and worth.
type options []option

// reward returns the value of an inference of option j that begins with a slack, less its cost; false if it would be
// late, or more likely to be late than it may be where the fastest option is not.
func (s options) reward(j int, slack int64) (int64, bool) {
	o := &s[j]
	if slack < o.safe && slack >= s[0].safe && j > 0 {
		return 0, false
	}
	r := o.value * o.onTime(slack) >> 16
	return r - o.cost, r != 0
}

// same reports whether two moves are the same level on the same processor, at whatever clock.
func (s options) same(a, b int16) bool {
	return a == b || a >= 0 && b >= 0 && s[a].level == s[b].level && s[a].processor == s[b].processor
}

// insert adds an option in order of latency, unless another is at least as fast and worth as much, and
// removes those of which the same is true then.
func (s options) insert(o option) options {
	at := 0
	for at < len(s) && (s[at].latency < o.latency || s[at].latency == o.latency && s[at].net() >= o.net()) {
		at++
	}
	if at > 0 && s[at-1].net() >= o.net() {
		return s
	}
	end := at
	for end < len(s) && s[end].net() <= o.net() {
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

// within leaves out what takes longer than a request may take from its arrival on, but for the fastest.
func (s options) within(due int64) options {
	n := len(s)
	for n > 1 && s[n-1].latency > due {
		n--
	}
	return s[:n]
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
