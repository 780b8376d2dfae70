package host_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/host"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func encode(t testing.TB, info host.Info) []byte {
	t.Helper()
	b, err := json.MarshalIndent(info, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// The whole reading of each machine, in its JSON form, read over by hand once.
func TestMachines(t *testing.T) {
	for name, tree := range map[string]fstest.MapFS{"xavier-nx": xavierNX(), "orin": orin(), "raspberry-pi-4": raspberryPi4(), "pc": pc(), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			got := encode(t, host.Read(tree))
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
			var back host.Info
			if err := json.Unmarshal(got, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(host.Read(tree), back); diff != "" {
				t.Errorf("does not survive JSON: %s", diff)
			}
		})
	}
}

// The figures that the golden files must not get wrong, written down apart from them.
func TestFacts(t *testing.T) {
	nx, o, pi, x86 := host.Read(xavierNX()), host.Read(orin()), host.Read(raspberryPi4()), host.Read(pc())
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"NX model", nx.Machine.Board.Model, "NVIDIA Jetson Xavier NX Developer Kit"},
		{"NX release", nx.Machine.Board.Release, "R35.4.1"},
		{"NX CPU", nx.Machine.CPU.Model, "NVIDIA Carmel"},
		{"NX architecture, inferred", nx.Machine.CPU.Architecture, "aarch64"},
		{"NX processors", fmt.Sprint(nx.Machine.CPU.Online, "/", nx.Machine.CPU.Present), "4/6"},
		{"NX power mode", nx.State.PowerMode, host.PowerMode{ID: "1", Name: "MODE_15W_4CORE"}},
		{"NX clock", float64(nx.State.Policies[1].Current), 1.4208e9},
		{"NX memory", nx.Machine.MemoryBytes, int64(6983852) * 1024},
		{"NX memory clock", nx.State.Devices[1], host.Device{Name: "emc", Current: 1.6e9, Min: 204e6, Max: 1.866e9}},
		{"NX rail", nx.State.Rails[0], host.Rail{Name: "VDD_IN", Watts: 4.56}},
		{"NX rails", len(nx.State.Rails), 3},
		{"Orin CPU", o.Machine.CPU.Model, "Cortex-A78AE"},
		{"Orin power mode", o.State.PowerMode, host.PowerMode{ID: "0"}},
		{"Orin zones that answer", len(o.State.Temperatures), 3},
		{"Orin devices", len(o.State.Devices), 1},
		{"Orin pressure", o.State.Pressure[0].SomeAvg10, 0.015},
		{"Pi CPU", pi.Machine.CPU.Model, "Cortex-A72"},
		{"Pi throttled since boot", pi.State.Throttling, []host.Throttling{{Name: "get_throttled", Value: 0x50000}}},
		{"PC vendor", x86.Machine.Board.Vendor, "Dell Inc."},
		{"PC boost", x86.State.Boost, "on"},
		{"PC SMT", x86.Machine.CPU.SMT, "on"},
		{"PC profile", x86.State.PowerMode.Name, "balanced"},
		{"PC policies in numeric order", x86.State.Policies[5].Name, "policy10"},
		{"PC throttle counts", x86.State.Throttling[:2], []host.Throttling{{Name: "core_throttle_count", Value: 8}, {Name: "package_throttle_count", Value: 5}}},
		{"PC cooling devices in numeric order", x86.State.Throttling[4], host.Throttling{Name: "cooling_device10 TCC Offset", Value: 3}},
		{"nothing", host.Read(fstest.MapFS{}), host.Info{Schema: host.Schema}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
	}
}

