//go:build !purego

#include "textflag.h"

// Registers of tile:
//	CX  inputs left         SI, R10  rows 0-2 and 3-5 of x    R8  stride of x, bytes
//	DI  weights             DX, R11  rows 0-2 and 3-5 of y    R9  stride of y, bytes
//	Y0 to Y11  sums, two per row    Y12, Y13  weights of an input    Y14, Y15  the input

// STEP multiplies input number off/4 of each row with its 16 weights and adds the products.
#define STEP(off, w0, w1) \
	VMOVUPS w0(DI), Y12 \
	VMOVUPS w1(DI), Y13 \
	VBROADCASTSS off(SI), Y14 \
	VBROADCASTSS off(SI)(R8*1), Y15 \
	VFMADD231PS Y12, Y14, Y0 \
	VFMADD231PS Y13, Y14, Y1 \
	VFMADD231PS Y12, Y15, Y2 \
	VFMADD231PS Y13, Y15, Y3 \
	VBROADCASTSS off(SI)(R8*2), Y14 \
	VBROADCASTSS off(R10), Y15 \
	VFMADD231PS Y12, Y14, Y4 \
	VFMADD231PS Y13, Y14, Y5 \
	VFMADD231PS Y12, Y15, Y6 \
	VFMADD231PS Y13, Y15, Y7 \
	VBROADCASTSS off(R10)(R8*1), Y14 \
	VBROADCASTSS off(R10)(R8*2), Y15 \
	VFMADD231PS Y12, Y14, Y8 \
	VFMADD231PS Y13, Y14, Y9 \
	VFMADD231PS Y12, Y15, Y10 \
	VFMADD231PS Y13, Y15, Y11

// func tile(in int, x *float32, xStride int, w, bias, y *float32, yStride int, floor float32)
TEXT ·tile(SB), NOSPLIT, $0-60
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

	VMOVUPS (BX), Y0
	VMOVUPS 32(BX), Y1
	VMOVAPS Y0, Y2
	VMOVAPS Y1, Y3
	VMOVAPS Y0, Y4
	VMOVAPS Y1, Y5
	VMOVAPS Y0, Y6
	VMOVAPS Y1, Y7
	VMOVAPS Y0, Y8
	VMOVAPS Y1, Y9
	VMOVAPS Y0, Y10
	VMOVAPS Y1, Y11

	SUBQ $4, CX
	JLT  rest

four:
	STEP(0, 0, 32)
	STEP(4, 64, 96)
	STEP(8, 128, 160)
	STEP(12, 192, 224)
	ADDQ $16, SI
	ADDQ $16, R10
	ADDQ $256, DI
	SUBQ $4, CX
	JGE  four

rest:
	ADDQ $4, CX
	JZ   store

one:
	STEP(0, 0, 32)
	ADDQ $4, SI
	ADDQ $4, R10
	ADDQ $64, DI
	DECQ CX
	JNZ  one

store:
	// The second operand in memory order, the sum, is what VMAXPS returns if either is NaN.
	VBROADCASTSS floor+56(FP), Y12
	VMAXPS Y0, Y12, Y0
	VMAXPS Y1, Y12, Y1
	VMAXPS Y2, Y12, Y2
	VMAXPS Y3, Y12, Y3
	VMAXPS Y4, Y12, Y4
	VMAXPS Y5, Y12, Y5
	VMAXPS Y6, Y12, Y6
	VMAXPS Y7, Y12, Y7
	VMAXPS Y8, Y12, Y8
	VMAXPS Y9, Y12, Y9
	VMAXPS Y10, Y12, Y10
	VMAXPS Y11, Y12, Y11
	LEAQ (R9)(R9*2), R11
	ADDQ DX, R11
	VMOVUPS Y0, (DX)
	VMOVUPS Y1, 32(DX)
	VMOVUPS Y2, (DX)(R9*1)
	VMOVUPS Y3, 32(DX)(R9*1)
	VMOVUPS Y4, (DX)(R9*2)
	VMOVUPS Y5, 32(DX)(R9*2)
	VMOVUPS Y6, (R11)
	VMOVUPS Y7, 32(R11)
	VMOVUPS Y8, (R11)(R9*1)
	VMOVUPS Y9, 32(R11)(R9*1)
	VMOVUPS Y10, (R11)(R9*2)
	VMOVUPS Y11, 32(R11)(R9*2)
	VZEROUPPER
	RET

// Registers of sum:
//	R8  rows to add      SI  their indices      DI  table, from the present column on
//	R9  bytes of a row   CX  bytes left of it   DX  result
//	R10 rows left        R11 next index         AX  row

// func sum(n int, idx *int32, table *float32, width int, y *float32, floor float32)
TEXT ·sum(SB), NOSPLIT, $0-44
	MOVQ n+0(FP), R8
	MOVQ idx+8(FP), SI
	MOVQ table+16(FP), DI
	MOVQ width+24(FP), R9
	MOVQ y+32(FP), DX
	VBROADCASTSS floor+40(FP), Y15
	SHLQ $2, R9
	MOVQ R9, CX
	SUBQ $256, CX
	JLT  narrow

wide: // 64 columns at once
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	MOVQ SI, R11
	MOVQ R8, R10

wideRow:
	MOVLQSX (R11), AX
	IMULQ R9, AX
	ADDQ DI, AX
	VADDPS (AX), Y0, Y0
	VADDPS 32(AX), Y1, Y1
	VADDPS 64(AX), Y2, Y2
	VADDPS 96(AX), Y3, Y3
	VADDPS 128(AX), Y4, Y4
	VADDPS 160(AX), Y5, Y5
	VADDPS 192(AX), Y6, Y6
	VADDPS 224(AX), Y7, Y7
	ADDQ $4, R11
	DECQ R10
	JNZ  wideRow

	VMAXPS Y0, Y15, Y0
	VMAXPS Y1, Y15, Y1
	VMAXPS Y2, Y15, Y2
	VMAXPS Y3, Y15, Y3
	VMAXPS Y4, Y15, Y4
	VMAXPS Y5, Y15, Y5
	VMAXPS Y6, Y15, Y6
	VMAXPS Y7, Y15, Y7
	VMOVUPS Y0, (DX)
	VMOVUPS Y1, 32(DX)
	VMOVUPS Y2, 64(DX)
	VMOVUPS Y3, 96(DX)
	VMOVUPS Y4, 128(DX)
	VMOVUPS Y5, 160(DX)
	VMOVUPS Y6, 192(DX)
	VMOVUPS Y7, 224(DX)
	ADDQ $256, DI
	ADDQ $256, DX
	SUBQ $256, CX
	JGE  wide

narrow:
	ADDQ $256, CX
	JZ   done

sixteen:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	MOVQ SI, R11
	MOVQ R8, R10

row:
	MOVLQSX (R11), AX
	IMULQ R9, AX
	ADDQ DI, AX
	VADDPS (AX), Y0, Y0
	VADDPS 32(AX), Y1, Y1
	ADDQ $4, R11
	DECQ R10
	JNZ  row

	VMAXPS Y0, Y15, Y0
	VMAXPS Y1, Y15, Y1
	VMOVUPS Y0, (DX)
	VMOVUPS Y1, 32(DX)
	ADDQ $64, DI
	ADDQ $64, DX
	SUBQ $64, CX
	JNZ  sixteen

done:
	VZEROUPPER
	RET
