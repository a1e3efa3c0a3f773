#include "textflag.h"

// func Tile(fn uintptr, arg unsafe.Pointer)
TEXT ·Tile(SB), NOSPLIT, $8-16
	MOVQ fn+0(FP), AX
	MOVQ arg+8(FP), BX
	MOVQ BX, 0(SP)
	CALL AX
	RET
