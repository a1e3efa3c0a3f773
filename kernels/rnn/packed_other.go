//go:build !amd64 && !arm && !arm64

package rnn

import "math"

var negInf, posInf = float32(math.Inf(-1)), float32(math.Inf(1))

// panels has nothing to offer on this architecture.
type panels struct{}

const packsHalf = false

func panelWidth() int { return 0 }

func panelID() string { return "" }

func packPanels([]Matrix, int, int, int, bool) *panels { return nil }

func (*panels) bytes() (f32, bf16 int) { return 0, 0 }

func (*panels) add([]float32, []float32, bool) {}

func (*Packed) room() int { return 0 }

func (*Packed) step([]float32, []float32, []float32, bool) {}
