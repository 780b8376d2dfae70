package accuracy

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy/internal/fit"
)

// builtinJSON holds the parameters of the built-in model, as TestBuiltin -update writes them.
//
//go:embed builtin.json
var builtinJSON []byte

// builtinSettings are what cross-validation chose: an error that is flat around them.
var builtinSettings = fit.Settings{Ceiling: 0.18, Ridge: 2, Runs: true}

// parameters is the form of builtin.json.
type parameters struct {
	Data struct {
		SHA256   string `json:"sha256"`
		Rows     int    `json:"rows"`
		Networks int    `json:"networks"`
	} `json:"data"`
	Folds  int         `json:"folds"`
	All    scoreJSON   `json:"all"`
	Levels []levelJSON `json:"resolutions"`
	Kernel [][]float64 `json:"kernel"` // per cell, per kernel size
	Expand [][]float64 `json:"expand"` // per cell, per expand ratio
}

type levelJSON struct {
	R         int         `json:"r"`
	Ceiling   float64     `json:"ceiling"`
	Gap       float64     `json:"gap"`
	Deviation [][]float64 `json:"deviation"` // per stage: per block, per code of kernel size, per code of expand ratio
	Relative  float64     `json:"relative"`  // root mean squared error less the runs' offsets
	Runs      []float64   `json:"runs"`      // their offsets
	Score     scoreJSON   `json:"score"`
}

type scoreJSON struct {
	Rows int     `json:"rows"`
	MAE  float64 `json:"mae"`
	RMSE float64 `json:"rmse"`
	Bias float64 `json:"bias"`
	Tau  float64 `json:"tau"`
}

// The texts of the built-in predictors' descriptions.
const (
	builtinName   = "measured-fit"
	builtinSource = "top-1 on the 50,000 ImageNet validation images of %d sub-networks of ofa-mbv3-w1.0, published with" +
		" IntelLabs/DyNAS-T (r = 224) and MaximeGirard/memory-optimized-once-for-all (r = 128, 160, 192)"
	builtinNote = "Accuracies are predicted by a fit to measured ones, %.2f points off on average on networks that it had not seen" +
		" (%.2f at r = 224); those of r = 224 come from another source than the rest, so that resolution and" +
		" evaluation set-up are confounded, and other resolutions are interpolated."
	wideNote = " For width 1.2 they are scaled to six published networks (r = 176 to 224): %.2f points off if one is left out."
)

// widest is the space of the six published networks, base that of the measured ones.
const (
	baseWidth = 1.0
	wideWidth = 1.2
)

// Builtin returns the predictor whose parameters come with the program, for OFA-MobileNetV3 of width
// 1.0 and 1.2 with 1000 classes, resolutions 128 to 224.
//
// Width 1.0 is fitted to 3,750 measured sub-networks; see Fitted. On sub-networks it had not seen (10
// folds) it is 0.15 points off on average and 0.05 at r = 224, with Kendall's tau 0.725, 0.772, 0.765
// and 0.965 at r = 128, 160, 192 and 224. At the first three, rows appear to have been measured in four
// runs each, whose offsets (-0.3 to +0.5 points at r = 128) no predictor can know; within a run tau is
// 0.84 to 0.86.
//
// Width 1.2 is the prediction for width 1.0 under an affine map, fitted to the six networks that
// Dynamic-OFA published, with 0.29 points of error if one is left out (root mean square).
// For fashion-mbv3, the built-in supernet, it is fitted to sub-networks that this program measured; see
// Fashion.
//
// It returns an error that names the supported spaces for any other.
func Builtin(space *supernet.Space) (*Fitted, error) {
	if sameChoices(space, supernet.FashionMobileNetV3()) {
		return fashion()
	}
	for _, width := range []float64{baseWidth, wideWidth} {
		known, err := supernet.OFAMobileNetV3(width, 1000)
		if err != nil {
			return nil, fmt.Errorf("accuracy: %w", err)
		}
		if !sameChoices(space, known) {
			continue
		}
		f, err := base()
		if err == nil && width == wideWidth {
			f, err = widen(f, known)
		}
		if err != nil {
			return nil, fmt.Errorf("accuracy: built-in predictor: %w", err)
		}
		return f, nil
	}
	return nil, fmt.Errorf("accuracy: no built-in predictor for %s; there are ones for fashion-mbv3, and for ofa-mbv3-w1.0 and ofa-mbv3-w1.2 with their usual choices", space.Name)
}

