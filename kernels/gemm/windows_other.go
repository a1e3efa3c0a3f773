//go:build !amd64

package gemm

// packS8WindowsArch has nothing to offer on this architecture.
func packS8WindowsArch(Store, []int8, int, int, []int, []int32, []int32, []int32, int32, int32, int32, int32) s8Windows {
	return nil
}

// WideS8Rows is for the architectures that have windows.
func WideS8Rows() bool { return false }

// packF32WindowsArch has nothing to offer on this architecture.
func packF32WindowsArch(Store, []float32, int, int, int, []float32, float32, float32) f32Windows {
	return nil
}

func apartF32Arch(n int) int { return n }
