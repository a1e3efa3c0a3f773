//go:build !amd64

package flip

func copyAsm([]byte, []int8) bool { return false }
