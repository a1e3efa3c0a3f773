package haltest

import (
	"context"
	"errors"
	"testing"
	"time"

	"wayside/hal"
)

func TestFakeClock(t *testing.T) {
	c := NewClock()
	boot, wall := c.Boot(), c.Now()
	soon, late, now := c.After(time.Second), c.After(time.Minute), c.After(0)
	fired := func(ch <-chan time.Time) bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}
	if !fired(now) || fired(soon) {
		t.Error("before Advance")
	}
	c.Advance(time.Second)
	if !fired(soon) || fired(late) || c.Boot()-boot != time.Second || c.Now().Sub(wall) != time.Second {
		t.Errorf("after a second: boot %v, wall %v", c.Boot()-boot, c.Now().Sub(wall))
	}
	c.JumpWall(-time.Hour)
	if c.Boot()-boot != time.Second || !c.Now().Before(wall) || fired(late) {
		t.Error("a jump of the wall clock moved the boot clock")
	}
	c.Advance(time.Hour)
	if !fired(late) {
		t.Error("late waiter was not fired")
	}
}

func TestSensor(t *testing.T) {
	c := NewClock()
	s := &Sensor{Clock: c, Next: Values(1, 2)}
	for _, want := range []float64{1, 2, 2} {
		if v, err := s.Read(context.Background()); err != nil || v.Value != want || v.Boot != c.Boot() {
			t.Errorf("%+v, %v", v, err)
		}
	}
	broken := errors.New("broken")
	s.Next = func(int) (hal.Sample, error) { return hal.Sample{}, broken }
	if v, err := s.Read(context.Background()); !errors.Is(err, broken) || v.Quality != hal.DeviceMissing {
		t.Errorf("%+v, %v", v, err)
	}
	_ = s.Close()
	if _, err := s.Read(context.Background()); !errors.Is(err, hal.ErrClosed) || s.Reads() != 5 {
		t.Errorf("%v after %d reads", err, s.Reads())
	}
}

func TestOutput(t *testing.T) {
	o := NewOutput(1)
	_ = o.Set(0)
	broken := errors.New("broken")
	o.Fail(broken)
	if err := o.Set(1); !errors.Is(err, broken) {
		t.Error(err)
	}
	o.Fail(nil)
	if v, err := o.Get(); err != nil || v != 0 {
		t.Errorf("%v, %v", v, err)
	}
	_ = o.Close()
	if err := o.Set(1); !errors.Is(err, hal.ErrClosed) || !o.Closed() || len(o.Levels()) != 2 {
		t.Errorf("%v, levels %v", err, o.Levels())
	}
}
