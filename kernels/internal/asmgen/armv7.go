package main

import (
	"fmt"
	"maps"
	"strings"
)

func init() {
	maps.Copy(files, map[string]func() []byte{
		"conv/depthwise_f32_neon_arm.s": depthwiseF32Armv7,
		"conv/depthwise_s8_neon_arm.s":  depthwiseS8Armv7,
		"gemm/s8_neon_arm.s":            func() []byte { return gemmArmv7(0) },
		"gemm/s8_neonwide_arm.s":        func() []byte { return gemmArmv7(1) },
		"gemm/s32_neon_arm.s":           func() []byte { return gemmArmv7(2) },
		"pool/f32_neon_arm.s":           poolF32Armv7,
		"pool/s8_neon_arm.s":            poolS8Armv7,
		"vec/f32_neon_arm.s":            vecF32Armv7,
		"vec/s8_neon_arm.s":             vecS8Armv7,
		"vec/sum_neon_arm.s":            sumsArmv7,
		"gemm/f32bf16_neon_arm.s":       func() []byte { return gemmArmv7(4) },
		"gemm/f32_neon_arm.s":           func() []byte { return gemmArmv7(3) },
	})
}

// armv7 writes assembly for ARMv7 with NEON. Go's assembler knows no NEON there: all of it is words, each with its mnemonic in ARM's syntax (destination
// first) beside it, which a test assembles. Registers are numbered as ARM does it: a name of the generator that works on 128 bits takes the
// numbers of quadwords q0 to q15, one on 64 bits those of doublewords d0 to d31; q(n) is d(2n) and d(2n+1).
type armv7 struct{ *asm }

// neon writes an instruction. kinds has a letter for each operand: q or d; regs are destination, first and second source, as the encoding calls them
// Vd, Vn and Vm; two operands are Vd and Vm. Numbers stand behind the operands in text.
func (a armv7) neon(base uint32, name, kinds, text string, regs ...int) {
	at := [][2]int{{12, 22}, {16, 7}, {0, 5}}
	if len(kinds) == 2 {
		at = [][2]int{{12, 22}, {0, 5}}
	}
	var operands []string
	for i, r := range regs {
		d := r
		if kinds[i] == 'q' {
			d = 2 * r
		}
		if d < 0 || d > 31 {
			panic(fmt.Sprintf("asmgen: no register %c%d", kinds[i], r))
		}
		base |= uint32(d&15)<<at[i][0] | uint32(d>>4)<<at[i][1]
		operands = append(operands, fmt.Sprintf("%c%d", kinds[i], r))
	}
	a.word(base, "%s %s%s", name, strings.Join(operands, ", "), text)
}

// word writes one instruction that Go's assembler lacks.
func (a armv7) word(w uint32, format string, args ...any) {
	fmt.Fprintf(a, "\tWORD $0x%08x // %s\n", w, fmt.Sprintf(format, args...))
}

// vmull multiplies eight bytes by eight to halfwords; vmlal adds the products.
func (a armv7) vmull(d, n, m int) { a.neon(0xF2800C00, "vmull.s8", "qdd", "", d, n, m) }
func (a armv7) vmlal(d, n, m int) { a.neon(0xF2800800, "vmlal.s8", "qdd", "", d, n, m) }

// vpadal adds neighbouring halfwords of m to the words of d; vpaddlB adds neighbouring bytes to halfwords.
func (a armv7) vpadal(d, m int)  { a.neon(0xF3B40640, "vpadal.s16", "qq", "", d, m) }
func (a armv7) vpaddlB(d, m int) { a.neon(0xF3B00240, "vpaddl.s8", "qq", "", d, m) }

// vpadd makes two sums of neighbouring words each of n and m, doublewords.
func (a armv7) vpadd(d, n, m int) { a.neon(0xF2200B10, "vpadd.i32", "ddd", "", d, n, m) }

func (a armv7) add(d, n, m int)      { a.neon(0xF2200840, "vadd.i32", "qqq", "", d, n, m) }
func (a armv7) vqrdmulh(d, n, m int) { a.neon(0xF3200B40, "vqrdmulh.s32", "qqq", "", d, n, m) }

