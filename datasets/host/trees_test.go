package host_test

import (
	"fmt"
	"strings"
	"testing/fstest"
)

// The trees below hold what the machines' kernels tell, as far as the package reads it. Layout: Linux,
// Documentation/ABI (sysfs-devices-system-cpu, sysfs-class-thermal, sysfs-class-devfreq, hwmon) and
// NVIDIA's Jetson Linux Developer Guide, "Platform Power and Performance". Numbers are plausible, not
// measured, except the published limits of clocks.

// tree makes a file system of paths and contents.
func tree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, data := range files {
		m[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return m
}

const (
	cpuDir  = "sys/devices/system/cpu/"
	thermal = "sys/class/thermal/"
)

// cpuinfo repeats a block of lines for processors 0..n-1.
func cpuinfo(n int, block string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "processor\t: %d\n%s\n\n", i, block)
	}
	return b.String()
}

func policy(m map[string]string, number int, cpus, driver, governor string, kilohertz [5]int) {
	dir := fmt.Sprintf("%scpufreq/policy%d/", cpuDir, number)
	m[dir+"affected_cpus"], m[dir+"scaling_driver"], m[dir+"scaling_governor"] = cpus+"\n", driver+"\n", governor+"\n"
	for i, name := range []string{"scaling_cur_freq", "scaling_min_freq", "scaling_max_freq", "cpuinfo_min_freq", "cpuinfo_max_freq"} {
		m[dir+name] = fmt.Sprintln(kilohertz[i])
	}
}

func zones(m map[string]string, readings ...string) {
	for i := 0; i < len(readings); i += 2 {
		dir := fmt.Sprintf("%sthermal_zone%d/", thermal, i/2)
		m[dir+"type"], m[dir+"temp"] = readings[i]+"\n", readings[i+1]+"\n"
	}
}

// jetson holds what the Xavier NX and the Orin have in common.
func jetson(compatible string) map[string]string {
	return map[string]string{
		"proc/device-tree/compatible": compatible,
		"proc/sys/kernel/ostype":      "Linux\n",
		"proc/loadavg":                "0.52 0.58 0.59 1/467 12345\n",
		"proc/self/status":            "Name:\tdynofa\nCpus_allowed:\t3f\nCpus_allowed_list:\t0-5\n",
		cpuDir + "present":            "0-5\n",
		cpuDir + "isolated":           "\n",
	}
}

