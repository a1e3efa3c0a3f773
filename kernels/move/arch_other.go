//go:build !amd64

package move

import "unsafe"

// ISA names the instructions that Copy transposes 32-bit elements and copies rows with, as in kernel ids.
func ISA() string { return "generic" }

func copyRowsAsm(unsafe.Pointer, unsafe.Pointer, int, int, int, int) bool { return false }

func transpose4(unsafe.Pointer, unsafe.Pointer, int, int, int, int) bool { return false }
