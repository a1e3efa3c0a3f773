package vec

import (
	"math"
	"unsafe"
)

// Small are the integer types that float32 values are quantized to.
type Small interface{ int8 | int16 }

// QuantizeF32 computes round(src[i]/scale), half away from zero, plus zero, limited to the type of dst. NaN gives the least value.
func QuantizeF32[T Small](dst []T, src []float32, scale float32, zero int32) {
	checkSame(len(dst), len(src))
	if len(src) > 0 && !quantizeAsm(unsafe.Pointer(&dst[0]), src, T(1)<<7 < 0, scale, zero) {
		quantizeGeneric(dst, src, scale, zero)
	}
}

func quantizeGeneric[T Small](dst []T, src []float32, scale float32, zero int32) {
	lo, hi := int32(math.MinInt16), int32(math.MaxInt16)
	if T(1)<<7 < 0 { // eight bits
		lo, hi = math.MinInt8, math.MaxInt8
	}
	for i, v := range src {
		// Limiting before the conversion: Go leaves out-of-range conversions to the CPU.
		r := math.Round(float64(v / scale))
		if !(r > -1<<20) {
			r = -1 << 20
		}
		dst[i] = T(min(max(int32(min(r, 1<<20))+zero, lo), hi))
	}
}

// QuantizeEvenS8 is QuantizeF32 with halves rounded to the even integer, as ONNX has it.
func QuantizeEvenS8(dst []int8, src []float32, scale float32, zero int32) {
	checkSame(len(dst), len(src))
	if len(src) > 0 && !quantizeEvenAsm(dst, src, scale, zero) {
		quantizeEvenGeneric(dst, src, scale, zero)
	}
}

func quantizeEvenGeneric(dst []int8, src []float32, scale float32, zero int32) {
	for i, v := range src {
		r := math.RoundToEven(float64(v / scale))
		if !(r > -1<<20) {
			r = -1 << 20
		}
		dst[i] = int8(min(max(int32(min(r, 1<<20))+zero, math.MinInt8), math.MaxInt8))
	}
}

// Dequantize computes scale × (src[i] − zero).
func Dequantize[T Small](dst []float32, src []T, scale float32, zero int32) {
	checkSame(len(dst), len(src))
	if len(src) > 0 && !dequantizeAsm(dst, unsafe.Pointer(&src[0]), T(1)<<7 < 0, scale, zero) {
		dequantizeGeneric(dst, src, scale, zero)
	}
}

func dequantizeGeneric[T Small](dst []float32, src []T, scale float32, zero int32) {
	for i, v := range src {
		dst[i] = scale * float32(int32(v)-zero)
	}
}

// Channels walks a tensor whose scale changes along one axis: Inner is the product of the extents after that axis.
type Channels struct {
	Scale []float32
	Zero  []int32 // as long as Scale
	Inner int
}

// QuantizeChannels is QuantizeF32 with the scales of c in turn.
func QuantizeChannels[T Small](dst []T, src []float32, c *Channels) {
	for i, k := 0, 0; i < len(src); i += c.Inner {
		QuantizeF32(dst[i:i+c.Inner], src[i:i+c.Inner], c.Scale[k], c.Zero[k])
		if k++; k == len(c.Scale) {
			k = 0
		}
	}
}

// QuantizeEvenChannels is QuantizeEvenS8 with the scales of c in turn.
func QuantizeEvenChannels(dst []int8, src []float32, c *Channels) {
	for i, k := 0, 0; i < len(src); i += c.Inner {
		QuantizeEvenS8(dst[i:i+c.Inner], src[i:i+c.Inner], c.Scale[k], c.Zero[k])
		if k++; k == len(c.Scale) {
			k = 0
		}
	}
}

// DequantizeChannels is Dequantize with the scales of c in turn.
func DequantizeChannels[T Small](dst []float32, src []T, c *Channels) {
	for i, k := 0, 0; i < len(src); i += c.Inner {
		Dequantize(dst[i:i+c.Inner], src[i:i+c.Inner], c.Scale[k], c.Zero[k])
		if k++; k == len(c.Scale) {
			k = 0
		}
	}
}

// UnpackS4 spreads packed int4 elements, the low nibble first, over bytes; src has (len(dst)+1)/2 bytes.
func UnpackS4(dst []int8, src []byte) {
	checkSame((len(dst)+1)/2, len(src))
	for i := range dst {
		b := src[i/2]
		if i%2 == 0 {
			b <<= 4
		}
		dst[i] = int8(b) >> 4
	}
}

// PackS4 is the reverse of UnpackS4; values are limited to −8..7.
func PackS4(dst []byte, src []int8) {
	checkSame(len(dst), (len(src)+1)/2)
	for i, v := range src {
		b := byte(min(max(v, -8), 7)) & 15
		if i%2 == 0 {
			dst[i/2] = b
		} else {
			dst[i/2] |= b << 4
		}
	}
}

// FakeQuantF32 rounds src[i] to the steps of a quantization whose range is lo..hi. NaN gives lo.
func FakeQuantF32(dst, src []float32, scale, lo, hi float32) {
	checkSame(len(dst), len(src))
	inverse := 1 / scale
	for i, v := range src {
		c := lo
		if v > lo {
			c = v
		}
		if c > hi {
			c = hi
		}
		step := float32(math.Round(float64(float32((c - lo) * inverse))))
		dst[i] = float32(step*scale) + lo
	}
}
