package hal

import "time"

// Backoff spaces the attempts on something that does not answer. After so many failures in a row it asks for a pause, which
// doubles with each further failure. Not safe for concurrent use.
type Backoff struct {
	After       int           // failures before the first pause; 1: pause at once
	First, Last time.Duration // first pause, and the longest

	failures int
	pause    time.Duration
	until    time.Duration
}

// Wait is how long the pause still lasts at boot time now; 0 or less: try.
func (b *Backoff) Wait(now time.Duration) time.Duration { return b.until - now }

// Failed counts a failure at boot time now.
func (b *Backoff) Failed(now time.Duration) {
	if b.failures++; b.failures < b.After {
		return
	}
	b.pause = min(max(2*b.pause, b.First), b.Last)
	b.until = now + b.pause
}

// Failures is the number of failures in a row.
func (b *Backoff) Failures() int { return b.failures }

// OK ends the row of failures.
func (b *Backoff) OK() { b.failures, b.pause, b.until = 0, 0, 0 }
