package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/search/family"
)

// Verdicts of a check.
const (
	checkOK   = "ok"
	checkWarn = "warning" // runs, but slower or with more noise than it could
	checkFail = "problem" // does not run
)

// finding is what one check found and what to do about it.
type finding struct{ name, verdict, detail, remedy string }

// Doctor is the command that checks whether this machine can run bundles, and how well.
func Doctor() *cli.Command {
	var library, dir, prepared, system, format string
	return &cli.Command{
		Name:  "doctor",
		Usage: "check this machine: ONNX Runtime, a bundle and its execution provider, the cache folder, disk, memory, clocks and who may set them, temperatures",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bundle", Usage: "check this bundle, too: `FOLDER`", Destination: &dir},
			&cli.StringFlag{Name: "prepared", Usage: "`FOLDER` for prepared graphs, as for run", Destination: &prepared},
			systemFlag(&system),
			RuntimeFlag(&library),
			OutputFlag(&format),
		},
		Action: func(c *cli.Context) error {
			if err := CheckFormat(format); err != nil {
				return err
			}
			fsys, _, err := openSystem(system)
			if err == nil {
				system, err = filepath.Abs(system)
			}
			if err != nil {
				return err
			}
			may := func(name string) bool { return mayWrite(filepath.Join(system, name)) }
			found, need := checkBundle(c.Context, dir)
			found = append(found, checkRuntime(library, need.serving...)...)
			found = append(found, checkCache(prepared))
			found = append(found, checkSpace(prepared, need.bytes, freeBytes))
			found = append(found, checkHost(fsys)...)
			found = append(found, checkClockAccess(fsys, may))
			found = append(found, checkChosenClocks(fsys, may, need.policy, need.clocks)...)
			found = append(found, checkLeftClocks(prepared, system)...)
			g := &Grid{Head: []string{"check", "verdict", "found", "what to do"}}
			problems := 0
			for _, f := range found {
				if f.verdict == checkFail {
					problems++
				}
				g.Add(f.name, f.verdict, f.detail, f.remedy)
			}
			if err := g.Print(c.App.Writer, format); err != nil {
				return err
			}
			if problems > 0 {
				return fmt.Errorf("%d checks found a problem", problems)
			}
			return nil
		},
	}
}

// needs are what a bundle asks of a machine.
type needs struct {
	serving []bundle.Processor
	bytes   int64 // of disk for preparing it
	policy  string
	clocks  []family.Clocks // that the policy may choose
}

// usualNeeds are those of six levels of w1.2: their tensors, each level's own and shared parts once, took 171 and 87 MB
// (docs/studies/runtime), and while it is prepared a bundle needs both.
var usualNeeds = needs{serving: []bundle.Processor{{Name: "cpu", Provider: "cpu"}}, bytes: 259e6}

// checkBundle verifies a bundle and returns what it needs.
func checkBundle(ctx context.Context, dir string) ([]finding, needs) {
	if dir == "" {
		return nil, usualNeeds
	}
	f := finding{name: "bundle", verdict: checkFail, remedy: "export it again, or copy it again"}
	b, err := bundle.Open(dir)
	if err == nil {
		defer b.Close()
		err = b.Verify(ctx)
	}
	if err != nil {
		f.detail = err.Error()
		return []finding{f}, usualNeeds
	}
	m := b.Manifest()
	need := needs{serving: m.Serving(), policy: m.Policy.Spec, clocks: m.Family.Clocks}
	for _, file := range m.Files {
		if file.Path == m.Supernet { // an upper bound: each level once, and once more what they share
			need.bytes = file.Size * int64(len(m.Family.Levels)+1)
		}
	}
	detail := fmt.Sprintf("%d levels of %s, digest %s", len(m.Family.Levels), m.Family.Space, b.Digest()[:12])
	if len(need.serving) > 1 {
		detail += ", served by " + processorNames(need.serving)
	}
	return []finding{{"bundle", checkOK, detail, ""}}, need
}

// checkRuntime loads ONNX Runtime and runs a small block with the execution provider of each processor.
func checkRuntime(explicit string, serving ...bundle.Processor) []finding {
	rt, err := LoadRuntime(explicit)
	if err != nil {
		return []finding{{"onnxruntime", checkFail, err.Error(), "make runtime, or --onnxruntime PATH"}}
	}
	list := []finding{{"onnxruntime", checkOK, "version " + rt.Version() + " at " + rt.Path(), ""}}
	for _, p := range serving {
		list = append(list, checkProvider(rt, p, serving))
	}
	return list
}

