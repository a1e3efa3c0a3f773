//go:build !amd64 && !arm && !arm64

package gemm

// packS8Arch has nothing to offer on this architecture.
func packS8Arch(Store, int, []int8, int, int, []int32, []int32, []int32, int32, int32, int32, int32) s8Packed {
	return nil
}

// halfRows says that binary16 does not pay.
const halfRows = 0

// packF32Arch has nothing to offer on this architecture.
func packF32Arch(Store, form, []float32, int, int, []float32, float32, float32) f32Packed { return nil }
