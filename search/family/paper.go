package family

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// PaperGPU6Name is the name under which PaperGPU6 is found.
const PaperGPU6Name = "paper-gpu6"

// PaperGPU6 returns Dynamic-OFA's six-level family for the GPU of a Jetson Xavier NX, with the
// accuracies and latencies that its authors measured.
//
// Source: Lou et al., "Dynamic-OFA: Runtime DNN Architecture Switching for Performance Scaling on
// Heterogeneous Embedded Platforms", CVPR Workshops 2021, Fig. 3 (red) and Fig. 7; architectures,
// top-1 on ImageNet and GPU latencies as published with the paper's code (nets_6). Fig. 4a shows
// the same networks with latencies 1.17 to 1.29 times as high, from another measuring set-up.
func PaperGPU6() (*Family, error) {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		return nil, err
	}
	f := &Family{
		Name:   PaperGPU6Name,
		Space:  space.Name,
		Source: "published: Lou et al., Dynamic-OFA, CVPRW 2021, six-level GPU family (Jetson Xavier NX)",
		Rule:   "chosen by the paper's authors: strict Pareto front of measured networks, thinned by hand",
	}
	for i, p := range paperGPU6 {
		arch, err := supernet.ParseArch([]byte(p.arch))
		if err != nil {
			return nil, fmt.Errorf("family: %s: level %d: %w", f.Name, i, err)
		}
		macs, err := space.MACs(arch)
		if err != nil {
			return nil, fmt.Errorf("family: %s: level %d: %w", f.Name, i, err)
		}
		params, err := space.Params(arch)
		if err != nil {
			return nil, fmt.Errorf("family: %s: level %d: %w", f.Name, i, err)
		}
		f.Levels = append(f.Levels, Level{
			Arch: arch, Accuracy: unit.Accuracy(p.top1Percent / 100), AccuracyOrigin: AccuracyPublished,
			MACs: macs, Params: params,
			Latencies: []Latency{{Processor: "gpu", Latency: unit.Milliseconds(p.gpuMilliseconds),
				Origin: lut.Imported, Source: "published measurement of the whole network on a Xavier NX GPU"}},
		})
	}
	return f, f.Validate()
}

// paperGPU6 lists the published figures, level 0 first.
var paperGPU6 = []struct {
	arch                         string
	top1Percent, gpuMilliseconds float64
}{
	{`{"ks":[5,7,7,0,3,5,0,0,7,7,5,0,5,3,0,0,3,3,0,0],"e":[6,4,4,0,4,3,0,0,6,4,4,0,4,6,0,0,4,3,0,0],"d":[3,2,3,2,2],"r":176}`, 74.202, 41.15893814086914},
	{`{"ks":[7,3,5,0,7,3,0,0,5,7,5,0,5,3,3,0,3,3,0,0],"e":[6,4,4,0,4,6,0,0,3,3,4,0,4,6,6,0,4,3,0,0],"d":[3,2,3,3,2],"r":176}`, 74.968, 45.421348571777344},
	{`{"ks":[5,5,7,0,7,7,7,0,7,7,7,0,7,7,7,0,7,7,7,0],"e":[3,4,3,0,4,4,4,0,4,4,3,0,4,4,4,0,4,4,4,0],"d":[3,3,3,3,3],"r":192}`, 76.134, 49.43550407409668},
	{`{"ks":[7,3,0,0,5,7,3,0,5,5,5,0,7,7,5,0,3,3,3,7],"e":[6,6,0,0,4,4,3,0,6,4,4,0,6,4,4,0,4,6,3,3],"d":[2,3,3,3,4],"r":208}`, 77.54, 51.078761062622064},
	{`{"ks":[5,3,0,0,7,3,3,3,7,5,3,5,7,5,7,3,7,7,5,0],"e":[6,6,0,0,4,6,6,3,4,6,3,4,6,6,6,6,4,4,4,0],"d":[2,4,4,4,3],"r":224}`, 78.346, 56.74680793762207},
	{`{"ks":[5,5,5,5,5,7,7,3,5,7,7,7,7,7,5,5,7,5,5,5],"e":[6,6,6,6,6,6,4,6,6,4,6,6,6,6,6,6,6,6,6,3],"d":[4,4,4,4,4],"r":224}`, 79.03, 61.734702301025386},
}
