package platform

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
)

// Thermal is a chain of two nodes: power heats the die, the die gives heat to the sink, the sink to the air.
// The die's leakage adds power in proportion to its temperature. Between changes of power the temperatures follow
// the exact solution, the sum of two exponentials, so they do not depend on how often anybody looks.
//
// Source: C. J. M. Lasance, "Thermal resistance: an oxymoron?", Electronics Cooling, 1997, for what such a chain
// leaves out; the solution is that of any linear system of two nodes.
type Thermal struct {
	parameters
	at        time.Duration // of the temperatures
	die, sink float64       // C
	power     float64       // W, without the leakage above that at leakageAt
	ambient   float64       // C
	warmth    float64       // integral of die - leakageAt, K s
}

// parameters are the numbers of a chain.
type parameters struct {
	r1, c1, r2, c2 float64 // K/W and J/K, of die and sink
	leak           float64 // W/K
	// The eigenvalues of the system, both negative, fast before slow, and the second components of its eigenvectors,
	// whose first component is 1.
	fast, slow         float64 // 1/s
	fastSink, slowSink float64
}

// leakageAt is the temperature, in C, at which a part draws its idle power.
const leakageAt = 25

// NewThermal returns a chain with both nodes at the ambient temperature and no power. Leak is the growth of the
// power with the die's temperature. It returns an error unless resistances and capacities are positive, the leak is not
// negative, and the chain settles: a leak of more than 1/(sum of the resistances) runs away.
func NewThermal(t *board.Thermal, leak unit.Watts) (*Thermal, error) {
	p := parameters{
		r1: float64(t.DieResistance.Value), c1: float64(t.DieCapacity.Value),
		r2: float64(t.SinkResistance.Value), c2: float64(t.SinkCapacity.Value), leak: float64(leak),
	}
	for _, v := range [...]float64{p.r1, p.c1, p.r2, p.c2} {
		if !(v > 0) || math.IsInf(v, 0) {
			return nil, errors.New("a thermal resistance or capacity is not positive")
		}
	}
	if !(p.leak >= 0) || !(p.leak*(p.r1+p.r2) < 1) {
		return nil, fmt.Errorf("leakage of %g W/K at %g K/W runs away", p.leak, p.r1+p.r2)
	}
	// d/dt (die, sink) = [a b; c d] (die, sink) + what does not depend on them.
	a, b := (p.leak-1/p.r1)/p.c1, 1/(p.r1*p.c1)
	c, d := 1/(p.r1*p.c2), -(1/p.r1+1/p.r2)/p.c2
	root := math.Sqrt(float64((a-d)*(a-d)) + float64(4*b*c))
	p.fast = (a + d - root) / 2
	p.slow = (float64(a*d) - float64(b*c)) / p.fast // not a difference of near numbers
	p.fastSink, p.slowSink = (p.fast-a)/b, (p.slow-a)/b
	ambient := float64(t.Ambient.Value)
	return &Thermal{parameters: p, die: ambient, sink: ambient, ambient: ambient}, nil
}

// settled returns the temperatures that the nodes go to.
func (t *Thermal) settled() (die, sink float64) {
	// power + leak (die - 25) flows through both resistances.
	flow := (t.power + float64(t.leak*(t.ambient-leakageAt))) / (1 - float64(t.leak*(t.r1+t.r2)))
	sink = t.ambient + float64(flow*t.r2)
	return sink + float64(flow*t.r1), sink
}

// parts returns the coefficients of the eigenvectors that the temperatures are off from the settled ones.
func (t *Thermal) parts(die, sink float64) (fast, slow float64) {
	off, offSink := t.die-die, t.sink-sink
	slow = (offSink - float64(t.fastSink*off)) / (t.slowSink - t.fastSink)
	return off - slow, slow
}

// At returns die and sink temperature at a time not before the last change. It changes nothing.
func (t *Thermal) At(now time.Duration) (die, sink unit.Celsius) {
	d, s, _ := t.after((now - t.at).Seconds())
	return unit.Celsius(d), unit.Celsius(s)
}

// after returns the temperatures after some seconds and the integral of the die's above leakageAt until then.
func (t *Thermal) after(dt float64) (die, sink, warmth float64) {
	die, sink = t.settled()
	fast, slow := t.parts(die, sink)
	ef, es := expm1(t.fast*dt), expm1(t.slow*dt)
	warmth = float64((die-leakageAt)*dt) + float64(fast*ef)/t.fast + float64(slow*es)/t.slow
	fast += float64(fast * ef)
	slow += float64(slow * es)
	return die + fast + slow, sink + float64(t.fastSink*fast) + float64(t.slowSink*slow), warmth
}

// advance makes a time the one from which on temperatures follow other inputs.
func (t *Thermal) advance(now time.Duration) {
	if now == t.at {
		return
	}
	var warmth float64
	t.die, t.sink, warmth = t.after((now - t.at).Seconds())
	t.warmth += warmth
	t.at = now
}

// SetPower sets the power from a time on, without what the die leaks more than at 25 C.
func (t *Thermal) SetPower(now time.Duration, w unit.Watts) {
	if float64(w) == t.power {
		return
	}
	t.advance(now)
	t.power = float64(w)
}

// SetAmbient sets the temperature of the air from a time on.
func (t *Thermal) SetAmbient(now time.Duration, c unit.Celsius) {
	t.advance(now)
	t.ambient = float64(c)
}

// Settle jumps to where the temperatures go.
func (t *Thermal) Settle(now time.Duration) {
	t.advance(now)
	t.die, t.sink = t.settled()
}

// Warmth returns the integral over time of the die's temperature above 25 C, in kelvin seconds, until a time
// not before the last change.
func (t *Thermal) Warmth(now time.Duration) float64 {
	_, _, w := t.after((now - t.at).Seconds())
	return t.warmth + w
}
