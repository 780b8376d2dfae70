// ONNX Runtime's C API as far as this package calls it itself. The binding has its own copy of the whole header.
#ifndef DYNOFA_ORT_API_H
#define DYNOFA_ORT_API_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

// The head of ONNX Runtime's OrtApiBase, which is the same in every release.
typedef struct {
	const void *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} api_base;

// Returns what the library offers, or NULL if it is no ONNX Runtime.
static inline const api_base *base_of(void *library) {
	const api_base *(*get_base)(void) = (const api_base *(*)(void))dlsym(library, "OrtGetApiBase");
	return get_base ? get_base() : NULL;
}

#endif
