//go:build !linux

package tensor

func hugePages([]byte) {}
