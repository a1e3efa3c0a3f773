// Package peak measures how many multiply-accumulates a second a core can do.
//
// Holds: loops in registers, one for each tier that has assembly.
// Never holds: kernels.
// May import: kernels/internal/cpu.
// Start reading at: Rates.
package peak

import "time"

// bursts and rounds make a measurement of a few milliseconds; a burst is so short that some pass undisturbed.
const (
	bursts = 60
	rounds = 5000
)

// perRound is how many vector multiply-adds a round has.
const perRound = 24

// loop is a loop in registers and the multiply-accumulates of one of its rounds.
type loop struct {
	run  func(rounds int)
	macs int
}

// Rates measures the int8 and float32 multiply-accumulates a second of one core with the best instructions that kernels may use; 0 where nothing is
// known for them. It takes some milliseconds.
func Rates() (s8, f32 float64) {
	i, f := loops()
	return i.rate(), f.rate()
}

// Vectors measures the vectors of int8 multiply-accumulates a second of one core; 0 where nothing is known for them.
func Vectors() float64 {
	i, _ := loops()
	return i.rate() / float64(max(1, i.macs)) * perRound
}

func (l loop) rate() float64 {
	if l.run == nil {
		return 0
	}
	best := time.Hour
	for range bursts {
		t := time.Now()
		l.run(rounds)
		best = min(best, time.Since(t))
	}
	return float64(l.macs) * rounds / max(best, 1).Seconds()
}
