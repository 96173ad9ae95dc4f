//go:build !purego

#include "textflag.h"

// Salsa20's stream, four blocks at a time (D. J. Bernstein, "Salsa20
// specification", sections 3 to 8). A row has four words of the matrix, those
// of a diagonal, and a register has the same row of two blocks:
//
//	a = x0 x5 x10 x15    b = x4 x9 x14 x3    c = x8 x13 x2 x7    d = x12 x1 x6 x11
//
// In that order four steps are the columnround; with b, c and d turned they are
// the rowround.

// STEP is z ^= (x + y) <<< r.
#define STEP(x, y, z, r, t, u) \
	VPADDD x, y, t;         \
	VPSLLD $r, t, u;        \
	VPSRLD $(32-r), t, t;   \
	VPXOR  u, z, z;         \
	VPXOR  t, z, z

// ROUND is one round of two blocks, and the turn for the next.
#define ROUND(a, b, c, d, t, u) \
	STEP(a, d, b, 7, t, u);  \
	STEP(b, a, c, 9, t, u);  \
	STEP(c, b, d, 13, t, u); \
	STEP(d, c, a, 18, t, u); \
	VPSHUFD $0x93, b, b;     \
	VPSHUFD $0x4e, c, c;     \
	VPSHUFD $0x39, d, d

// STORE adds what two blocks began with, puts their words in order, and
// writes 128 bytes at DI+off.
#define STORE(a, b, c, d, a0, b0, c0, d0, t, u, v, w, off) \
	VPADDD     a0, a, a;                   \
	VPADDD     b0, b, b;                   \
	VPADDD     c0, c, c;                   \
	VPADDD     d0, d, d;                   \
	VPBLENDD   $0xaa, d, a, t;             \
	VPBLENDD   $0xaa, b, c, u;             \
	VPBLENDD   $0xaa, a, b, v;             \
	VPBLENDD   $0xaa, c, d, w;             \
	VPBLENDD   $0xcc, u, t, a;             \
	VPBLENDD   $0xcc, w, v, b;             \
	VPBLENDD   $0xcc, t, u, c;             \
	VPBLENDD   $0xcc, v, w, d;             \
	VPERM2I128 $0x20, b, a, t;             \
	VPERM2I128 $0x20, d, c, u;             \
	VPERM2I128 $0x31, b, a, v;             \
	VPERM2I128 $0x31, d, c, w;             \
	VMOVDQU    t, (off+0)(DI);             \
	VMOVDQU    u, (off+32)(DI);            \
	VMOVDQU    v, (off+64)(DI);            \
	VMOVDQU    w, (off+96)(DI)

// What the block counter, x8, is ahead in the second block of a register, and
// from one register to the next.
DATA second<>+0(SB)/8, $0
DATA second<>+8(SB)/8, $0
DATA second<>+16(SB)/8, $1
DATA second<>+24(SB)/8, $0
GLOBL second<>(SB), RODATA|NOPTR, $32

DATA two<>+0(SB)/8, $2
DATA two<>+8(SB)/8, $0
DATA two<>+16(SB)/8, $2
DATA two<>+24(SB)/8, $0
GLOBL two<>(SB), RODATA|NOPTR, $32

// func keyStreamAVX2(dst *byte, quads int, rows *[16]uint32)
//
// It has no branch and no address but on quads. Y12 to Y15 are what the blocks
// at hand began with.
TEXT ·keyStreamAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ quads+8(FP), CX
	MOVQ rows+16(FP), SI

	VBROADCASTI128 0(SI), Y12
	VBROADCASTI128 16(SI), Y13
	VBROADCASTI128 32(SI), Y14
	VBROADCASTI128 48(SI), Y15
	VPADDD         second<>(SB), Y14, Y14

quad:
	VMOVDQA Y12, Y0
	VMOVDQA Y13, Y1
	VMOVDQA Y14, Y2
	VMOVDQA Y15, Y3
	VMOVDQA Y12, Y4
	VMOVDQA Y13, Y5
	VPADDD  two<>(SB), Y14, Y6
	VMOVDQA Y15, Y7
	MOVQ    $10, DX

doubleround:
	ROUND(Y0, Y1, Y2, Y3, Y8, Y9)
	ROUND(Y4, Y5, Y6, Y7, Y10, Y11)
	ROUND(Y0, Y3, Y2, Y1, Y8, Y9)
	ROUND(Y4, Y7, Y6, Y5, Y10, Y11)
	DECQ DX
	JNZ  doubleround

	STORE(Y0, Y1, Y2, Y3, Y12, Y13, Y14, Y15, Y8, Y9, Y10, Y11, 0)
	VPADDD two<>(SB), Y14, Y14
	STORE(Y4, Y5, Y6, Y7, Y12, Y13, Y14, Y15, Y8, Y9, Y10, Y11, 128)
	VPADDD two<>(SB), Y14, Y14
	ADDQ   $256, DI
	DECQ   CX
	JNZ    quad

	VZEROUPPER
	RET
