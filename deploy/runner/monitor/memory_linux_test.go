package monitor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// tenant makes a copy of the test program a run under a memory limit: "ladder" or "none".
const tenant = "DYNOFA_MONITOR_TEST"

func TestMain(m *testing.M) {
	if mode := os.Getenv(tenant); mode != "" {
		if err := serve(mode == "ladder"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		return
	}
	os.Exit(m.Run())
}

// ballast is a session that holds memory of its own.
type ballast struct {
	in, out []float32
	memory  []byte
}

const (
	ballastBytes = 24 << 20
	tenantLevels = 6
	limitBytes   = 120 << 20 // four levels and the program fit, six do not
)

func (b *ballast) Input() []float32  { return b.in }
func (b *ballast) Output() []float32 { return b.out }
func (b *ballast) Run() error        { return nil }
func (b *ballast) Close() error      { return syscall.Munmap(b.memory) }

type grey struct{}

func (grey) Len() int                       { return 1 }
func (grey) Name(int) string                { return "grey" }
func (grey) Label(int) int                  { return -1 }
func (grey) Image(int) (image.Image, error) { return image.NewGray(image.Rect(0, 0, 8, 8)), nil }

// serve waits until its memory is limited, then serves three hundred requests, a third each at levels 5, 2 and 5 again, with
// everything that can be loaded in memory.
func serve(withLadder bool) error {
	if _, err := fmt.Scanln(new(string)); err != nil {
		return err
	}
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		return err
	}
	f := &family.Family{Name: "tenant", Space: s.Name, Source: "made up"}
	for i, d := range []int{2, 2, 3, 3, 4, 4} {
		a, err := s.Canonical(s.Uniform([]int{3, 5}[i%2], 3, d, 32))
		if err != nil {
			return err
		}
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(0.7 + 0.01*float64(i)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{{Processor: "cpu", Latency: 1e6, Origin: lut.Modelled}}})
	}
	pool := runner.NewPool(tenantLevels, func(level int) (runner.Session, error) {
		memory, err := syscall.Mmap(-1, 0, ballastBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return nil, err
		}
		for i := 0; i < len(memory); i += 4096 {
			memory[i] = 1
		}
		return &ballast{in: make([]float32, 3*32*32), out: make([]float32, 10), memory: memory}, nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	health := runner.NewHealth()
	dropped := func() int { return 0 }
	if withLadder {
		need := make([]int64, tenantLevels)
		for i := range need {
			need[i] = ballastBytes
		}
		ladder, err := monitor.NewLadder(monitor.LadderConfig{FS: host.FS(), Levels: pool, Need: need})
		if err != nil {
			return err
		}
		mon, err := monitor.New(monitor.Config{FS: host.FS(), Health: health, Ladder: ladder, Period: 20 * time.Millisecond})
		if err != nil {
			return err
		}
		go mon.Run(ctx)
		dropped = ladder.Dropped
	}
	if err := pool.Load(0); err != nil {
		return err
	}
	pool.LoadBehind(ctx, nil, 1, 2, 3, 4, 5)
	var levels [tenantLevels]int
	total := 0
	for _, spec := range []string{"static:5", "static:2", "static:5"} {
		report, err := runner.Run(ctx, runner.Config{Family: f, Pool: pool, Pictures: grey{}, Policy: bundle.Policy{Spec: spec}, Health: health,
			Arrivals: runner.Periodic, Period: 5 * time.Millisecond, Requests: 100, Answer: func(a runner.Answer) { levels[a.Level]++ }})
		if err != nil {
			return err
		}
		total += int(report.OnTime)
	}
	resident := 0
	for i := range pool.Len() {
		if pool.Resident(i) {
			resident++
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"answered": total, "levels": levels, "dropped": dropped(), "resident": resident, "memory": host.ReadMemoryLimit(host.FS()).Current})
}

// limited makes a memory group below this process's own and returns its folder, or skips.
func limited(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip("no control groups: ", err)
	}
	parent, file := "", "memory.max"
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) != 3:
		case parts[1] == "memory":
			parent, file = filepath.Join("/sys/fs/cgroup/memory", parts[2]), "memory.limit_in_bytes"
		case parts[0] == "0" && parent == "":
			parent = filepath.Join("/sys/fs/cgroup", parts[2])
		}
	}
	dir := filepath.Join(parent, fmt.Sprintf("dynofa-test-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-")))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip("no memory group can be made: ", err)
	}
	t.Cleanup(func() {
		for range 100 { // the kernel may still be taking the process down
			if os.Remove(dir) == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("the memory group is still there")
	})
	if err := os.WriteFile(filepath.Join(dir, file), fmt.Append(nil, limitBytes), 0o644); err != nil {
		t.Skip("memory cannot be limited: ", err)
	}
	return dir
}

// TestRealMemoryLimit runs a family under a memory limit that the kernel enforces: with the ladder every request is answered by the
// set of levels that fits; without it the kernel kills the process, which shows that the limit is real.
func TestRealMemoryLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("runs two processes under a memory limit")
	}
	if reftest.RaceDetector {
		t.Skip("the race detector needs memory of its own")
	}
	for _, mode := range []string{"ladder", "none"} {
		t.Run(mode, func(t *testing.T) {
			dir := limited(t)
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), tenant+"="+mode, "GOMEMLIMIT=24MiB")
			c.Stderr = os.Stderr
			in, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			c.Stdout = &out
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, c.Process.Pid), 0o644); err != nil {
				_ = c.Process.Kill()
				_ = c.Wait()
				t.Skip("a process cannot be put into the memory group: ", err)
			}
			fmt.Fprintln(in, "go")
			err = c.Wait()
			if mode == "none" {
				if err == nil {
					t.Skip("the limit is not enforced here, perhaps by way of swap")
				}
				if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
					t.Errorf("without the ladder the process ended with %v: %s", err, out.String())
				}
				return
			}
			if err != nil {
				t.Fatalf("with the ladder the process ended with %v", err)
			}
			var r struct {
				Answered, Resident, Dropped int
				Levels                      []int
				Memory                      int64
			}
			if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r)
			if r.Answered != 300 || r.Resident < 2 || r.Resident > 4 || r.Memory > limitBytes {
				t.Errorf("%+v of 300 requests", r)
			}
			if r.Levels[5] < 50 || r.Dropped < 1 { // for which one that nobody asks for makes room
				t.Errorf("level 5, which most requests ask for, served %d; dropped %d", r.Levels[5], r.Dropped)
			}
		})
	}
}
