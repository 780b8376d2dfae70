package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// pairStudy makes a study with a family for a CPU, a GPU and a third processor.
func pairStudy(t *testing.T) string {
	t.Helper()
	db := filepath.Join(t.TempDir(), "s.db")
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	f := &family.Family{Name: "pair", Space: s.Name, Source: "made up for a test"}
	for i, a := range []supernet.Arch{s.Uniform(3, 3, 2, 64), s.Uniform(7, 6, 4, 96)} {
		if a, err = s.Canonical(a); err != nil {
			t.Fatal(err)
		}
		l := family.Level{Arch: a, Accuracy: unit.Accuracy(0.5 + 0.1*float64(i)), AccuracyOrigin: family.AccuracyStandIn}
		for k, name := range []string{"cpu", "gpu", "dla"} {
			l.Latencies = append(l.Latencies, family.Latency{Processor: name, Latency: unit.Milliseconds(float64((i + 1) * (3 - k))), Origin: lut.Modelled})
		}
		f.Levels = append(f.Levels, l)
	}
	study, err := createStudy(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer study.Close()
	if _, err := study.PutFamily(t.Context(), f, 0, now()); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestExportForProcessors(t *testing.T) {
	db, dir := pairStudy(t), t.TempDir()
	export := []string{"export", "--db", db, "--family", "pair", "--checkpoint", "random:1", "--policy"}
	for _, c := range []struct {
		args string
		want []bundle.Processor
		note string
	}{
		{"qdp", []bundle.Processor{{Name: "cpu", Provider: "cpu"}}, ""},
		{"qdp --ep xnnpack", []bundle.Processor{{Name: "cpu", Provider: "xnnpack"}}, ""},
		{"qdp --processors cpu,gpu", []bundle.Processor{{Name: "cpu", Provider: "cpu"}, {Name: "gpu", Provider: "cuda"}}, ""},
		{"qdp --processors gpu,cpu --ep gpu=tensorrt", []bundle.Processor{{Name: "gpu", Provider: "tensorrt"}, {Name: "cpu", Provider: "cpu"}}, ""},
		{"qdp --processors gpu --ep cpu", []bundle.Processor{{Name: "gpu", Provider: "cpu"}}, ""},
		{"slack --ep dla=cpu,gpu=cpu", []bundle.Processor{{Name: "dla", Provider: "cpu"}, {Name: "gpu", Provider: "cpu"}}, "policy slack serves on dla alone"},
	} {
		out := filepath.Join(dir, "bundle")
		printed := succeed(t, append(append(export, strings.Fields(c.args)...), "-o", out)...)
		b, err := bundle.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, b.Manifest().Serving()); d != "" {
			t.Errorf("%s: %s", c.args, d)
		}
		// The service may reach the devices of a GPU if one of the processors needs them.
		unit, err := os.ReadFile(filepath.Join(out, "dynofa.service"))
		devices := slices.ContainsFunc(c.want, func(p bundle.Processor) bool { return p.Provider != "cpu" })
		if err != nil || strings.Contains(string(unit), "SupplementaryGroups=video") != devices {
			t.Errorf("%s: devices %v, %v, unit\n%s", c.args, devices, err, unit)
		}
		if strings.Contains(printed, "alone") != (c.note != "") || !strings.Contains(printed, c.note) {
			t.Errorf("%s: printed\n%s", c.args, printed)
		}
		_ = b.Close()
	}
	for args, want := range map[string]string{
		"qdp --processors cpu,dsp":                         `processor "dsp" is none of cpu,gpu,dla`,
		"qdp --processors dla":                             "which execution provider runs it? Write --ep dla=PROVIDER",
		"qdp --processors cpu,gpu --ep cpu":                "for which of cpu,gpu?",
		"qdp --ep gpu=cpu,gpu=cuda":                        `"gpu" stands twice`,
		"qdp --ep warp":                                    `"warp" is no execution provider`,
		"slack --processors cpu,gpu --param processor=dla": `"dla" is none of cpu, gpu`,
	} {
		code, _, stderr := dynofa(t, append(append(export, strings.Fields(args)...), "-o", filepath.Join(dir, "bad"))...)
		if code != command.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %s, want %s", args, code, stderr, want)
		}
	}
	needRuntime(t)
	// The last one runs where there is no GPU: both processors are this machine's CPU.
	printed := succeed(t, "run", filepath.Join(dir, "bundle"), "--images", "builtin", "--policy", "qdp", "--arrivals", "poisson", "--period", "1ms", "--requests", "50")
	if !strings.Contains(printed, "dla: ") || !strings.Contains(printed, "gpu: ") {
		t.Errorf("report:\n%s", printed)
	}
}
