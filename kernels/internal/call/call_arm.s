#include "textflag.h"

// func Tile(fn uintptr, arg unsafe.Pointer)
TEXT ·Tile(SB), NOSPLIT, $4-8
	MOVW fn+0(FP), R0
	MOVW arg+4(FP), R1
	MOVW R1, 4(R13)
	CALL (R0)
	RET
