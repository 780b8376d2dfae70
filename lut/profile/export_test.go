package profile

import (
	"time"

	"github.com/dynofa/dynofa/lut"
)

// For tests of the stopping rule and the journal's encoding.

func IsLook(n int) bool { return isLook(n) }

func SummarizeLook(samples []time.Duration) lut.Latency { return summarize(samples, lookAlpha) }

func Precise(l lut.Latency, target float64) bool { return precise(l, target) }

// Recode decodes a round of so many units and targets and encodes it again.
func Recode(b []byte, units, targets int) ([]byte, error) {
	r, err := decodeRound(b, units, targets)
	if err != nil {
		return nil, err
	}
	return r.encode(), nil
}

// EncodeRound encodes samples.
func EncodeRound(units, hot []Sample) []byte { return round{units, hot}.encode() }
