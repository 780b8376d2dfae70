package runner

import (
	"image"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dynofa/dynofa/datasets/images"
)

// counted counts how often pictures are decoded.
type counted struct{ decoded int }

func (c *counted) Len() int        { return 6 }
func (c *counted) Name(int) string { return "pattern" }
func (c *counted) Label(int) int   { return -1 }

func (c *counted) Image(i int) (image.Image, error) {
	c.decoded++
	return images.Pattern(1, i, 40)
}

// TestInputsAreTheSameFromTheCache asks at random for pictures at two resolutions, with room for
// some: always the same numbers as without a cache, memory within its bound.
func TestInputsAreTheSameFromTheCache(t *testing.T) {
	const limit = 4 * 3 * (2*32*32 + 24*24)
	plain, kept := &counted{}, &counted{}
	a, err := newInputs(plain, images.Transform{}, []int{24, 32}, -1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newInputs(kept, images.Transform{}, []int{24, 32, 24}, limit)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	session := map[int][]float32{24: make([]float32, 3*24*24), 32: make([]float32, 3*32*32)} // reused, as a session's input is
	for range 500 {
		i, r := rng.IntN(6), []int{24, 32}[rng.IntN(2)]
		want := make([]float32, 3*r*r)
		if err := a.into(want, i, r); err != nil {
			t.Fatal(err)
		}
		if err := b.into(session[r], i, r); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(want, session[r]) {
			t.Fatalf("picture %d at %d differs", i, r)
		}
		used := int64(0)
		for e := b.order.Front(); e != nil; e = e.Next() {
			used += 4 * int64(len(e.Value.(*input).data))
		}
		if used != b.used || used > limit || len(b.kept) != b.order.Len() {
			t.Fatalf("%d bytes kept, %d counted, limit %d", used, b.used, limit)
		}
	}
	if plain.decoded != 500 || kept.decoded >= 450 || kept.decoded < 200 {
		t.Errorf("%d and %d decodings", plain.decoded, kept.decoded)
	}
}
