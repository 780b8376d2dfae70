package lut

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// place is a place for a block in a supernet. The same place at another resolution has the same name
// and as many choices, in the same order, with other feature maps.
type place struct {
	name   string           // as supernet.Layer.Name
	always bool             // every sub-network has it, and there is no choice
	blocks []supernet.Block // the choices; some may be equal
}

// placesAt lists the places of s at resolution r, in network order.
func placesAt(s *supernet.Space, r int) ([]place, error) {
	if err := checkResolution(r); err != nil {
		return nil, err
	}
	slots := s.Slots(r)
	places := make([]place, len(slots))
	for i := range slots {
		sl := &slots[i]
		places[i] = place{sl.Name, sl.Depth < 0 && !sl.Elastic(), sl.Blocks()}
	}
	return places, nil
}

// The resolutions that networks can have; see supernet.Space.Canonical.
const minResolution, maxResolution = 8, 4096

func checkResolution(r int) error {
	if r < minResolution || r > maxResolution {
		return fmt.Errorf("resolution %d is outside [%d, %d]", r, minResolution, maxResolution)
	}
	return nil
}

// pixels returns the size of a block's input feature map.
func pixels(b supernet.Block) float64 { return float64(b.In.Size) * float64(b.In.Size) }
