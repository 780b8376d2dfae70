package board_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/unit"
)

// sample is a line of a Jetson TX2's tegrastats.
type sample struct {
	emcBusy, emc, gpuBusy, gpu float64 // per cent, MHz
	gpuWatts, ddrWatts         float64
}

var tegrastats = regexp.MustCompile(`EMC_FREQ (\d+)%@(\d+) GR3D_FREQ (\d+)%@(\d+) .*VDD_SYS_GPU (\d+)/.*VDD_SYS_DDR (\d+)/`)

func tx2(t *testing.T) []sample {
	t.Helper()
	f, err := os.Open(reftest.Path(t, "tx2", "data_transfer_tegrastats_gpu_x_emc.txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var samples []sample
	for lines := bufio.NewScanner(z); lines.Scan(); {
		m := tegrastats.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		var v [6]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(m[i+1], 64); err != nil {
				t.Fatal(err)
			}
		}
		samples = append(samples, sample{v[0], v[1], v[2], v[3], v[4] / 1e3, v[5] / 1e3})
	}
	if len(samples) < 5000 {
		t.Fatalf("%d samples", len(samples))
	}
	return samples
}

// slope returns the least-squares slope of y over x.
func slope(x, y []float64) float64 {
	mx, my, xx, xy := 0.0, 0.0, 0.0, 0.0
	for i := range x {
		mx, my = mx+x[i]/float64(len(x)), my+y[i]/float64(len(x))
	}
	for i := range x {
		xx, xy = xx+(x[i]-mx)*(x[i]-mx), xy+(x[i]-mx)*(y[i]-my)
	}
	return xy / xx
}

// TestPowerFittedOnTX2 repeats the fits from which the boards take two numbers over: the exponent of a
// GPU's power over its clock, and the energy of a byte.
func TestPowerFittedOnTX2(t *testing.T) {
	samples := tx2(t)
	var idle []float64
	busy := map[float64][]float64{}
	var bandwidth, ddr []float64
	for _, s := range samples {
		if s.gpuBusy <= 1 {
			idle = append(idle, s.gpuWatts)
		}
		if s.gpuBusy >= 90 {
			busy[s.gpu] = append(busy[s.gpu], s.gpuWatts)
		}
		bandwidth = append(bandwidth, s.emcBusy/100*s.emc*1e6*32) // 128 bit, two transfers per clock
		ddr = append(ddr, s.ddrWatts)
	}
	var x, y []float64
	for clock, watts := range busy { // the order makes no difference that counts here
		if len(watts) >= 100 {
			x, y = append(x, math.Log(clock)), append(y, math.Log(median(watts)-median(idle)))
		}
	}
	exponent, energy := slope(x, y), slope(bandwidth, ddr)*1e12
	t.Logf("exponent %.3f over %d clocks, %.1f pJ/B over %d samples", exponent, len(x), energy, len(ddr))
	nx := builtin(t, "jetson-xavier-nx")
	if want := nx.Power.Parts[1].Exponent.Value; len(x) != 13 || math.Abs(exponent-want) > 0.005 {
		t.Errorf("exponent %v over %d clocks, the board has %v", exponent, len(x), want)
	}
	if want := float64(nx.Power.Energy.Value) * 1e12; math.Abs(energy-want) > 0.5 {
		t.Errorf("energy %v pJ/B, the board has %v", energy, want)
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// TestPowerAgainstMLPerf compares a Raspberry Pi 4 that does nothing, and one whose four cores run ResNet-50,
// with what MLPerf v1.0 measured at the wall. Nothing of it went into the coefficients. The run's board had a
// Coral stick plugged in and no fan, so this is a check of magnitude.
func TestPowerAgainstMLPerf(t *testing.T) {
	f, err := os.Open(reftest.Path(t, "mlperf", "mlperf_v1.0_edge_summary.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int { return slices.Index(rows[0], name) }
	i := slices.IndexFunc(rows, func(row []string) bool {
		return row[column("system")] == "rpi4coral-fan.off-tflite-v2.4.1-ruy" && row[column("model")] == "resnet50"
	})
	pi := builtin(t, "raspberry-pi-4")
	for _, c := range []struct {
		column   string
		activity board.Activity
	}{
		{"min_W_all", board.Activity{Temperature: 40}},
		{"avg_W", board.Activity{Temperature: 70, Parts: []board.PartActivity{{Processor: "cpu", Clock: unit.Hertz(1500e6), Utilisation: 1}}}},
	} {
		measured, err := strconv.ParseFloat(rows[i][column(c.column)], 64)
		if err != nil {
			t.Fatal(err)
		}
		modelled, _, err := pi.Draw(c.activity)
		if err != nil {
			t.Fatal(err)
		}
		off := float64(modelled)/measured - 1
		t.Logf("%s: measured %v W, modelled %v: off by %+.1f%%", c.column, measured, modelled, 100*off)
		if math.Abs(off) > 0.15 {
			t.Errorf("%s: measured %v W, modelled %v", c.column, measured, modelled)
		}
	}
}
