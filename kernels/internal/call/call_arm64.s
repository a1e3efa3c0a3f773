#include "textflag.h"

// func Tile(fn uintptr, arg unsafe.Pointer)
TEXT ·Tile(SB), NOSPLIT, $16-16
	MOVD fn+0(FP), R0
	MOVD arg+8(FP), R1
	MOVD R1, 8(RSP)
	CALL (R0)
	RET
