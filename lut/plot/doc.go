// Package plot draws latency tables, and has what dynofa's other pictures share: the look (fonts,
// colours that colour-blind readers can tell apart, round axes) and the way to a file ([Figure]).
//
// It computes nothing that its parent does not know, and draws only what it is given: a picture says in
// its footnote where the numbers come from.
package plot
