package signal

import "math/bits"

// Window multiplies every stretch of len(weights) samples by the weights, drops shift bits, rounding down, and cuts to int16. dst and src have
// the same length, a multiple of that of weights; shift is below 32.
func Window(dst, src, weights []int16, shift uint) {
	if len(weights) == 0 || len(dst) != len(src) || len(src)%len(weights) != 0 {
		panic("signal: Window: slice length mismatch")
	}
	for len(src) > 0 {
		for i, w := range weights {
			dst[i] = int16(min(max(int32(src[i])*int32(w)>>shift, -1<<15), 1<<15-1))
		}
		dst, src = dst[len(weights):], src[len(weights):]
	}
}

// AutoScale multiplies all samples by the largest power of two that leaves the largest of them within int16, and returns its exponent.
// All zeros are not scaled. −32768 does not count as large, because the search for the largest magnitude wraps on it; the products
// wrap then, too.
func AutoScale(dst, src []int16) int32 {
	var most int16
	for _, v := range src {
		if v > most {
			most = v
		} else if -int32(v) > int32(most) {
			most = -v
		}
	}
	shift := 0
	if most > 0 {
		shift = max(0, 15-bits.Len16(uint16(most)))
	}
	for i, v := range src {
		dst[i] = v << shift
	}
	return int32(shift)
}

// Energy writes re² + im² of the complex numbers from start up to end into the same places of dst, and zeros elsewhere. spectrum holds two
// numbers for each element of dst.
func Energy(dst []uint32, spectrum []int16, start, end int) {
	if start < 0 || end > len(dst) || len(spectrum) < 2*len(dst) {
		panic("signal: Energy: slice length mismatch")
	}
	clear(dst)
	for i := start; i < end; i++ {
		re, im := int32(spectrum[2*i]), int32(spectrum[2*i+1])
		dst[i] = uint32(re*re) + uint32(im*im)
	}
}
