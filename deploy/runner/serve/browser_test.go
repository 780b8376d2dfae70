package serve_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/runner/serve"
)

// browser returns headless Chromium, or skips.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium")
	return ""
}

// TestStatusPage opens the page in a browser while requests are served. With DYNOFA_SCREENSHOT=FILE.png
// it keeps a picture.
func TestStatusPage(t *testing.T) {
	path := browser(t)
	fx := start(t, func(c *serve.Config) {
		c.Run.Policy.Spec = "slack"
		c.State = func() host.State {
			return host.State{
				Temperatures: []host.Temperature{{Zone: "CPU-therm", Celsius: 51.5}},
				Policies:     []host.Policy{{Name: "policy0", CPUs: "0 1", Current: unit.Hertz(1.9e9)}},
				Rails:        []host.Rail{{Name: "VDD_IN", Watts: 7.25}},
			}
		}
	})
	fx.networks[0].takes, fx.networks[1].takes = 4*time.Millisecond, 12*time.Millisecond
	for range 40 {
		fx.do(t, "POST", inferPath, `{"inputs":[{"name":"input","datatype":"FP32","shape":[3,1,1],"data":[1,2,3]}]}`)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir(), "--virtual-time-budget=4000"}
	if file := os.Getenv("DYNOFA_SCREENSHOT"); file != "" {
		abs, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(ctx, path, append(args, "--window-size=1000,1000", "--screenshot="+abs, fx.url)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	out, err := exec.CommandContext(ctx, path, append(args, "--dump-dom", fx.url)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	dom := string(out)
	for _, want := range []string{">CPU-therm", "51.5 °C", "1900 MHz", "7.25 W", "of 40</b>", "tiny 7, policy slack, dynofa test", "(stand-in)", ">30.0 ms</b>", "made up"} {
		if !strings.Contains(dom, strings.TrimPrefix(want, ">")) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if !strings.Contains(dom, `<p id="lost" role="status"></p>`) || !regexp.MustCompile(`<b id="level">[01]</b>`).MatchString(dom) {
		t.Errorf("the page is not live:\n%.2000s", dom)
	}
}

// The page is one file: it names no other address.
func TestPageLoadsNothing(t *testing.T) {
	fx := start(t, nil)
	status, header, page := fx.do(t, "GET", "/", "")
	if status != 200 || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d, %q", status, header.Get("Content-Security-Policy"))
	}
	for _, sign := range []string{"http://", "https://", "src=", "href=", "@import", "url("} {
		if strings.Contains(page, sign) {
			t.Errorf("the page holds %q", sign)
		}
	}
}
