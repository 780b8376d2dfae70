package plot

import (
	"slices"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
)

// Series is a set of networks that the paper measured on a Jetson Xavier NX, or read off its figures.
type Series struct {
	Name      string
	Processor string // "gpu", "cpu"
	Source    string // the figure
	// Points are ascending in latency. Accuracies are top-1 on ImageNet.
	Points []search.Objectives
	// LatencyError and AccuracyError are what the reading may be off by; 0 for published numbers.
	LatencyError  unit.Nanoseconds
	AccuracyError unit.Accuracy
}

// Names of the series.
const (
	DynamicOFA     = "Dynamic-OFA"
	DynamicOFARun  = "Dynamic-OFA, search run"
	StaticOFA      = "OFA, static, fine-tuned"
	AutoSlim       = "AutoSlim-MnasNet"
	MutualNetV1    = "MutualNet-MobileNetV1"
	MutualNetV2    = "MutualNet-MobileNetV2"
	SlimmableV1    = "Slimmable-MobileNetV1"
	USSlimmableV1  = "US-Slimmable-MobileNetV1"
	USSlimmableV2  = "US-Slimmable-MobileNetV2"
	paperReference = "Lou et al., Dynamic-OFA, CVPR Workshops 2021"
)

// Published returns the measured points of the paper, GPU first, then CPU; in each the families, then the
// baselines.
//
// Source: W. Lou, L. Xun, A. Sabet, J. Bi, J. Hare, G. V. Merrett, "Dynamic-OFA: Runtime DNN Architecture
// Switching for Performance Scaling on Heterogeneous Embedded Platforms", CVPR Workshops 2021, Fig. 4a
// (GPU) and Fig. 4b (CPU), digitised from the figures at full size in the authors' repository
// UoS-EEC/DynamicOFA; the accuracies of the GPU family and the latencies of its search run (Fig. 3) are
// numbers in that repository. Reading errors: GPU 0.1 ms, CPU 2 ms, top-1 0.05 points; 0.03 points for the
// CPU family.
func Published() []Series {
	out := make([]Series, len(published))
	for i, s := range published {
		out[i] = Series{Name: s.name, Processor: s.processor, Source: s.source, LatencyError: unit.Milliseconds(s.msError), AccuracyError: unit.Accuracy(s.percentError / 100)}
		for _, p := range s.points {
			ms := p[0]
			if s.processor == "cpu" {
				ms *= 1000
			}
			out[i].Points = append(out[i].Points, search.Objectives{Accuracy: unit.Accuracy(p[1] / 100), Latency: unit.Milliseconds(ms)})
		}
		slices.SortStableFunc(out[i].Points, func(a, b search.Objectives) int {
			switch {
			case a.Latency < b.Latency:
				return -1
			case a.Latency > b.Latency:
				return 1
			}
			return 0
		})
	}
	return out
}