// sameChoices reports whether s offers the networks of known, at whatever resolutions.
func sameChoices(s, known *supernet.Space) bool {
	return reflect.DeepEqual(s.WithResolutions(), known.WithResolutions())
}

// base returns the predictor for width 1.0, which is made once.
var base = sync.OnceValues(func() (*Fitted, error) {
	var p parameters
	if err := json.Unmarshal(builtinJSON, &p); err != nil {
		return nil, err
	}
	space, err := supernet.OFAMobileNetV3(baseWidth, 1000)
	if err != nil {
		return nil, err
	}
	return p.fitted(space)
})

// fitted makes a predictor from the parameters.
func (p *parameters) fitted(space *supernet.Space) (*Fitted, error) {
	l, err := newLayout(space)
	if err != nil {
		return nil, err
	}
	model, err := p.model(l)
	if err != nil {
		return nil, err
	}
	v := Validation{Folds: p.Folds, Networks: p.Data.Networks, All: p.All.score()}
	var levels []level
	var best float64
	for i, at := range p.Levels {
		v.Resolutions = append(v.Resolutions, ResolutionScore{at.R, at.Score.score()})
		levels = append(levels, newLevel(l, model, i, at.R, ErrorBar{unit.Accuracy(at.Score.RMSE), unit.Accuracy(at.Relative)}))
		best = at.Score.MAE
	}
	f, err := newFitted(space, l, levels)
	if err != nil {
		return nil, err
	}
	f.validation = v
	f.description = Description{
		Name:   builtinName,
		Origin: Predicted,
		Source: fmt.Sprintf(builtinSource, p.Data.Rows),
		SHA256: p.Data.SHA256,
		Note:   fmt.Sprintf(builtinNote, 100*p.All.MAE, 100*best),
	}
	return f, nil
}

// errShape: the embedded parameters do not fit together.
var errShape = errors.New("parameters of the wrong shape")

func (p *parameters) model(l *layout) (*fit.Model, error) {
	m := &fit.Model{}
	for _, table := range []struct {
		rows  [][]float64
		width int
		to    *[]float64
	}{{p.Kernel, len(l.kernels), &m.Kernel}, {p.Expand, len(l.expands), &m.Expand}} {
		if len(table.rows) != l.Cells() {
			return nil, errShape
		}
		for _, row := range table.rows {
			if len(row) != table.width {
				return nil, errShape
			}
			*table.to = append(*table.to, row...)
		}
	}
	for i, at := range p.Levels {
		if len(at.Deviation) != len(l.stages) || i > 0 && at.R <= p.Levels[i-1].R {
			return nil, errShape
		}
		level := fit.Level{Ceiling: at.Ceiling, Span: at.Gap}
		for _, d := range at.Deviation {
			if len(d) != 3 {
				return nil, errShape
			}
			level.Deviation = append(level.Deviation, d...)
		}
		m.At = append(m.At, level)
	}
	if len(m.At) == 0 {
		return nil, errShape
	}
	return m, nil
}

func (s scoreJSON) score() Score {
	return Score{s.Rows, unit.Accuracy(s.MAE), unit.Accuracy(s.RMSE), unit.Accuracy(s.Bias), s.Tau}
}

// newLevel tabulates a model at its resolution with index i.
func newLevel(l *layout, m *fit.Model, i, r int, bar ErrorBar) level {
	at := &m.At[i]
	out := level{r: r, ceiling: at.Ceiling, span: float64(at.Span * exp(-at.Base)), extra: m.Extra, bar: bar}
	nk, ne := len(l.kernels), len(l.expands)
	for stage, depths := range l.Stages {
		dev := at.Deviation[3*stage:][:3]
		for depth, blocks := range depths {
			for j := range blocks {
				c := l.Cell(stage, depth, j)
				for k := range nk {
					for e := range ne {
						out.block = append(out.block, m.Kernel[c*nk+k]+m.Expand[c*ne+e]+
							dev[0]+float64(dev[1]*l.Kernels[k])+float64(dev[2]*l.Expands[e]))
					}
				}
			}
		}
	}
	return out
}

