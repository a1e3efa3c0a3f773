//go:build !amd64

package rnn

// scaleVectors has nothing to offer on this architecture.
func scaleVectors([]int32, []int32, Scale, int32, int32, int32) int { return 0 }

// dots has nothing to offer on this architecture.
func dots([]int32, []int16, []int16, int) int { return 0 }
