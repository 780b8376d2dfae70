package profile

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// minCalibration is how many networks a factor is fitted to at least before predictions use it.
const minCalibration = 3

// protocol is a table by one way of measuring blocks, with the table's whole networks.
type protocol struct {
	suffix string // of the facts' names
	table  *lut.Table
}

// judge compares sums of blocks with the table's whole networks and returns what came out as facts:
// for each protocol the raw sum and the sum times a factor, for the first, the table itself, offset
// and scale and the baselines too. The factor is fitted to a few networks drawn by the seed and judged
// on the others; the first protocol's becomes the table's calibration. Resolutions of networks at
// which no block was measured are interpolated.
func (r *run) judge(t *lut.Table, others []protocol) ([]lut.Fact, error) {
	if len(t.Networks) < 2 || r.Calibrate == 0 {
		return nil, nil
	}
	var facts []lut.Fact
	add := func(name, format string, args ...any) {
		facts = append(facts, lut.Fact{Name: factPrefix + name, Value: fmt.Sprintf(format, args...)})
	}
	for i, p := range append([]protocol{{"", t}}, others...) {
		full, err := lut.Interpolate(p.table, r.Space, resolutionsOf(r.plan.networks))
		if err != nil {
			return nil, err
		}
		report, err := lut.Calibrate(full, r.Space, lut.CalibrateOptions{Networks: min(r.Calibrate, len(t.Networks)/2), Seed: r.Seed})
		if err != nil {
			return nil, err
		}
		for _, f := range report.Fits {
			if i == 0 || f.Name == "raw sum" || f.Name == "scale" {
				add(f.Name+p.suffix, "%s", fitText(f))
			}
		}
		if i > 0 {
			continue
		}
		if len(report.Fitted) >= minCalibration {
			t.Calibration = report.Calibration
			add("calibration", "factor %.4f, fitted to %d networks drawn by the seed, judged on the other %d", t.Calibration.Scale, len(report.Fitted), report.Judged)
		}
		if err := networkFacts(full, r.Space, add); err != nil {
			return nil, err
		}
	}
	return facts, nil
}

// networkFacts adds a fact for each whole network: its sum beside its measurement.
func networkFacts(t *lut.Table, s *supernet.Space, add func(name, format string, args ...any)) error {
	raw := *t
	raw.Calibration = lut.Calibration{}
	p, err := lut.NewPredictor(&raw, s)
	if err != nil {
		return err
	}
	for i, n := range t.Networks {
		a, err := supernet.ParseArch([]byte(n.Arch))
		if err != nil {
			return err
		}
		sum, err := p.Latency(a)
		if err != nil {
			return err
		}
		measured := n.Latency.Central()
		add(fmt.Sprintf("network %d", i+1), "sum of blocks %v, measured %v: %+.2f%%", sum, measured, 100*(float64(sum/measured)-1))
	}
	return nil
}

// fitText says how well a way of predicting does.
func fitText(f lut.Fit) string {
	share := func(s lut.Share) string {
		return fmt.Sprintf("%.1f%% [%.1f, %.1f]", 100*float64(s.Count)/float64(s.Of), 100*s.Low, 100*s.High)
	}
	return fmt.Sprintf("bias %+.2f%%, mean absolute error %.2f%%, largest %.2f%%, within 5%%: %s, within 10%%: %s, Kendall tau %.3f (%d networks)",
		100*f.Bias, 100*f.MAPE, 100*f.Largest, share(f.Within5), share(f.Within10), f.Tau, f.Within5.Of)
}

// judgedBy lists the tables that other ways of measuring blocks would have given: without taking off
// the seams, and run twice in a row.
func (r *run) judgedBy(t *lut.Table, apart []lut.Entry) []protocol {
	other := func(entries []lut.Entry) *lut.Table {
		c := *t
		c.Entries = entries
		return &c
	}
	others := []protocol{{", seams not taken off", other(apart)}}
	if r.Hot == 0 || len(r.samples.hot[0]) == 0 {
		return others
	}
	var hot []lut.Entry
	for i, target := range r.plan.targets {
		times, _, _ := r.samples.hot[i].use(r.Clock)
		hot = append(hot, lut.Entry{Key: lut.Key{Resolution: target.resolution, Block: target.block}, Latency: Summarize(times)})
	}
	return append(others, protocol{", blocks hot", other(hot)})
}

func resolutionsOf(archs []supernet.Arch) []int {
	var rs []int
	for _, a := range archs {
		rs = append(rs, a.R)
	}
	return rs
}
