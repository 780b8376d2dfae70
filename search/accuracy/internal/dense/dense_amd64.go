//go:build !purego

package dense

import "golang.org/x/sys/cpu"

// Available reports whether this processor has what the kernel needs: AVX2 and FMA, switched on by the
// operating system. The build tag purego says that there is no kernel.
func Available() bool { return cpu.X86.HasAVX2 && cpu.X86.HasFMA }

// Kernel names the kernel. AVX-512, used where there is any, changes no bit.
const Kernel = "AVX2 and FMA"

// tile computes TileRows rows and tileColumns columns of y = max(floor, x w + bias). x and y have strides
// in floats, w has in rows of tileColumns.
//
//go:noescape
func tile(in int, x *float32, xStride int, w, bias, y *float32, yStride int, floor float32)

// wide says that the processor has AVX-512, with which tile4 takes half the time of four tiles and
// computes the same bits. Tests set it.
var wide = cpu.X86.HasAVX512F

// tile4 is tile for four panels of weights that follow each other.
//
//go:noescape
func tile4(in int, x *float32, xStride int, w, bias, y *float32, yStride int, floor float32)

// sum sets y[:width] to max(floor, the sum of n rows of a table); width is a positive multiple of
// tileColumns, n is positive.
//
//go:noescape
func sum(n int, idx *int32, table *float32, width int, y *float32, floor float32)
