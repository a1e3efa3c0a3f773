//go:build !amd64 && !arm64

package resize

// ISA names the instructions that BilinearF32 uses for so many channels, as in kernel ids.
func ISA(int) string { return generic }

func bilinearLine(*lineF32) {}
