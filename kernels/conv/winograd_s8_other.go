//go:build !amd64

package conv

func winogradS8Fast() bool { return false }

func winogradInS8(dst []int16, matrix int, src []int8, down, right, n int) {
	winogradInS8Generic(dst, matrix, src, down, right, n)
}

func (c *WinogradS8) results(dst []int8, down, right int, src []int32) {
	c.resultsGeneric(dst, down, right, src)
}
