package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/search/family"
)

// servingFlags say which processors run a bundle, and what runs on them.
type servingFlags struct{ processors, providers string }

func (s *servingFlags) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "processors", Usage: "`PROCESSORS` that serve the levels at the same time, such as cpu,gpu; each needs a latency at every level, see family choose --also-table", DefaultText: "the family's first", Destination: &s.processors},
		&cli.StringFlag{Name: "ep", Usage: "execution `PROVIDER` that runs the levels, or one for each processor, as in cpu=xnnpack,gpu=tensorrt: " + strings.Join(ort.Providers(), ", "), DefaultText: "cpu; cuda for a processor named gpu of --processors", Destination: &s.providers},
	}
}

// runtime says what a bundle of a family needs to run.
func (s *servingFlags) runtime(f *family.Family) (bundle.Runtime, error) {
	r := bundle.Runtime{Name: "onnxruntime", MinVersion: minRuntime, Provider: "cpu"}
	providers, err := command.ParseProviders(s.providers)
	if err != nil {
		return r, err
	}
	if s.processors == "" && (len(providers) == 0 || providers[0].Name == "") {
		if len(providers) > 0 {
			r.Provider = providers[0].Provider
		}
		return r, nil // one processor, the family's first
	}
	if r.Processors, err = command.ChooseProcessors(command.UsualProcessors(f.Processors()), s.processors, providers); err != nil {
		return r, err
	}
	r.Provider = r.Processors[0].Provider
	return r, nil
}

// servingNames returns the processors that a runtime serves on, by name.
func servingNames(r bundle.Runtime, f *family.Family) []string {
	if len(r.Processors) == 0 {
		return f.Processors()[:1]
	}
	var names []string
	for _, p := range r.Processors {
		names = append(names, p.Name)
	}
	return names
}

// deviceProvider returns an execution provider that needs devices, if one does, for the service's sandbox.
func deviceProvider(r bundle.Runtime) string {
	for _, p := range r.Processors {
		if p.Provider != "cpu" {
			return p.Provider
		}
	}
	return r.Provider
}

// lonely says that a policy leaves processors idle, empty if it does not.
func lonely(p bundle.Policy, names []string) string {
	info, err := policy.About(policy.Name(p.Spec))
	if err != nil || len(names) < 2 || !info.Alone() {
		return ""
	}
	served := p.Params["processor"]
	if served == "" {
		served = names[0]
	}
	return fmt.Sprintf("policy %s serves on %s alone: the other processors stand by for when it is out of service; qdp uses all", p.Spec, served)
}
