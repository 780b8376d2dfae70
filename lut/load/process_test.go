//go:build linux

package load_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dynofa/dynofa/lut/load"
)

// role makes a copy of the test program play a part: "nomain" starts a load before Main, "parent" starts
// one, prints its id and waits to be killed.
const role = "DYNOFA_LOAD_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) == "nomain" {
		_, err := load.Start(context.Background(), load.Spec{Kind: load.CPU, Threads: 1})
		fmt.Println(errors.Is(err, load.ErrNoMain))
		os.Exit(0)
	}
	load.Main()
	if os.Getenv(role) == "parent" {
		p, err := load.Start(context.Background(), load.Spec{Kind: load.CPU, Threads: 1})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.PID())
		select {}
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what must happen at some time; it is no measure of speed.
const patience = 60 * time.Second

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s has not come about in %v", what, patience)
		}
	}
}

func start(t testing.TB, spec load.Spec) *load.Process {
	t.Helper()
	p, err := load.Start(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	return p
}

// ticks is the user and system time of a stat file in clock ticks of 10 ms (fields 14 and 15 of proc(5));
// state is field 3. ok is false if the process or thread is gone.
func ticks(path string) (n int64, state string, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, "", false
	}
	// The name in parentheses may hold spaces.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return user + system, fields[0], true
}

// threads returns the processor time of each thread in ticks, most first.
func threads(pid int) []int64 {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	var out []int64
	for _, task := range tasks {
		if n, _, ok := ticks(task); ok {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

// gone is true of processes that do not exist, and of dead ones nobody has waited for.
func gone(pid int) bool {
	_, state, ok := ticks(fmt.Sprintf("/proc/%d/stat", pid))
	return !ok || state == "Z" || state == "X"
}

// Each of the threads takes processor time, at least 100 ms of it, and the process list says what it is.
func TestLoadsConsumeProcessorTime(t *testing.T) {
	for _, spec := range []load.Spec{{Kind: load.CPU, Threads: 1}, {Kind: load.CPU, Threads: 2}, {Kind: load.Memory, Threads: 2, Bytes: 8 << 20}} {
		t.Run(spec.String(), func(t *testing.T) {
			p := start(t, spec)
			if cmd, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID())); string(cmd) != "dynofa-load\x00"+spec.String()+"\x00" {
				t.Errorf("command line is %q", cmd)
			}
			eventually(t, "100 ms in each thread", func() bool {
				times := threads(p.PID())
				return len(times) >= spec.Threads && times[spec.Threads-1] >= 10
			})
			if err := p.Stop(); err != nil {
				t.Fatal(err)
			}
			if got := p.CPUTime(); got < time.Duration(spec.Threads)*100*time.Millisecond {
				t.Errorf("CPUTime is %v", got)
			}
		})
	}
}

// The buffer is really there: resident, not merely reserved.
func TestMemoryLoadIsResident(t *testing.T) {
	p := start(t, load.Spec{Kind: load.Memory, Threads: 2, Bytes: 48 << 20})
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(data))[1])
	if got := pages * os.Getpagesize(); got < 48<<20 {
		t.Errorf("%d bytes are resident, want at least 48 MiB", got)
	}
	if q := start(t, load.Spec{Kind: load.Memory, Threads: 1}); q.Spec().Bytes < 64<<20 {
		t.Errorf("the default buffer is told as %d bytes", q.Spec().Bytes)
	}
}

