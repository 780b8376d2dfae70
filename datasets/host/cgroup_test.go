package host_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/host"
)

// TestMemoryLimit reads a service in a slice: whichever of its groups leaves least counts.
func TestMemoryLimit(t *testing.T) {
	const slice, service = "sys/fs/cgroup/system.slice/", "sys/fs/cgroup/system.slice/dynofa.service/"
	files := map[string]string{
		"proc/self/cgroup":          "0::/system.slice/dynofa.service\n",
		slice + "memory.current":    "900000000\n",
		slice + "memory.high":       "max\n",
		slice + "memory.max":        "1000000000\n",
		service + "memory.current":  "60000000\n",
		service + "memory.high":     "80000000\n",
		service + "memory.max":      "100000000\n",
		service + "memory.events":   "low 0\nhigh 12\nmax 3\noom 1\noom_kill 0\n",
		service + "memory.stat":     "anon 20000000\nfile 37000000\nkernel 1\nshmem 1000000\n",
		service + "memory.pressure": "some avg10=2.50 avg60=0.00 avg300=0.00 total=1500\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=5\n",
	}
	want := host.MemoryLimit{Group: "/system.slice/dynofa.service", Current: 60e6, High: 80e6, Max: 100e6, File: 36e6, OverHigh: 12, AtMax: 3, OOM: 1,
		SomeAvg10: 0.025, Some: 1500 * time.Microsecond}
	got := host.ReadMemoryLimit(tree(files))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if left, ok := got.Left(); left != 20e6 || !ok || got.Used() != 0.3 { // 60 - 36 of 80
		t.Errorf("%d left, %v; used %g", left, ok, got.Used())
	}
	files[slice+"memory.current"] = "995000000\n" // less is left above
	if got := host.ReadMemoryLimit(tree(files)); got.Group != "/system.slice" || got.Max != 1e9 {
		t.Errorf("the slice has less left, but %+v counts", got)
	}
	for name, text := range map[string]string{"none": "", "escape": "0::/../../etc\n", "unlimited": "0::/\n"} {
		files := map[string]string{"proc/self/cgroup": text}
		if _, ok := host.ReadMemoryLimit(tree(files)).Left(); ok {
			t.Errorf("%s: a limit where there is none", name)
		}
	}
}

// TestMemoryLimitVersion1 reads a group of version 1, as kernels of JetPack 5 have them.
func TestMemoryLimitVersion1(t *testing.T) {
	const dir = "sys/fs/cgroup/memory/user/a/"
	files := map[string]string{
		"proc/self/cgroup":                           "9:name=systemd:/\n4:memory:/user/a\n0::/user\n",
		dir + "memory.usage_in_bytes":                "70000000\n",
		dir + "memory.limit_in_bytes":                "100000000\n",
		dir + "memory.failcnt":                       "7\n",
		dir + "memory.oom_control":                   "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
		dir + "memory.stat":                          "cache 1\ntotal_cache 42000000\ntotal_shmem 2000000\n",
		"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		"sys/fs/cgroup/memory/memory.usage_in_bytes": "900000000\n",
	}
	want := host.MemoryLimit{Group: "/user/a", Current: 70e6, Max: 100e6, File: 40e6, AtMax: 7, Killed: 2}
	if diff := cmp.Diff(want, host.ReadMemoryLimit(tree(files))); diff != "" {
		t.Error(diff)
	}
}

// TestCPUTime tells shares of two readings.
func TestCPUTime(t *testing.T) {
	before := host.ReadState(xavierNX()).CPUTime
	if before != (host.CPUTime{Busy: 5100, Idle: 9200, Stolen: 700}) {
		t.Errorf("read %+v", before)
	}
	busy, stolen, ok := host.CPUTime{Busy: 5130, Idle: 9260, Stolen: 710}.Since(before)
	if busy != 0.3 || stolen != 0.1 || !ok {
		t.Errorf("busy %g, stolen %g, %v", busy, stolen, ok)
	}
	if _, _, ok := before.Since(host.CPUTime{Busy: 6000, Idle: 1}); ok {
		t.Error("a counter that fell tells shares")
	}
	for _, bad := range []string{"", "cpu 1 2 3\n", "cpu  a b c d e f g h\n", "cpu  -1 2 3 4 5 6 7 8\n", "intr 1 2 3 4 5 6 7 8\n"} {
		if got := host.ReadState(tree(map[string]string{"proc/stat": bad})).CPUTime; got != (host.CPUTime{}) {
			t.Errorf("%q gives %+v", bad, got)
		}
	}
	if u := host.ReadState(tree(map[string]string{"sys/devices/gpu.0/load": "1000\n"})).Utilisation; len(u) != 1 || u[0] != (host.Utilisation{Name: "gpu.0", Share: 1}) {
		t.Errorf("an older kernel's GPU: %v", u)
	}
	if u := host.ReadState(tree(map[string]string{"sys/devices/gpu.0/load": "1001\n"})).Utilisation; u != nil {
		t.Errorf("nonsense: %v", u)
	}
}
