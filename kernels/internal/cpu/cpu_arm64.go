package cpu

import "golang.org/x/sys/cpu"

// The tiers of arm64. Neon is the base of ARMv8.0 (Cortex-A53, A72); Dotprod adds SDOT (A55, A76, Neoverse-N1); I8MM adds SMMLA to
// that.
const (
	Neon Tier = 1 + iota
	Dotprod
	I8MM
)

// The architecture's tiers must stand before the limit is read, which the init function of cpu.go does: variables come before functions.
var _ = func() struct{} {
	a := &cpu.ARM64
	add(Neon, "neon", a.HasASIMD)
	add(Dotprod, "dotprod", a.HasASIMD && a.HasASIMDDP)
	add(I8MM, "i8mm", a.HasASIMD && a.HasASIMDDP && a.HasI8MM)
	return struct{}{}
}()
