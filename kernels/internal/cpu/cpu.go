package cpu

import (
	"os"
	"slices"
)

// Tier is a set of instructions that kernels are written for: a name of the architecture's list, "generic" everywhere.
type Tier string

// Generic is portable Go, on every architecture.
const Generic Tier = "generic"

// tiers are those of this architecture from the slowest to the fastest, and whether the machine has each; set by the architecture's file.
var tiers = []struct {
	name Tier
	has  bool
}{{Generic, true}}

var limit = os.Getenv("WAYSIDE_KERNELS")

// Tiers returns the tiers of this architecture, from the slowest to the fastest.
func Tiers() []Tier {
	out := make([]Tier, len(tiers))
	for i := range tiers {
		out[i] = tiers[i].name
	}
	return out
}

// Supported reports whether the machine has what a tier needs, whatever WAYSIDE_KERNELS says.
func Supported(t Tier) bool {
	i := slices.Index(Tiers(), t)
	return i >= 0 && tiers[i].has
}

// Has reports whether kernels of a tier may run: the machine has it, and WAYSIDE_KERNELS does not end the list before it. A name that
// the architecture does not know caps nothing; LimitKnown tells.
func Has(t Tier) bool {
	i := slices.Index(Tiers(), t)
	if i < 0 || !tiers[i].has {
		return false
	}
	top := slices.Index(Tiers(), Tier(limit))
	return limit == "" || top < 0 || i <= top
}

// Best returns the fastest tier that Has allows.
func Best() Tier {
	best := Generic
	for _, t := range Tiers() {
		if Has(t) {
			best = t
		}
	}
	return best
}

// LimitKnown reports whether WAYSIDE_KERNELS is unset or names a tier of this architecture.
func LimitKnown() bool { return limit == "" || slices.Contains(Tiers(), Tier(limit)) }