// checkProvider runs a small block as a processor would. What the library lacks stops a run only if no CPU is left.
func checkProvider(rt *ort.Runtime, p bundle.Processor, serving []bundle.Processor) finding {
	f := finding{name: "provider " + p.Provider, verdict: checkFail, remedy: "name a build of ONNX Runtime that has it, or export for another provider"}
	if len(serving) > 1 {
		f.name += " of " + p.Name
	}
	took, err := probe(rt, ort.Options{Provider: p.Provider})
	switch {
	case err == nil:
		f.verdict, f.remedy, f.detail = checkOK, "", fmt.Sprintf("a block ran in %v", unit.Nanos(took))
		return f
	case canServeWithout(p, serving):
		f.verdict, f.remedy = checkWarn, "the other processors serve without it; "+f.remedy
	}
	f.detail = err.Error()
	return f
}

// checkCache looks whether prepared graphs can be kept.
func checkCache(arg string) finding {
	f := finding{name: "cache folder", verdict: checkFail, remedy: "name another with --prepared, or run with --prepared none"}
	dir, err := cacheFolder(arg)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		probe := filepath.Join(dir, ".doctor")
		err = errors.Join(os.WriteFile(probe, []byte("x"), 0o600), os.Remove(probe))
	}
	if err != nil {
		f.detail = err.Error()
		return f
	}
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o022 != 0 {
		f.detail = fmt.Sprintf("%s can be written to by others (mode %04o)", dir, info.Mode().Perm())
		f.remedy = "chmod go-w " + dir
		return f
	}
	return finding{"cache folder", checkOK, dir, ""}
}

// smallMemory is what six levels of w1.2 take with everything else of the process, in bytes: 138 MB of
// PSS were measured (docs/studies/runtime), doubled.
const smallMemory = 276e6

// hot is a temperature at which boards begin to throttle or are about to.
const hot unit.Celsius = 85

// checkHost looks at what else decides how fast and how steadily a machine runs.
func checkHost(fsys fs.FS) []finding {
	machine, state := host.ReadMachine(fsys), host.ReadState(fsys)
	list := []finding{{"processor", checkOK, fmt.Sprintf("%s, %d in use, %s", machine.CPU.Model, machine.CPU.Online, ort.Processor()), ""}}
	memory := finding{"memory", checkOK, unit.Bytes(state.AvailableBytes) + " available", ""}
	switch {
	case state.AvailableBytes == 0:
		memory.detail = "unknown"
	case state.AvailableBytes < smallMemory:
		memory.verdict, memory.remedy = checkWarn, "six levels of w1.2 want about 280 MB: end other programs, or export fewer levels"
	}
	list = append(list, memory)
	governors := map[string]bool{}
	for _, p := range state.Policies {
		if p.Governor != "" && p.Governor != "performance" && !governors[p.Governor] {
			governors[p.Governor] = true
			list = append(list, finding{"clocks", checkWarn, "the governor is " + p.Governor + ": latencies vary with the clock",
				"echo performance as root to /sys/devices/system/cpu/cpufreq/" + p.Name + "/scaling_governor, or profile with the governor that stays"})
		}
	}
	if len(governors) == 0 {
		detail := "the governor is performance"
		if len(state.Policies) == 0 {
			detail = "not told here, as in most virtual machines"
		}
		list = append(list, finding{"clocks", checkOK, detail, ""})
	}
	warm := finding{"temperature", checkOK, "not told here", ""}
	for i, t := range state.Temperatures {
		if i == 0 {
			warm.detail = "below " + hot.String()
		}
		if t.Celsius >= hot {
			warm = finding{"temperature", checkWarn, t.Zone + " is at " + t.Celsius.String(), "cool it: clocks are about to be held down"}
			break
		}
	}
	list = append(list, warm)
	if len(state.LoadAverage) > 0 && machine.CPU.Online > 0 && state.LoadAverage[0] > float64(machine.CPU.Online)/2 {
		list = append(list, finding{"load", checkWarn, fmt.Sprintf("%.1f tasks want %d processors", state.LoadAverage[0], machine.CPU.Online),
			"other programs compete: end them, or profile with a co-runner"})
	}
	if strings.Contains(state.PowerMode.Name, "W") {
		list = append(list, finding{"power mode", checkOK, state.PowerMode.Name + ": tables hold for the mode that they were measured in", ""})
	}
	return list
}
