package profile_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/profile"
)

// TestConditions reads a machine that is busy and throttles while it is measured.
func TestConditions(t *testing.T) {
	s := tiny(t)
	machine := fstest.MapFS{
		"proc/loadavg":                   {Data: []byte("3.50 2.00 1.00 2/100 42\n")},
		"sys/devices/system/cpu/online":  {Data: []byte("0-3\n")},
		"sys/devices/system/cpu/present": {Data: []byte("0-3\n")},
		"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": {Data: []byte("7\n")},
		"sys/class/thermal/thermal_zone0/type":                             {Data: []byte("cpu\n")},
		"sys/class/thermal/thermal_zone0/temp":                             {Data: []byte("55000\n")},
	}
	clock := func(policy, which string, megahertz int) {
		name := map[string]string{"current": "scaling_cur_freq", "min": "scaling_min_freq", "max": "scaling_max_freq"}[which]
		machine["sys/devices/system/cpu/cpufreq/"+policy+"/"+name] = &fstest.MapFile{Data: []byte(strconv.Itoa(1000*megahertz) + "\n")}
	}
	m := newFakeMeter(s, 0, 1)
	m.onRun = func(n int) {
		if n == 5000 {
			machine["sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"] = &fstest.MapFile{Data: []byte("9\n")}
			machine["sys/class/thermal/thermal_zone0/temp"] = &fstest.MapFile{Data: []byte("91500\n")}
			clock("policy0", "current", 900)
			clock("policy1", "max", 1000)
			machine["sys/firmware/acpi/platform_profile"] = &fstest.MapFile{Data: []byte("quiet\n")}
		}
	}
	for _, p := range []string{"policy0", "policy1"} { // held at 1.2 GHz
		clock(p, "current", 1200)
		clock(p, "min", 1200)
		clock(p, "max", 1200)
	}
	machine["sys/firmware/acpi/platform_profile"] = &fstest.MapFile{Data: []byte("balanced\n")}
	cfg := config(s)
	cfg.Host = machine
	table, err := measure(t.Context(), cfg, m)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(table.Warnings, "\n")
	for _, want := range []string{"load average 3.50 on 4 processors", "core_throttle_count went from 7 to 9",
		"policy0 runs at 900.0 MHz, not at the 1.200 GHz it is set to", "policy1 from 1.200 GHz..1.200 GHz", `the power mode changed while measuring: from "balanced" to "quiet"`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %s", want, all)
		}
	}
	if table.Grade != lut.GradeC {
		t.Errorf("grade %s", table.Grade)
	}
	if b, a := fact(table, "profile: state before"), fact(table, "profile: state after"); !strings.Contains(b, `"celsius":55`) || !strings.Contains(a, `"celsius":91.5`) {
		t.Errorf("before %s, after %s", b, a)
	}
}

// TestNeighbours: the same samples are A on bare metal and C on a virtual machine, unless the caller
// says that it has its host to itself.
func TestNeighbours(t *testing.T) {
	s := tiny(t)
	for _, c := range []struct {
		flags      string
		neighbours profile.Neighbours
		want       lut.Grade
	}{
		{"fpu avx2", profile.DetectNeighbours, lut.GradeA},
		{"fpu avx2 hypervisor", profile.DetectNeighbours, lut.GradeC},
		{"fpu avx2 hypervisor", profile.NoNeighbours, lut.GradeA},
	} {
		cfg := config(s)
		cfg.Host = fstest.MapFS{"proc/cpuinfo": {Data: []byte("processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: " + c.flags + "\n")}}
		cfg.Neighbours = c.neighbours
		table, err := measure(t.Context(), cfg, newFakeMeter(s, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		doubt := strings.Contains(strings.Join(table.Warnings, "\n"), "a virtual machine")
		if table.Grade != c.want || doubt != (c.want == lut.GradeC) {
			t.Errorf("%q, neighbours %q: grade %s, want %s; warnings %q", c.flags, c.neighbours, table.Grade, c.want, table.Warnings)
		}
		for _, e := range table.Entries {
			if e.Latency.Grade != c.want {
				t.Fatalf("%q, neighbours %q: %v is graded %s, want %s", c.flags, c.neighbours, e.Key, e.Latency.Grade, c.want)
			}
		}
	}
	cfg := config(s)
	cfg.Neighbours = "noisy"
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), `"noisy"`) {
		t.Errorf("neighbours noisy: %v", err)
	}
}
