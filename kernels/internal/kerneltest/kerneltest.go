// Package kerneltest runs the tests of kernels once for each tier of the machine.
//
// Holds: the loop over tiers, memory with guard pages.
// Never holds: anything that a program links.
// May import: kernels/internal/cpu, and testing.
// Start reading at: EachTier.
package kerneltest

import (
	"os"
	"slices"
	"testing"

	"wayside/kernels/internal/cpu"
)

// EachTier calls f in a subtest for every tier that the machine has, with kernels limited to it. A tier that it lacks is skipped with a
// reason; with WAYSIDE_REQUIRE_ISA naming it, that is a failure: so a run that is meant to test a tier cannot pass without it. With -short
// the named tier is the only one, for emulators that are slow.
func EachTier(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	require := os.Getenv("WAYSIDE_REQUIRE_ISA")
	if require != "" && !slices.ContainsFunc(cpu.Tiers(), func(x cpu.Tier) bool { return x.String() == require }) {
		t.Fatalf("WAYSIDE_REQUIRE_ISA=%s: this architecture has no such tier", require)
	}
	for _, tier := range cpu.Tiers() {
		if testing.Short() && require != "" && tier.String() != require {
			continue
		}
		t.Run("isa="+tier.String(), func(t *testing.T) {
			if !cpu.Supported(tier) {
				if tier.String() == require {
					t.Fatalf("WAYSIDE_REQUIRE_ISA=%s: the machine lacks it", require)
				}
				t.Skipf("skipped: the machine lacks %s", tier)
			}
			if err := cpu.Limit(tier.String()); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := cpu.Limit(os.Getenv("WAYSIDE_KERNELS")); err != nil {
					t.Error(err)
				}
			}()
			f(t)
		})
	}
}
