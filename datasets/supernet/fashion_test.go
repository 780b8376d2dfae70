package supernet_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// The description that the training tool reads is that of the space which users ask for by name.
func TestFashionSpaceIsTheTrainedOne(t *testing.T) {
	s := byName(t, "fashion-mbv3")
	text, err := os.ReadFile("train/space.json")
	if err != nil {
		t.Fatal(err)
	}
	var trained supernet.Space
	if err := json.Unmarshal(text, &trained); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&trained, s); d != "" {
		t.Errorf("train/space.json (-) is not the space (+):\n%s", d)
	}
}

// Parameters: those that train/model.py counts (Supernet.count).
func TestFashionParams(t *testing.T) {
	s := byName(t, "fashion-mbv3")
	params, err := s.Params(s.Largest())
	if err != nil || params != 1353290 {
		t.Errorf("%d parameters, %v; want 1353290", params, err)
	}
	for _, name := range []string{"fashion-mbv3-w1.0", "fashion-mbv3-c100", "fashion"} {
		if s, err := supernet.ByName(name); err == nil {
			t.Errorf("%q is taken for %s", name, s.Name)
		}
	}
}
