package main

import "fmt"

// peakAMD64 writes loops that do nothing but multiply and add in registers, as many sums as hide the latency: what a tile could reach without
// loads and stores. Each round is 24 instructions, or pairs of instructions where one does not add.
func peakAMD64() []byte {
	a := newAsm("Loops of multiply-adds in registers alone.")
	loop := func(name string, sums int, op func(sum int)) {
		a.text(name, "$0-8", fmt.Sprintf("func %s(rounds int)", name))
		a.op("MOVQ rounds+0(FP), CX")
		for r := range sums + 2 {
			a.op("VPXOR Y%d, Y%d, Y%d", r%16, r%16, r%16)
		}
		a.op("PCALIGN $32")
		a.at("loop")
		for i := range 24 {
			op(i % sums)
		}
		a.op("DECQ CX")
		a.op("JNE loop")
		a.op("VZEROUPPER")
		a.op("RET")
	}
	loop("s8AVX512", 12, func(s int) { a.op("VPDPBUSD Z12, Z13, Z%d", s) })
	loop("s8AVXVNNI", 12, func(s int) { dpbusd(a, 12, 13, s) })
	loop("s8AVX2", 12, func(s int) {
		a.op("VPMADDWD Y12, Y13, Y%d", 14+s%2)
		a.op("VPADDD Y%d, Y%d, Y%d", 14+s%2, s, s)
	})
	loop("f32AVX512", 12, func(s int) { a.op("VFMADD231PS Z12, Z13, Z%d", s) })
	loop("f32AVX2", 12, func(s int) { a.op("VFMADD231PS Y12, Y13, Y%d", s) })
	return a.Bytes()
}
