//go:build !amd64 && !arm64

package gemm

func fastProducts() bool { return false }

func productID(int, bool) string { return "" }

func scratchProductF32(*ProductF32) int { return 0 }

func runProductF32(*ProductF32, []float32, []float32, []float32, []byte) {}

func packProductS8(*ProductS8) []int32 { return nil }

func scratchProductS8(*ProductS8) int { return 0 }

func runProductS8(*ProductS8, []int8, []int32, []int8, []int8, []byte) {}
