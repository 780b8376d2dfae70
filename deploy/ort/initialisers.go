//go:build cgo

package ort

/*
#include <stdlib.h>
#include "api.h"

// Where functions stand in the table of the C API. None is ever moved (onnxruntime_c_api.h, struct OrtApi); a test
// compares the numbers with the binding's header.
enum {
	get_error_message = 2, create_tensor = 49, create_memory_info = 69, release_status = 93,
	release_memory_info = 94, release_value = 96, add_initializer = 150
};

enum { device_allocator = 0, default_memory = 0 }; // OrtDeviceAllocator, OrtMemTypeDefault

#define CALL(api, index, result, ...) ((result (*)(__VA_ARGS__))((void *const *)(api))[index])

// Returns the C API of a library that is loaded, or NULL.
static const void *api_of(const char *path, uint32_t version) {
	void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (!library) return NULL;
	const api_base *base = base_of(library);
	const void *api = base ? base->get_api(version) : NULL;
	dlclose(library); // the binding keeps it open
	return api;
}

static void *memory_info(const void *api, void **info) {
	return CALL(api, create_memory_info, void *, int, int, void **)(device_allocator, default_memory, info);
}

// Makes a tensor of memory that stays the caller's and lets options use it for the initialiser of that name. Both the
// tensor, which is *value unless that is NULL, and the memory must outlive the session.
static void *add(const void *api, void *options, const char *name, const void *info, void *base, size_t offset, size_t length,
                 const int64_t *shape, size_t dimensions, int type, void **value) {
	void *status = CALL(api, create_tensor, void *, const void *, void *, size_t, const int64_t *, size_t, int, void **)(
		info, (char *)base + offset, length, shape, dimensions, type, value);
	return status ? status : CALL(api, add_initializer, void *, void *, const char *, const void *)(options, name, *value);
}

static const char *message(const void *api, const void *status) {
	return CALL(api, get_error_message, const char *, const void *)(status);
}
static void release(const void *api, int index, void *object) { CALL(api, index, void, void *)(object); }
static void release_the_status(const void *api, void *status) { release(api, release_status, status); }
static void release_the_info(const void *api, void *info) { release(api, release_memory_info, info); }
static void release_the_value(const void *api, void *value) { release(api, release_value, value); }
*/
import "C"

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"unsafe"

	binding "github.com/yalue/onnxruntime_go"

	"github.com/dynofa/dynofa/deploy/onnx"
)

// initialisers are a session's tensors in mapped files. They outlive the session.
type initialisers struct {
	api      unsafe.Pointer
	values   []unsafe.Pointer
	mappings []*mapping
}

// share has options take a graph's tensors from files in dir that are mapped once for all sessions. It returns nil
// without an error where that cannot be: ONNX Runtime maps each tensor itself then.
//
// The binding has no function for it, so this asks the library's C API, with the options that the binding made.
func (r *Runtime) share(options *binding.SessionOptions, dir string, list []onnx.External) (_ *initialisers, err error) {
	object := optionsObject(options)
	if r.api == nil || object == nil || len(list) == 0 {
		return nil, nil
	}
	s := &initialisers{api: r.api}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	var info unsafe.Pointer
	if err := s.check(C.memory_info(r.api, &info)); err != nil {
		return nil, err
	}
	defer C.release_the_info(r.api, info)
	files := map[string]*mapping{}
	for _, e := range list {
		m := files[e.File]
		if m == nil {
			if m, err = mapFile(filepath.Join(dir, e.File)); errors.Is(err, errors.ErrUnsupported) {
				return nil, nil
			} else if err != nil {
				return nil, fmt.Errorf("ort: %w: %w", ErrModel, err)
			}
			files[e.File] = m
			s.mappings = append(s.mappings, m)
		}
		if e.Offset+e.Length > m.size { // it has become shorter
			return nil, fmt.Errorf("ort: %w: tensor %.200q ends at byte %d of %s, which has %d", ErrModel, e.Name, e.Offset+e.Length, filepath.Join(dir, e.File), m.size)
		}
		if err := filled(e); err != nil {
			return nil, fmt.Errorf("ort: %w: tensor %.200q: %w", ErrModel, e.Name, err)
		}
		name := C.CString(e.Name)
		var value unsafe.Pointer
		err = s.check(C.add(r.api, object, name, info, m.data, C.size_t(e.Offset), C.size_t(e.Length),
			(*C.int64_t)(unsafe.SliceData(e.Shape)), C.size_t(len(e.Shape)), C.int(e.Type), &value))
		C.free(unsafe.Pointer(name))
		if value != nil {
			s.values = append(s.values, value)
		}
		if err != nil {
			return nil, fmt.Errorf("ort: %w: tensor %.200q: %w", ErrModel, e.Name, err)
		}
	}
	return s, nil
}

// filled returns an error unless a tensor has as many bytes as its elements take. Of types whose elements have no
// whole number of bytes the library only asks for enough.
func filled(e onnx.External) error {
	want, known := elementBytes[e.Type]
	if !known {
		return nil
	}
	for _, n := range e.Shape {
		if n < 0 || n > e.Length || want > e.Length {
			return fmt.Errorf("shape %v does not fit %d bytes", e.Shape, e.Length)
		}
		want *= n // both are below 2^31 (package onnx)
	}
	if want != e.Length {
		return fmt.Errorf("shape %v takes %d bytes, not %d", e.Shape, want, e.Length)
	}
	return nil
}

// elementBytes are the bytes of an element by ONNX's TensorProto.DataType.
var elementBytes = map[int32]int64{
	1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2,
}

// check turns a status into an error and releases it.
func (s *initialisers) check(status unsafe.Pointer) error {
	if status == nil {
		return nil
	}
	defer C.release_the_status(s.api, status)
	return errors.New(oneLine(C.GoString(C.message(s.api, status))))
}

// release ends the tensors, after the session.
func (s *initialisers) release() error {
	if s == nil {
		return nil
	}
	for _, v := range s.values {
		C.release_the_value(s.api, v)
	}
	var err error
	for _, m := range s.mappings {
		err = errors.Join(err, m.release())
	}
	s.values, s.mappings = nil, nil
	return err
}

// apiOf returns the C API of the library at path, which is loaded, or nil.
func apiOf(path string) unsafe.Pointer {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	return C.api_of(name, apiVersion)
}

// optionsObject returns the C object in the binding's options, which is the only thing in them, or nil if a release of
// the binding keeps it elsewhere.
func optionsObject(options *binding.SessionOptions) unsafe.Pointer {
	t := reflect.TypeFor[binding.SessionOptions]()
	if t.NumField() != 1 || t.Field(0).Type.Kind() != reflect.Pointer || !strings.HasSuffix(t.Field(0).Type.Elem().Name(), "OrtSessionOptions") {
		return nil
	}
	return reflect.ValueOf(options).Elem().Field(0).UnsafePointer()
}
