package store

import (
	"encoding/json"
	"testing"
)

// FuzzTuned reads documents as they may stand in anybody's study: no panic, and what is accepted round-trips.
func FuzzTuned(f *testing.F) {
	f.Add(`{"margin":"10%"}`, `{"scenarios":["a"],"goal":{"target":0.9},"replications":2,"ranking":null}`, `{"outcome":[1]}`)
	f.Add(`{}`, `null`, `{`)
	f.Add(`{"a":1}`, `{"x":0}{}`, `{"outcome":null}`)
	f.Fuzz(func(t *testing.T, params, document, outcome string) {
		if text, err := decodeOutcome(outcome); err == nil && !json.Valid(text) {
			t.Fatalf("accepted %q", text)
		}
		var first Tuned
		first.Spec.Policy = "slack"
		if decodeTuned(params, document, &first) != nil {
			return
		}
		text, err := json.Marshal(first.Tuning)
		if err != nil {
			t.Fatal(err)
		}
		var second Tuned
		second.Spec.Policy = "slack"
		if err := decodeTuned(params, string(text), &second); err != nil {
			t.Fatalf("accepted but unreadable once written: %v\n%s", err, text)
		}
	})
}