// vsra31 adds to each word of d the sign of m: −1 where it is negative.
func (a armv7) vsra31(d, m int) { a.neon(0xF2A10150, "vsra.s32", "qq", ", #31", d, m) }

// vrshl shifts the words of x by the signed amounts of n; to the right it rounds half up. ARM's syntax has the amounts last, the encoding first.
func (a armv7) vrshl(d, x, n int) {
	a.word(0xF2200540|quad(d, 12, 22)|quad(n, 16, 7)|quad(x, 0, 5), "vrshl.s32 q%d, q%d, q%d", d, x, n)
}

// vqmovnW narrows words to the halfwords of doubleword d, vqmovnH halfwords to bytes.
func (a armv7) vqmovnW(d, m int)   { a.neon(0xF3B60280, "vqmovn.s32", "dq", "", d, m) }
func (a armv7) vqmovnH(d, m int)   { a.neon(0xF3B20280, "vqmovn.s16", "dq", "", d, m) }
func (a armv7) vqaddH(d, n, m int) { a.neon(0xF2100050, "vqadd.s16", "qqq", "", d, n, m) }
func (a armv7) maxB(d, n, m int)   { a.neon(0xF2000640, "vmax.s8", "qqq", "", d, n, m) }
func (a armv7) minB(d, n, m int)   { a.neon(0xF2000650, "vmin.s8", "qqq", "", d, n, m) }
func (a armv7) mov(d, m int)       { a.neon(0xF2200150, "vorr", "qqq", "", d, m, m) }
func (a armv7) movD(d, m int)      { a.neon(0xF2200110, "vorr", "ddd", "", d, m, m) }
func (a armv7) zero(d int)         { a.neon(0xF3000150, "veor", "qqq", "", d, d, d) }
func (a armv7) fadd(d, n, m int)   { a.neon(0xF2000D40, "vadd.f32", "qqq", "", d, n, m) }
func (a armv7) fmax(d, n, m int)   { a.neon(0xF2000F40, "vmax.f32", "qqq", "", d, n, m) }
func (a armv7) fmin(d, n, m int)   { a.neon(0xF2200F40, "vmin.f32", "qqq", "", d, n, m) }
func (a armv7) shrD(d, m, bits int) {
	a.neon(0xF3800090|uint32(64-bits)<<16, "vshr.u64", "dd", fmt.Sprintf(", #%d", bits), d, m)
}

// vmovlB widens bytes to halfwords, vmovlH halfwords to words, of doubleword m.
func (a armv7) vmovlB(d, m int) { a.neon(0xF2880A10, "vmovl.s8", "qd", "", d, m) }
func (a armv7) vmovlH(d, m int) { a.neon(0xF2900A10, "vmovl.s16", "qd", "", d, m) }

// vshll16 makes the halfwords of doubleword m the high halves of words.
func (a armv7) vshll16(d, m int) { a.neon(0xF3B60300, "vshll.i16", "qd", ", #16", d, m) }

// fromInt and toInt convert; toInt cuts the fraction off.
func (a armv7) fromInt(d, m int) { a.neon(0xF3BB0640, "vcvt.f32.s32", "qq", "", d, m) }
func (a armv7) toInt(d, m int)   { a.neon(0xF3BB0740, "vcvt.s32.f32", "qq", "", d, m) }

func (a armv7) sub(d, n, m int)    { a.neon(0xF3200840, "vsub.i32", "qqq", "", d, n, m) }
func (a armv7) maxW(d, n, m int)   { a.neon(0xF2200640, "vmax.s32", "qqq", "", d, n, m) }
func (a armv7) minW(d, n, m int)   { a.neon(0xF2200650, "vmin.s32", "qqq", "", d, n, m) }
func (a armv7) xor(d, n, m int)    { a.neon(0xF3000150, "veor", "qqq", "", d, n, m) }
func (a armv7) fsub(d, n, m int)   { a.neon(0xF2200D40, "vsub.f32", "qqq", "", d, n, m) }
func (a armv7) fmul(d, n, m int)   { a.neon(0xF3000D50, "vmul.f32", "qqq", "", d, n, m) }
func (a armv7) fabs(d, m int)      { a.neon(0xF3B90740, "vabs.f32", "qq", "", d, m) }
func (a armv7) fcgt(d, n, m int)   { a.neon(0xF3200E40, "vcgt.f32", "qqq", "", d, n, m) }
func (a armv7) fcge(d, n, m int)   { a.neon(0xF3000E40, "vcge.f32", "qqq", "", d, n, m) }
func (a armv7) fcltZero(d, m int)  { a.neon(0xF3B90640, "vclt.f32", "qq", ", #0", d, m) }
func (a armv7) fpaddD(d, n, m int) { a.neon(0xF3000D00, "vpadd.f32", "ddd", "", d, n, m) }

