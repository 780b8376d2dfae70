// A library that dynofa loads in place of an ONNX Runtime of version 1.18 to 1.23, whose C API is older
// than the one the Go binding asks for. `make runtime-older` builds it; docs/xavier-nx.md says when.
//
// ONNX Runtime's API is a table of function pointers to which each release appends (see the comment on
// "struct OrtApi" in onnxruntime_c_api.h: fields are never removed or moved). The binding asks for the table of
// release 1.24 and would get none. Every function that dynofa calls stands at the same place in the table of
// 1.18; this library hands that table out under the newer number, with an end of its own behind it.
//
// The older library is libonnxruntime_older.so in the same folder, a link for instance. What it links to keeps
// its own folder, where its execution providers lie.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	older = 18,      // version of the C API that is passed on
	entries = 280,   // functions in its table: sizeof(OrtApi)/sizeof(void *) by the header of 1.18
	newest = 24,     // version that is answered for at most: the binding's
	offered = 512    // functions in the table that is handed out, more than 1.24 has (415)
};

typedef struct {
	const void *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} api_base;

// Tells dynofa that an older version than it asks for is meant.
__attribute__((visibility("default"))) const int dynofa_older_runtime = older;

static const api_base *base;
static void *table[offered];

static void absent(void) {
	fputs("dynofa: a function was called that this version of ONNX Runtime lacks\n", stderr);
	abort();
}

static void load(void) {
	Dl_info self;
	char path[PATH_MAX], real[PATH_MAX];
	if (!dladdr(&dynofa_older_runtime, &self)) return;
	const char *slash = strrchr(self.dli_fname, '/');
	int folder = slash ? (int)(slash - self.dli_fname) : 0;
	int n = snprintf(path, sizeof path, "%.*s/libonnxruntime_older.so", folder ? folder : 1, folder ? self.dli_fname : ".");
	if (n < 0 || n >= (int)sizeof path || !realpath(path, real)) {
		fprintf(stderr, "dynofa: there is no %s\n", path);
		return;
	}
	void *library = dlopen(real, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "dynofa: %s\n", dlerror());
		return;
	}
	const api_base *(*get_base)(void) = (const api_base *(*)(void))dlsym(library, "OrtGetApiBase");
	if (get_base) base = get_base();
}

static const void *get_api(uint32_t version) {
	if (version <= older) return base->get_api(version);
	void *const *from = version <= newest ? base->get_api(older) : NULL;
	if (!from) return NULL;
	for (int i = 0; i < offered; i++) table[i] = i < entries ? from[i] : (void *)absent;
	return table;
}

static const char *get_version(void) { return base->get_version(); }

__attribute__((visibility("default"))) const api_base *OrtGetApiBase(void) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static const api_base adapted = {get_api, get_version};
	pthread_once(&once, load);
	return base ? &adapted : NULL;
}
