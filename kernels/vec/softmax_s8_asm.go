//go:build amd64 || arm64

package vec

import "math/bits"

// softmaxS8 is the argument of the assembly softmax of int8.
type softmaxS8 struct {
	dst, src *int8
	table    *int32 // exponentials of distances from the largest value
	n        int
	exp      *int32 // room for those of all rows
	row      *softmaxRow
	rows     int
}

// softmaxRow is what the first pass gives and the second one takes for a row.
type softmaxRow struct {
	sum, scale, shift int32
	half              int32 // 2^(shift-1)
}

// softmaxS8Asm is SoftmaxS8 for rows whose sums fit 32 bits; false where the generic loop must.
func softmaxS8Asm(dst, src []int8, depth int, t *SoftmaxS8Table, scratch []int32) bool {
	if depth < 8 || depth >= 1<<sumBits || SoftmaxS8ISA() == "generic" {
		return false
	}
	var row [softmaxRows]softmaxRow
	most := min(len(scratch)/depth, softmaxRows)
	for i := 0; i < len(src); i += most * depth {
		n := min(most, (len(src)-i)/depth)
		a := softmaxS8{dst: &dst[i], src: &src[i], table: &t.Exp[0], n: depth, exp: &scratch[0], row: &row[0], rows: n}
		softmaxSumS8(&a)
		var inverse [softmaxRows]int32
		for r := range row[:n] {
			q := &row[r]
			lead := int32(bits.LeadingZeros32(uint32(q.sum)))
			inverse[r] = int32(uint32(q.sum)<<lead - 1<<31)
			q.shift = sumBits - lead + 31 - 8
			q.half = int32(uint32(1) << uint32(q.shift-1)) // a shift of 32 or more leaves nothing of a sum
		}
		inverses(&inverse)
		for r := range row[:n] {
			row[r].scale = inverse[r]
		}
		softmaxShareS8(&a)
	}
	return true
}
