package haltest

import (
	"sync"
	"time"

	"wayside/hal"
)

// FakeClock is a hal.Clock that stands still until Advance. Safe for concurrent use.
type FakeClock struct {
	mu      sync.Mutex
	changed *sync.Cond // signalled when a waiter is added
	boot    time.Duration
	wall    time.Time
	waiters []waiter
}

type waiter struct {
	at time.Duration
	ch chan time.Time
}

var _ hal.Clock = (*FakeClock)(nil)

// NewClock starts at 1000 s after boot, 2026-01-01 00:00 UTC: no zero that a forgotten field could equal.
func NewClock() *FakeClock {
	c := &FakeClock{boot: 1000 * time.Second, wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// Now is the fake wall clock.
func (c *FakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

// Boot is the fake time since boot.
func (c *FakeClock) Boot() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.boot
}

// After fires once Advance has moved the clock by d. With d of 0 or less it fires at once.
func (c *FakeClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	if d <= 0 {
		ch <- c.wall
		return ch
	}
	c.waiters = append(c.waiters, waiter{at: c.boot + d, ch: ch})
	c.changed.Broadcast()
	return ch
}

// Advance moves both clocks by d and fires every After that is due.
func (c *FakeClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.boot += d
	c.wall = c.wall.Add(d)
	kept := c.waiters[:0]
	for _, w := range c.waiters {
		if w.at <= c.boot {
			w.ch <- c.wall
		} else {
			kept = append(kept, w)
		}
	}
	c.waiters = kept
}

// JumpWall moves only the wall clock, as a time server or a person would.
func (c *FakeClock) JumpWall(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

// BlockUntil waits until at least n callers wait in After, so that a test does not advance before they do.
func (c *FakeClock) BlockUntil(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiters) < n {
		c.changed.Wait()
	}
}
