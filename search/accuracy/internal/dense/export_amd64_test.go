//go:build !purego

package dense

// Wide switches the AVX-512 kernel off, or on again where there is one, and reports whether there is.
func Wide(on bool) bool {
	have := haveWide
	wide = on && have
	return have
}

var haveWide = wide
