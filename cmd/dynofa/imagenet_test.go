package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
)

// officialCheckpoints are random-weight supernets that the authors' code wrote: all three families, the
// older and the newer key names, PyTorch's older and newer file format.
var officialCheckpoints = []struct{ space, file string }{
	{"ofa-mbv3-w0.5-c10", "supernet/supernet_zip.pth"},
	{"ofa-mbv3-w0.5-c10", "supernet/supernet_legacy.pth"},
	{"ofa-proxyless-w0.5-c10", "proxyless/supernet_zip.pth"},
	{"ofa-resnet50-w0.1,0.125,0.15-c10", "resnet50/supernet_zip.pth"},
}

// TestOfficialCheckpoints runs the commands of docs/imagenet.md, in order, on every kind of checkpoint.
// What the document leaves to the reader is filled in: ten classes of drawn pictures in place of
// ImageNet's thousand, small numbers in place of large ones.
func TestOfficialCheckpoints(t *testing.T) {
	needRuntime(t)
	text, err := os.ReadFile(filepath.Join(reftest.Root(t), "docs", "imagenet.md"))
	if err != nil {
		t.Fatal(err)
	}
	library, err := filepath.Abs(filepath.Join(reftest.Root(t), ".cache", "onnxruntime", "lib", "libonnxruntime.so.1"))
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("DYNOFA_ONNXRUNTIME") == "" {
		t.Setenv("DYNOFA_ONNXRUNTIME", library)
	}
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", "")) {
		if command, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    dynofa "); ok {
			lines = append(lines, command)
		}
	}
	if len(lines) < 9 {
		t.Fatalf("the document has %d commands, want the nine of the path", len(lines))
	}
	pictures := classFolders(t, 3)
	for _, c := range officialCheckpoints {
		t.Run(c.file, func(t *testing.T) {
			weights := reftest.Path(t, append([]string{"ofa"}, strings.Split(c.file, "/")...)...)
			t.Chdir(t.TempDir())
			fill := strings.NewReplacer(
				"SPACE", c.space, "SUPERNET.pth", weights, "imagenet/val", pictures, "imagenet/train", pictures, "imagenet/test", pictures,
				"--resolutions 160,176,192,208,224", "--resolutions 32 --rounds 2", "--random 500", "--random 2", "--pictures 10000", "--pictures 25",
				"--calibration-pictures 2000", "--calibration-pictures 20", "--accuracy measured", "--resolutions 32 --evaluations 2000 --accuracy "+standIn, "--levels 6", "--levels 2",
				"--duration 60s", "--requests 5")
			for _, line := range lines {
				if strings.HasPrefix(line, "eval fit") {
					continue // wants 20 sub-networks and weights that know something; TestDemoMeasurements has it
				}
				args := strings.Fields(fill.Replace(line))
				if args[0] == "eval" {
					args = append(args, "--resolutions", "32")
				}
				succeed(t, args...)
			}
			for _, name := range []string{"manifest.json", "statistics.safetensors"} {
				if _, err := os.Stat(filepath.Join("bundle", name)); err != nil {
					t.Error(err)
				}
			}
			shown := succeed(t, "family", "show", "--db", "imagenet.db")
			if !strings.Contains(shown, "measured") {
				t.Errorf("accuracies are not measured:\n%s", shown)
			}
		})
	}
}
