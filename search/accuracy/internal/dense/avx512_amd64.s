//go:build !purego

#include "textflag.h"

// Registers of tile4:
//	CX  inputs left         SI, R10  rows 0-2 and 3-5 of x    R8  stride of x, bytes
//	DI, R12, R13, R14  weights of the four panels
//	DX, R11  rows 0-2 and 3-5 of y    R9  stride of y, bytes
//	Z0 to Z23  sums, four per row    Z24 to Z27  weights of an input    Z28 to Z30  the input

// ROW adds the products of an input, in x, with 64 weights.
#define ROW(x, a, b, c, d) \
	VFMADD231PS Z24, x, a \
	VFMADD231PS Z25, x, b \
	VFMADD231PS Z26, x, c \
	VFMADD231PS Z27, x, d

// STEP multiplies input number off/4 of each row with its 64 weights and adds the products.
#define STEP(off, w) \
	VMOVUPS w(DI), Z24 \
	VMOVUPS w(R12), Z25 \
	VMOVUPS w(R13), Z26 \
	VMOVUPS w(R14), Z27 \
	VBROADCASTSS off(SI), Z28 \
	VBROADCASTSS off(SI)(R8*1), Z29 \
	VBROADCASTSS off(SI)(R8*2), Z30 \
	ROW(Z28, Z0, Z1, Z2, Z3) \
	VBROADCASTSS off(R10), Z28 \
	ROW(Z29, Z4, Z5, Z6, Z7) \
	VBROADCASTSS off(R10)(R8*1), Z29 \
	ROW(Z30, Z8, Z9, Z10, Z11) \
	VBROADCASTSS off(R10)(R8*2), Z30 \
	ROW(Z28, Z12, Z13, Z14, Z15) \
	ROW(Z29, Z16, Z17, Z18, Z19) \
	ROW(Z30, Z20, Z21, Z22, Z23)

// START sets the sums of a row to the bias, which row 0 has.
#define START(a, b, c, d) \
	VMOVAPS Z0, a \
	VMOVAPS Z1, b \
	VMOVAPS Z2, c \
	VMOVAPS Z3, d

// STORE stores a row. The sum is what VMAXPS returns if either operand is NaN.
#define STORE(to0, to1, to2, to3, a, b, c, d) \
	VMAXPS a, Z31, a \
	VMAXPS b, Z31, b \
	VMAXPS c, Z31, c \
	VMAXPS d, Z31, d \
	VMOVUPS a, to0 \
	VMOVUPS b, to1 \
	VMOVUPS c, to2 \
	VMOVUPS d, to3

// func tile4(in int, x *float32, xStride int, w, bias, y *float32, yStride int, floor float32)
TEXT ·tile4(SB), NOSPLIT, $0-60
	MOVQ in+0(FP), CX
	MOVQ x+8(FP), SI
	MOVQ xStride+16(FP), R8
	MOVQ w+24(FP), DI
	MOVQ bias+32(FP), BX
	MOVQ y+40(FP), DX
	MOVQ yStride+48(FP), R9
	SHLQ $2, R8
	SHLQ $2, R9
	LEAQ (R8)(R8*2), R10
	ADDQ SI, R10
	MOVQ CX, AX
	SHLQ $6, AX
	LEAQ (DI)(AX*1), R12
	LEAQ (DI)(AX*2), R13
	LEAQ (R12)(AX*2), R14

	VMOVUPS (BX), Z0
	VMOVUPS 64(BX), Z1
	VMOVUPS 128(BX), Z2
	VMOVUPS 192(BX), Z3
	START(Z4, Z5, Z6, Z7)
	START(Z8, Z9, Z10, Z11)
	START(Z12, Z13, Z14, Z15)
	START(Z16, Z17, Z18, Z19)
	START(Z20, Z21, Z22, Z23)

	SUBQ $2, CX
	JLT  rest

two:
	STEP(0, 0)
	STEP(4, 64)
	ADDQ $8, SI
	ADDQ $8, R10
	ADDQ $128, DI
	ADDQ $128, R12
	ADDQ $128, R13
	ADDQ $128, R14
	SUBQ $2, CX
	JGE  two

rest:
	ADDQ $2, CX
	JZ   store
	STEP(0, 0)

store:
	VBROADCASTSS floor+56(FP), Z31
	LEAQ (R9)(R9*2), R11
	ADDQ DX, R11
	STORE((DX), 64(DX), 128(DX), 192(DX), Z0, Z1, Z2, Z3)
	STORE((DX)(R9*1), 64(DX)(R9*1), 128(DX)(R9*1), 192(DX)(R9*1), Z4, Z5, Z6, Z7)
	STORE((DX)(R9*2), 64(DX)(R9*2), 128(DX)(R9*2), 192(DX)(R9*2), Z8, Z9, Z10, Z11)
	STORE((R11), 64(R11), 128(R11), 192(R11), Z12, Z13, Z14, Z15)
	STORE((R11)(R9*1), 64(R11)(R9*1), 128(R11)(R9*1), 192(R11)(R9*1), Z16, Z17, Z18, Z19)
	STORE((R11)(R9*2), 64(R11)(R9*2), 128(R11)(R9*2), 192(R11)(R9*2), Z20, Z21, Z22, Z23)
	VZEROUPPER
	RET
