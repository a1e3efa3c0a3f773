package gemm

import "wayside/kernels/internal/cpu"

// The tables of tiles, each in the assembly file of its family.
func s8NeonTiles() *[4]uintptr
func s8NeonWideTiles() *[4]uintptr
func s8DotprodTiles() *[8]uintptr
func s8I8mmTiles() *[8]uintptr
func s4DotprodTiles() *[4]uintptr
func f32NeonTiles() *[8]uintptr
func f32MixedTiles() *[8]uintptr
func f32bf16NeonTiles() *[8]uintptr
func f32f16NeonTiles() *[8]uintptr
func s32NeonTiles() *[4]uintptr
func s32DotprodTiles() *[8]uintptr

// The tiles of ARMv8, the fastest first. s8Wide takes the place of s8Neon where a weight is −128.
var (
	s8I8mm     = armShape{isa: "i8mm", tiles: s8I8mmTiles()[:], rows: 8, cols: 8, group: 8, depth: 8}
	s8Dotprod  = armShape{isa: "dotprod", tiles: s8DotprodTiles()[:], rows: 8, cols: 8, group: 4, depth: 4}
	s4Dotprod  = armShape{isa: "dotprod", tiles: s4DotprodTiles()[:], rows: 4, cols: 8, group: 4, depth: 4, nibbles: true}
	s8Neon     = armShape{isa: "neon", tiles: s8NeonTiles()[:], rows: 4, cols: 4, group: 8, depth: 16}
	s8Wide     = armShape{isa: "neon", tiles: s8NeonWideTiles()[:], rows: 4, cols: 4, group: 8, depth: 16}
	s32Dotprod = armShape{isa: "dotprod", tiles: s32DotprodTiles()[:], rows: 8, cols: 8, group: 4, depth: 4}
	s32Neon    = armShape{isa: "neon", tiles: s32NeonTiles()[:], rows: 4, cols: 4, group: 8, depth: 16}
	f32Neon    = armShape{isa: "neon", tiles: f32NeonTiles()[:], rows: 8, cols: 8, group: 4, depth: 4}
)

// f32Mixed are the tiles for cores with dot products, all of which but Cortex-A55 take their instructions in an order of their own.
var f32Mixed = f32MixedTiles()[:]

// f32Tiles returns the tiles for float32 weights.
func f32Tiles() []uintptr {
	if cpu.Has(cpu.Dotprod) {
		return f32Mixed
	}
	return f32Neon.tiles
}

// f32Forms are the float32 tiles for narrow weights, by their form. Otherwise they are like f32Neon.
var f32Forms = [3][]uintptr{brain: f32bf16NeonTiles()[:], half: f32f16NeonTiles()[:]}

// s8Shape returns the best int8 tiles that the limit allows, nil for none.
func s8Shape() *armShape {
	switch {
	case cpu.Has(cpu.I8MM):
		return &s8I8mm
	case cpu.Has(cpu.Dotprod):
		return &s8Dotprod
	case cpu.Has(cpu.Neon):
		return &s8Neon
	}
	return nil
}

// s4Shape returns the tiles for weights of four bits, nil for none.
func s4Shape() *armShape {
	if cpu.Has(cpu.Dotprod) {
		return &s4Dotprod
	}
	return nil
}

// s32Shape returns the best tiles that store sums, nil for none.
func s32Shape() *armShape {
	switch {
	case cpu.Has(cpu.Dotprod):
		return &s32Dotprod
	case cpu.Has(cpu.Neon):
		return &s32Neon
	}
	return nil
}
