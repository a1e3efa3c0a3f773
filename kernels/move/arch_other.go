//go:build !amd64

package move

import "unsafe"

// ISA names the instructions that Copy transposes 32-bit elements with, as in kernel ids.
func ISA() string { return "generic" }

func transpose4(unsafe.Pointer, unsafe.Pointer, int, int, int, int) int { return 0 }
