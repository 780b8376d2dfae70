package ort

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Options are the choices for a session. The zero value works: one thread, CPU.
type Options struct {
	// Threads is the number of threads that compute one inference, the caller's included; 0 means 1,
	// at most MaxThreads.
	Threads int
	// Provider is the execution provider: "" or "cpu", or one of Providers in any case. Operators
	// that it does not know run on the CPU.
	Provider string
	// ProviderOptions go to the provider as they are; see ONNX Runtime's documentation for keys.
	ProviderOptions map[string]string
	// Profile makes ONNX Runtime record the time of every operator in a file, in Chrome's trace format,
	// whose path starts with Profile; it is complete once the session is closed. Recording slows the
	// session down. "" records nothing.
	Profile string
}

// String describes the session in one line, with what is the same in every one of this program's.
func (o Options) String() string {
	n, err := o.normal()
	if err != nil {
		n = o
	}
	text := fmt.Sprintf("provider %s, %d threads, all graph optimisations, no spinning, one arena for all sessions where the library can", n.Provider, n.Threads)
	for _, name := range slices.Sorted(maps.Keys(n.ProviderOptions)) {
		text += fmt.Sprintf(", %s=%s", name, n.ProviderOptions[name])
	}
	return text
}

// MaxThreads is the most that Options.Threads may ask for.
const MaxThreads = 1024

// Providers returns the names of the execution providers that Options.Provider may ask for. Whether
// the loaded library offers one shows when a session is made.
func Providers() []string {
	return []string{"cpu", "cuda", "tensorrt", "openvino", "coreml", "xnnpack", "qnn"}
}

// normal returns o with defaults filled in, or an error that wraps ErrProvider for an unknown
// provider.
func (o Options) normal() (Options, error) {
	if o.Threads == 0 {
		o.Threads = 1
	}
	if o.Threads < 1 || o.Threads > MaxThreads {
		return o, fmt.Errorf("ort: %d threads are outside [1, %d]", o.Threads, MaxThreads)
	}
	name := strings.ToLower(o.Provider)
	if name == "" {
		name = "cpu"
	}
	if !slices.Contains(Providers(), name) {
		return o, fmt.Errorf("ort: execution provider %q: %w; known are %s", o.Provider, ErrProvider, strings.Join(Providers(), ", "))
	}
	if name == "cpu" && len(o.ProviderOptions) > 0 {
		return o, fmt.Errorf("ort: the execution provider \"cpu\" has no options")
	}
	o.Provider = name
	return o, nil
}
