//go:build !amd64 && !arm && !arm64

package conv

func packDepthwiseF32Arch([]float32, []float32, *Geometry, float32, float32) depthwiseF32Packed {
	return nil
}
