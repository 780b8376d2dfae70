package serve

import (
	"math"
	"slices"
)

// A native histogram of Prometheus has buckets whose bounds grow by a constant factor, so quantiles are as precise at 50 us
// as at 5 s, and one histogram can be added to another. Ours have schema 3: eight buckets for each doubling, each 9%
// wide; bucket i counts values in (2^((i-1)/8), 2^(i/8)] seconds.
//
// Source: Prometheus documentation, "Native Histograms", https://prometheus.io/docs/specs/native_histograms/.
const (
	nativeSchema  = 3
	perDoubling   = 1 << nativeSchema
	nativeLeast   = -20 * perDoubling // index of the bucket that ends at 2^-20 s, about 1 us
	nativeMost    = 10 * perDoubling  // and of the last, which ends at 1024 s and takes what is above
	nativeBuckets = nativeMost - nativeLeast
)

// zeroThreshold is what counts as zero: at most this many seconds.
var zeroThreshold = math.Ldexp(1, -20)

// fractions are the upper bounds of the buckets between 1/2 and 1.
var fractions = func() (f [perDoubling]float64) {
	for i := range f {
		f[i] = math.Exp2(float64(i)/perDoubling) / 2
	}
	return f
}()

// native counts seconds in buckets. It takes no memory as it grows.
type native struct {
	zero   uint64
	counts [nativeBuckets]uint64 // of the buckets after nativeLeast
}

func (n *native) add(seconds float64) {
	if !(seconds > zeroThreshold) {
		n.zero++
		return
	}
	fraction, exponent := math.Frexp(seconds) // fraction in [1/2, 1)
	i, _ := slices.BinarySearch(fractions[:], fraction)
	i += (exponent - 1) * perDoubling
	n.counts[min(i, nativeMost)-nativeLeast-1]++
}

// span is a run of buckets that are written down: how many are skipped before it, and how long it is. The first one's offset
// is the index of its first bucket.
type span struct {
	offset int32
	length uint32
}

// spans returns the buckets that are not empty, as runs, and what each count adds to the one before. Gaps of up to two empty
// buckets are written down, which is shorter than another run.
func (n *native) spans() (runs []span, deltas []int64) {
	previous, end := int64(0), 0 // end: index after the last bucket written down
	for i, count := range n.counts {
		if count == 0 {
			continue
		}
		index := i + nativeLeast + 1
		if gap := index - end; len(runs) > 0 && gap <= 2 {
			for range gap {
				deltas, previous = append(deltas, -previous), 0
			}
			runs[len(runs)-1].length += uint32(gap)
		} else {
			runs = append(runs, span{offset: int32(gap)})
		}
		runs[len(runs)-1].length++
		deltas, previous = append(deltas, int64(count)-previous), int64(count)
		end = index + 1
	}
	return runs, deltas
}