// published are the six networks of width 1.2 with top-1 accuracies, in per cent.
//
// Source: Lou et al., "Dynamic-OFA: Runtime DNN Architecture Switching for Performance Scaling on
// Heterogeneous Embedded Platforms", CVPR Workshops 2021, and the code published with it (nets_6).
var published = []struct {
	arch string
	top1 float64
}{
	{`{"ks":[5,7,7,0,3,5,0,0,7,7,5,0,5,3,0,0,3,3,0,0],"e":[6,4,4,0,4,3,0,0,6,4,4,0,4,6,0,0,4,3,0,0],"d":[3,2,3,2,2],"r":176}`, 74.202},
	{`{"ks":[7,3,5,0,7,3,0,0,5,7,5,0,5,3,3,0,3,3,0,0],"e":[6,4,4,0,4,6,0,0,3,3,4,0,4,6,6,0,4,3,0,0],"d":[3,2,3,3,2],"r":176}`, 74.968},
	{`{"ks":[5,5,7,0,7,7,7,0,7,7,7,0,7,7,7,0,7,7,7,0],"e":[3,4,3,0,4,4,4,0,4,4,3,0,4,4,4,0,4,4,4,0],"d":[3,3,3,3,3],"r":192}`, 76.134},
	{`{"ks":[7,3,0,0,5,7,3,0,5,5,5,0,7,7,5,0,3,3,3,7],"e":[6,6,0,0,4,4,3,0,6,4,4,0,6,4,4,0,4,6,3,3],"d":[2,3,3,3,4],"r":208}`, 77.54},
	{`{"ks":[5,3,0,0,7,3,3,3,7,5,3,5,7,5,7,3,7,7,5,0],"e":[6,6,0,0,4,6,6,3,4,6,3,4,6,6,6,6,4,4,4,0],"d":[2,4,4,4,3],"r":224}`, 78.346},
	{`{"ks":[5,5,5,5,5,7,7,3,5,7,7,7,7,7,5,5,7,5,5,5],"e":[6,6,6,6,6,6,4,6,6,4,6,6,6,6,6,6,6,6,6,3],"d":[4,4,4,4,4],"r":224}`, 79.03},
}

// widen maps the predictor for width 1.0 to the accuracies published for width 1.2.
func widen(f *Fitted, space *supernet.Space) (*Fitted, error) {
	var archs []supernet.Arch
	measured := make([]float64, len(published))
	for i, p := range published {
		a, err := supernet.ParseArch([]byte(p.arch))
		if err != nil {
			return nil, err
		}
		archs, measured[i] = append(archs, a), p.top1/100
	}
	out := make([]unit.Accuracy, len(archs))
	if err := f.Predict(archs, out); err != nil {
		return nil, err
	}
	x := make([]float64, len(out))
	for i, v := range out {
		x[i] = float64(v)
	}
	offset, slope := line(x, measured, -1)
	held := make([]float64, len(x))
	for i := range x {
		a, b := line(x, measured, i)
		held[i] = a + float64(b*x[i])
	}
	score := newScore(held, measured)

	var levels []level
	for _, at := range f.levels {
		// The six networks' error already holds that of the fit; so far from them as r = 128 both
		// together are the least that must be expected. They do not suffice to tell how much of it
		// networks have in common.
		sd := unit.Accuracy(math.Hypot(float64(score.RMSE), slope*float64(at.bar.StdDev)))
		levels = append(levels, level{at.r, offset + float64(slope*at.ceiling), float64(slope * at.span), at.block, at.extra, ErrorBar{sd, sd}})
	}
	w, err := newFitted(space, f.layout, levels)
	if err != nil {
		return nil, err
	}
	w.validation = Validation{Folds: len(x), Networks: len(x), All: score}
	w.description = f.description
	w.description.Note += fmt.Sprintf(wideNote, score.RMSE.Percent())
	return w, nil
}

// line returns the least-squares line y = offset + slope x through all points but one.
func line(x, y []float64, without int) (offset, slope float64) {
	var n, mx, my float64
	for i := range x {
		if i != without {
			n, mx, my = n+1, mx+x[i], my+y[i]
		}
	}
	mx, my = mx/n, my/n
	var xx, xy float64
	for i := range x {
		if i != without {
			xx += float64((x[i] - mx) * (x[i] - mx))
			xy += float64((x[i] - mx) * (y[i] - my))
		}
	}
	slope = xy / xx
	return my - float64(slope*mx), slope
}

func newScore(predicted, measured []float64) Score {
	s := fit.Compare(predicted, measured)
	return Score{s.N, unit.Accuracy(s.MAE), unit.Accuracy(s.RMSE), unit.Accuracy(s.Bias), s.Tau}
}