// xavierNX is a Jetson Xavier NX with L4T R35.4.1 in mode 15 W, 4 cores: two are offline.
func xavierNX() fstest.MapFS {
	m := jetson("nvidia,p3509-0000+p3668-0000\x00nvidia,tegra194\x00")
	m["proc/device-tree/model"] = "NVIDIA Jetson Xavier NX Developer Kit\x00"
	m["proc/sys/kernel/osrelease"] = "5.10.120-tegra\n"
	m["proc/sys/kernel/version"] = "#1 SMP PREEMPT Tue Aug 1 12:32:50 PDT 2023\n"
	m["proc/cpuinfo"] = cpuinfo(4, "model name\t: ARMv8 Processor rev 0 (v8l)\nBogoMIPS\t: 62.50\n"+
		"Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm dcpop\n"+
		"CPU implementer\t: 0x4e\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x004\nCPU revision\t: 0")
	m["proc/meminfo"] = "MemTotal:        6983852 kB\nMemFree:         3120044 kB\nMemAvailable:    5482312 kB\n"
	m["etc/nv_tegra_release"] = "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, DATE: Tue Aug  1 19:57:35 UTC 2023\n"
	m["etc/nvpmodel.conf"] = "# comment\n< PARAM TYPE=FILE NAME=CPU_ONLINE >\nCORE_0 /sys/devices/system/cpu/cpu0/online\n\n" +
		"< POWER_MODEL ID=0 NAME=MODE_15W_2CORE >\nCPU_ONLINE CORE_1 1\n< POWER_MODEL ID=1 NAME=MODE_15W_4CORE >\n< POWER_MODEL ID=10 NAME=MODE_10 >\n< PM_CONFIG DEFAULT=5 >\n"
	m["var/lib/nvpmodel/status"] = "pmode:0001 fmode:quiet"
	m[cpuDir+"online"] = "0-3\n"
	policy(m, 0, "0 1", "tegra194", "schedutil", [5]int{1190400, 1190400, 1420800, 115200, 1907200})
	policy(m, 2, "2 3", "tegra194", "schedutil", [5]int{1420800, 1190400, 1420800, 115200, 1907200})
	for name, data := range map[string]string{"governor": "nvhost_podgov", "cur_freq": "114750000", "min_freq": "114750000", "max_freq": "1109250000"} {
		m["sys/class/devfreq/17000000.gv11b/"+name] = data + "\n"
	}
	m["sys/class/devfreq/17000000.gv11b/device/load"] = "437\n"
	m["proc/stat"] = "cpu  4000 50 1000 9000 200 30 20 700 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"
	for name, data := range map[string]string{"rate": "1600000000", "min_rate": "204000000", "max_rate": "1866000000"} {
		m["sys/kernel/debug/bpmp/debug/clk/emc/"+name] = data + "\n"
	}
	zones(m, "CPU-therm", "41500", "GPU-therm", "40000", "AUX-therm", "40500", "AO-therm", "41000", "PMIC-Die", "50000")
	m["sys/class/hwmon/hwmon0/name"] = "thermal-fan-est\n"
	m["sys/class/hwmon/hwmon0/in1_input"], m["sys/class/hwmon/hwmon0/curr1_input"] = "1\n", "1\n"
	m["sys/class/hwmon/hwmon4/name"] = "ina3221\n"
	// 5.0 V x 0.912 A = 4.56 W; 5.0 x 0.256 = 1.28; 5.0 x 0.528 = 2.64.
	for i, rail := range []string{"VDD_IN 5000 912", "VDD_CPU_GPU_CV 5000 256", "VDD_SOC 5000 528"} {
		f := strings.Fields(rail)
		dir := "sys/class/hwmon/hwmon4/"
		m[fmt.Sprintf("%sin%d_label", dir, i+1)], m[fmt.Sprintf("%sin%d_input", dir, i+1)], m[fmt.Sprintf("%scurr%d_input", dir, i+1)] = f[0]+"\n", f[1]+"\n", f[2]+"\n"
	}
	m["sys/class/hwmon/hwmon4/in7_label"], m["sys/class/hwmon/hwmon4/in7_input"] = "sum of shunt voltages\n", "8\n"
	m[thermal+"cooling_device2/type"], m[thermal+"cooling_device2/cur_state"] = "gpu-balanced\n", "0\n"
	return tree(m)
}

// orin is a Jetson Orin Nano with L4T R36: no EMC clock without root, and zones that do not answer.
func orin() fstest.MapFS {
	m := jetson("nvidia,p3768-0000+p3767-0005\x00nvidia,p3767-0005\x00nvidia,tegra234\x00")
	m["proc/device-tree/model"] = "NVIDIA Jetson Orin Nano Developer Kit\x00"
	m["proc/sys/kernel/osrelease"] = "5.15.136-tegra\n"
	m["proc/cpuinfo"] = cpuinfo(6, "BogoMIPS\t: 62.50\nFeatures\t: fp asimd evtstrm aes\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd42\nCPU revision\t: 1")
	m["proc/meminfo"] = "MemTotal:        7802112 kB\nMemAvailable:    6204800 kB\n"
	m["etc/nv_tegra_release"] = "# R36 (release), REVISION: 3.0, GCID: 36923193, BOARD: generic, EABI: aarch64, DATE: Fri Jul 19 23:24:25 UTC 2024\n"
	m["var/lib/nvpmodel/status"] = "pmode:0000"
	m[cpuDir+"online"] = "0-5\n"
	policy(m, 0, "0 1 2 3", "tegra194", "performance", [5]int{1510400, 1510400, 1510400, 115200, 1510400})
	policy(m, 4, "4 5", "tegra194", "performance", [5]int{1510400, 1510400, 1510400, 115200, 1510400})
	for name, data := range map[string]string{"governor": "nvhost_podgov", "cur_freq": "624750000", "min_freq": "306000000", "max_freq": "624750000"} {
		m["sys/class/devfreq/17000000.gpu/"+name] = data + "\n"
	}
	zones(m, "cpu-thermal", "48812", "gpu-thermal", "", "cv0-thermal", "-256000", "soc0-thermal", "47375", "tj-thermal", "48812")
	for _, r := range []string{"cpu", "io", "memory"} {
		m["proc/pressure/"+r] = "some avg10=1.50 avg60=0.40 avg300=0.11 total=123456\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=1000\n"
	}
	return tree(m)
}

