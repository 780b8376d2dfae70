package profile

import (
	"fmt"
	"math"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// biasFacts compares the sum of a table's block medians with the table's whole networks: the raw
// error of additive prediction, nothing fitted. It returns no facts without networks.
func biasFacts(t *lut.Table, s *supernet.Space) ([]lut.Fact, error) {
	if len(t.Networks) == 0 {
		return nil, nil
	}
	p, err := lut.NewPredictor(t, s)
	if err != nil {
		return nil, err
	}
	mean, worst := 0.0, 0.0
	var facts []lut.Fact
	for i, n := range t.Networks {
		a, err := supernet.ParseArch([]byte(n.Arch))
		if err != nil {
			return nil, err
		}
		sum, err := p.Latency(a)
		if err != nil {
			return nil, err
		}
		bias := float64(sum)/float64(n.Latency.Central()) - 1
		mean += bias / float64(len(t.Networks))
		if math.Abs(bias) > math.Abs(worst) {
			worst = bias
		}
		facts = append(facts, lut.Fact{Name: fmt.Sprintf(factPrefix+"raw sum bias, network %d", i+1),
			Value: fmt.Sprintf("%+.2f%% (sum of blocks %v, measured %v)", 100*bias, sum, n.Latency.Central())})
	}
	return append([]lut.Fact{
		{Name: factPrefix + "raw sum bias, mean", Value: fmt.Sprintf("%+.2f%% over %d whole networks", 100*mean, len(t.Networks))},
		{Name: factPrefix + "raw sum bias, largest", Value: fmt.Sprintf("%+.2f%%", 100*worst)},
	}, facts...), nil
}
