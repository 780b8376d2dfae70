package systemd_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/runner/systemd"
)

// manager is a service manager's end of the protocol.
func manager(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Skipf("no datagram sockets here: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func received(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// Expected messages: sd_notify(3).
func TestNotify(t *testing.T) {
	folder, err := os.MkdirTemp("", "n") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	for _, name := range []string{filepath.Join(folder, "notify"), "@dynofa-test-" + strconv.Itoa(os.Getpid())} {
		conn := manager(t, name)
		n, err := systemd.Open(environment("NOTIFY_SOCKET", name, "WATCHDOG_USEC", "3000000", "WATCHDOG_PID", "42"), 42)
		if err != nil {
			t.Fatal(err)
		}
		if n.Watchdog() != 3*time.Second {
			t.Errorf("watchdog %v", n.Watchdog())
		}
		for _, c := range []struct {
			send func() error
			want string
		}{
			{n.Ready, "READY=1"},
			{func() error { return n.Alive("7 requests\nREADY=1") }, "WATCHDOG=1\nSTATUS=7 requests READY=1"},
			{n.Stopping, "STOPPING=1"},
		} {
			if err := c.send(); err != nil {
				t.Fatal(err)
			}
			if got := received(t, conn); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if n.Ready() == nil {
			t.Error("a closed notifier sends")
		}
	}
}

// Without a watchdog, or with one that watches another process, only the status is sent.
func TestNotifyWithoutWatchdog(t *testing.T) {
	for _, env := range [][]string{{}, {"WATCHDOG_USEC", "5", "WATCHDOG_PID", "1"}} {
		name := "@dynofa-test2-" + strconv.Itoa(os.Getpid()) + strconv.Itoa(len(env))
		conn := manager(t, name)
		n, err := systemd.Open(environment(append(env, "NOTIFY_SOCKET", name)...), 42)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Alive("x"); err != nil || n.Watchdog() != 0 {
			t.Errorf("%v, watchdog %v", err, n.Watchdog())
		}
		if got := received(t, conn); got != "STATUS=x" {
			t.Errorf("%q", got)
		}
		_ = n.Close()
	}
}

func TestNobodyListens(t *testing.T) {
	n, err := systemd.Open(environment(), 1)
	if n != nil || err != nil {
		t.Fatal(n, err)
	}
	if n.Ready() != nil || n.Alive("x") != nil || n.Stopping() != nil || n.Close() != nil || n.Watchdog() != 0 {
		t.Error("a nil notifier does something")
	}
	for _, env := range [][]string{
		{"NOTIFY_SOCKET", "vsock:2:1"},
		{"NOTIFY_SOCKET", "/nowhere/socket"},
		{"NOTIFY_SOCKET", "@x", "WATCHDOG_USEC", "soon"},
		{"NOTIFY_SOCKET", "@x", "WATCHDOG_USEC", "-1"},
		{"NOTIFY_SOCKET", "@x", "WATCHDOG_USEC", "0"},
		{"NOTIFY_SOCKET", "@x", "WATCHDOG_USEC", "9223372036854775807"},
	} {
		if _, err := systemd.Open(environment(env...), 1); err == nil {
			t.Errorf("%q: no error", env)
		}
	}
}

// Every line of a unit is a comment, a section or an assignment, each key stands once in its section, and the hardening
// that was promised is there.
func TestUnit(t *testing.T) {
	text, err := systemd.Unit{Description: "dynofa: 100% of family-6"}.Text()
	if err != nil {
		t.Fatal(err)
	}
	assignment, section := regexp.MustCompile(`^([A-Z][A-Za-z]+)=(.*)$`), ""
	found := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch m := assignment.FindStringSubmatch(line); {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = line
		case m == nil:
			t.Errorf("line %q", line)
		default:
			if _, ok := found[section+m[1]]; ok {
				t.Errorf("%s%s stands twice", section, m[1])
			}
			found[section+m[1]] = m[2]
		}
	}
	for key, want := range map[string]string{
		"[Unit]Description": "dynofa: 100%% of family-6", "[Service]Type": "notify", "[Service]WatchdogSec": "30s", "[Service]NoNewPrivileges": "yes",
		"[Service]ProtectSystem": "strict", "[Service]DynamicUser": "yes", "[Service]CacheDirectory": "dynofa", "[Service]PrivateDevices": "yes",
		"[Service]ExecStart":             "/opt/dynofa/dynofa-run run /opt/dynofa/bundle --listen 127.0.0.1:8000",
		"[Install]WantedBy":              "multi-user.target",
		"[Service]Restart":               "on-failure",
		"[Service]CapabilityBoundingSet": "",
	} {
		if got, ok := found[key]; !ok || got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	gpu, err := systemd.Unit{Description: "x", Provider: "cuda"}.Text()
	if err != nil || strings.Contains(gpu, "PrivateDevices") || !strings.Contains(gpu, "\nSupplementaryGroups=video\n") {
		t.Errorf("%v: the GPU is out of reach:\n%s", err, gpu)
	}
}

func TestUnitRefuses(t *testing.T) {
	for _, u := range []systemd.Unit{
		{}, {Description: "a\nExecStart=/bin/sh"}, {Description: `a\`}, {Description: "x", Program: "dynofa-run"}, {Description: "x", Bundle: "/a b"},
		{Description: "x", Listen: "$HOME:1"}, {Description: "x", Program: "/bin/%n"}, {Description: "x", Bundle: "/x\nUser=root"},
	} {
		if text, err := u.Text(); err == nil {
			t.Errorf("%+v: %s", u, text)
		}
	}
}

// TestUnitVerifies asks systemd itself, where it is installed: the unit has no fault, and its exposure is low.
func TestUnitVerifies(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip(err)
	}
	for _, provider := range []string{"cpu", "cuda"} {
		text, err := systemd.Unit{Description: "x", Program: "/bin/true", Provider: provider}.Text()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "dynofa.service")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()
		if err != nil || strings.Contains(string(out), "dynofa.service") {
			t.Errorf("%v: %s", err, out)
		}
		// 0 is sealed, 10 is open; 3.0 is called OK up to 5.0 MEDIUM.
		out, err = exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold=30", path).CombinedOutput()
		text = string(out)
		if strings.Contains(text, "unrecognized option") {
			t.Skip("this systemd cannot judge units offline")
		}
		if i := strings.LastIndex(text, "Overall"); i >= 0 {
			t.Log(provider, strings.TrimSpace(text[i:]))
		}
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}