func (a armv7) fmls(d, n, m int)  { a.neon(0xF2200D50, "vmls.f32", "qqq", "", d, n, m) }
func (a armv7) fneg(d, m int)     { a.neon(0xF3B907C0, "vneg.f32", "qq", "", d, m) }
func (a armv7) and(d, n, m int)   { a.neon(0xF2000150, "vand", "qqq", "", d, n, m) }
func (a armv7) fcgtZero(d, m int) { a.neon(0xF3B90440, "vcgt.f32", "qq", ", #0", d, m) }
func (a armv7) fcgeZero(d, m int) { a.neon(0xF3B904C0, "vcge.f32", "qq", ", #0", d, m) }

// half halves words, rounded down; exponent moves them to where a float has its exponent.
func (a armv7) half(d, m int)     { a.neon(0xF2BF0050, "vshr.s32", "qq", ", #1", d, m) }
func (a armv7) exponent(d, m int) { a.neon(0xF2B70550, "vshl.i32", "qq", ", #23", d, m) }

// sign makes words of ones where those of m are negative, and zeros elsewhere.
func (a armv7) sign(d, m int) { a.neon(0xF2A10050, "vshr.s32", "qq", ", #31", d, m) }

// vbsl takes the bits of n where those of d are set, and those of m elsewhere; vbit sets the bits of d to those of n where those of m are set, vbif where
// they are not.
func (a armv7) vbsl(d, n, m int) { a.neon(0xF3100150, "vbsl", "qqq", "", d, n, m) }
func (a armv7) vbit(d, n, m int) { a.neon(0xF3200150, "vbit", "qqq", "", d, n, m) }
func (a armv7) vbif(d, n, m int) { a.neon(0xF3300150, "vbif", "qqq", "", d, n, m) }

// root replaces q(d), below q8, by its square roots, word by word.
func (a armv7) root(d int) {
	for i := 4 * d; i < 4*d+4; i++ {
		a.word(0xEEB10AC0|uint32(i>>1)<<12|uint32(i&1)<<22|uint32(i>>1)|uint32(i&1)<<5, "vsqrt.f32 s%d, s%d", i, i)
	}
}

// vdup sets all words of d to register r.
func (a armv7) vdup(d, r int) {
	a.word(0xEEA00B10|quad(d, 16, 7)|uint32(r)<<12, "vdup.32 q%d, r%d", d, r)
}

// vaddwH adds the halfwords of doubleword m to the words of n.
func (a armv7) vaddwH(d, n, m int) { a.neon(0xF2900100, "vaddw.s16", "qqd", "", d, n, m) }

// fmla is d += n × m. The product is rounded before it is added.
func (a armv7) fmla(d, n, m int) { a.neon(0xF2000D50, "vmla.f32", "qqq", "", d, n, m) }

// fmlaElem is d += n × word i of quadword m, which is one of q0 to q7. The product is rounded before it is added.
func (a armv7) fmlaElem(d, n, m, i int) {
	if m > 7 {
		panic(fmt.Sprintf("asmgen: no element of q%d", m))
	}
	dm := 2*m + i/2
	a.word(0xF3A00140|quad(d, 12, 22)|quad(n, 16, 7)|uint32(dm)|uint32(i%2)<<5, "vmla.f32 q%d, q%d, d%d[%d]", d, n, dm, i%2)
}

// quad puts quadword q into a word: four bits at low, the fifth at high.
func quad(q, low, high int) uint32 { return double(2*q, low, high) }

