package vec

import (
	"math"
	"math/bits"

	"wayside/kernels/requant"
)

// SoftmaxS8Table holds exp of every distance from a row's maximum, in Q0.31, for one input scale; distances that do not
// count are 0 with Count false.
type SoftmaxS8Table struct {
	Exp   [256]int32
	Count [256]bool
}

// NewSoftmaxS8Table computes the table for a given input scale and beta.
func NewSoftmaxS8Table(beta, scale float64) *SoftmaxS8Table {
	m, shift, least := softmaxScale(beta * scale)
	t := &SoftmaxS8Table{}
	for d := range int32(256) {
		if -d < least {
			continue
		}
		t.Count[d] = true
		t.Exp[d] = requant.ExpNegative(requant.Mul(-d, m, shift), softmaxBits)
	}
	return t
}

const (
	softmaxBits = 5  // integer bits of distances
	sumBits     = 12 // integer bits of sums
)

// softmaxScale brings distances to Q5.26; those below least do not count.
func softmaxScale(scale float64) (m, shift, least int32) {
	m, shift = requant.Quantize(min(scale*(1<<(31-softmaxBits)), 1<<31-1))
	return m, shift, -requant.InputRadius(softmaxBits, shift)
}

// sumExp adds the exponentials of a row in Q12.19. More than 2^12 ones stay at the largest sum.
func (t *SoftmaxS8Table) sumExp(row []int8, top int8) int32 {
	sum := int64(0)
	for _, v := range row {
		sum += int64(requant.DivPow2(t.Exp[uint8(int32(top)-int32(v))], sumBits))
	}
	return int32(min(sum, math.MaxInt32))
}

func checkRows(dst, src, depth int) {
	if dst != src || depth < 1 || src%depth != 0 {
		panic("vec: slice length mismatch")
	}
}

func largest[T int8 | int16](row []T) T {
	top := row[0]
	for _, v := range row[1:] {
		top = max(top, v)
	}
	return top
}

// softmaxRows is how many rows of int8 are normalized at once.
const softmaxRows = 16

// SoftmaxS8Scratch returns how many elements of scratch SoftmaxS8 wants for rows of depth values.
func SoftmaxS8Scratch(depth int) int { return depth * min(max(2048/depth, 1), softmaxRows) }

// SoftmaxS8 normalizes every row of depth values. The output has one step per 2^-8, from −128. dst may be src.
// scratch has SoftmaxS8Scratch(depth) elements.
func SoftmaxS8(dst, src []int8, depth int, t *SoftmaxS8Table, scratch []int32) {
	checkRows(len(dst), len(src), depth)
	if len(scratch) < SoftmaxS8Scratch(depth) {
		panic("vec: slice length mismatch")
	}
	if !softmaxS8Asm(dst, src, depth, t, scratch) {
		softmaxS8Generic(dst, src, depth, t)
	}
}

// SoftmaxS8S16 is SoftmaxS8 with one step per 2^-16, from −32768.
func SoftmaxS8S16(dst []int16, src []int8, depth int, t *SoftmaxS8Table) {
	checkRows(len(dst), len(src), depth)
	softmaxS8Generic(dst, src, depth, t)
}

func softmaxS8Generic[T int8 | int16](dst []T, src []int8, depth int, t *SoftmaxS8Table) {
	width, least := int32(16), int32(math.MinInt16)
	if T(1)<<7 < 0 {
		width, least = 8, math.MinInt8
	}
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		row := src[:depth]
		top := largest(row)
		scale, over := requant.Reciprocal(t.sumExp(row, top), sumBits)
		e := over + 31 - width
		if e > 31 { // sums of 512 and more, where tflite-micro aborts: every share is below half a step
			for i := range row {
				dst[i] = T(least)
			}
			continue
		}
		for i, v := range row {
			d := uint8(int32(top) - int32(v))
			if !t.Count[d] {
				dst[i] = T(least)
				continue
			}
			r := requant.DivPow2(requant.HighMul(scale, t.Exp[d]), e) + least
			dst[i] = T(min(max(r, least), -least-1))
		}
	}
}

// SoftmaxS16Tables are the functions that int16 softmax interpolates: e^x on −10..0 and 1/(1+x) on 0..1, in Q0.15.
type SoftmaxS16Tables struct{ Exp, Reciprocal *S16Table }

