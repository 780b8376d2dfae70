//go:build cgo

package ort

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "api.h"

// Opens a library and asks it for its version, and for an API version unless that is 0. On failure
// *error says what the loader said (its memory, valid until the next call), or is NULL if the
// library opened but is no ONNX Runtime. *adapted is set for the library in deploy/ort/older. The library
// stays open.
static const char *ask(const char *path, const char **error, uint32_t api, int *has_api, int *adapted) {
	*error = NULL;
	*has_api = 0;
	*adapted = 0;
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!library) {
		*error = dlerror();
		return NULL;
	}
	*adapted = dlsym(library, "dynofa_older_runtime") != NULL;
	const api_base *base = base_of(library);
	if (!base || !base->get_version) return NULL;
	if (api && base->get_api) *has_api = base->get_api(api) != NULL;
	return base->get_version();
}
*/
import "C"

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"unsafe"
)

// apiVersion is the version of the C API that the binding asks for (its ORT_API_VERSION).
const apiVersion = 24

// handshake opens the library at path and returns the version that it reports. The error wraps
// ErrVersion unless the version is MinVersion or newer, or OldestAdapted or newer behind the library of
// deploy/ort/older, and the library offers the binding's API.
// A library that was opened stays open.
func handshake(path string) (string, error) {
	// dlerror is per thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	a, err := ask(path, 0) // asking an old one for a new API makes it print a warning
	if err != nil {
		return "", err
	}
	version := a.version
	switch {
	case a.adapted && !recent(version, OldestAdapted):
		return "", fmt.Errorf("ort: %w: the library behind %s is version %s, %s or newer is needed; %s", ErrVersion, path, version, OldestAdapted, remedy)
	case !a.adapted && recent(version, OldestAdapted) && !recent(version, MinVersion):
		return "", fmt.Errorf("ort: %w: %s is version %s, %s or newer is needed; `make runtime-older` adapts this one (docs/xavier-nx.md), or %s", ErrVersion, path, version, MinVersion, remedy)
	case !a.adapted && !recent(version, MinVersion):
		return "", fmt.Errorf("ort: %w: %s is version %s, %s or newer is needed; %s", ErrVersion, path, version, MinVersion, remedy)
	}
	a, err = ask(path, apiVersion)
	if err == nil && !a.hasAPI {
		err = fmt.Errorf("ort: %w: %s, version %s, does not offer version %d of the C API; %s", ErrVersion, path, version, apiVersion, remedy)
	}
	return version, err
}

// answer is what a library says about itself.
type answer struct {
	version         string
	hasAPI, adapted bool
}

func ask(path string, api uint32) (answer, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var reason *C.char
	var has, adapted C.int
	text := C.ask(name, &reason, C.uint32_t(api), &has, &adapted)
	if text == nil {
		why := "it is no ONNX Runtime"
		if reason != nil {
			why = "the loader says " + oneLine(C.GoString(reason))
		}
		return answer{}, fmt.Errorf("ort: %w: %s: %s; %s", ErrVersion, path, why, remedy)
	}
	return answer{C.GoString(text), has != 0, adapted != 0}, nil
}

// recent reports whether a version such as "1.27.0" is at least another.
func recent(version, least string) bool {
	have, want := strings.Split(version, "."), strings.Split(least, ".")
	if len(have) < len(want) {
		return false
	}
	for i, w := range want {
		h, err := strconv.Atoi(have[i])
		if err != nil {
			return false
		}
		if n, _ := strconv.Atoi(w); h != n {
			return h > n
		}
	}
	return true
}

const maxMessage = 500 // bytes

// oneLine makes one line of a foreign library's message and cuts it after maxMessage.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "..."
	}
	return s
}