// double puts doubleword d there.
func double(d, low, high int) uint32 {
	if d < 0 || d > 31 {
		panic(fmt.Sprintf("asmgen: no register d%d", d))
	}
	return uint32(d&15)<<low | uint32(d>>4)<<high
}

// step is how a load or a store changes its address: by what it moved, by a register, or not at all.
const (
	stay  = 15
	moved = 13
)

// list writes loads or stores of n doublewords from d on. size is that of elements: 8 for any address, 32 for multiples of four.
func (a armv7) list(base uint32, name string, size, d, n, r, step int) {
	kind := [...]uint32{0, 7, 10, 6, 2}[n]
	sizes := map[int]uint32{8: 0, 32: 2}[size]
	var regs []string
	for i := range n {
		regs = append(regs, fmt.Sprintf("d%d", d+i))
	}
	double(d+n-1, 0, 0)
	a.word(base|double(d, 12, 22)|uint32(r)<<16|kind<<8|sizes<<6|uint32(step), "%s.%d {%s}, %s", name, size, strings.Join(regs, ", "), address(r, step))
}

func address(r, step int) string {
	switch step {
	case stay:
		return fmt.Sprintf("[r%d]", r)
	case moved:
		return fmt.Sprintf("[r%d]!", r)
	}
	return fmt.Sprintf("[r%d], r%d", r, step)
}

func (a armv7) loadB(d, n, r, step int)  { a.list(0xF4200000, "vld1", 8, d, n, r, step) }
func (a armv7) loadW(d, n, r, step int)  { a.list(0xF4200000, "vld1", 32, d, n, r, step) }
func (a armv7) storeB(d, n, r, step int) { a.list(0xF4000000, "vst1", 8, d, n, r, step) }
func (a armv7) storeW(d, n, r, step int) { a.list(0xF4000000, "vst1", 32, d, n, r, step) }

// one writes a load or a store of element i of doubleword d.
func (a armv7) one(base uint32, name string, size, d, i, r, step int) {
	sizes := map[int]uint32{8: 0, 16: 1, 32: 2}[size]
	index := uint32(i) << (5 + sizes)
	a.word(base|double(d, 12, 22)|uint32(r)<<16|sizes<<10|index|uint32(step), "%s.%d {d%d[%d]}, %s", name, size, d, i, address(r, step))
}

func (a armv7) loadOne(size, d, i, r, step int)  { a.one(0xF4A00000, "vld1", size, d, i, r, step) }
func (a armv7) storeOne(size, d, i, r, step int) { a.one(0xF4800000, "vst1", size, d, i, r, step) }

// loadAll loads a word into all of both doublewords from d on.
func (a armv7) loadAll(d, r, step int) {
	a.word(0xF4A00CA0|double(d, 12, 22)|uint32(r)<<16|uint32(step), "vld1.32 {d%d[], d%d[]}, %s", d, d+1, address(r, step))
}

// loadAllB loads a byte into all of both.
func (a armv7) loadAllB(d, r, step int) {
	a.word(0xF4A00C20|double(d, 12, 22)|uint32(r)<<16|uint32(step), "vld1.8 {d%d[], d%d[]}, %s", d, d+1, address(r, step))
}

// fn7 starts a function that takes one pointer and is called through a table, with room for locals on the stack and R14 to use.
func (a armv7) fn7(name, comment string) {
	fmt.Fprintf(a, "\n// %s\nTEXT %s<>(SB), NOSPLIT, $8-4\n", comment, name)
}

// table7 writes the addresses of functions and a function that returns where they stand: func name() *[n]uintptr.
func (a armv7) table7(name string, functions []string) {
	fmt.Fprintln(a)
	for i, f := range functions {
		fmt.Fprintf(a, "DATA %s<>+%d(SB)/4, $%s<>(SB)\n", name, 4*i, f)
	}
	fmt.Fprintf(a, "GLOBL %s<>(SB), RODATA|NOPTR, $%d\n", name, 4*len(functions))
	a.text(name, "$0-4", fmt.Sprintf("func %s() *[%d]uintptr", name, len(functions)))
	a.op("MOVW $%s<>(SB), R0", name)
	a.op("MOVW R0, ret+0(FP)")
	a.op("RET")
}