// published holds pairs of latency (GPU: ms, CPU: s) and top-1 (%), as read.
var published = []struct {
	name, processor, source string
	msError, percentError   float64
	points                  [][2]float64
}{
	{DynamicOFA, "gpu", "Fig. 4a", 0.1, 0, [][2]float64{
		{48.78, 74.202}, {53.0, 74.968}, {58.83, 76.134}, {62.13, 77.54}, {71.54, 78.346}, {79.59, 79.03}}},
	{DynamicOFARun, "gpu", "Fig. 3", 0, 0, [][2]float64{
		{41.15893814086914, 74.202}, {45.421348571777344, 74.968}, {49.43550407409668, 76.134}, {51.078761062622064, 77.54}, {56.74680793762207, 78.346}, {61.734702301025386, 79.03}}},
	{StaticOFA, "gpu", "Fig. 4a", 0.1, 0.05, [][2]float64{{66.8114, 79.11}, {70.7243, 79.61}, {78.7022, 80.01}}},
	{AutoSlim, "gpu", "Fig. 4a", 0.1, 0.05, [][2]float64{{72.6606, 73.2}, {99.1851, 74.61}, {132.4422, 75.4}}},
	{MutualNetV1, "gpu", "Fig. 4a", 0.1, 0.05, [][2]float64{
		{41.5945, 45.5}, {44.4839, 50.1}, {46.6055, 58.9}, {46.6972, 60.3}, {50.4472, 63.51}, {52.9409, 64.71}, {55.8131, 67.2},
		{61.5248, 68.39}, {63.1762, 69.1}, {67.4832, 69.72}, {69.8281, 70.2}, {78.2341, 70.9}, {106.5138, 72.4}}},
	{MutualNetV2, "gpu", "Fig. 4a", 0.1, 0.05, [][2]float64{{77.1242, 65.8}, {84.3921, 69.61}, {91.3, 71.8}, {109.4411, 72.71}, {113.6697, 72.91}}},
	{SlimmableV1, "gpu", "Fig. 4a", 0.1, 0.05, [][2]float64{{28.5852, 53.1}, {47.0073, 64.51}, {65.9064, 69.5}, {90.5876, 71.5}}},
	{USSlimmableV1, "gpu", "Fig. 4a", 0.1, 0.05, [][2]float64{
		{52.6721, 55.7}, {57.6031, 57.3}, {58.4655, 58.1}, {61.8349, 60.0}, {62.3853, 61.0}, {63.3962, 61.91}, {65.2345, 63.5}, {67.7959, 64.2}, {74.6789, 66.3},
		{81.5027, 68.29}, {83.5895, 68.8}, {90.2183, 69.8}, {97.1156, 70.61}, {101.3248, 71.31}, {103.9565, 71.31}, {110.8574, 71.6}, {114.3034, 71.7}, {119.9415, 71.8}}},
	{USSlimmableV2, "gpu", "Fig. 4a", 0.1, 0.05, [][2]float64{{110.1308, 63.3}, {110.5595, 65.4}, {125.7271, 69.3}, {139.4886, 70.91}, {157.8545, 71.5}}},

	{DynamicOFA, "cpu", "Fig. 4b", 2, 0.03, [][2]float64{
		{0.502, 72.52}, {0.683, 76.3}, {0.875, 77.14}, {1.1724, 77.45}, {1.5551, 78.13}, {1.6389, 78.39}, {1.8573, 78.5}}},
	{StaticOFA, "cpu", "Fig. 4b", 2, 0.05, [][2]float64{{1.2887, 79.11}, {1.5836, 79.61}, {1.9484, 80.01}}},
	{AutoSlim, "cpu", "Fig. 4b", 2, 0.05, [][2]float64{{1.4408, 73.21}, {1.5942, 74.6}, {2.2214, 75.4}}},
	{MutualNetV1, "cpu", "Fig. 4b", 2, 0.05, [][2]float64{
		{0.3054, 50.1}, {0.3522, 52.7}, {0.392, 54.4}, {0.5098, 60.3}, {0.6065, 63.5}, {0.6478, 64.71}, {0.7133, 65.6}, {0.765, 66.5}, {0.8242, 69.1},
		{0.9043, 69.7}, {0.9608, 70.6}, {1.167, 72.4}}},
	{MutualNetV2, "cpu", "Fig. 4b", 2, 0.05, [][2]float64{{1.0116, 71.01}, {1.0519, 71.4}, {1.0952, 72.01}, {1.1512, 72.4}, {1.2024, 72.71}, {1.2729, 72.9}}},
	{SlimmableV1, "cpu", "Fig. 4b", 2, 0.05, [][2]float64{{0.4339, 53.1}, {0.5604, 64.5}, {0.9468, 69.5}, {1.3272, 71.5}}},
	{USSlimmableV1, "cpu", "Fig. 4b", 2, 0.05, [][2]float64{
		{0.5499, 55.79}, {0.5849, 57.3}, {0.6934, 59.99}, {0.7276, 61.0}, {0.811, 64.2}, {0.8619, 65.0}, {0.9377, 68.8}, {1.1659, 69.7}, {1.3348, 70.6}, {1.5376, 71.8}}},
	{USSlimmableV2, "cpu", "Fig. 4b", 2, 0.05, [][2]float64{
		{0.814, 64.2}, {0.9396, 65.61}, {0.9755, 67.6}, {1.1435, 68.3}, {1.2188, 68.9}, {1.488, 70.0}, {1.6224, 71.5}}},
}
