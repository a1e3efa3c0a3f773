//go:build !amd64

package rnn

import "math"

var negInf, posInf = float32(math.Inf(-1)), float32(math.Inf(1))

// panels has nothing to offer on this architecture.
type panels struct {
	f32   []float32
	pairs []uint32
}

func panelWidth() int { return 0 }

func panelID() string { return "" }

func packPanels([]Matrix, int, int, int, bool) *panels { return nil }

func (*panels) add([]float32, []float32) {}

func (*Packed) step([]float32, []float32) {}
