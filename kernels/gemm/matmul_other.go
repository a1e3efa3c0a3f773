//go:build !amd64 && !arm && !arm64

package gemm

func fastProducts() bool { return false }

func productID(int, bool) string { return "" }

func panelsProductF32(*ProductF32) int { return 0 }

func (p *ProductF32) direct([]float32) []float32 { return nil }

func packProductF32(*ProductF32, []float32, []float32, int) {}

func rowsOfProductF32(*ProductF32, []float32, int, []float32, int, int, []float32) {}

func packProductS8(*ProductS8) []int32 { return nil }

func scratchProductS8(*ProductS8) int { return 0 }

func runProductS8(*ProductS8, []int8, []int32, []int8, []int8, []byte) {}
