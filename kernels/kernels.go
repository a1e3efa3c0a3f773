// Package kernels is the door to the hot loops for those who choose between them: how many threads share the work, and which instruction sets
// may be used.
//
// Integer results are the same bytes with every set. Float32 results differ in their last places, as the kernels say, and on 32-bit ARM NEON takes subnormal
// floats (below 2^-126) for zero.
//
// Holds: the choice; the kernels themselves are in the folders below.
// Never holds: tensors, models, files.
// May import: its own folders.
// Start reading at: Limit, then gemm.
package kernels

import (
	"strconv"

	"wayside/kernels/gemm"
	"wayside/kernels/internal/cpu"
	"wayside/kernels/internal/peak"
	"wayside/kernels/par"
)

// Tiers returns the names of this architecture's kernel tiers, from the slowest to the fastest, and whether the machine has each.
func Tiers() (names []string, has []bool) {
	for _, t := range cpu.Tiers() {
		names, has = append(names, t.String()), append(has, cpu.Supported(t))
	}
	return names, has
}

// Best returns the name of the fastest tier that may be used.
func Best() string { return cpu.Best().String() }

// Panels names the kernels that models get and the version of how their weights are packed: panels of another name are not for them.
func Panels() string { return Best() + " " + strconv.Itoa(gemm.Layout) }

// Limit allows no tier above the named one, "" all that the machine has. Plans that exist already keep their kernels; it must not be called
// while one runs.
func Limit(name string) error { return cpu.Limit(name) }

// LimitError says what is wrong with the variable WAYSIDE_KERNELS, which limits the tiers from the start, or returns nil.
func LimitError() error { return cpu.LimitError() }

// Threads makes n threads share the work of one run from now on, the caller's among them, and returns how many there are: GOMAXPROCS bounds
// them. Set it before models are loaded: their scratch memory is planned for it.
func Threads(n int) int { return par.Set(n) }

// Peak measures how many int8 and float32 multiply-accumulates a second one core can do with the instructions of the fastest tier that may be
// used, without loads and stores; 0 where that is not known. It takes some milliseconds.
func Peak() (s8, f32 float64) { return peak.Rates() }
