package load

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

// Variable is the environment variable that turns a copy of the program into a load; Start sets it.
const Variable = "DYNOFA_LOAD"

// parentVariable holds the process id of the program that started the load.
const parentVariable = "DYNOFA_LOAD_PARENT"

// readyLine is what a load writes once to its standard output when it is at full strength.
const readyLine = "ready\n"

var mainCalled atomic.Bool

// Main makes this process a load if Start started it as one, and does not return then. In any other
// process it returns at once. Call it first thing in main, and in TestMain of tests that start loads.
func Main() {
	mainCalled.Store(true)
	if text, ok := os.LookupEnv(Variable); ok {
		os.Exit(child(text, os.Getenv(parentVariable), os.Stdin, os.Stdout, os.Stderr))
	}
}

// child runs a load until its standard input ends, which it does when the parent is gone; it returns an
// exit code. The parent's id tells a load from a program that merely inherited the variable.
func child(text, parent string, stdin io.Reader, stdout, stderr io.Writer) int {
	spec, err := ParseSpec(text)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	if parent != strconv.Itoa(os.Getppid()) {
		fmt.Fprintf(stderr, "load: %s is set, but not by this program: unset it\n", Variable)
		return 2
	}
	// An interrupt from the terminal reaches the whole group: the parent decides what it means.
	signal.Ignore(os.Interrupt)
	// One more, so that the end of the input need not wait for a burner to be preempted.
	runtime.GOMAXPROCS(spec.Threads + 1)
	if err := work(spec); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	if _, err := io.WriteString(stdout, readyLine); err != nil {
		return 1
	}
	_, _ = io.Copy(io.Discard, stdin) // an error ends the load as well
	return 0
}

// work starts a load's threads, which never end, and returns when all of them are at work.
func work(spec Spec) error {
	var ready sync.WaitGroup
	ready.Add(spec.Threads)
	switch spec.Kind {
	case CPU:
		for range spec.Threads {
			go burn(ready.Done)
		}
	case Memory:
		share := spec.Bytes / int64(spec.Threads)
		if int64(int(share)) != share {
			return fmt.Errorf("load: a buffer of %d bytes does not fit the address space", spec.Bytes)
		}
		for range spec.Threads {
			go stream(int(share), ready.Done)
		}
	}
	ready.Wait()
	return nil
}

// sink keeps the compiler from dropping the arithmetic.
var sink atomic.Uint64

// burn is one thread of arithmetic: an integer multiplication and a floating-point one that each wait for
// the previous.
func burn(ready func()) {
	runtime.LockOSThread()
	x, f := uint64(1), 1.0
	for round := 0; ; round++ {
		for range 1 << 20 {
			x = x*6364136223846793005 + 1442695040888963407
			f = f*1.0000001 + 1e-9
		}
		for f > 2 {
			f /= 2
		}
		sink.Add(x + uint64(f))
		if round == 0 {
			ready()
		}
	}
}

// stream is one thread of memory traffic: it copies the first half of its buffer to the second and back,
// in chunks, so that every byte is read and written once in two passes.
func stream(size int, ready func()) {
	runtime.LockOSThread()
	const chunk = 1 << 20
	half := max(size/2, 1)
	buf := make([]byte, 2*half)
	for i := range buf {
		buf[i] = byte(i) // pages that are never written share one page of zeros
	}
	from, to := buf[:half], buf[half:]
	for round := 0; ; round++ {
		for i := 0; i < half; i += chunk {
			end := min(i+chunk, half)
			copy(to[i:end], from[i:end])
		}
		from, to = to, from
		if round == 0 {
			ready()
		}
	}
}