// SoftmaxS16 normalizes every row of depth values; the output scale is 2^-15. m and shift bring distances of −65535 to −10. dst may be src.
func SoftmaxS16(dst, src []int16, depth int, m, shift int32, t *SoftmaxS16Tables) {
	checkRows(len(dst), len(src), depth)
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		top := int32(largest(src[:depth]))
		sum := int64(0)
		for i, v := range src[:depth] {
			d := requant.Mul(int32(v)-top, m, shift) + math.MaxInt16
			e := t.Exp.At(int16(min(max(d, math.MinInt16), math.MaxInt16)))
			dst[i] = e
			sum += int64(e)
		}
		total := uint32(min(max(sum, 1), math.MaxInt32))
		lead := bits.LeadingZeros32(total)
		x := int32((int64(total)<<(lead-1)+1<<13)>>14) - (1<<15 + 1<<16)
		inverse := int64(t.Reciprocal.At(int16(min(max(x, math.MinInt16), math.MaxInt16))))
		down := max(31-lead, 1)
		for i, e := range dst[:depth] {
			r := (int64(e)*inverse + 1<<(down-1)) >> down
			dst[i] = int16(min(max(r, 0), math.MaxInt16))
		}
	}
}

// ExpRowsF32 replaces every row of depth values by exp(x − max), and puts the inverse of its sum to its place in inverse: softmax without the last product,
// which ScaleRowsF32 can make later, when fewer values are left. It differs from SoftmaxF32 in roundings only.
func ExpRowsF32(x, inverse []float32, depth int) {
	checkRows(len(x), len(x), depth)
	if len(inverse) < len(x)/depth {
		panic("vec: slice length mismatch")
	}
	if len(x) == 0 || expRowsF32Asm(x, inverse, depth) {
		return
	}
	SoftmaxF32(x, x, depth, 1)
	for i := range inverse[:len(x)/depth] {
		inverse[i] = 1
	}
}

// ScaleRowsF32 multiplies rows of depth values, step apart, by a factor each.
func ScaleRowsF32(x []float32, step, depth int, factors []float32) {
	if len(factors) == 0 || depth == 0 {
		return
	}
	if len(x) < (len(factors)-1)*step+depth {
		panic("vec: slice length mismatch")
	}
	if scaleRowsF32Asm(x, step, depth, factors) {
		return
	}
	for i, f := range factors {
		if f == 1 {
			continue
		}
		row := x[i*step : i*step+depth]
		for j := range row {
			row[j] *= f
		}
	}
}

func softmaxF32Generic(dst, src []float32, depth int, beta float32) {
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		top := largestF32(src[:depth])
		sum := float32(0)
		for i, v := range src[:depth] {
			e := Exp((v - top) * beta)
			dst[i] = e
			sum += e
		}
		for i, e := range dst[:depth] {
			dst[i] = e / sum
		}
	}
}

func largestF32(row []float32) float32 {
	top := float32(math.Inf(-1))
	for _, v := range row {
		top = max(top, v)
	}
	return top
}

// LogSoftmaxF32 computes x − max − log(sum of exp(x − max)) along rows of depth values. dst may be src.
func LogSoftmaxF32(dst, src []float32, depth int) {
	checkRows(len(dst), len(src), depth)
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		row := src[:depth]
		top := largestF32(row)
		sum := float32(0)
		for _, v := range row {
			sum += Exp(v - top)
		}
		log := Log(sum)
		for i, v := range row {
			dst[i] = v - top - log
		}
	}
}

// LogSoftmaxS8 is the logarithm of softmax with output scale 1/16 and zero point 127.
type LogSoftmaxS8 struct {
	exp         *SoftmaxS8Table
	scaled      [256]int32 // distances in Q5.26
	least       int32
	mult, shift int32 // from Q5.26 back to distances
}

// NewLogSoftmaxS8 prepares for one input scale; false when it is too small or too large for the fixed-point form.
func NewLogSoftmaxS8(scale float64) (*LogSoftmaxS8, bool) {
	if !(scale*(1<<(31-softmaxBits)) > 1) {
		return nil, false
	}
	m, shift, least := softmaxScale(scale)
	back := math.Ldexp(1, int(31-shift)) / float64(m)
	if !(back < 1) {
		return nil, false
	}
	p := &LogSoftmaxS8{exp: NewSoftmaxS8Table(1, scale), least: least}
	p.mult, p.shift = requant.Quantize(back)
	for d := range p.scaled {
		p.scaled[d] = requant.Mul(-int32(d), m, shift)
	}
	return p, true
}

// Run works on rows of depth values. dst may be src.
func (p *LogSoftmaxS8) Run(dst, src []int8, depth int) {
	checkRows(len(dst), len(src), depth)
	const outputBits = 4
	for ; len(src) > 0; src, dst = src[depth:], dst[depth:] {
		row := src[:depth]
		top := largest(row)
		log := requant.LogAboveOne(p.exp.sumExp(row, top))
		least := max(p.least-1, requant.Mul(log+math.MinInt32, p.mult, p.shift))
		for i, v := range row {
			d := int32(top) - int32(v)
			if -d <= least {
				dst[i] = math.MinInt8
				continue
			}
			r := requant.DivPow2(p.scaled[d]-log, 31-softmaxBits-outputBits) + math.MaxInt8
			dst[i] = int8(min(max(r, math.MinInt8), math.MaxInt8))
		}
	}
}
