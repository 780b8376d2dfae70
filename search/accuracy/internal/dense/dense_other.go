//go:build !amd64 || purego

package dense

// Available reports false: there is no kernel for this architecture, or the build tag purego is set.
func Available() bool { return false }

// Kernel names the kernel.
const Kernel = "none"

func tile(in int, x *float32, xStride int, w, bias, y *float32, yStride int, floor float32) {
	panic("dense: no kernel")
}

const wide = false

func tile4(in int, x *float32, xStride int, w, bias, y *float32, yStride int, floor float32) {
	panic("dense: no kernel")
}

func sum(n int, idx *int32, table *float32, width int, y *float32, floor float32) {
	panic("dense: no kernel")
}
