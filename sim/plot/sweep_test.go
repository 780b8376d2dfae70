package plot_test

import (
	"bytes"
	"math"
	"testing"

	base "github.com/dynofa/dynofa/lut/plot"
	simplot "github.com/dynofa/dynofa/sim/plot"
)

func estimates(means ...float64) []simplot.Estimate {
	var all []simplot.Estimate
	for _, m := range means {
		all = append(all, simplot.Estimate{Mean: m, Low: m - 0.5, High: m + 0.5})
	}
	return all
}

func sweep() simplot.Sweep {
	return simplot.Sweep{
		Title: "effective over poisson", Measure: "effective (%)", Cells: []string{"rate=8/s", "rate=12/s"},
		Series: []simplot.Series{{Name: "slack", Values: estimates(75, 70)}, {Name: "qdp", Values: append(estimates(76), simplot.Estimate{Missing: true})}},
	}
}

func tradeoff() simplot.Tradeoff {
	e := estimates(75, 99, 77, 90)
	return simplot.Tradeoff{Title: "t", X: "x (%)", Y: "y (%)", Marks: []simplot.TradeoffPoint{{"slack", e[0], e[1]}, {"qdp", e[2], e[3]}, {"exit", simplot.Estimate{Missing: true}, e[0]}}}
}

// Pictures of sweeps and trade-offs are drawn in every format, twice alike, with the names in them.
func TestSweepFigures(t *testing.T) {
	for name, figure := range map[string]func() (*base.Figure, error){
		"sweep":    func() (*base.Figure, error) { return sweep().Figure() },
		"tradeoff": func() (*base.Figure, error) { return tradeoff().Figure() },
	} {
		for _, format := range []string{"a.svg", "a.png", "a.pdf"} {
			kind, err := base.FormatOf(format)
			if err != nil {
				t.Fatal(err)
			}
			var out [2]bytes.Buffer
			for i := range out {
				f, err := figure()
				if err != nil {
					t.Fatal(err)
				}
				if err := f.Write(&out[i], kind); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(out[0].Bytes(), out[1].Bytes()) || out[0].Len() < 1000 {
				t.Errorf("%s as %s: %d bytes, or not twice alike", name, format, out[0].Len())
			}
			if format == "a.svg" && !(bytes.Contains(out[0].Bytes(), []byte("slack")) && bytes.Contains(out[0].Bytes(), []byte("qdp"))) {
				t.Errorf("%s: the names are missing", name)
			}
		}
	}
}

func TestBadSweeps(t *testing.T) {
	for name, change := range map[string]func(*simplot.Sweep){
		"no cells":  func(s *simplot.Sweep) { s.Cells = nil },
		"no series": func(s *simplot.Sweep) { s.Series = nil },
		"too few":   func(s *simplot.Sweep) { s.Series[0].Values = s.Series[0].Values[:1] },
		"NaN":       func(s *simplot.Sweep) { s.Series[0].Values[0].Mean = math.NaN() },
		"outside":   func(s *simplot.Sweep) { s.Series[0].Values[0].Low = 1000 },
	} {
		s := sweep()
		change(&s)
		if _, err := s.Figure(); err == nil {
			t.Errorf("%s: drawn", name)
		}
	}
	bad := tradeoff()
	bad.Marks[0].X.High = 0
	for _, f := range []simplot.Tradeoff{{}, bad} {
		if _, err := f.Figure(); err == nil {
			t.Errorf("%+v is drawn", f)
		}
	}
}
