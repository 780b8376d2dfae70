//go:build cgo

package ort

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
#else
static void trim(void) {}
#endif
*/
import "C"

// trim gives memory that making sessions left behind back to the system. glibc keeps it otherwise,
// some 5 MB a session.
func trim() { C.trim() }
