package peak

import "wayside/kernels/internal/cpu"

func s8AVX512(rounds int)

func s8AVXVNNI(rounds int)

func s8AVX2(rounds int)

func f32AVX512(rounds int)

func f32AVX2(rounds int)

func loops() (s8, f32 loop) {
	switch {
	case cpu.Has(cpu.AVX512VNNI):
		return loop{s8AVX512, perRound * 64}, loop{f32AVX512, perRound * 16}
	case cpu.Has(cpu.AVXVNNI):
		return loop{s8AVXVNNI, perRound * 32}, loop{f32AVX2, perRound * 8}
	case cpu.Has(cpu.AVX2):
		return loop{s8AVX2, perRound * 16}, loop{f32AVX2, perRound * 8}
	}
	return loop{}, loop{}
}
