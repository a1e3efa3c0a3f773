package vec

//go:noescape
func softmaxSumS8Neon(t *softmaxS8)

//go:noescape
func softmaxShareS8Neon(t *softmaxS8)

// inversesNeon replaces x, from 0 to below 1 in Q0.31, by 1/(1+x), with the bits that requant.Reciprocal has.
//
//go:noescape
func inversesNeon(x *[softmaxRows]int32)

// SoftmaxS8ISA names the instructions of SoftmaxS8 from int8 to int8, as in kernel ids.
func SoftmaxS8ISA() string { return ISA() }

func softmaxSumS8(t *softmaxS8)      { softmaxSumS8Neon(t) }
func softmaxShareS8(t *softmaxS8)    { softmaxShareS8Neon(t) }
func inverses(x *[softmaxRows]int32) { inversesNeon(x) }
