package search

import (
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// The neighbours of {k 5, e 3 | k 3, e 6} in a stage of depth 1 to 4, by hand: the other kernel at either
// position (2), the other ratio at either (2), depth 1 (1), depth 3 with each of 2 x 2 blocks (4), depth 4 with
// the last block twice more (1), the other two resolutions (2).
func TestNeighbours(t *testing.T) {
	space := &supernet.Space{Name: "toy", Kernels: []int{3, 5}, Expands: []float64{3, 6}, Depths: []int{1, 2, 3, 4}, Stages: make([]supernet.Stage, 1)}
	e, err := NewEncoding(space, []int{32, 48, 64})
	if err != nil {
		t.Fatal(err)
	}
	g, err := e.Encode(supernet.Arch{KS: []int{5, 3, 0, 0}, E: []float64{3, 6, 0, 0}, D: []int{2}, R: 48})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, text := range []string{
		`{"ks":[3,3,0,0],"e":[3,6,0,0],"d":[2],"r":48}`, `{"ks":[5,5,0,0],"e":[3,6,0,0],"d":[2],"r":48}`,
		`{"ks":[5,3,0,0],"e":[6,6,0,0],"d":[2],"r":48}`, `{"ks":[5,3,0,0],"e":[3,3,0,0],"d":[2],"r":48}`,
		`{"ks":[5,0,0,0],"e":[3,0,0,0],"d":[1],"r":48}`,
		`{"ks":[5,3,3,0],"e":[3,6,3,0],"d":[3],"r":48}`, `{"ks":[5,3,5,0],"e":[3,6,3,0],"d":[3],"r":48}`,
		`{"ks":[5,3,3,0],"e":[3,6,6,0],"d":[3],"r":48}`, `{"ks":[5,3,5,0],"e":[3,6,6,0],"d":[3],"r":48}`,
		`{"ks":[5,3,3,3],"e":[3,6,6,6],"d":[4],"r":48}`,
		`{"ks":[5,3,0,0],"e":[3,6,0,0],"d":[2],"r":32}`, `{"ks":[5,3,0,0],"e":[3,6,0,0],"d":[2],"r":64}`,
	} {
		want[text] = true
	}
	before := string(g)
	e.neighbours(g, func(n Genome) {
		var a supernet.Arch
		e.Decode(n, &a)
		if !want[a.String()] {
			t.Errorf("%v is no neighbour, or comes twice", a)
		}
		delete(want, a.String())
		c := append(Genome(nil), n...)
		if e.Canonical(c); string(c) != string(n) {
			t.Errorf("%v is not canonical", n)
		}
	})
	for text := range want {
		t.Errorf("neighbour %s is missing", text)
	}
	if string(g) != before {
		t.Error("the genome has changed")
	}
}
