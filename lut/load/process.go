package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// ErrNoMain is returned by Start in a program that has not called Main: its second copy would run the
// program itself instead of the load.
var ErrNoMain = errors.New("load: the program does not call load.Main before load.Start")

// An EndedError says that a load was gone before it was asked to stop, so that whatever was measured
// beside it ran alone for an unknown time.
type EndedError struct {
	Spec   Spec
	PID    int
	Reason string // how the process ended, with what it wrote to its standard error
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("load: %s (process %d) ended by itself: %s", e.Spec, e.PID, e.Reason)
}

// A Process is a running load. Any number of goroutines may use it.
type Process struct {
	spec Spec
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has been waited for

	mu      sync.Mutex
	asked   bool // Stop or the context ended it
	ended   error
	cpuTime time.Duration
	stderr  tail
}

// Start starts a load and returns when it is at full strength: threads running, memory touched. It runs
// until Stop is called, the context is done, or this program dies. Errors: those of Validate, ErrNoMain,
// the context's, and what the system says if the process cannot be started.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	if !mainCalled.Load() {
		return nil, ErrNoMain
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load: start %s: %w", spec, err)
	}
	if spec.Kind == Memory && spec.Bytes == 0 {
		spec.Bytes = defaultBytes(os.DirFS("/"))
	}
	path, err := executable()
	if err != nil {
		return nil, fmt.Errorf("load: start %s: %w", spec, err)
	}
	p := &Process{spec: spec, done: make(chan struct{})}
	p.cmd = exec.Command(path)
	// What the process list shows.
	p.cmd.Args = []string{"dynofa-load", spec.String()}
	p.cmd.Env = append(os.Environ(), Variable+"="+spec.String(), fmt.Sprintf("%s=%d", parentVariable, os.Getpid()))
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = attributes()
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("load: start %s: %w", spec, err)
	}
	// The load reads its standard input until this program, the only writer, is gone.
	if _, err := p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("load: start %s: %w", spec, err)
	}
	started := make(chan error)
	ready := make(chan error, 1)
	go p.run(stdout, started, ready)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("load: start %s: %w", spec, err)
	}
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		stopped := p.Stop()
		return nil, fmt.Errorf("load: start %s: %w", spec, errors.Join(err, stopped))
	}
	go func() {
		select {
		case <-ctx.Done():
			p.kill()
		case <-p.done:
		}
	}()
	return p, nil
}

// run owns the process. It keeps its thread from the start of the process to its end, because Linux ends
// the load when the thread that started it ends, not the program.
func (p *Process) run(stdout io.Reader, started, ready chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != readyLine {
		err = fmt.Errorf("load: the process did not report that it is ready (%q)", line)
	}
	ready <- err
	werr := p.cmd.Wait()

	p.mu.Lock()
	if state := p.cmd.ProcessState; state != nil {
		p.cpuTime = state.UserTime() + state.SystemTime()
	}
	// A load that ended just before it was asked to has not been killed.
	if !p.asked || !killed(p.cmd.ProcessState) {
		reason := "exit status 0"
		if werr != nil {
			reason = werr.Error()
		}
		if said := p.stderr.text(); said != "" {
			reason += ": " + said
		}
		p.ended = &EndedError{Spec: p.spec, PID: p.cmd.Process.Pid, Reason: reason}
	}
	p.mu.Unlock()
	close(p.done)
}

// Spec is what was started, with the size of the buffer filled in.
func (p *Process) Spec() Spec { return p.spec }

// PID is the process id. After Done is closed the id may belong to another process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process is gone, for whatever reason.
func (p *Process) Done() <-chan struct{} { return p.done }

// CPUTime is the processor time the load took, user and system, over all its threads; 0 as long as it
// runs.
func (p *Process) CPUTime() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cpuTime
}

// Stop kills the load and waits until it is gone. It returns nil if the load was there until now, or
// until its context was done, and an [*EndedError] if it had ended before. It may be called any number of
// times and returns the same each time.
func (p *Process) Stop() error {
	p.kill()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// Pause stops the load's threads where they are; the load keeps its memory. Resume lets them go on. Both take
// effect within a few microseconds, where starting a load takes milliseconds, and return an error where the
// system has no such signals, or if the load has ended.
func (p *Process) Pause() error { return p.signal(pauseSignal) }

// Resume undoes Pause.
func (p *Process) Resume() error { return p.signal(resumeSignal) }

func (p *Process) signal(s os.Signal) error {
	if s == nil {
		return fmt.Errorf("load: %s: %w", p.spec, errors.ErrUnsupported)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		if p.ended != nil {
			return p.ended
		}
		return fmt.Errorf("load: %s: %w", p.spec, os.ErrProcessDone)
	default:
	}
	return p.cmd.Process.Signal(s)
}

// kill signals the process through its handle, which refuses once the process has been waited for: the
// signal cannot hit another process that has got the same id.
func (p *Process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return
	default:
	}
	if p.cmd.Process.Kill() == nil {
		p.asked = true
	}
}

// executable is the program's own file. If it was removed since the start, Linux still has it.
func executable() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil && runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return path, nil
}

// tail keeps the first part of what a load says.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := 1024 - t.buf.Len(); room > 0 {
		t.buf.Write(b[:min(len(b), room)])
	}
	return len(b), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.buf.String())
}
