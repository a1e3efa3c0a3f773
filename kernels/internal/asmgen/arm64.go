package main

import (
	"fmt"
	"maps"
)

func init() {
	maps.Copy(files, map[string]func() []byte{
		"gemm/s8_neon_arm64.s":            func() []byte { return gemmArm64(0) },
		"gemm/s8_neonwide_arm64.s":        func() []byte { return gemmArm64(1) },
		"gemm/s8_dotprod_arm64.s":         func() []byte { return gemmArm64(2) },
		"gemm/s8_i8mm_arm64.s":            func() []byte { return gemmArm64(3) },
		"gemm/f32_neon_arm64.s":           func() []byte { return gemmArm64(4) },
		"gemm/s32_neon_arm64.s":           func() []byte { return gemmArm64(5) },
		"gemm/s32_dotprod_arm64.s":        func() []byte { return gemmArm64(6) },
		"gemm/s4_dotprod_arm64.s":         func() []byte { return gemmArm64(9) },
		"gemm/f32bf16_neon_arm64.s":       func() []byte { return gemmArm64(7) },
		"gemm/f32f16_neon_arm64.s":        func() []byte { return gemmArm64(8) },
		"conv/depthwise_s8_neon_arm64.s":  depthwiseS8Arm64,
		"conv/depthwise_f32_neon_arm64.s": depthwiseF32Arm64,
		"conv/winograd_neon_arm64.s":      winogradArm64,
		"pool/f32_neon_arm64.s":           poolF32Arm64,
		"pool/s8_neon_arm64.s":            poolS8Arm64,
		"vec/f32_neon_arm64.s":            vecF32Arm64,
		"vec/s8_neon_arm64.s":             vecS8Arm64,
		"vec/sum_neon_arm64.s":            sumsArm64,
		"vec/rows_f32_neon_arm64.s":       rowsF32Arm64,
		"vec/softmax_s8_neon_arm64.s":     softmaxS8Arm64,
	})
}

// arm64 writes assembly for ARMv8. Go's assembler knows loads, stores and some vector instructions; the rest are words, each with its mnemonic
// in ARM's order of operands (destination first, the reverse of Go's) beside it. A test disassembles all of them.
type arm64 struct{ *asm }

// word writes one instruction that Go's assembler lacks.
func (a arm64) word(w uint32, format string, args ...any) {
	fmt.Fprintf(a, "\tWORD $0x%08x // %s\n", w, fmt.Sprintf(format, args...))
}

// reg puts register r into a word's field that begins at bit pos.
func reg(r, pos int) uint32 {
	if r < 0 || r > 31 {
		panic(fmt.Sprintf("asmgen: no register %d", r))
	}
	return uint32(r) << pos
}

// three writes an instruction with two sources; the arrangements are those of d, n and m.
func (a arm64) three(base uint32, name, ad, an, am string, d, n, m int) {
	a.word(base|reg(m, 16)|reg(n, 5)|reg(d, 0), "%s v%d.%s, v%d.%s, v%d.%s", name, d, ad, n, an, m, am)
}

// two writes an instruction with one source.
func (a arm64) two(base uint32, name, ad, an string, d, n int) {
	a.word(base|reg(n, 5)|reg(d, 0), "%s v%d.%s, v%d.%s", name, d, ad, n, an)
}

// element returns the bits of index i of four in a by-element instruction on words: bit 21 is its low bit, bit 11 its high one.
func element(i int) uint32 { return uint32(i&1)<<21 | uint32(i>>1)<<11 }

// sdotElem is d[l] += n's bytes 4l to 4l+3 times the four bytes of word i of m.
func (a arm64) sdotElem(d, n, m, i int) {
	a.word(0x4F80E000|element(i)|reg(m, 16)|reg(n, 5)|reg(d, 0), "sdot v%d.4s, v%d.16b, v%d.4b[%d]", d, n, m, i)
}

// fmlaElem is d += n × word i of m, fused.
func (a arm64) fmlaElem(d, n, m, i int) {
	a.word(0x4F801000|element(i)|reg(m, 16)|reg(n, 5)|reg(d, 0), "fmla v%d.4s, v%d.4s, v%d.s[%d]", d, n, m, i)
}

// fmlsElem is d −= n × word i of m, fused, and fmulElem n × word i of m.
func (a arm64) fmlsElem(d, n, m, i int) {
	a.word(0x4F805000|element(i)|reg(m, 16)|reg(n, 5)|reg(d, 0), "fmls v%d.4s, v%d.4s, v%d.s[%d]", d, n, m, i)
}
func (a arm64) fmulElem(d, n, m, i int) {
	a.word(0x4F809000|element(i)|reg(m, 16)|reg(n, 5)|reg(d, 0), "fmul v%d.4s, v%d.4s, v%d.s[%d]", d, n, m, i)
}

