package policy_test

import (
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/policy/policytest"
)

// conforming lists what the conformance suite is run on: every policy as it comes, and with other
// parameters.
var conforming = []struct {
	spec   string
	params map[string]string
}{
	{"static:0", nil},
	{"static:3", nil},
	{"ladder", nil},
	{"ladder", map[string]string{"initial_level": "0", "window": "1", "warmup": "0", "up_after": "0", "up_count": "0", "dataset": "7", "cutoff": "24h"}},
	{"ladder", map[string]string{"min_images": "10", "restart_at": "100ms", "limit_step": "1ns", "window": "3"}},
	{"slack", nil},
	{"alert", nil},
	{"alert", map[string]string{"q0": "0", "r": "10", "alpha": "1"}},
	{"clipper", nil},
	{"clipper", map[string]string{"increase": "64", "decrease": "100%"}},
	{"model-switching", nil},
	{"model-switching", map[string]string{"window": "1h"}},
	{"slackfit", nil},
	{"slackfit", map[string]string{"hopeless": "drop", "margin": "300%", "buckets": "1"}},
	{"proteus", nil},
	{"proteus", map[string]string{"beta": "5%", "period": "1ms", "com": "0"}},
	{"schedutil+static:0", nil},
	{"clipper", map[string]string{"batch_increase": "0.4", "initial_level": "0"}},
	{"static-drop", nil},
	{"static-drop", map[string]string{"margin": "1h"}},
	{"qdp", nil},
	{"qdp", map[string]string{"drops": "100", "hopeless": "drop", "labels": "0", "miss_target": "0.1%", "switch_cost": "1%"}},
	{"qdp", map[string]string{"energy": "50%", "drops": "3", "doubt": "2"}},
	{"qdp", map[string]string{"drops": "0", "price": "3", "floor_price": "2", "labels": "100000"}},
}

func TestConformance(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range conforming {
		if tested[policy.Name(c.spec)] && reftest.RaceDetector {
			continue // once is enough for it: policies start no goroutines
		}
		tested[policy.Name(c.spec)] = true
		t.Run(c.spec, func(t *testing.T) { policytest.Test(t, c.spec, c.params) })
	}
	for _, name := range policy.Names() {
		if !tested[name] {
			t.Errorf("policy %s is not run through the conformance suite", name)
		}
	}
}

// parameters reads "name=value;name=value", the form of the fuzz target's input.
func parameters(text string) map[string]string {
	params := map[string]string{}
	for item := range strings.SplitSeq(text, ";") {
		if name, value, ok := strings.Cut(item, "="); ok {
			params[name] = value
		}
	}
	return params
}

// New never panics, and what it builds it builds again from its Spec and decides validly.
func FuzzNew(f *testing.F) {
	for _, c := range [][2]string{
		{"static:3", ""}, {"static:", ""}, {"static:-1", ""}, {"static:03", ""}, {"static:99999999999999999999", ""},
		{"ladder", "window=20;cutoff=90ms;dataset=10"}, {"ladder", "window=0"}, {"ladder", "window=1e9"},
		{"ladder", "cutoff=-1ns"}, {"ladder", "cutoff=9999999h"}, {"ladder", "initial_level=5;min_images=40;restart_at=2.47s"},
		{"ladder:x", ""}, {"slack", "margin=5%"}, {"slack", "margin=NaN"}, {"slack", "margin=1e308"}, {"slack", "no=1"},
		{"slack", "processor=p1"}, {"", ""}, {":", "="}, {"unknown", ""},
		{"qdp", "drops=1000000;labels=0;miss_target=50%"}, {"qdp", "price=100;floor_price=100;switch_cost=1"}, {"qdp", "miss_target=60%"},
		{"slackfit", "hopeless=perhaps"}, {"slackfit", "buckets=4096;hopeless=drop"}, {"alert", "q0=10;r=0"}, {"clipper", "increase=64"},
		{"proteus", "beta=0;period=1h"}, {"schedutil+static:", ""}, {"model-switching", "window=1ms"}, {"static-drop", "level=5;margin=1h"},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, spec, text string) {
		for _, m := range policytest.Models() {
			p, err := policy.New(spec, parameters(text), m.Model)
			if err != nil {
				if !strings.HasPrefix(err.Error(), "policy") {
					t.Fatalf("error %q does not say whose it is", err)
				}
				continue
			}
			if _, err := policy.New(p.Spec(), parameters(text), m.Model); err != nil {
				t.Fatalf("Spec %q: %v", p.Spec(), err)
			}
			for i := range int64(3) {
				d := p.Decide(&policy.Observation{Level: -1, Processor: -1, Queue: []policy.Request{{ID: i}}, Waiting: 1, Limit: 1})
				if err := d.Check(m.Model); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
