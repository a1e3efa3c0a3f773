package gemm

import "wayside/kernels/internal/cpu"

// The tables of tiles, each in the assembly file of its family.
func s8NeonTiles() *[2]uintptr
func s8NeonWideTiles() *[2]uintptr
func s32NeonTiles() *[2]uintptr
func f32NeonTiles() *[4]uintptr
func f32bf16NeonTiles() *[4]uintptr

// The tiles of ARMv7. s8Wide takes the place of s8Neon where a weight is −128.
var (
	s8Neon  = armShape{isa: "neon", tiles: s8NeonTiles()[:], rows: 2, cols: 4, group: 8, depth: 16}
	s8Wide  = armShape{isa: "neon", tiles: s8NeonWideTiles()[:], rows: 2, cols: 4, group: 8, depth: 16}
	s32Neon = armShape{isa: "neon", tiles: s32NeonTiles()[:], rows: 2, cols: 4, group: 8, depth: 16}
	f32Neon = armShape{isa: "neon", tiles: f32NeonTiles()[:], rows: 4, cols: 8, group: 4, depth: 4}
)

// f32Tiles returns the tiles for float32 weights.
func f32Tiles() []uintptr { return f32Neon.tiles }

// f32Forms are the float32 tiles for narrow weights, by their form. Not all cores with NEON widen binary16.
var f32Forms = [3][]uintptr{brain: f32bf16NeonTiles()[:]}

// s8Shape returns the best int8 tiles that the limit allows, nil for none.
func s8Shape() *armShape {
	if cpu.Has(cpu.Neon) {
		return &s8Neon
	}
	return nil
}

// s4Shape returns the tiles for weights of four bits: there are none.
func s4Shape() *armShape { return nil }

// s32Shape returns the best tiles that store sums, nil for none.
func s32Shape() *armShape {
	if cpu.Has(cpu.Neon) {
		return &s32Neon
	}
	return nil
}
