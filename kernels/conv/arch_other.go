//go:build !amd64 && !arm && !arm64

package conv

import "wayside/kernels/gemm"

func packDepthwiseArch([]int8, *Geometry, *gemm.Quant) DepthwiseS8 { return nil }
