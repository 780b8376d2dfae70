package policy

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

func ladderModel() *Model {
	m := &Model{Processors: []string{"gpu"}}
	for i, ms := range []int{14, 17, 21, 27, 33, 40} {
		m.Levels = append(m.Levels, LevelModel{Accuracy: unit.Accuracy(0.74 + 0.01*float64(i)), Latency: []time.Duration{time.Duration(ms) * time.Millisecond}})
	}
	return m
}

// build makes a QDP with a table, "" for none.
func build(t testing.TB, table string) *QDP {
	t.Helper()
	p, err := New("qdp", map[string]string{"table": table}, ladderModel())
	if err != nil {
		t.Fatal(err)
	}
	return p.(*QDP)
}

// arrive serves Poisson arrivals one by one.
func arrive(p *QDP, n int, perSecond float64, due time.Duration) {
	rng := rand.New(rand.NewPCG(1, 2))
	at, free := time.Duration(0), time.Duration(0)
	for i := range n {
		at += time.Duration(rng.ExpFloat64() / perSecond * 1e9)
		now := max(at, free)
		o := &Observation{Now: now, Level: 0, Processor: 0, Waiting: 1, Queue: []Request{{ID: int64(i), Arrival: at, Deadline: at + due}}}
		d := p.Decide(o)
		if d.Action == Serve {
			free = now + p.model.Levels[d.Level].Latency[0]
			p.Observe(Completion{Request: int64(i), Level: d.Level, Start: now, End: free})
		}
	}
}

// A policy that begins with a table has the values of the one that learned it, one that begins with a guess has others.
func TestTable(t *testing.T) {
	learned := build(t, "")
	if learned.Table() != "" {
		t.Error("a table before anything was learned")
	}
	arrive(learned, 600, 40, 60*time.Millisecond)
	text := learned.Table()
	off := func(p *QDP) (most int64) {
		for i, h := range learned.values.h {
			most = max(most, max(h-p.values.h[i], p.values.h[i]-h))
		}
		return most
	}
	cold, warm := off(build(t, "")), off(build(t, text))
	if warm*2 > cold { // the law of the noise is not in it
		t.Errorf("values are off by %d at most with the table, by %d with a guess", warm, cold)
	}
	if len(text) > 2000 {
		t.Errorf("%d characters", len(text))
	}
	for _, bad := range []string{"!", text[:40], text + "AA", "C" + text[1:], strings.Repeat("A", 9000)} {
		if _, err := New("qdp", map[string]string{"table": bad}, ladderModel()); err == nil || !strings.Contains(err.Error(), `parameter "table"`) {
			t.Errorf("table %.20q: error %v", bad, err)
		}
	}
}

// FuzzTable builds policies from tables as they may stand in anybody's bundle.
func FuzzTable(f *testing.F) {
	p := build(f, "")
	arrive(p, 100, 40, 60*time.Millisecond)
	f.Add(p.Table())
	f.Add("AgI")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := New("qdp", map[string]string{"table": text}, ladderModel())
		if err == nil {
			arrive(p.(*QDP), 20, 40, 60*time.Millisecond)
		}
	})
}
