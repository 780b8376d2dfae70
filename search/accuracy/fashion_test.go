package accuracy_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

func TestBuiltinFashion(t *testing.T) {
	if reftest.RaceDetector {
		t.Skip("a minute of arithmetic with the race detector; it runs without it")
	}
	space := supernet.FashionMobileNetV3()
	p, err := accuracy.Builtin(space.WithResolutions(16, 24))
	if err != nil {
		t.Fatal(err)
	}
	c, err := accuracy.Fashion()
	if err != nil {
		t.Fatal(err)
	}
	v := p.Validation()
	if v.All.Rows != c.Networks || c.HeldOut > c.Networks || len(v.Resolutions) != len(space.Resolutions) {
		t.Errorf("%+v, %+v", c, v)
	}
	out := make([]unit.Accuracy, 2)
	if err := p.Predict([]supernet.Arch{space.Smallest(), space.Largest()}, out); err != nil {
		t.Fatal(err)
	}
	if !(out[0] > .7 && out[0] < out[1] && out[1] < 1) {
		t.Errorf("smallest %v, largest %v", out[0], out[1])
	}
	if d := p.Describe(); d.Origin != accuracy.Predicted {
		t.Errorf("%+v", d)
	}
}

// WriteCSV writes what FitCSV reads, and what it read it writes again.
func TestWriteCSV(t *testing.T) {
	space := supernet.FashionMobileNetV3()
	var rows []accuracy.Measurement
	for i, r := range space.Resolutions {
		rows = append(rows, accuracy.Measurement{Arch: space.Uniform(3, 2, 1+i%4, r), Top1: unit.Accuracy(.8 + float64(i)/100)})
	}
	var a, b bytes.Buffer
	if err := accuracy.WriteCSV(&a, space, rows); err != nil {
		t.Fatal(err)
	}
	if err := accuracy.WriteCSV(&b, space, rows); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("other bytes: %v", err)
	}
	for _, bad := range []accuracy.Measurement{{Arch: rows[0].Arch, Top1: 1.5}, {Arch: supernet.Arch{R: 16}, Top1: .5}} {
		if err := accuracy.WriteCSV(&b, space, []accuracy.Measurement{bad}); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	if reftest.RaceDetector {
		return // what follows is half a minute of arithmetic with it
	}
	text, err := os.ReadFile("fashion.csv")
	if err != nil {
		t.Fatal(err)
	}
	f, err := accuracy.FitCSV("fashion.csv", bytes.NewReader(text), space)
	if err != nil {
		t.Fatal(err)
	}
	score, err := accuracy.Compare(f, rows)
	if err != nil || score.Rows != len(rows) {
		t.Errorf("%+v, %v", score, err)
	}
}
