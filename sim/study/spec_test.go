package study_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/sim/study"
)

func TestParseSpecs(t *testing.T) {
	got, err := study.ParseSpecs("slack, static:3,slackfit{margin=10% hopeless=drop}")
	want := []study.Spec{{Policy: "slack"}, {Policy: "static:3"}, {Policy: "slackfit", Params: map[string]string{"margin": "10%", "hopeless": "drop"}}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	if text := got[2].String(); text != "slackfit{hopeless=drop margin=10%}" {
		t.Error(text)
	}
	for _, bad := range []string{"", "a,,b", "a{", "a{b}", "a{b=1 b=2}", "a{b=1}}", "{b=1}", "a{=1}", "a{b=1,c=2}", "a{b=1, c=2}"} {
		if got, err := study.ParseSpecs(bad); err == nil {
			t.Errorf("%q is accepted as %v", bad, got)
		}
	}
}

func TestFactorial(t *testing.T) {
	var axes []study.Axis
	for _, text := range []string{"arrivals.rate=10/s,20/s", "noise={kind: lognormal, sigma: 0.1},none"} {
		a, err := study.ParseAxis(text)
		if err != nil {
			t.Fatal(err)
		}
		axes = append(axes, a)
	}
	var got []string
	if err := study.Factorial(axes, func(v []string) error { got = append(got, strings.Join(v, "|")); return nil }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"10/s|{kind: lognormal, sigma: 0.1}", "10/s|none", "20/s|{kind: lognormal, sigma: 0.1}", "20/s|none"}, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"", "=1", "a", "a=", "a=1,,2"} {
		if _, err := study.ParseAxis(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
