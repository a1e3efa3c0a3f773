package cpu

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// Tier is a set of instructions that kernels are written for. Each architecture numbers its own from the slowest to the fastest; Generic is
// portable Go, everywhere.
type Tier uint8

// Generic is portable Go.
const Generic Tier = 0

// maxTiers bounds the tiers of one architecture.
const maxTiers = 8

var (
	names     = []string{"generic"} // of the architecture's tiers, in order; its file adds to them
	supported = [maxTiers]bool{true}
	allowed   = [maxTiers]bool{true}
	limitErr  error
)

// add declares the architecture's next tier.
func add(t Tier, name string, has bool) {
	if int(t) != len(names) {
		panic("cpu: tiers out of order")
	}
	names = append(names, name)
	supported[t], allowed[t] = has, has
}

func init() {
	limitErr = Limit(os.Getenv("WAYSIDE_KERNELS"))
}

// String returns the tier's name: generic, avx2, neon.
func (t Tier) String() string { return names[t] }

// Tiers returns the tiers of this architecture, from the slowest to the fastest.
func Tiers() []Tier {
	out := make([]Tier, len(names))
	for i := range out {
		out[i] = Tier(i)
	}
	return out
}

// Supported reports whether the machine has what a tier needs, whatever the limit.
func Supported(t Tier) bool { return supported[t] }

// Has reports whether kernels of a tier may run: the machine has it and the limit allows it. Kernels ask when weights are packed or, where
// nothing is packed, at each call.
func Has(t Tier) bool { return allowed[t&(maxTiers-1)] }

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

// Limit allows no tier above the named one; "" allows all that the machine has. It is not for use while kernels run or between packing and
// running: it serves WAYSIDE_KERNELS at start, bench, and tests.
func Limit(name string) error {
	top := len(names) - 1
	if name != "" {
		if top = slices.Index(names, name); top < 0 {
			return errors.New("cpu: no kernels are called \"" + name + "\" on this architecture; WAYSIDE_KERNELS may be " + strings.Join(names, ", "))
		}
	}
	for i := range names {
		allowed[i] = supported[i] && i <= top
	}
	return nil
}

// LimitError says what is wrong with WAYSIDE_KERNELS, or returns nil.
func LimitError() error { return limitErr }