// raspberryPi4 is one that has been throttled since boot.
func raspberryPi4() fstest.MapFS {
	m := map[string]string{
		"proc/device-tree/model":      "Raspberry Pi 4 Model B Rev 1.4\x00",
		"proc/device-tree/compatible": "raspberrypi,4-model-b\x00brcm,bcm2711\x00",
		"proc/sys/kernel/ostype":      "Linux\n",
		"proc/sys/kernel/osrelease":   "6.6.20+rpt-rpi-v8\n",
		"proc/sys/kernel/arch":        "aarch64\n",
		"proc/cpuinfo": cpuinfo(4, "BogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3") +
			"Hardware\t: BCM2835\nRevision\t: c03114\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
		"proc/meminfo":        "MemTotal:        3885396 kB\nMemAvailable:    3402812 kB\n",
		"proc/loadavg":        "0.00 0.01 0.05 1/150 901\n",
		cpuDir + "present":    "0-3\n",
		cpuDir + "online":     "0-3\n",
		cpuDir + "smt/active": "0\n",
		"sys/devices/platform/soc/soc:firmware/get_throttled": "50000\n",
	}
	policy(m, 0, "0 1 2 3", "cpufreq-dt", "ondemand", [5]int{600000, 600000, 1500000, 600000, 1500000})
	zones(m, "cpu-thermal", "55017")
	return tree(m)
}

// pc is a desktop with eight logical processors and intel_pstate.
func pc() fstest.MapFS {
	m := map[string]string{
		"sys/class/dmi/id/product_name": "OptiPlex 7090\n",
		"sys/class/dmi/id/sys_vendor":   "Dell Inc.\n",
		"proc/sys/kernel/ostype":        "Linux\n",
		"proc/sys/kernel/osrelease":     "6.1.0-18-amd64\n",
		"proc/sys/kernel/arch":          "x86_64\n",
		"proc/cpuinfo": cpuinfo(8, "vendor_id\t: GenuineIntel\nmodel name\t: 11th Gen Intel(R) Core(TM) i5-11400 @ 2.60GHz\ncpu MHz\t\t: 2600.000\nphysical id\t: 0\n"+
			"flags\t\t: fpu vme de pse tsc msr pae mce cx8 lm constant_tsc avx2"),
		"proc/meminfo":                       "MemTotal:       16215812 kB\nMemAvailable:   12000000 kB\n",
		"proc/loadavg":                       "1.25 0.80 0.40 2/900 4242\n",
		cpuDir + "present":                   "0-7\n",
		cpuDir + "online":                    "0-7\n",
		cpuDir + "isolated":                  "6-7\n",
		cpuDir + "smt/active":                "1\n",
		cpuDir + "intel_pstate/no_turbo":     "0\n",
		"sys/firmware/acpi/platform_profile": "balanced\n",
	}
	for i := range 8 {
		// Every second number, up to policy14: as text, policy10 would come before policy2.
		policy(m, 2*i, fmt.Sprint(i), "intel_pstate", "powersave", [5]int{800000 + 1000*i, 800000, 4400000, 800000, 4400000})
		m[fmt.Sprintf("%scpufreq/policy%d/energy_performance_preference", cpuDir, 2*i)] = "balance_performance\n"
		// Each core twice: summed over logical processors 3+0+1+0+3+0+1+0 = 8; the package counts 5.
		m[fmt.Sprintf("%scpu%d/thermal_throttle/core_throttle_count", cpuDir, i)] = []string{"3\n", "0\n", "1\n", "0\n"}[i%4]
		m[fmt.Sprintf("%scpu%d/thermal_throttle/package_throttle_count", cpuDir, i)] = "5\n"
	}
	zones(m, "acpitz", "27800", "x86_pkg_temp", "36000")
	m[thermal+"cooling_device0/type"], m[thermal+"cooling_device0/cur_state"] = "Processor\n", "0\n"
	m[thermal+"cooling_device10/type"], m[thermal+"cooling_device10/cur_state"] = "TCC Offset\n", "3\n"
	m[thermal+"cooling_device9/type"], m[thermal+"cooling_device9/cur_state"] = "intel_powerclamp\n", "-1\n"
	return tree(m)
}
