package cpu

import "golang.org/x/sys/cpu"

func vendor() uint32

// AMD reports whether AMD made the CPU: for what its vector units do beside multiplications while others' do one or the other.
func AMD() bool {
	const auth = 'A' | 'u'<<8 | 't'<<16 | 'h'<<24 // AuthenticAMD
	return vendor() == auth
}

// The tiers of amd64. AVX2 stands for AVX2 with FMA and F16C; AVXVNNI for that and the dot product on 256-bit registers (Alder Lake-N); AVX512VNNI for
// AVX2 and AVX512 F, BW, DQ, VL, VBMI and VNNI, with or without AVXVNNI.
const (
	AVX2 Tier = 1 + iota
	AVXVNNI
	AVX512VNNI
)

// The architecture's tiers must stand before the limit is read, which the init function of cpu.go does: variables come before functions.
var _ = func() struct{} {
	x := &cpu.X86
	avx2 := x.HasAVX2 && x.HasFMA && x.HasF16C
	add(AVX2, "avx2", avx2)
	add(AVXVNNI, "avxvnni", avx2 && x.HasAVXVNNI)
	add(AVX512VNNI, "avx512vnni", avx2 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512VBMI && x.HasAVX512VNNI)
	return struct{}{}
}()
