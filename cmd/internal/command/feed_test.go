package command

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/deploy/trace"
)

// runWith runs a command line of dynofa-run with something on standard input.
func runWith(t *testing.T, stdin io.Reader, args ...string) (int, string, string) {
	t.Helper()
	var stdout, stderr output
	app := Prepare(&cli.App{Name: "dynofa-run", Commands: []*cli.Command{Run("test")}}, &stdout, &stderr)
	app.Reader = stdin
	code := Main(t.Context(), app, append([]string{"dynofa-run", "run"}, args...))
	return code, stdout.String(), stderr.String()
}

// TestRunFrames serves frames from a pipe that ends within one, with limits from a control file that changes meanwhile, and then
// pictures whose names come on standard input.
func TestRunFrames(t *testing.T) {
	needRuntime(t)
	dir, tmp := tinyBundle(t), t.TempDir()
	cache, answers, record, control := filepath.Join(tmp, "cache"), filepath.Join(tmp, "answers.csv"), filepath.Join(tmp, "run.csv"), filepath.Join(tmp, "control.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(control, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"limit": "100ms", "deadline": "90s"}`)
	spec := images.FrameSpec{Width: 96, Height: 96, Format: images.NV12}
	r, w := io.Pipe()
	go func() {
		frame := make([]byte, spec.Bytes())
		for i := range 20 {
			if i == 10 {
				write(`{"limit": "200ms", "deadline": "80s", "power_mode": "no-such-mode"}`)
				time.Sleep(3 * controlEvery)
			}
			if _, err := w.Write(frame); err != nil {
				return
			}
		}
		_, _ = w.Write(frame[:100])
		_ = w.Close()
	}()
	code, stdout, stderr := runWith(t, r, dir, "--frames", "-", "--frame-size", "96x96", "--frame-format", "nv12", "--pending", "2", "--answers", answers, "--trace", record, "--control", control, "--prepared", cache)
	if code != ExitOK || !strings.Contains(stdout, "20 requests") || !strings.Contains(stdout, "1 pictures were damaged") || !strings.Contains(stdout, "ended: drained") {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	text, err := os.ReadFile(answers)
	if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); err != nil || len(lines) != 21 || !strings.HasPrefix(lines[20], "19,on-time,") {
		t.Errorf("answers %q, %v", text, err)
	}
	f, err := os.Open(record)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, err := trace.Read(record, f)
	if err != nil {
		t.Fatal(err)
	}
	first, last := tr.Records[0], tr.Records[19]
	if first.Observation.Limit != 100*time.Millisecond || last.Observation.Limit != 200*time.Millisecond || last.Deadline-last.Arrival != 80*time.Second {
		t.Errorf("limits %v, then %v; deadline %v", first.Observation.Limit, last.Observation.Limit, last.Deadline-last.Arrival)
	}
	if !strings.Contains(stderr, "the power mode is not in force") || !strings.Contains(stderr, "runner-clock-denied") {
		t.Errorf("a refused power mode is not told: %s", stderr)
	}
	if rep, err := trace.Replay(tr); err != nil || rep.Equal != rep.N || rep.Overridden == 0 {
		t.Errorf("replay %+v, %v: the safe level should have served", rep, err)
	}

	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 50, 40))); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(tmp, "a.png")
	if err := os.WriteFile(name, picture.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	none, noPicture, silent := filepath.Join(tmp, "none.png"), filepath.Join(tmp, "control.json"), filepath.Join(tmp, "silent.png")
	if err := syscall.Mkfifo(silent, 0o600); err != nil {
		t.Skip(err)
	}
	list := strings.Join([]string{name, "", none, noPicture, silent, name}, "\n")
	code, stdout, stderr = runWith(t, strings.NewReader(list), dir, "--images", "-", "--answers", "-", "--prepared", cache)
	for _, lost := range []string{none, noPicture, silent} {
		if !strings.Contains(stderr, lost) {
			t.Errorf("%s is not named: %s", lost, stderr)
		}
	}
	if code != ExitOK || !strings.Contains(stdout, "\n1,on-time,") || !strings.Contains(stdout, "2 requests") || !strings.Contains(stdout, "3 pictures were damaged") {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
}

// TestRunOfASilentSource ends a run although nobody opens the named pipe, or writes to standard input.
func TestRunOfASilentSource(t *testing.T) {
	needRuntime(t)
	dir, tmp := tinyBundle(t), t.TempDir()
	silent := filepath.Join(tmp, "silent")
	if err := syscall.Mkfifo(silent, 0o600); err != nil {
		t.Skip(err)
	}
	r, w := io.Pipe()
	defer w.Close()
	for _, source := range []string{silent, "-"} {
		code, stdout, stderr := runWith(t, r, dir, "--frames", source, "--frame-size", "32x32", "--duration", "200ms", "--prepared", filepath.Join(tmp, "cache"))
		if code != ExitOK || !strings.Contains(stdout, "0 requests") {
			t.Errorf("%s: exit code %d\n%s\n%s", source, code, stdout, stderr)
		}
	}
}

func TestRunFramesUsage(t *testing.T) {
	for line, message := range map[string]string{
		". --frames - --images builtin":             "one of --images, --frames and --listen",
		". --images builtin --answers a.csv":        "--answers goes with --frames",
		". --frames - --frame-size 4x4 --pending 0": "--pending 0",
	} {
		if code, _, stderr := runWith(t, strings.NewReader(""), strings.Fields(line)...); code != ExitUsage || !strings.Contains(stderr, message) {
			t.Errorf("%s: exit code %d: %s", line, code, stderr)
		}
	}
}
