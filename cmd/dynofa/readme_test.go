package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/reftest"
)

// TestReadme runs every dynofa command of the README, in order, in an empty folder. What the README
// leaves to the reader is filled in: the authors' tables, OFA's predictor, random weights for a
// checkpoint (the published ones are not at hand) and a folder of drawn pictures.
func TestReadme(t *testing.T) {
	needRuntime(t)
	text, err := os.ReadFile(filepath.Join(reftest.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	tables, predictor := reftest.Path(t, "xavier-nx", "cpu"), reftest.Path(t, "ofa", "acc_predictor.pth")
	library, err := filepath.Abs(filepath.Join(reftest.Root(t), ".cache", "onnxruntime", "lib", "libonnxruntime.so.1"))
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("DYNOFA_ONNXRUNTIME") == "" {
		t.Setenv("DYNOFA_ONNXRUNTIME", library)
	}
	t.Chdir(t.TempDir())
	if _, err := images.WritePatterns("pictures", 1, 12, 256); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("cpu DIR", "cpu "+tables, "--images DIR", "--images pictures", "PREDICTOR.pth", predictor, "SUPERNET.pth", "random:1", "TRAIN", "pictures --calibration-pictures 2",
		`'{"ks":[...],"e":[...],"d":[...],"r":224}'`,
		`{"ks":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"d":[2,2,2,2,2],"r":224}`)
	picture, err := os.ReadFile(firstFile(t, "pictures"))
	if err != nil {
		t.Fatal(err)
	}
	server := &background{}
	ran, asked := 0, 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "## Serving" && reftest.RaceDetector {
			break // a second bundle of six networks takes the detector a minute; it watches the server's own tests
		}
		if rest, ok := strings.CutPrefix(line, "    curl "); ok {
			asked++
			server.curl(t, strings.ReplaceAll(rest, "BASE64", base64.StdEncoding.EncodeToString(picture)))
		}
		line, ok := strings.CutPrefix(line, "    dynofa ")
		if !ok {
			continue
		}
		ran++
		if line, ok := strings.CutSuffix(line, " &"); ok {
			server.start(t, strings.Fields(fill.Replace(line)))
			continue
		}
		succeed(t, strings.Fields(fill.Replace(line))...)
	}
	if !reftest.RaceDetector {
		server.stop(t)
	}
	if ran < 8 || !reftest.RaceDetector && (ran < 12 || asked < 3) {
		t.Errorf("the README has %d commands and asks the server %d times, want the 8 steps of the path, 4 of serving and 3 questions", ran, asked)
	}
	for _, path := range []string{"s.db", "front.svg", "bundle/manifest.json"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// background is a command of the README that goes on while others run.
type background struct {
	cancel context.CancelFunc
	code   chan int
	output locked
	url    string
}

// listening is the address that the README's server has; the test's own takes any that is free.
const listening = "127.0.0.1:8000"

func (b *background) start(t *testing.T, args []string) {
	t.Helper()
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, listening, "127.0.0.1:0")
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel, b.code = cancel, make(chan int, 1)
	t.Cleanup(cancel)
	go func() { b.code <- run(ctx, append([]string{"dynofa"}, args...), &b.output, &b.output) }()
	for range 6000 {
		if m := regexp.MustCompile(`at (http://127\.0\.0\.1:\d+)`).FindStringSubmatch(b.output.String()); m != nil {
			b.url = m[1]
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no address: %s", b.output.String())
}

// curl sends what a curl command line says, and wants success.
func (b *background) curl(t *testing.T, line string) {
	t.Helper()
	method, body, header, target := "GET", "", http.Header{}, ""
	words := regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line, -1)
	for i := 0; i < len(words); i++ {
		word := strings.Trim(words[i], "'")
		if i+1 < len(words) && strings.HasPrefix(word, "-") {
			i++
		}
		value := strings.Trim(words[i], "'")
		switch word {
		case "-X":
			method = value
		case "-d":
			body = value
			if method == "GET" {
				method = "POST"
			}
		case "-H":
			name, content, _ := strings.Cut(value, ": ")
			header.Set(name, content)
		default:
			target = word
		}
	}
	path, ok := strings.CutPrefix(target, listening)
	if !ok {
		t.Fatalf("curl asks %q", target)
	}
	request, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("curl %.200s: %s %.300s, %v", line, response.Status, answer, err)
	}
}

func (b *background) stop(t *testing.T) {
	t.Helper()
	if b.cancel == nil {
		t.Fatal("the README serves nothing")
	}
	b.cancel()
	if code := <-b.code; code != command.ExitOK || !strings.Contains(b.output.String(), "ended: drained") {
		t.Errorf("exit code %d: %s", code, b.output.String())
	}
}

// locked is a buffer that two goroutines share.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// firstFile returns a file below a folder.
func firstFile(t *testing.T, dir string) string {
	t.Helper()
	var found string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && found == "" && e.Type().IsRegular() && filepath.Ext(path) == ".png" {
			found = path
		}
		return err
	})
	if err != nil || found == "" {
		t.Fatalf("no picture below %s: %v", dir, err)
	}
	return found
}

// TestTablesPage runs every command of docs/tables.md in order, on the published tables. An audit may
// find faults: that is its business.
func TestTablesPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(reftest.Root(t), "docs", "tables.md"))
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("XAVIER_CPU", reftest.Path(t, "xavier-nx", "cpu"), "XAVIER_GPU", reftest.Path(t, "xavier-nx", "gpu"), "NOTE10", reftest.Path(t, "note10"))
	t.Chdir(t.TempDir())
	ran := 0
	for line := range strings.Lines(string(text)) {
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    dynofa ")
		if !ok {
			continue
		}
		ran++
		args := strings.Fields(fill.Replace(line))
		if code, _, stderr := dynofa(t, args...); code != command.ExitOK && !(args[1] == "audit" && code == command.ExitFailure) {
			t.Errorf("dynofa %s: exit code %d\n%s", line, code, stderr)
		}
	}
	if ran < 10 {
		t.Errorf("%d commands", ran)
	}
	for _, path := range []string{"note10.svg", "note10-curves.svg", "note10.csv", "note10.txt", "note10-json/160.json"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}
