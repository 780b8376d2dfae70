package accuracy

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// The predictor's input: one-hot codes of the kernel size and the expand ratio of 20 positions (5
// stages of up to 4 blocks), and of the resolution.
const (
	stages    = 5
	perStage  = 4
	positions = stages * perStage

	expandAt     = 3 * positions          // first input of the expand ratios
	resolutionAt = expandAt + 3*positions // first input of the resolutions
	inputs       = resolutionAt + 8       // 128
	maxActive    = 2*positions + 1        // inputs that are 1 in the deepest network
	minR, maxR   = 112, 112 + 16*8 - 1    // resolutions with an input: 112 to 239
)

// active appends to idx, which has room for maxActive, the indices of the inputs that are 1 for an
// architecture, in ascending order: kernels, expand ratios, resolution. Inactive positions have
// none. Resolutions share an input in steps of 16: (r-112)/16, rounded down.
//
// Source: mit-han-lab/once-for-all, accuracy predictor of the tutorial (its spec2feats).
func active(a supernet.Arch, idx []int) ([]int, error) {
	if len(a.KS) != positions || len(a.E) != positions || len(a.D) != stages {
		return nil, fmt.Errorf("%d kernel sizes, %d expand ratios and %d depths; the predictor knows networks of %d, %d and %d",
			len(a.KS), len(a.E), len(a.D), positions, positions, stages)
	}
	for s, d := range a.D {
		if d < 2 || d > perStage {
			return nil, fmt.Errorf("d[%d] is %d, the predictor knows 2 to %d", s, d, perStage)
		}
		for p := perStage * s; p < perStage*s+d; p++ {
			k := a.KS[p]
			if k != 3 && k != 5 && k != 7 {
				return nil, fmt.Errorf("ks[%d] is %d, the predictor knows 3, 5 and 7", p, k)
			}
			idx = append(idx, 3*p+(k-3)/2)
		}
	}
	for s, d := range a.D {
		for p := perStage * s; p < perStage*s+d; p++ {
			code := 0
			switch a.E[p] {
			case 3:
			case 4:
				code = 1
			case 6:
				code = 2
			default:
				return nil, fmt.Errorf("e[%d] is %g, the predictor knows 3, 4 and 6", p, a.E[p])
			}
			idx = append(idx, expandAt+3*p+code)
		}
	}
	if a.R < minR || a.R > maxR {
		return nil, fmt.Errorf("resolution %d is outside [%d, %d], which the predictor knows", a.R, minR, maxR)
	}
	return append(idx, resolutionAt+(a.R-minR)/16), nil
}
