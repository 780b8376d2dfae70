package checkpoint

import (
	"encoding/binary"
	"math"
)

// dtype is a data type that the package converts to float32.
type dtype struct {
	name        string // in Tensor.DType
	storage     string // torch's storage class, without its module
	safetensors string
	size        int64 // bytes per element
	convert     func(dst []float32, src []byte)
}

// dtypes is the table of the package comment. All encodings are little-endian.
var dtypes = []*dtype{
	{"float32", "FloatStorage", "F32", 4, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	}},
	{"float64", "DoubleStorage", "F64", 8, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	}},
	{"float16", "HalfStorage", "F16", 2, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = fromHalf(binary.LittleEndian.Uint16(src[2*i:]))
		}
	}},
	{"bfloat16", "BFloat16Storage", "BF16", 2, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	}},
	{"int64", "LongStorage", "I64", 8, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(int64(binary.LittleEndian.Uint64(src[8*i:])))
		}
	}},
	{"int32", "IntStorage", "I32", 4, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(int32(binary.LittleEndian.Uint32(src[4*i:])))
		}
	}},
	{"int16", "ShortStorage", "I16", 2, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(int16(binary.LittleEndian.Uint16(src[2*i:])))
		}
	}},
	{"int8", "CharStorage", "I8", 1, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(int8(src[i]))
		}
	}},
	{"uint8", "ByteStorage", "U8", 1, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(src[i])
		}
	}},
	{"bool", "BoolStorage", "BOOL", 1, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = 0
			if src[i] != 0 {
				dst[i] = 1
			}
		}
	}},
}

// dtypeBy returns the first data type that matches, or nil.
func dtypeBy(match func(*dtype) bool) *dtype {
	for _, d := range dtypes {
		if match(d) {
			return d
		}
	}
	return nil
}

// fromHalf converts an IEEE 754 binary16 number; every one of them is exact in float32.
func fromHalf(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent := uint32(h>>10) & 0x1f
	fraction := uint32(h) & 0x3ff
	switch exponent {
	case 0: // zero or subnormal: fraction * 2^-24
		v := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(v))
	case 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	default: // biases are 15 and 127
		return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
	}
}