// smmla adds to the 2×2 matrix d the product of the 2×8 matrix n with the transposed 2×8 matrix m.
func (a arm64) smmla(d, n, m int)  { a.three(0x4E80A400, "smmla", "4s", "16b", "16b", d, n, m) }
func (a arm64) smull(d, n, m int)  { a.three(0x0E20C000, "smull", "8h", "8b", "8b", d, n, m) }
func (a arm64) smull2(d, n, m int) { a.three(0x4E20C000, "smull2", "8h", "16b", "16b", d, n, m) }
func (a arm64) smlal(d, n, m int)  { a.three(0x0E208000, "smlal", "8h", "8b", "8b", d, n, m) }
func (a arm64) smlal2(d, n, m int) { a.three(0x4E208000, "smlal2", "8h", "16b", "16b", d, n, m) }

// The same from 16 to 32 bits.
func (a arm64) smull4s(d, n, m int)  { a.three(0x0E60C000, "smull", "4s", "4h", "4h", d, n, m) }
func (a arm64) smull24s(d, n, m int) { a.three(0x4E60C000, "smull2", "4s", "8h", "8h", d, n, m) }
func (a arm64) smlal4s(d, n, m int)  { a.three(0x0E608000, "smlal", "4s", "4h", "4h", d, n, m) }
func (a arm64) smlal24s(d, n, m int) { a.three(0x4E608000, "smlal2", "4s", "8h", "8h", d, n, m) }
func (a arm64) mul4s(d, n, m int)    { a.three(0x4EA09C00, "mul", "4s", "4s", "4s", d, n, m) }
func (a arm64) mla4s(d, n, m int)    { a.three(0x4EA09400, "mla", "4s", "4s", "4s", d, n, m) }

// saddw adds the low halfwords of m to the words of n, saddw2 the high ones.
func (a arm64) saddw(d, n, m int)  { a.three(0x0E601000, "saddw", "4s", "4s", "4h", d, n, m) }
func (a arm64) saddw2(d, n, m int) { a.three(0x4E601000, "saddw2", "4s", "4s", "8h", d, n, m) }

// sadalp adds neighbouring halfwords of n to the words of d.
func (a arm64) sadalp(d, n int) { a.two(0x4E606800, "sadalp", "4s", "8h", d, n) }

// saddlp adds neighbouring bytes.
func (a arm64) saddlp(d, n int)      { a.two(0x4E202800, "saddlp", "8h", "16b", d, n) }
func (a arm64) sqrdmulh(d, n, m int) { a.three(0x6EA0B400, "sqrdmulh", "4s", "4s", "4s", d, n, m) }

// ssra31 adds to each word of d the sign of n: −1 where it is negative.
func (a arm64) ssra31(d, n int) {
	a.word(0x4F211400|reg(n, 5)|reg(d, 0), "ssra v%d.4s, v%d.4s, #31", d, n)
}

// srshl shifts the words of n by the signed amounts of m; to the right it rounds half up.
func (a arm64) srshl(d, n, m int)   { a.three(0x4EA05400, "srshl", "4s", "4s", "4s", d, n, m) }
func (a arm64) sqxtn4h(d, n int)    { a.two(0x0E614800, "sqxtn", "4h", "4s", d, n) }
func (a arm64) sqxtn8h(d, n int)    { a.two(0x4E614800, "sqxtn2", "8h", "4s", d, n) }
func (a arm64) sqxtn8b(d, n int)    { a.two(0x0E214800, "sqxtn", "8b", "8h", d, n) }
func (a arm64) sqxtn16b(d, n int)   { a.two(0x4E214800, "sqxtn2", "16b", "8h", d, n) }
func (a arm64) sqadd8h(d, n, m int) { a.three(0x4E600C00, "sqadd", "8h", "8h", "8h", d, n, m) }
func (a arm64) smax(d, n, m int)    { a.three(0x4E206400, "smax", "16b", "16b", "16b", d, n, m) }
func (a arm64) smin(d, n, m int)    { a.three(0x4E206C00, "smin", "16b", "16b", "16b", d, n, m) }
func (a arm64) smax4s(d, n, m int)  { a.three(0x4EA06400, "smax", "4s", "4s", "4s", d, n, m) }
func (a arm64) smin4s(d, n, m int)  { a.three(0x4EA06C00, "smin", "4s", "4s", "4s", d, n, m) }
func (a arm64) fadd(d, n, m int)    { a.three(0x4E20D400, "fadd", "4s", "4s", "4s", d, n, m) }
func (a arm64) faddp(d, n, m int)   { a.three(0x6E20D400, "faddp", "4s", "4s", "4s", d, n, m) }
func (a arm64) fmax(d, n, m int)    { a.three(0x4E20F400, "fmax", "4s", "4s", "4s", d, n, m) }
func (a arm64) fmin(d, n, m int)    { a.three(0x4EA0F400, "fmin", "4s", "4s", "4s", d, n, m) }

