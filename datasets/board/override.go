package board

import (
	"fmt"
	"slices"
	"strings"
)

// Override is another value for an assumption.
type Override struct {
	Key    string // as Assumptions lists it, such as "thermal.die_resistance"
	Value  string // with its unit, as in a file
	Reason string // why; optional
}

// Override returns a copy of the board with other values for some of its assumptions. They stay
// assumptions, with their reasons in place of the board's. It returns an error, and no board, if a key is
// unknown or given twice, if its number is documented and so no assumption, or if a value is
// out of bounds.
func (b *Board) Override(overrides ...Override) (*Board, error) {
	data, err := b.Encode()
	if err != nil {
		return nil, err
	}
	c, err := Parse(b.Name+".yaml", data)
	if err != nil {
		return nil, err
	}
	var seen []string
	for _, o := range overrides {
		if slices.Contains(seen, o.Key) {
			return nil, fmt.Errorf("board: %s: override of %s given twice", b.Name, o.Key)
		}
		seen = append(seen, o.Key)
		if err := c.override(o); err != nil {
			return nil, fmt.Errorf("board: %s: override of %s: %w", b.Name, clip(o.Key), err)
		}
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

func (b *Board) override(o Override) error {
	var number quantity
	b.schema().visit("", func(key string, q quantity) {
		if key == o.Key {
			number = q
		}
	})
	if number == nil {
		return fmt.Errorf("no number has that key; the assumptions are %s", strings.Join(b.Assumptions(), ", "))
	}
	from := number.origin()
	if !from.Assumption {
		return fmt.Errorf("it is no assumption but comes from %s: change it in a file of your own", from.Source)
	}
	if err := number.set(o.Value); err != nil {
		return err
	}
	from.Source = o.Reason
	if from.Source == "" {
		from.Source = "given by the user"
	}
	return nil
}
