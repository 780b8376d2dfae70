package command

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// usualProviders are the execution providers of processors that nothing is said about, by name.
var usualProviders = map[string]string{"cpu": "cpu", "gpu": "cuda"}

// ParseProviders reads an --ep argument: one execution provider, "cuda", or one for each of several processors,
// "cpu=xnnpack,gpu=cuda". The first form gives a single entry without a name. Whether the library has them shows when it
// is loaded.
func ParseProviders(text string) ([]bundle.Processor, error) {
	if text == "" {
		return nil, nil
	}
	var list []bundle.Processor
	for _, item := range strings.Split(text, ",") {
		name, provider, named := strings.Cut(item, "=")
		if !named {
			name, provider = "", item
		}
		provider = strings.ToLower(provider)
		switch {
		case !slices.Contains(ort.Providers(), provider):
			return nil, Usagef("--ep %q: %q is no execution provider: known are %s", text, provider, strings.Join(ort.Providers(), ", "))
		case named && name == "" || !named && text != item:
			return nil, Usagef("--ep %q: several are written PROCESSOR=PROVIDER,...", text)
		case slices.ContainsFunc(list, func(p bundle.Processor) bool { return p.Name == name }):
			return nil, Usagef("--ep %q: %q stands twice", text, name)
		}
		list = append(list, bundle.Processor{Name: name, Provider: provider})
	}
	return list, nil
}

// UsualProcessors returns processors with the execution provider that is usual for their name: cpu for "cpu", cuda for "gpu", none
// for others.
func UsualProcessors(names []string) []bundle.Processor {
	var list []bundle.Processor
	for _, name := range names {
		list = append(list, bundle.Processor{Name: name, Provider: usualProviders[name]})
	}
	return list
}

// ChooseProcessors says what runs on which of the known processors. names lists those that serve, separated by commas, empty for those that
// providers names, in its order. What providers says nothing about keeps its own.
func ChooseProcessors(known []bundle.Processor, names string, providers []bundle.Processor) ([]bundle.Processor, error) {
	var wanted []string
	if names != "" {
		wanted = strings.Split(names, ",")
	}
	for _, p := range providers {
		if p.Name != "" && names == "" {
			wanted = append(wanted, p.Name)
		}
	}
	var chosen []bundle.Processor
	for _, name := range wanted {
		i := slices.IndexFunc(known, func(p bundle.Processor) bool { return p.Name == name })
		switch {
		case i < 0:
			return nil, Usagef("processor %q is none of %s", name, namesOf(known))
		case slices.ContainsFunc(chosen, func(p bundle.Processor) bool { return p.Name == name }):
			return nil, Usagef("processor %q stands twice", name)
		}
		chosen = append(chosen, known[i])
	}
	for _, given := range providers {
		i := slices.IndexFunc(chosen, func(p bundle.Processor) bool { return p.Name == given.Name || given.Name == "" && len(chosen) == 1 })
		switch {
		case i >= 0:
			chosen[i].Provider = given.Provider
		case given.Name == "":
			return nil, Usagef("--ep %s: for which of %s? Write %s=%s", given.Provider, namesOf(chosen), chosen[len(chosen)-1].Name, given.Provider)
		default:
			return nil, Usagef("--ep %s=%s: %s is none of %s, which serve", given.Name, given.Provider, given.Name, namesOf(chosen))
		}
	}
	for _, p := range chosen {
		if p.Provider == "" {
			return nil, Usagef("processor %q: which execution provider runs it? Write --ep %s=PROVIDER", p.Name, p.Name)
		}
	}
	return chosen, nil
}

// namesOf lists processors by name, as they are written in flags.
func namesOf(list []bundle.Processor) string {
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	return strings.Join(names, ",")
}

// probe runs a small block with an execution provider, which shows whether the library offers it, and returns how long that took.
func probe(rt *ort.Runtime, o ort.Options) (time.Duration, error) {
	block := supernet.Block{Op: supernet.OpPool, In: supernet.Shape{Size: 4, Channels: 8}, Out: supernet.Shape{Size: 1, Channels: 8}}
	model, err := onnx.Block(block, 1, 1)
	if err != nil {
		return 0, err
	}
	s, err := rt.NewSession(model, o)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	err = s.Run()
	took := time.Since(began)
	return took, errors.Join(err, s.Close())
}

// processorNames lists processors with their execution providers for people: "cpu (cpu), gpu (cuda)".
func processorNames(list []bundle.Processor) string {
	var names []string
	for _, p := range list {
		names = append(names, p.Name+" ("+p.Provider+")")
	}
	return strings.Join(names, ", ")
}
