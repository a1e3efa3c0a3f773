package gemm

import (
	"encoding/binary"
	"math"

	bfloat16 "github.com/d4l3k/go-bfloat16"
)

// form is how float32 weights lie in memory. The narrow forms hold weights that lose nothing by them: a tile widens them as it loads them, so that its
// results are those of the wide form to the last bit.
type form uint8

const (
	full  form = iota // float32
	brain             // bfloat16
	half              // IEEE 754 binary16
)

// String names activations and weights as kernel ids do.
func (f form) String() string { return [...]string{"f32", "f32bf16", "f32f16"}[f] }

// size returns the bytes of a weight.
func (f form) size() int {
	if f == full {
		return 4
	}
	return 2
}

// FormBytes is memory by the type of the values in it.
type FormBytes struct{ F32, BF16, F16 int }

// Plus returns the sum.
func (b FormBytes) Plus(c FormBytes) FormBytes {
	return FormBytes{b.F32 + c.F32, b.BF16 + c.BF16, b.F16 + c.F16}
}

// bytes returns the memory of weights with their parameters, which are float32.
func (f form) bytes(weights, parameters int) FormBytes {
	switch f {
	case brain:
		return FormBytes{F32: parameters, BF16: weights}
	case half:
		return FormBytes{F32: parameters, F16: weights}
	}
	return FormBytes{F32: parameters + weights}
}

// formOf returns the narrowest form that holds all of w exactly.
func formOf(w []float32) form {
	switch {
	case brains(w):
		return brain
	case halves(w):
		return half
	}
	return full
}

// brains reports whether bfloat16 holds all of w.
func brains(w []float32) bool {
	for _, v := range w {
		if math.Float32bits(v)&0xffff != 0 {
			return false
		}
	}
	return true
}

// halves reports whether binary16 holds all of w, infinities and NaNs excepted.
func halves(w []float32) bool {
	for _, v := range w {
		if b := math.Float32bits(v); b&0x1fff != 0 || b>>23&0xff-113 > 29 {
			if h, ok := toHalf(v); !ok || fromHalf(h) != v {
				return false
			}
		}
	}
	return true
}

// toHalf returns the binary16 of a finite value that has one; false for too large values.
func toHalf(v float32) (uint16, bool) {
	b := math.Float32bits(v)
	sign := uint16(b >> 16 & 0x8000)
	exp, frac := int(b>>23&0xff)-112, b&0x7fffff // exp is that of binary16
	switch {
	case exp > 30:
		return 0, false
	case exp > 0:
		return sign | uint16(exp)<<10 | uint16(frac>>13), true
	case exp < -10:
		return sign, true
	}
	return sign | uint16((frac|1<<23)>>(14-exp)), true
}

// fromHalf widens a finite binary16: its bits are those of a float32 that is 2^112 too small.
func fromHalf(h uint16) float32 {
	return math.Float32frombits(uint32(h)&0x8000<<16|uint32(h)&0x7fff<<13) * 0x1p112
}

// panels returns memory for n packed weights made of w.
func (f form) panels(s Store, n int, w []float32, tile string, dims ...int) (p []byte, ready bool) {
	return panels[byte](s, f.size()*n, w, f.String()+"/"+tile, dims...)
}

// room returns where the weights of an empty panel are laid out before store: in the panel itself, or in spare, which grows and is cleared.
func (f form) room(panel []byte, spare []float32) []float32 {
	if f == full {
		return floatsOf(panel)
	}
	n := len(panel) / 2
	if n > cap(spare) {
		return make([]float32, n)
	}
	clear(spare[:n])
	return spare[:n]
}

// store writes into a panel what has been laid out in its room.
func (f form) store(panel []byte, w []float32) {
	switch f {
	case brain:
		for i, v := range w {
			binary.LittleEndian.PutUint16(panel[2*i:], uint16(narrowBF16(v)))
		}
	case half:
		for i, v := range w {
			b := math.Float32bits(v)
			h := uint16(b>>16&0x8000 | (b<<1-112<<24)>>14) // most values are normal
			if b>>23&0xff-113 > 29 {
				h, _ = toHalf(v)
			}
			binary.LittleEndian.PutUint16(panel[2*i:], h)
		}
	}
}

// narrowBF16 cuts off the low half, which is zero in what bfloat16 holds.
func narrowBF16(v float32) bfloat16.BF16 { return bfloat16.BF16(math.Float32bits(v) >> 16) }

// widenBF16 widens exactly.
func widenBF16(v bfloat16.BF16) float32 { return math.Float32frombits(uint32(v) << 16) }
