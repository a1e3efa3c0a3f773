package hal

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is the time, injected. All ages, leases and windows are computed with Boot, which runs on while the machine sleeps
// and never jumps; Now is for people. After follows Boot's pace. Implementations are safe for concurrent use.
type Clock interface {
	Now() time.Time
	Boot() time.Duration
	After(d time.Duration) <-chan time.Time
}

// RealClock is the machine's clock: Boot reads CLOCK_BOOTTIME.
func RealClock() Clock { return realClock{} }

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) Boot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		// Linux has had this clock since 2.6.39 and the call fails only for a bad id or address, neither of which is possible here.
		panic("hal: clock_gettime(CLOCK_BOOTTIME): " + err.Error())
	}
	return time.Duration(ts.Nano())
}

func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Ended is why ctx ended, nil while it has not: a deadline that has passed is ErrTimeout, a cancelled one is context.Canceled.
func Ended(ctx context.Context) error {
	if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return ErrTimeout
}

// Sleep waits d on c, or until ctx ends; then it returns what Ended says.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	if err := Ended(ctx); err != nil {
		return err
	}
	select {
	case <-c.After(d):
		return nil
	case <-ctx.Done():
		return Ended(ctx)
	}
}
