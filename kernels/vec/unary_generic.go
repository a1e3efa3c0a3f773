package vec

func checkSame(a, b int) {
	if a != b {
		panic("vec: slice length mismatch")
	}
}

func lookupS8Generic(dst, src []int8, table *[256]int8) {
	for i, v := range src {
		dst[i] = table[uint8(v)]
	}
}

// S16Table is a function of an int16 at every 128th input, and at the end of the range.
type S16Table [513]int16

// At interpolates between two entries, as the tables of TensorFlow Lite do: slope and result wrap like int16.
func (t *S16Table) At(v int16) int16 {
	i := 256 + int(v>>7)
	base := t[i]
	slope := t[i+1] - base
	return base + int16((int32(slope)*int32(v&0x7f)+64)>>7)
}

// InterpolateS16 computes dst[i] = table at src[i]. dst may be src.
func InterpolateS16(dst, src []int16, t *S16Table) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		dst[i] = t.At(v)
	}
}

// Neg computes dst[i] = −src[i]; the least integer stays as it is. dst may be src.
func Neg[T Integer | float32](dst, src []T) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		dst[i] = -v
	}
}

// Abs computes dst[i] = |src[i]|; the least integer stays as it is. dst may be src.
func Abs[T Integer](dst, src []T) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		if v < 0 {
			v = -v
		}
		dst[i] = v
	}
}

// SignS32 computes dst[i] = −1, 0 or 1 by the sign of src[i]. dst may be src.
func SignS32(dst, src []int32) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		dst[i] = min(max(v, -1), 1)
	}
}

// Not computes dst[i] = 1 where src[i] is 0, else 0. dst may be src.
func Not(dst, src []uint8) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		dst[i] = 0
		if v == 0 {
			dst[i] = 1
		}
	}
}

// Affine goes from one quantization to another: x − ZeroIn, stored.
type Affine struct {
	ZeroIn int32
	Store
}

// At converts one value.
func (p *Affine) At(v int32) int32 { return p.at(v - p.ZeroIn) }

// Requantize computes dst[i] = src[i] rescaled; Lo and Hi must lie within the type of dst.
func Requantize[D, S int8 | int16 | int32](dst []D, src []S, p *Affine) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		dst[i] = D(p.At(int32(v)))
	}
}

// LeakyReluS16 rescales negative values by neg and the others by pos. dst may be src.
func LeakyReluS16(dst, src []int16, pos, neg *Affine) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		p := pos
		if v < 0 {
			p = neg
		}
		dst[i] = int16(p.At(int32(v)))
	}
}

// AbsS16 rescales the absolute value. dst may be src.
func AbsS16(dst, src []int16, p *Affine) {
	checkSame(len(dst), len(src))
	for i, v := range src {
		a := int32(v)
		if a < 0 {
			a = -a
		}
		dst[i] = int16(p.At(a))
	}
}
