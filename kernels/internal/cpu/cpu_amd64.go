package cpu

import "golang.org/x/sys/cpu"

// The tiers of amd64. AVX2 stands for AVX2 with FMA, AVX512VNNI for AVX512 F, BW, DQ, VL, VBMI and VNNI.
const (
	AVX2       Tier = "avx2"
	AVX512VNNI Tier = "avx512vnni"
)

func init() {
	x := &cpu.X86
	avx2 := x.HasAVX2 && x.HasFMA
	tiers = append(tiers[:1:1], []struct {
		name Tier
		has  bool
	}{
		{AVX2, avx2},
		{AVX512VNNI, avx2 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512VBMI && x.HasAVX512VNNI},
	}...)
}
