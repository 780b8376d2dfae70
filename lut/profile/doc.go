// Package profile measures latency tables: every distinct block of a supernet's space, and whole
// networks to judge the sums of blocks by. It owns the protocol (what is run in which order, how
// often, and what is claimed about the samples); a Meter, such as package ort's, runs and times. It
// knows no runtime, reads no clock, and starts nothing but the co-running load it is asked for.
//
// The protocol is rotation with seams. A round visits every block once, in network order, so that a
// block's weights are as cold as in a network: blocks timed back to back do not sum to a network. A
// block timed alone enters and leaves the runtime and its memory layout, in a network it does
// neither; what that costs is measured too, by timing pairs of blocks joined and apart in the same
// rounds, and taken off. docs/measuring.md has the whole story and what the numbers cannot say.
package profile
