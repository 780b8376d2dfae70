package lut

import (
	"fmt"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// Limits of the checks against arithmetic.
const (
	// standOut times the 90th percentile of an entry's multiply-accumulates per second is more than
	// blocks of one space differ: on published tables of a CPU, a GPU and a phone the fastest honest
	// entry has 1.2 to 2.8 times that percentile.
	standOut = 4
	// fewRates is below how many entries that percentile is not taken.
	fewRates = 20
)

// bytesPerElement by precision; 4 for any other.
var bytesPerElement = map[string]int64{"fp16": 2, "bf16": 2, "int8": 1, "uint8": 1}

// macs returns the multiply-accumulates of a whole batch.
func (a *auditor) macs(b supernet.Block) float64 {
	return float64(b.MACs()) * float64(max(1, a.t.Point.Batch))
}

// bytes returns what a block moves at least: its weights once, its input and output for each picture.
func (a *auditor) bytes(b supernet.Block) float64 {
	size, ok := bytesPerElement[a.t.Point.Precision]
	if !ok {
		size = 4
	}
	maps := float64(b.In.Size)*float64(b.In.Size)*float64(b.In.Channels) + float64(b.Out.Size)*float64(b.Out.Size)*float64(b.Out.Channels)
	return float64(size) * (float64(b.Params()) + maps*float64(max(1, a.t.Point.Batch)))
}

// roofline looks for entries that are faster than the device can be: arithmetic or memory traffic
// at the stated peaks takes longer. Without a stated peak of arithmetic, entries that stand out from
// the others are doubted.
//
// Source: Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for
// multicore architectures", Communications of the ACM 52(4), 2009.
func (a *auditor) roofline() error {
	peak, severity := a.o.PeakMACs, Fault
	bound := fmt.Sprintf("the stated peak of %.4g multiply-accumulates per second", peak)
	if peak == 0 {
		var rates []float64
		for _, e := range a.entries {
			if macs, latency := a.macs(e.Key.Block), float64(e.Latency.Central()); macs > 0 && latency > 0 {
				rates = append(rates, macs/latency*1e9)
			}
		}
		if len(rates) >= fewRates {
			slices.Sort(rates)
			high := rates[len(rates)*9/10]
			peak, severity = standOut*high, Doubt
			bound = fmt.Sprintf("%d times the rate of %.4g multiply-accumulates per second that nine in ten entries stay below", standOut, high)
		}
	}
	if a.o.PeakBytes > 0 {
		bound += fmt.Sprintf(" or the stated peak of %.4g bytes per second", a.o.PeakBytes)
	}
	var evidence []ranked
	for _, e := range a.entries {
		latency, least := float64(e.Latency.Central()), 0.0 // ns
		if peak > 0 {
			least = a.macs(e.Key.Block) / peak * 1e9
		}
		if a.o.PeakBytes > 0 {
			moves := a.bytes(e.Key.Block) / a.o.PeakBytes * 1e9
			if least = max(least, moves); latency < moves && latency > 0 {
				severity = Fault
			}
		}
		switch {
		case latency == 0 && a.macs(e.Key.Block) > 0 && a.t.Origin != Modelled:
			severity = Fault
			evidence = append(evidence, ranked{1e300, Evidence{e.Key.String(), "no time at all"}})
		case latency < least && latency > 0:
			evidence = append(evidence, ranked{least / latency, Evidence{e.Key.String(), fmt.Sprintf("%v, at least %v expected", e.Latency.Central(), unit.Nanoseconds(least))}})
		}
	}
	switch {
	case len(evidence) > 0:
		a.find(Finding{Code: CodeRoofline, Severity: severity, Count: len(evidence), Of: len(a.entries), Evidence: worst(evidence),
			Message: fmt.Sprintf("%d of %d entries are faster than %s allows", len(evidence), len(a.entries), bound)})
	case peak == 0 && a.o.PeakBytes == 0:
		a.skip(CodeRoofline, "no peak is stated, and %d entries are too few to compare with each other", len(a.entries))
	default:
		a.pass(CodeRoofline, "no entry is faster than %s allows", bound)
	}
	return nil
}

// Rates beyond which a unit is suspected, in multiply-accumulates per second of all entries together.
const (
	slowestCPU   = 1e7      // a Cortex-M at 200 MHz does some 1e8
	slowestOther = 3e8      // the smallest GPUs that run networks do some 5e9
	fastestCore  = 6e9 * 32 // 6 GHz, two 512-bit multiply-add units, float32
	fastestOther = 2e14     // half of what an H100 does in float32 on paper, tensor cores included
)

// unit compares the table's overall rate with what devices do.
func (a *auditor) unit() error {
	macs, total := 0.0, 0.0
	for _, e := range a.entries {
		macs += a.macs(e.Key.Block)
		total += float64(e.Latency.Central())
	}
	if !(total > 0 && macs > 0) {
		a.skip(CodeUnit, "the table's entries do no arithmetic or take no time")
		return nil
	}
	rate := macs / total * 1e9
	slowest, fastest, kind := slowestOther, fastestOther, "a processor"
	if a.t.Point.Processor == "cpu" {
		slowest, fastest, kind = slowestCPU, fastestCore*float64(max(1, a.t.Point.Threads)), "a CPU"
		if bytesPerElement[a.t.Point.Precision] != 0 {
			fastest *= 8 // narrow types, matrix units
		}
	}
	text := fmt.Sprintf("all entries together do %.3g multiply-accumulates per second", rate)
	f := Finding{Code: CodeUnit, Severity: Fault, Count: len(a.entries), Of: len(a.entries)}
	switch {
	case rate < slowest:
		f.Message = fmt.Sprintf("%s, fewer than %s that runs such networks does (%.2g): were microseconds or nanoseconds taken for milliseconds?", text, kind, slowest)
		a.find(f)
	case rate > fastest:
		f.Message = fmt.Sprintf("%s, more than %s does (%.2g): were seconds taken for milliseconds?", text, kind, fastest)
		a.find(f)
	default:
		a.pass(CodeUnit, "%s, which %s can do", text, kind)
	}
	return nil
}
