// Package cpu says which instruction sets kernels may use.
//
// Holds: the tiers of every architecture in their order, what this machine has, the cap of WAYSIDE_KERNELS.
// Never holds: kernels.
// May import: the standard library, golang.org/x/sys/cpu.
// Start reading at: Tiers, Has.
package cpu
