//go:build amd64 || arm || arm64

// Package call calls assembly functions through a table of their addresses.
//
// Holds: one trampoline. A call through a Go function value would move its argument to the heap, since the compiler cannot see that assembly keeps no
// pointer.
// Never holds: anything else.
// May import: nothing.
// Start reading at: Tile.
package call

import "unsafe"

// Tile calls the assembly function at fn, which takes one pointer in the stack-based calling convention and keeps none. fn comes from a table
// that the assembly file of the same package holds.
//
//go:noescape
func Tile(fn uintptr, arg unsafe.Pointer)
