//go:build !amd64 && !arm && !arm64

package pool

// ISA names the instructions that pooling of elements of so many bytes uses, as in kernel ids: 4 is float32, 1 int8.
func ISA(int) string { return "generic" }

func averageS8Asm([]int8, []int8, *Geometry, int32, int32, int32) bool { return false }

func f32Asm(int, []float32, []float32, *Geometry, float32, float32) bool { return false }

func maxS8Asm([]int8, []int8, *Geometry, int8, int8) bool { return false }
