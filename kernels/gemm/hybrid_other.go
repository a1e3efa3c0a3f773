//go:build !amd64 && !arm && !arm64

package gemm

// hybridWeights has nothing to offer on this architecture.
type hybridWeights struct{}

func packHybrid([]int8, int, int, *Hybrid) *hybridWeights { return nil }

func (*hybridWeights) bytes() (s8, s32, f32 int) { return 0, 0, 0 }

func (*hybridWeights) id() string { return "" }

func (*hybridWeights) scratch(int) int { return 0 }

func (*hybridWeights) run([]float32, int, []int8, []HybridRow, []byte) {}
