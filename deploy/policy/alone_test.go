package policy_test

import (
	"testing"

	"github.com/dynofa/dynofa/deploy/policy"
)

// Every policy but qdp takes the rule of a paper, or one of its own, that knows one processor.
func TestAlone(t *testing.T) {
	for _, name := range policy.Names() {
		info, err := policy.About(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Alone() != (name != "qdp") {
			t.Errorf("%s: alone %v", name, info.Alone())
		}
	}
}
