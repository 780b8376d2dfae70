//go:build !amd64 || purego

package dense

// Wide reports that there is no AVX-512 kernel.
func Wide(bool) bool { return false }
