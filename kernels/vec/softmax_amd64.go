package vec

import "wayside/kernels/internal/cpu"

//go:noescape
func softmaxSumS8AVX2(t *softmaxS8)

//go:noescape
func softmaxShareS8AVX2(t *softmaxS8)

// inversesAVX2 replaces x, from 0 to below 1 in Q0.31, by 1/(1+x), with the bits that requant.Reciprocal has.
//
//go:noescape
func inversesAVX2(x *[softmaxRows]int32)

// SoftmaxS8ISA names the instructions of SoftmaxS8 from int8 to int8, as in kernel ids.
func SoftmaxS8ISA() string {
	if cpu.Has(cpu.AVX2) {
		return "avx2"
	}
	return "generic"
}

func softmaxSumS8(t *softmaxS8)      { softmaxSumS8AVX2(t) }
func softmaxShareS8(t *softmaxS8)    { softmaxShareS8AVX2(t) }
func inverses(x *[softmaxRows]int32) { inversesAVX2(x) }
