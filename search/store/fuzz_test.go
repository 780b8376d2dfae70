package store

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/search/family"
)

// FuzzFamily reads family documents as they may stand in anybody's study: what is accepted is valid
// and round-trips.
func FuzzFamily(f *testing.F) {
	paper, err := family.PaperGPU6()
	if err != nil {
		f.Fatal(err)
	}
	paper.Levels = paper.Levels[:2]
	document, err := json.Marshal(paper)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(document))
	f.Add(string(document[:100]))
	f.Add(string(document) + "{}")
	f.Add(`{"name":"f","space":"ofa-mbv3-w1.2","levels":[{"arch":null}]}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, document string) {
		var first, second family.Family
		if decodeFamily(document, &first) != nil {
			return
		}
		if err := first.Validate(); err != nil {
			t.Fatalf("accepted but invalid: %v", err)
		}
		text, err := json.Marshal(&first)
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeFamily(string(text), &second); err != nil {
			t.Fatalf("accepted but unreadable once written: %v", err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("round trip:\n%s", diff)
		}
	})
}
