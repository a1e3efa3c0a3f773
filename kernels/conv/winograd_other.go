//go:build !amd64 && !arm64

package conv

// winogradISA holds the transforms of this architecture: those in Go.
type winogradISA struct{}

func winogradFast() bool { return false }

func winogradArch() winogradISA { return winogradISA{} }

func (winogradISA) in(dst []float32, matrix int, src []float32, down, right, n int, _ []float32) {
	winogradInGeneric(dst, matrix, src, down, right, n)
}

func (winogradISA) out(dst []float32, down, right int, src []float32, matrix int, bias []float32, lo, hi float32, _ []float32) {
	winogradOutGeneric(dst, down, right, src, matrix, bias, lo, hi)
}