func (a arm64) fsub(d, n, m int) { a.three(0x4EA0D400, "fsub", "4s", "4s", "4s", d, n, m) }
func (a arm64) fmul(d, n, m int) { a.three(0x6E20DC00, "fmul", "4s", "4s", "4s", d, n, m) }

func (a arm64) fdiv(d, n, m int)  { a.three(0x6E20FC00, "fdiv", "4s", "4s", "4s", d, n, m) }
func (a arm64) fabs(d, n int)     { a.two(0x4EA0F800, "fabs", "4s", "4s", d, n) }
func (a arm64) fneg(d, n int)     { a.two(0x6EA0F800, "fneg", "4s", "4s", d, n) }
func (a arm64) fsqrt(d, n int)    { a.two(0x6EA1F800, "fsqrt", "4s", "4s", d, n) }
func (a arm64) frintn(d, n int)   { a.two(0x4E218800, "frintn", "4s", "4s", d, n) }
func (a arm64) frintm(d, n int)   { a.two(0x4E219800, "frintm", "4s", "4s", d, n) }
func (a arm64) frintp(d, n int)   { a.two(0x4EA18800, "frintp", "4s", "4s", d, n) }
func (a arm64) fcmgt(d, n, m int) { a.three(0x6EA0E400, "fcmgt", "4s", "4s", "4s", d, n, m) }

// compareZero writes a comparison of floats with zero.
func (a arm64) compareZero(base uint32, name string, d, n int) {
	a.word(base|reg(n, 5)|reg(d, 0), "%s v%d.4s, v%d.4s, #0.0", name, d, n)
}
func (a arm64) fcmgtZero(d, n int) { a.compareZero(0x4EA0C800, "fcmgt", d, n) }
func (a arm64) fcmgeZero(d, n int) { a.compareZero(0x6EA0C800, "fcmge", d, n) }

// sshr1 halves words, rounded down.
func (a arm64) sshr1(d, n int) {
	a.word(0x4F3F0400|reg(n, 5)|reg(d, 0), "sshr v%d.4s, v%d.4s, #1", d, n)
}
func (a arm64) fcvtns(d, n int) { a.two(0x4E21A800, "fcvtns", "4s", "4s", d, n) }

// fcmltZero sets the words of d to ones where those of n are below zero.
func (a arm64) fcmltZero(d, n int) {
	a.compareZero(0x4EA0E800, "fcmlt", d, n)
}

// sxtl widens the low half of n, sxtl2 the high one.
func (a arm64) sxtl8h(d, n int)  { a.two(0x0F08A400, "sxtl", "8h", "8b", d, n) }
func (a arm64) sxtl28h(d, n int) { a.two(0x4F08A400, "sxtl2", "8h", "16b", d, n) }
func (a arm64) sxtl4s(d, n int)  { a.two(0x0F10A400, "sxtl", "4s", "4h", d, n) }
func (a arm64) sxtl24s(d, n int) { a.two(0x4F10A400, "sxtl2", "4s", "8h", d, n) }
func (a arm64) scvtf(d, n int)   { a.two(0x4E21D800, "scvtf", "4s", "4s", d, n) }

// fcvtl widens binary16 to float32: the low half of n, or the high one.
func (a arm64) fcvtl(d, n int, high bool) {
	if high {
		a.two(0x4E217800, "fcvtl2", "4s", "8h", d, n)
		return
	}
	a.two(0x0E217800, "fcvtl", "4s", "4h", d, n)
}

// shll makes halfwords the high halves of words: those of the low half of n, or of the high one.
func (a arm64) shll(d, n int, high bool) {
	if high {
		a.word(0x6E613800|reg(n, 5)|reg(d, 0), "shll2 v%d.4s, v%d.8h, #16", d, n)
		return
	}
	a.word(0x2E613800|reg(n, 5)|reg(d, 0), "shll v%d.4s, v%d.4h, #16", d, n)
}

