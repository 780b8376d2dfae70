package traffic_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/traffic"
)

func TestChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "full.yaml")
	if err := os.WriteFile(path, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := traffic.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	with := func(texts ...string) (*traffic.Scenario, error) {
		var changes []traffic.Change
		for _, text := range texts {
			c, err := traffic.ParseChange(text)
			if err != nil {
				return nil, err
			}
			changes = append(changes, c)
		}
		return file.Scenario(changes...)
	}
	got, err := with("limit=80ms", "arrivals.jitter=2ms", "disturbances.gpu[0].slowdown=1.3", "noise={kind: lognormal, sigma: 0.1}",
		"board=jetson-xavier-nx", "policies.qdp.drops=2", "events=[{at: 1s, kind: limit, to: 70ms}]")
	if err != nil {
		t.Fatal(err)
	}
	want := fullScenario()
	want.Limit, want.Arrivals = 80*ms, traffic.Periodic{Period: 33300 * time.Microsecond, Jitter: 2 * ms}
	want.Disturbances[1].Profile[0].Slowdown = 1.3
	want.Noise.Sigma, want.Board = 0.1, "jetson-xavier-nx"
	want.Policies["qdp"] = map[string]string{"drops": "2"}
	want.Events = []traffic.Event{{At: time.Second, Kind: traffic.LimitEvent, Limit: 70 * ms}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if again, err := file.Scenario(); err != nil || cmp.Diff(fullScenario(), again) != "" {
		t.Errorf("changes stay in the file: %v", err)
	}
	for change, says := range map[string]string{
		"limit":                              "not of the form KEY=VALUE",
		"=3":                                 "not of the form KEY=VALUE",
		"limit=80":                           ":12: limit: \"80\" has no unit",
		"limt=80ms":                          "limt: unknown key",
		"limit.x=80ms":                       "limit.x: x to change is in the value",
		"disturbances.gpu[7].slowdown=1":     "there is no element 7",
		"disturbances.gpu[x].slowdown=1":     "disturbances.gpu[x].slowdown",
		"disturbances.gpu[1].slowdown=1e300": ":22: disturbances.gpu[1].slowdown: 1e+300 is outside",
		"title=*x":                           "title: changed to",
		"title=!!binary aGVsbG8=":            "tags are not allowed",
		"title=":                             "title: changed to \"\"",
		"arrivals=[":                         "no value",
	} {
		if _, err := with(change); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want one with %q", change, err, says)
		}
	}
}