// Two kinds of cores are told with their numbers; an unknown one by its registers; a processor without
// any by the name it gives itself.
func TestProcessorNames(t *testing.T) {
	core := func(implementer, part string) string {
		return "processor : 0\nCPU implementer : " + implementer + "\nCPU part : " + part + "\n"
	}
	for want, text := range map[string]string{
		"2x Cortex-A55 + 1x Cortex-A76":      core("0x41", "0xd05") + core("0x41", "0xd05") + core("0x41", "0xd0b"),
		"ARM implementer 0x51 part 0x802":    core("0x51", "0x802"),
		"sifive,u74-mc":                      "processor : 0\nisa : rv64imafdc\nuarch : sifive,u74-mc\n",
		"AMD EPYC":                           "processor : 0\nmodel name : AMD EPYC\n",
		"":                                   "no such thing",
		"1x NVIDIA Denver 2 + 1x Cortex-A57": core("0x4e", "0x003") + core("0x41", "0xd07"),
		strings.Repeat("x", 256):             "model name : " + strings.Repeat("x", 5000),
		"tab?and?escape":                     "model name : tab\tand\x1bescape",
	} {
		if got := host.ReadMachine(tree(map[string]string{"proc/cpuinfo": text})).CPU.Model; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What makes no sense is unknown; nothing else suffers from it.
func TestNonsenseIsUnknown(t *testing.T) {
	dir := cpuDir + "cpufreq/policy0/"
	s := host.Read(tree(map[string]string{
		"proc/loadavg": "NaN 1 2", "proc/meminfo": "MemTotal: -5 kB\nMemTotal: 99999999999999999999 kB\nMemAvailable: 12 MB\n",
		cpuDir + "online": "3-1", cpuDir + "present": "0-99999999999", cpuDir + "isolated": "x", cpuDir + "smt/active": "2",
		dir + "scaling_cur_freq": "<unknown>", dir + "scaling_max_freq": "-1", dir + "cpuinfo_max_freq": "99999999999999999999",
		"proc/pressure/cpu": "some avg10=NaN total=1\nfull avg10=101 total=2", "proc/pressure/io": "some avg10=1.00", "proc/pressure/memory": "some total=-1 avg10=1",
		"var/lib/nvpmodel/status": "pmode:x", "etc/nv_tegra_release": "# garbage",
		thermal + "thermal_zone0/temp": "2147483647", thermal + "thermal_zone1/temp": "hot",
		"proc/cpuinfo": "cpu MHz : Inf\n", "proc/self/status": "Cpus_allowed_list:\n",
		"sys/devices/platform/soc/soc:firmware/get_throttled": "zz",
	}))
	want := host.Info{Schema: host.Schema, State: host.State{Policies: []host.Policy{{Name: "policy0"}}}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

// sick answers every question with an error, or with an endless file.
type sick struct{ endless bool }

func (s sick) Open(name string) (fs.File, error) {
	if s.endless && strings.HasPrefix(name, "proc/") {
		return endless{}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

type endless struct{ fs.File }

func (endless) Read(b []byte) (int, error) {
	return copy(b, strings.Repeat("processor : 1\nuarch : x\n", 1+len(b)/24)), nil
}
func (endless) Close() error { return nil }

func TestSickFileSystems(t *testing.T) {
	if diff := cmp.Diff(host.Info{Schema: host.Schema}, host.Read(sick{})); diff != "" {
		t.Error(diff)
	}
	encode(t, host.Read(sick{endless: true}))
}

// NVIDIA's driver of L4T R32 gives milliwatts.
func TestOldJetsonRails(t *testing.T) {
	dir := "sys/bus/i2c/drivers/ina3221x/7-0040/iio:device0/"
	got := host.ReadState(tree(map[string]string{
		dir + "rail_name_0": "VDD_IN\n", dir + "in_power0_input": "3120\n", dir + "in_power2_input": "808\n",
	})).Rails
	if diff := cmp.Diff([]host.Rail{{Name: "VDD_IN", Watts: 3.12}, {Name: "iio:device0 2", Watts: 0.808}}, got); diff != "" {
		t.Error(diff)
	}
}

// Whatever machine the tests run on: reading it twice, and from several goroutines, tells the same
// machine, and on Linux at least the kernel and the processors are known.
func TestThisMachine(t *testing.T) {
	want := host.ReadMachine(host.FS())
	if _, err := os.Stat("/proc/cpuinfo"); err == nil && (want.Kernel.Release == "" || want.CPU.Online < 1 || want.MemoryBytes < 1<<20 || want.CPU.Architecture == "") {
		t.Errorf("%+v", want)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			got := host.Read(host.FS())
			// The kernel may tell another clock each time.
			got.Machine.CPU.Clock = want.CPU.Clock
			if diff := cmp.Diff(want, got.Machine); diff != "" {
				t.Error(diff)
			}
		}()
	}
	wg.Wait()
	encode(t, host.Read(host.FS()))
}

// No content of any file crashes the reader or spoils the JSON form.
func FuzzRead(f *testing.F) {
	names := []string{"proc/cpuinfo", "proc/meminfo", "proc/loadavg", "proc/pressure/cpu", "proc/self/status", "proc/device-tree/compatible", "proc/device-tree/model",
		"etc/nv_tegra_release", "etc/nvpmodel.conf", "var/lib/nvpmodel/status", cpuDir + "online", cpuDir + "cpufreq/policy0/scaling_cur_freq", thermal + "thermal_zone0/temp",
		cpuDir + "cpu0/thermal_throttle/core_throttle_count", "sys/class/hwmon/hwmon0/in1_input", "sys/class/hwmon/hwmon0/curr1_input"}
	for _, tree := range []fstest.MapFS{xavierNX(), orin(), raspberryPi4(), pc()} {
		for i, name := range names {
			if file := tree[name]; file != nil {
				f.Add(uint8(i), file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, data []byte) {
		files := fstest.MapFS{"sys/class/hwmon/hwmon0/name": {Data: []byte("ina3221")}, "sys/class/hwmon/hwmon0/in1_input": {Data: []byte("5000")},
			"sys/class/hwmon/hwmon0/curr1_input": {Data: []byte("1")}, "var/lib/nvpmodel/status": {Data: []byte("pmode:1")}}
		files[names[int(i)%len(names)]] = &fstest.MapFile{Data: data}
		info := host.Read(files)
		var back host.Info
		if err := json.Unmarshal(encode(t, info), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(info, back); diff != "" {
			t.Error(diff)
		}
		for _, r := range info.State.Rails {
			if math.IsNaN(float64(r.Watts)) {
				t.Error("a rail is NaN")
			}
		}
	})
}

func ExampleRead() {
	board := fstest.MapFS{
		"proc/device-tree/model":                                  {Data: []byte("Raspberry Pi 4 Model B Rev 1.4\x00")},
		"sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": {Data: []byte("1500000\n")},
		"sys/class/thermal/thermal_zone0/temp":                    {Data: []byte("55017\n")},
	}
	info := host.Read(board) // host.Read(host.FS()) reads this machine
	fmt.Println(info.Machine.Board.Model)
	fmt.Println(info.State.Policies[0].Current, info.State.Temperatures[0].Celsius)
	fmt.Println(info.Machine.CPU.Online) // unknown
	// Output:
	// Raspberry Pi 4 Model B Rev 1.4
	// 1.500 GHz 55.0 C
	// 0
}

// TestSensorsOfOneName: sensors that share a name are told apart, and keep their names while one of them does not answer.
func TestSensorsOfOneName(t *testing.T) {
	m := map[string]string{}
	zones(m, "acpitz", "27800", "acpitz", "16800", "acpitz", "-274000", "acpitz", "31000")
	for i := range 2 {
		dir := fmt.Sprintf("sys/class/hwmon/hwmon%d/", i)
		m[dir+"name"], m[dir+"in1_label"], m[dir+"in1_input"], m[dir+"curr1_input"] = "ina3221\n", "VDD\n", "5000\n", fmt.Sprintf("%d00\n", i+1)
	}
	var names []string
	s := host.ReadState(tree(m))
	for _, z := range s.Temperatures {
		names = append(names, fmt.Sprintf("%s %g", z.Zone, float64(z.Celsius)))
	}
	for _, r := range s.Rails {
		names = append(names, fmt.Sprintf("%s %g", r.Name, float64(r.Watts)))
	}
	want := []string{"acpitz 27.8", "acpitz 2 16.8", "acpitz 4 31", "VDD 0.5", "VDD 2 1"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}
