package vec

// Convert computes dst[i] = src[i] in another type. Integers that do not fit lose their upper bits. It is not for floats to integers: see Truncate.
func Convert[D, S Number](dst []D, src []S) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		dst[i] = D(v)
	}
}

// Truth computes dst[i] = 0 where src[i] is 0, else 1; NaN gives 1.
func Truth[S Number](dst []uint8, src []S) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		dst[i] = 0
		if v != 0 {
			dst[i] = 1
		}
	}
}

// Truncate rounds toward zero and limits to the range of D; NaN gives nan.
func Truncate[D int8 | uint8 | int16 | int32 | uint32 | int64 | uint64](dst []D, src []float32, nan D) {
	checkSame(len(dst), len(src))
	least, most := limits[D]()
	// 2^31, 2^63 and so on are exact in float64: what is not below lies outside.
	lo, over := float64(least), float64(most)
	if over < 1<<53 {
		over++
	}
	for i, v := range src {
		f := float64(v)
		switch {
		case f >= over:
			dst[i] = most
		case f > lo:
			dst[i] = D(f)
		case f <= lo:
			dst[i] = least
		default:
			dst[i] = nan
		}
	}
}

func limits[D int8 | uint8 | int16 | int32 | uint32 | int64 | uint64]() (least, most D) {
	if all := D(0) - 1; all > 0 {
		return 0, all
	}
	bits := 8
	for D(1)<<(bits-1) > 0 {
		bits *= 2
	}
	least = D(1) << (bits - 1)
	return least, -(least + 1)
}