// nibble makes signed bytes of the high halves of bytes; of the low ones it makes high halves first.
func (a arm64) nibble(d, n int, high bool) {
	if high {
		a.word(0x4F0C0400|reg(n, 5)|reg(d, 0), "sshr v%d.16b, v%d.16b, #4", d, n)
		return
	}
	a.word(0x4F0C5400|reg(n, 5)|reg(d, 0), "shl v%d.16b, v%d.16b, #4", d, n)
}

// fcvtms rounds down to integers.
func (a arm64) fcvtms(d, n int) { a.two(0x4E21B800, "fcvtms", "4s", "4s", d, n) }

// fcvtzs cuts the fraction off.
func (a arm64) fcvtzs(d, n int) { a.two(0x4EA1B800, "fcvtzs", "4s", "4s", d, n) }

// fcvtas rounds to integers, half away from zero.
func (a arm64) fcvtas(d, n int) { a.two(0x4E21C800, "fcvtas", "4s", "4s", d, n) }

// fmaxnm and fminnm return the other input where one is NaN.
func (a arm64) fmaxnm(d, n, m int) { a.three(0x4E20C400, "fmaxnm", "4s", "4s", "4s", d, n, m) }
func (a arm64) fminnm(d, n, m int) { a.three(0x4EA0C400, "fminnm", "4s", "4s", "4s", d, n, m) }

// ursra12 adds to the words of d those of n divided by 2^12, rounded half up.
func (a arm64) ursra12(d, n int) {
	a.word(0x6F343400|reg(n, 5)|reg(d, 0), "ursra v%d.4s, v%d.4s, #12", d, n)
}

// sqadd4s adds words; what is too large becomes the largest.
func (a arm64) sqadd4s(d, n, m int) { a.three(0x4EA00C00, "sqadd", "4s", "4s", "4s", d, n, m) }

// fmaxv and smaxv put the largest float or signed byte of n to the lowest place of d.
func (a arm64) fmaxv(d, n int) {
	a.word(0x6E30F800|reg(n, 5)|reg(d, 0), "fmaxv s%d, v%d.4s", d, n)
}
func (a arm64) smaxv(d, n int) {
	a.word(0x4E30A800|reg(n, 5)|reg(d, 0), "smaxv b%d, v%d.16b", d, n)
}

// ldrq loads 16 bytes at register n plus register m.
func (a arm64) ldrq(t, n, m int) {
	a.word(0x3CE06800|reg(m, 16)|reg(n, 5)|reg(t, 0), "ldr q%d, [x%d, x%d]", t, n, m)
}

// strq stores 16 bytes at register n plus register m.
func (a arm64) strq(t, n, m int) {
	a.word(0x3CA06800|reg(m, 16)|reg(n, 5)|reg(t, 0), "str q%d, [x%d, x%d]", t, n, m)
}

// table writes the addresses of functions and a function that returns where they stand: func name() *[n]uintptr.
func (a arm64) table(name string, functions []string) {
	a.addresses(name, functions)
	a.op("MOVD $%s<>(SB), R0", name)
	a.op("MOVD R0, ret+0(FP)")
	a.op("RET")
}

// The instructions below are those of Go's assembler, with operands in ARM's order.

func (a arm64) load(t, off int, base string)  { a.op("FMOVQ %d(%s), F%d", off, base, t) }
func (a arm64) store(t, off int, base string) { a.op("FMOVQ F%d, %d(%s)", t, off, base) }
func (a arm64) fmla(d, n, m int)              { a.op("VFMLA V%d.S4, V%d.S4, V%d.S4", m, n, d) }
func (a arm64) fmls(d, n, m int)              { a.op("VFMLS V%d.S4, V%d.S4, V%d.S4", m, n, d) }
func (a arm64) add4s(d, n, m int)             { a.op("VADD V%d.S4, V%d.S4, V%d.S4", m, n, d) }
func (a arm64) addp4s(d, n, m int)            { a.op("VADDP V%d.S4, V%d.S4, V%d.S4", m, n, d) }
func (a arm64) trn1(d, n, m int)              { a.op("VTRN1 V%d.D2, V%d.D2, V%d.D2", m, n, d) }
func (a arm64) trn2(d, n, m int)              { a.op("VTRN2 V%d.D2, V%d.D2, V%d.D2", m, n, d) }
func (a arm64) zero(d int)                    { a.op("VEOR V%d.B16, V%d.B16, V%d.B16", d, d, d) }
func (a arm64) mov(d, n int)                  { a.op("VMOV V%d.B16, V%d.B16", n, d) }