func TestStop(t *testing.T) {
	p := start(t, load.Spec{Kind: load.CPU, Threads: 1})
	pid := p.PID()
	if p.CPUTime() != 0 {
		t.Error("CPUTime of a running load")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after Stop: %v", pid, err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("Done is open after Stop")
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestContextEndsTheLoad(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p, err := load.Start(ctx, load.Spec{Kind: load.CPU, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-p.Done():
	case <-time.After(patience):
		t.Error("the load outlives its context")
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if !gone(p.PID()) {
		t.Error("the process is still there")
	}
	if _, err := load.Start(ctx, load.Spec{Kind: load.CPU, Threads: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("start with a context that is done: %v", err)
	}
}

// A load that somebody else ends was not there all the time, and Stop says so, every time.
func TestLoadThatEndsByItself(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		p := start(t, load.Spec{Kind: load.CPU, Threads: 1})
		if err := syscall.Kill(p.PID(), sig); err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		for range 2 {
			var ended *load.EndedError
			if err := p.Stop(); !errors.As(err, &ended) || ended.PID != p.PID() || ended.Spec != p.Spec() {
				t.Errorf("%v: %v", sig, err)
			}
		}
	}
}

// An interrupt typed on the terminal reaches the load too; it leaves the decision to its parent.
func TestInterruptIsLeftToTheParent(t *testing.T) {
	p := start(t, load.Spec{Kind: load.CPU, Threads: 1})
	if err := syscall.Kill(p.PID(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	before := threads(p.PID())[0]
	eventually(t, "more processor time after the interrupt", func() bool { times := threads(p.PID()); return len(times) > 0 && times[0] > before+2 })
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// Linux ends a load when the thread that started it ends: Start must not use a thread of its caller's.
func TestLoadSurvivesItsCallersThread(t *testing.T) {
	started := make(chan *load.Process)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		p, err := load.Start(context.Background(), load.Spec{Kind: load.CPU, Threads: 1})
		if err != nil {
			t.Error(err)
		}
		started <- p
	}()
	p := <-started
	if p == nil {
		return
	}
	runtime.GC()
	eventually(t, "100 ms after the thread's end", func() bool { times := threads(p.PID()); return len(times) > 0 && times[0] >= 10 || gone(p.PID()) })
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// itself runs a copy of the test program in a role.
func itself(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^$")
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// kill -9 of the program ends its load.
func TestLoadDiesWithItsParent(t *testing.T) {
	cmd := itself(t, role+"=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the parent says %q", line)
	}
	if gone(pid) {
		t.Error("the load is gone before its parent")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	eventually(t, "the end of the load", func() bool { return gone(pid) })
}

// Without the kernel's help the end of the pipe does it: a load whose standard input is closed ends.
func TestLoadEndsWithItsInput(t *testing.T) {
	cmd := itself(t, load.Variable+"=cpu:1", fmt.Sprint("DYNOFA_LOAD_PARENT=", os.Getpid()))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Errorf("says %q (%v)", line, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Error("goes on without its parent")
	}
}

func TestStartWithoutMain(t *testing.T) {
	if out, err := itself(t, role+"=nomain").CombinedOutput(); err != nil || string(out) != "true\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// A variable left in somebody's environment, or one that makes no sense, is told and does no harm.
func TestVariableFromElsewhere(t *testing.T) {
	for env, want := range map[string]string{"cpu:1": "unset it", "nonsense": `unknown kind "nonsense"`, "": `unknown kind ""`} {
		cmd := itself(t, load.Variable+"="+env)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), want) {
			t.Errorf("%q: %q, %v", env, out, err)
		}
	}
}

func TestStartRejects(t *testing.T) {
	for _, s := range []load.Spec{{}, {Kind: "gpu", Threads: 1}, {Kind: load.CPU}, {Kind: load.CPU, Threads: 1, Bytes: 1 << 20}, {Kind: load.Memory, Threads: 1, Bytes: 5}} {
		if p, err := load.Start(context.Background(), s); err == nil {
			t.Errorf("%v is started", s)
			_ = p.Stop()
		}
	}
}

func ExampleStart() {
	// main, or TestMain, has called load.Main first thing.
	p, err := load.Start(context.Background(), load.Spec{Kind: load.CPU, Threads: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Spec(), p.PID() > 0)
	fmt.Println(p.Stop())
	// Output:
	// cpu:1 true
	// <nil>
}
