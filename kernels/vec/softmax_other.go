//go:build !amd64 && !arm64

package vec

// SoftmaxS8ISA names the instructions of SoftmaxS8 from int8 to int8, as in kernel ids.
func SoftmaxS8ISA() string { return "generic" }

func softmaxS8Asm([]int8, []int8, int, *SoftmaxS8Table, []int32) bool { return false }
