package board

import (
	"fmt"
	"math"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Activity is what a board is doing.
type Activity struct {
	Temperature unit.Celsius   // of the die
	Bandwidth   BytesPerSecond // of the memory
	Parts       []PartActivity // of the processors; one that is not among them is idle
}

// PartActivity is what a processor is doing.
type PartActivity struct {
	Processor   string
	Clock       unit.Hertz
	Utilisation float64 // share of all its cores that is busy, in [0, 1]
}

// RailDraw is the power that a rail feeds.
type RailDraw struct {
	Rail string
	Draw unit.Watts
}

// leakageAt is the temperature of the parts' idle power.
const leakageAt unit.Celsius = 25

// Draw returns the power of the whole board in some activity by the model of [Power], and that of its rails
// in their order; what no rail feeds is in the total only. It returns an error if the activity names a processor
// that the board does not have, or one twice, or if a number is negative or a utilisation above 1.
func (b *Board) Draw(a Activity) (unit.Watts, []RailDraw, error) {
	total, fed := unit.Watts(0), map[string]unit.Watts{}
	add := func(part string, w unit.Watts) {
		total += w
		fed[part] += w
	}
	if !(a.Bandwidth >= 0) {
		return 0, nil, fmt.Errorf("board: %s: bandwidth %g is negative", b.Name, float64(a.Bandwidth))
	}
	for i := range b.Power.Fixed {
		add(b.Power.Fixed[i].Name, b.Power.Fixed[i].Draw.Value)
	}
	add("memory", unit.Watts(float64(b.Power.Energy.Value)*float64(a.Bandwidth)))
	warm := max(0, 1+float64(b.Power.Leakage.Value*float64(a.Temperature-leakageAt)))
	for i := range b.Power.Parts {
		add(b.Power.Parts[i].Processor, unit.Watts(float64(b.Power.Parts[i].Idle.Value)*warm))
	}
	seen := map[string]bool{}
	for _, p := range a.Parts {
		if seen[p.Processor] {
			return 0, nil, fmt.Errorf("board: %s: processor %s is named twice", b.Name, clip(p.Processor))
		}
		seen[p.Processor] = true
		w, err := b.busy(p)
		if err != nil {
			return 0, nil, err
		}
		add(p.Processor, w)
	}
	var rails []RailDraw
	for _, r := range b.Power.Rails {
		d := RailDraw{Rail: r.Name}
		for _, part := range r.Feeds {
			d.Draw += fed[part]
		}
		rails = append(rails, d)
	}
	return total, rails, nil
}

// busy returns what an activity costs on top of idle power.
func (b *Board) busy(a PartActivity) (unit.Watts, error) {
	p := b.Processor(a.Processor)
	if p == nil {
		return 0, fmt.Errorf("board: %s: %q is no processor of the board", b.Name, clip(a.Processor))
	}
	if !(a.Utilisation >= 0 && a.Utilisation <= 1) || !(a.Clock >= 0) {
		return 0, fmt.Errorf("board: %s: %s at %g Hz is %g busy", b.Name, a.Processor, float64(a.Clock), a.Utilisation)
	}
	for i := range b.Power.Parts {
		if part := &b.Power.Parts[i]; part.Processor == a.Processor {
			top := p.Clocks.Values[len(p.Clocks.Values)-1]
			share := math.Pow(float64(a.Clock/top), part.Exponent.Value)
			return unit.Watts(float64(part.Full.Value) * a.Utilisation * share), nil
		}
	}
	return 0, fmt.Errorf("board: %s: no power is known of %s", b.Name, a.Processor)
}
