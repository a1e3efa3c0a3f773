//go:build !amd64 && !arm && !arm64

package rnn

import (
	"math"

	"wayside/kernels/gemm"
)

var negInf, posInf = float32(math.Inf(-1)), float32(math.Inf(1))

// panels has nothing to offer on this architecture.
type panels struct{}

func panelWidth() int { return 0 }

func panelID() string { return "" }

func packPanels([]Matrix, int, int, int, bool) *panels { return nil }

func (*panels) bytes() gemm.FormBytes { return gemm.FormBytes{} }

func (*Packed) room() int { return 0 }

func (*band) step(*Walk, []float32) {}
