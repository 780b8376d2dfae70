package search_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
)

// A search that is interrupted at a random evaluation, once or several times, and resumed from what it
// recorded, ends with the same result as one that was not; nothing is predicted twice but two batches.
func TestResume(t *testing.T) {
	p := toy{toySpace(3, []int{2, 3}, []int{3, 5, 7}, []float64{3, 4}, 32, 48, 64), 1}.problem()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, m := range methods() {
		settings := search.Settings{Method: m, Evaluations: 3000, Population: 60, Seed: 3}
		whole, err := search.Run(ctx, p, settings)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			var record []unit.Accuracy
			settings.Record = func(first int, accuracies []unit.Accuracy) error {
				if first != len(record) {
					return fmt.Errorf("record has %d, the next is %d", len(record), first)
				}
				record = append(record, accuracies...)
				return nil
			}
			var r *search.Result
			for kills := 0; r == nil || r.Stop == search.StopCancelled; kills++ {
				ctx, cancel := context.WithCancelCause(ctx)
				n, at := 0, len(record)+1+rng.IntN(1500)
				settings.Observe = func(supernet.Arch, search.Objectives) {
					if n++; n == at {
						cancel(errors.New("killed"))
					}
				}
				settings.Resume = slices.Clone(record)
				if r, err = search.Run(ctx, p, settings); err != nil {
					t.Fatal(err)
				}
				cancel(nil)
				if kills == 0 && r.Stop != search.StopCancelled {
					t.Fatal("the search was not interrupted")
				}
			}
			if got, want := fmt.Sprintf("%+v", *r), fmt.Sprintf("%+v", *whole); got != want {
				t.Errorf("%v: resumed:\n%s\nwant:\n%s", m, got, want)
			}
			if len(record) != 3000 {
				t.Errorf("%v: %d accuracies are recorded", m, len(record))
			}
		}
	}
}

func TestResumeErrors(t *testing.T) {
	p := toy{toySpace(3, []int{2, 3}, []int{3, 5, 7}, []float64{3, 4}, 32, 48, 64), 1}.problem()
	full := errors.New("the disk is full")
	if _, err := search.Run(ctx, p, search.Settings{Record: func(int, []unit.Accuracy) error { return full }}); !errors.Is(err, full) {
		t.Errorf("error %v, want that of Record", err)
	}
	if _, err := search.Run(ctx, p, search.Settings{Resume: make([]unit.Accuracy, 500)}); !errors.Is(err, search.ErrResume) {
		t.Errorf("another search's record: error %v", err)
	}
}
