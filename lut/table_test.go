package lut_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

func TestLatencyValidate(t *testing.T) {
	nan := unit.Nanoseconds(math.NaN())
	full := func() lut.Latency {
		return lut.Latency{N: 20, Min: 10, P50: 20, P90: 30, P99: 40, Mean: 21, Std: 5, CILow: 18, CIHigh: 22}
	}
	for name, c := range map[string]struct {
		change func(*lut.Latency)
		want   string // part of the message; empty: valid
	}{
		"all known":            {func(*lut.Latency) {}, ""},
		"mean only":            {func(l *lut.Latency) { *l = lut.MeanOnly(3, 20, 1) }, ""},
		"count unknown":        {func(l *lut.Latency) { l.N = 0 }, ""},
		"no p90":               {func(l *lut.Latency) { l.P90 = nan }, ""},
		"zero":                 {func(l *lut.Latency) { *l = lut.MeanOnly(3, 0, 0) }, ""},
		"equal quantiles":      {func(l *lut.Latency) { l.P90 = l.P50 }, ""},
		"unknown":              {func(l *lut.Latency) { *l = lut.Unknown() }, "neither median nor mean"},
		"negative count":       {func(l *lut.Latency) { l.N = -1 }, "count -1"},
		"negative mean":        {func(l *lut.Latency) { l.Mean = -1 }, "mean is -1 ns"},
		"negative deviation":   {func(l *lut.Latency) { l.Std = -2 }, "std is -2 ns"},
		"infinite p99":         {func(l *lut.Latency) { l.P99 = unit.Nanoseconds(math.Inf(1)) }, "p99 is +Inf"},
		"p50 below min":        {func(l *lut.Latency) { l.P50 = 5 }, "p50 is below min"},
		"p99 below p50":        {func(l *lut.Latency) { l.P90, l.P99 = nan, 15 }, "p99 is below p50"},
		"interval reversed":    {func(l *lut.Latency) { l.CILow, l.CIHigh = 22, 18 }, "interval [22, 18]"},
		"median outside":       {func(l *lut.Latency) { l.CIHigh = 19 }, "does not hold the median"},
		"half interval":        {func(l *lut.Latency) { l.CIHigh = nan }, ""},
		"minus zero":           {func(l *lut.Latency) { l.Std = unit.Nanoseconds(math.Copysign(0, -1)) }, ""},
		"both ends infinite":   {func(l *lut.Latency) { l.Min = unit.Nanoseconds(math.Inf(-1)) }, "min is -Inf"},
		"several are reported": {func(l *lut.Latency) { l.Mean, l.N = -1, -1 }, "count -1 is negative\nmean is -1 ns"},
	} {
		l := full()
		c.change(&l)
		err := l.Validate()
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestCentral(t *testing.T) {
	l := lut.MeanOnly(1, 7, 0)
	if got := l.Central(); got != 7 {
		t.Errorf("mean only: %v", got)
	}
	l.P50 = 6
	if got := l.Central(); got != 6 {
		t.Errorf("median known: %v", got)
	}
	if got := lut.Unknown().Central(); !math.IsNaN(float64(got)) {
		t.Errorf("unknown: %v", got)
	}
}

func TestTableValidate(t *testing.T) {
	s := space(t)
	nan := math.NaN()
	for name, c := range map[string]struct {
		change func(*lut.Table)
		want   string
	}{
		"valid":            {func(*lut.Table) {}, ""},
		"no device":        {func(t *lut.Table) { t.Point.Device = "" }, "device is empty"},
		"no processor":     {func(t *lut.Table) { t.Point.Processor = "" }, "processor is empty"},
		"no space":         {func(t *lut.Table) { t.Space = "" }, "space is empty"},
		"no source":        {func(t *lut.Table) { t.Source = "" }, "source is empty"},
		"origin":           {func(t *lut.Table) { t.Origin = "guessed" }, `origin "guessed"`},
		"no entries":       {func(t *lut.Table) { t.Entries = nil }, "no entries"},
		"repeated key":     {func(t *lut.Table) { t.Entries = append(t.Entries, t.Entries[3]) }, "is repeated"},
		"resolution":       {func(t *lut.Table) { t.Entries[0].Key.Resolution = -1 }, "resolution is negative"},
		"block":            {func(t *lut.Table) { t.Entries[1].Key.Block.Kernel = 4 }, "kernel 4"},
		"latency":          {func(t *lut.Table) { t.Entries[2].Latency.Mean = -3 }, "mean is -3 ns"},
		"NaN latency":      {func(t *lut.Table) { t.Entries[2].Latency = lut.Unknown() }, "neither median nor mean"},
		"clock":            {func(t *lut.Table) { t.Point.CPUClock = unit.Hertz(nan) }, "cpu clock is NaN"},
		"negative clock":   {func(t *lut.Table) { t.Point.MemoryClock = -1 }, "memory clock is -1"},
		"threads":          {func(t *lut.Table) { t.Point.Threads = -1 }, "threads -1"},
		"period":           {func(t *lut.Table) { t.Point.Period = -1 }, "period -1ns"},
		"calibration":      {func(t *lut.Table) { t.Calibration.Scale = nan }, "calibration scale NaN"},
		"negative scale":   {func(t *lut.Table) { t.Calibration.Scale = -1 }, "calibration scale -1"},
		"offset":           {func(t *lut.Table) { t.Calibration.Offset = unit.Nanoseconds(math.Inf(1)) }, "offset +Inf"},
		"fact twice":       {func(t *lut.Table) { t.Provenance = []lut.Fact{{"a", "1"}, {"a", "2"}} }, `name "a" is empty or repeated`},
		"nameless fact":    {func(t *lut.Table) { t.Provenance = []lut.Fact{{"", "1"}} }, `name "" is empty`},
		"network":          {func(t *lut.Table) { t.Networks = []lut.NetworkLatency{{"{}", lut.Unknown()}} }, "network 0"},
		"nameless network": {func(t *lut.Table) { t.Networks = []lut.NetworkLatency{{"", lut.MeanOnly(1, 1, 1)}} }, "network 0 has no architecture"},
	} {
		tab := table(t, s, 160)
		c.change(tab)
		err := tab.Validate()
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// A table that is wrong everywhere gives a short error.
func TestTableValidateIsBounded(t *testing.T) {
	tab := table(t, space(t), 160)
	for i := range tab.Entries {
		tab.Entries[i].Latency = lut.Unknown()
	}
	err := tab.Validate()
	if err == nil || strings.Count(err.Error(), "\n") > 20 || !strings.Contains(err.Error(), "more problems follow") {
		t.Errorf("error %v", err)
	}
}

func TestSortAndResolutions(t *testing.T) {
	tab := table(t, space(t), 224, 160, 192)
	if diff := cmp.Diff([]int{160, 192, 224}, tab.Resolutions()); diff != "" {
		t.Errorf("resolutions (-want +got):\n%s", diff)
	}
	tab.Sort()
	if !slices.IsSortedFunc(tab.Entries, func(a, b lut.Entry) int { return a.Key.Compare(b.Key) }) {
		t.Error("entries are not in order")
	}
	if tab.Entries[0].Key.Resolution != 160 || tab.Entries[len(tab.Entries)-1].Key.Resolution != 224 {
		t.Error("resolution does not come first")
	}
	backwards := slices.Clone(tab.Entries)
	slices.Reverse(backwards)
	other := lut.Table{Entries: backwards}
	other.Sort()
	for i, e := range other.Entries {
		if e.Key != tab.Entries[i].Key {
			t.Fatalf("entry %d is %v, want %v", i, e.Key, tab.Entries[i].Key)
		}
	}
}
