package des

import "math/bits"

// Odd constants without structure: the fractional parts of the golden ratio (the increment of SplitMix64), of
// sqrt(3) and of sqrt(5) (as in SHA-512).
const (
	mulA = 0x9e3779b97f4a7c15
	mulB = 0xbb67ae8584caa73b
	mulC = 0x3c6ef372fe94f82b
)

// fingerprint is a running 64-bit hash. Each step is a bijection of the state for a given word and of
// the word for a given state, so two runs that differ in a single word never agree afterwards; others
// agree with a chance of about 2^-64. It is no cryptographic hash.
type fingerprint struct{ state uint64 }

// event mixes in what was handled and when. The sequence number is left out: scheduling and cancelling
// that changes nothing about the trajectory leaves the fingerprint as it is.
func (f *fingerprint) event(at uint64, c Class, s slot) {
	what := uint64(c)<<32 | uint64(s.handler)<<16 | uint64(s.kind)
	h := bits.RotateLeft64(((f.state+mulC)^at)*mulA, 29)
	h = bits.RotateLeft64((h^what)*mulB, 31)
	h = (h ^ s.arg) * mulC
	f.state = h ^ h>>32
}

// mix adds one word.
func (f *fingerprint) mix(v uint64) {
	h := bits.RotateLeft64(((f.state+mulC)^v)*mulA, 31) * mulB
	f.state = h ^ h>>32
}

// Fingerprint returns the hash of the trajectory so far: time, class, handler, kind and payload of
// every event handled, in order, and every value given to Mix. It is the same on every architecture
// as long as the model's numbers are.
func (k *Kernel) Fingerprint() uint64 { return k.print.state }

// Mix adds an ingredient of the model, such as a decision or a drawn number, to the fingerprint.
func (k *Kernel) Mix(v uint64) { k.print.mix(v) }
