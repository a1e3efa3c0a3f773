package cpu

import "golang.org/x/sys/cpu"

// Neon is the tier of 32-bit ARM: the vector unit of ARMv7-A that most of its cores have (Cortex-A5 to A17) and all of ARMv8's in 32-bit programs (A53,
// A72). The kernel tells; the binary for ARMv6 has the kernels, too.
//
// In 32-bit programs NEON takes subnormal float32 (below 2^-126) for zero, as inputs and as results, and its multiply-add rounds twice.
const Neon Tier = 1

// The architecture's tiers must stand before the limit is read, which the init function of cpu.go does: variables come before functions.
var _ = func() struct{} {
	add(Neon, "neon", cpu.ARM.HasNEON)
	return struct{}{}
}()
