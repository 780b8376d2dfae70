package platform

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
)

// powerModel is the board's power model with everything that does not change added up; see [board.Power].
type powerModel struct {
	base      float64 // W: what is fixed, and idle power at 25 C
	perByte   float64 // J
	perKelvin float64 // W/K: of idle power
}

func newPowerModel(b *board.Board) (powerModel, error) {
	m := powerModel{perByte: float64(b.Power.Energy.Value)}
	for i := range b.Power.Fixed {
		m.base += float64(b.Power.Fixed[i].Draw.Value)
	}
	idle := 0.0
	for i := range b.Power.Parts {
		idle += float64(b.Power.Parts[i].Idle.Value)
	}
	m.base += idle
	m.perKelvin = float64(b.Power.Leakage.Value * idle)
	if !(m.base >= 0) || !(m.perByte >= 0) || !(m.perKelvin >= 0) {
		return m, fmt.Errorf("platform: board %s: a coefficient of its power is negative", b.Name)
	}
	return m, nil
}

func (m *powerModel) leak() unit.Watts { return unit.Watts(m.perKelvin) }
