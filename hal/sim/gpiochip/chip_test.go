package gpiochip

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wayside/hal"
	"wayside/hal/haltest"
)

type row struct {
	event    EventKind
	line     int
	from, to int
	dir      Direction
	cause    Cause
}

func rows(t *testing.T, path string) []row {
	t.Helper()
	ev, err := ReadRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]row, len(ev))
	for i, e := range ev {
		if e.Seq != uint64(i) {
			t.Errorf("event %d has seq %d", i, e.Seq)
		}
		out[i] = row{e.Event, e.Line, e.From, e.To, e.Direction, e.Cause}
	}
	return out
}

func wantRows(t *testing.T, got, want []row) {
	t.Helper()
	for i := 0; i < max(len(got), len(want)); i++ {
		switch {
		case i >= len(got):
			t.Errorf("event %d missing: %+v", i, want[i])
		case i >= len(want):
			t.Errorf("event %d too many: %+v", i, got[i])
		case got[i] != want[i]:
			t.Errorf("event %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
}

func newChip(t *testing.T, opt Options) (*Chip, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "record.jsonl")
	rec, err := OpenRecorder(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rec.Close() })
	c, err := New(opt, haltest.NewClock(), rec)
	if err != nil {
		t.Fatal(err)
	}
	return c, path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestChipRecord walks one line through its life for every release behaviour and pull, and compares the whole record.
func TestChipRecord(t *testing.T) {
	for _, tc := range []struct {
		name string
		opt  Options
		want []row
		end  Line
	}{
		{"keep", Options{Lines: 4}, []row{
			{EventStart, -1, 0, 0, "", CauseStart},
			{EventClaim, 2, 0, 1, Output, CauseRequest},
			{EventTransition, 2, 0, 1, Output, CauseRequest}, // straight to its initial value: no event with level 0 as an output
			{EventTransition, 2, 1, 0, Output, CauseSet},
			{EventTransition, 2, 0, 1, Output, CauseSet},
			{EventRelease, 2, 1, 1, Output, CauseClosed},
			{EventStop, -1, 0, 0, "", CauseStop},
		}, Line{Line: 2, Direction: Output, Level: 1, Consumer: "guard", PID: 7}},
		{"revert", Options{Lines: 4, OnRelease: Revert}, []row{
			{EventStart, -1, 0, 0, "", CauseStart},
			{EventClaim, 2, 0, 1, Output, CauseRequest},
			{EventTransition, 2, 0, 1, Output, CauseRequest},
			{EventTransition, 2, 1, 0, Output, CauseSet},
			{EventTransition, 2, 0, 1, Output, CauseSet},
			{EventRelease, 2, 1, 0, Input, CauseClosed},
			{EventTransition, 2, 1, 0, Input, CauseClosed},
			{EventStop, -1, 0, 0, "", CauseStop},
		}, Line{Line: 2, Direction: Input, Level: 0, Consumer: "guard", PID: 7}},
		{"revert with pull-up", Options{Lines: 4, OnRelease: Revert, PullUp: true}, []row{
			{EventStart, -1, 0, 0, "", CauseStart},
			{EventClaim, 2, 1, 1, Output, CauseRequest},
			{EventTransition, 2, 1, 1, Output, CauseRequest}, // only the direction changed
			{EventTransition, 2, 1, 0, Output, CauseSet},
			{EventTransition, 2, 0, 1, Output, CauseSet},
			{EventRelease, 2, 1, 1, Input, CauseClosed},
			{EventTransition, 2, 1, 1, Input, CauseClosed},
			{EventStop, -1, 0, 0, "", CauseStop},
		}, Line{Line: 2, Direction: Input, Level: 1, Consumer: "guard", PID: 7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, path := newChip(t, tc.opt)
			o := &Owner{PID: 7}
			must(t, c.Claim(o, "guard", []LineRequest{{Line: 2, Direction: Output, Level: 1}}))
			must(t, c.Set(o, []LineRequest{{Line: 2, Level: 1}})) // no change: no event
			must(t, c.Set(o, []LineRequest{{Line: 2, Level: 0}}))
			must(t, c.Set(o, []LineRequest{{Line: 2, Level: 1}}))
			must(t, c.Release(o, nil, CauseClosed))
			if got := c.Info()[2]; got != tc.end {
				t.Errorf("after release: %+v, want %+v", got, tc.end)
			}
			must(t, c.Stop())
			wantRows(t, rows(t, path), tc.want)
		})
	}
}

// TestChipReclaim: a line kept at its level and claimed again with that level shows no transition at all, which is what a restarted guardian needs.
func TestChipReclaim(t *testing.T) {
	c, path := newChip(t, Options{Lines: 1})
	a, b := &Owner{PID: 1}, &Owner{PID: 2}
	must(t, c.Claim(a, "old", []LineRequest{{Line: 0, Direction: Output, Level: 1}}))
	must(t, c.Release(a, nil, CauseClosed))
	must(t, c.Claim(b, "new", []LineRequest{{Line: 0, Direction: Output, Level: 1}}))
	n := 0
	for _, r := range rows(t, path) {
		if r.event == EventTransition {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d transitions, want only that of the first claim", n)
	}
}

func TestChipRefuses(t *testing.T) {
	out := func(n int) []LineRequest { return []LineRequest{{Line: n, Direction: Output}} }
	for _, tc := range []struct {
		name string
		do   func(c *Chip, a, b *Owner) error
		want string
	}{
		{"held by another", func(c *Chip, _, b *Owner) error { return c.Claim(b, "b", out(0)) }, `held by "a" (process 1)`},
		{"held by itself", func(c *Chip, a, _ *Owner) error { return c.Claim(a, "a", out(0)) }, `held by "a"`},
		{"one of two held: neither is given", func(c *Chip, _, b *Owner) error {
			err := c.Claim(b, "b", []LineRequest{{Line: 2, Direction: Output, Level: 1}, {Line: 0, Direction: Output}})
			if l := c.Info()[2]; l.Owned || l.Level != 0 {
				t.Errorf("line 2 was taken all the same: %+v", l)
			}
			return err
		}, "line 0 is held"},
		{"no such line", func(c *Chip, _, b *Owner) error { return c.Claim(b, "b", out(4)) }, "lines 0 to 3"},
		{"negative line", func(c *Chip, _, b *Owner) error { return c.Claim(b, "b", out(-1)) }, "does not exist"},
		{"twice in one request", func(c *Chip, _, b *Owner) error { return c.Claim(b, "b", append(out(2), out(2)...)) }, "twice"},
		{"no line", func(c *Chip, _, b *Owner) error { return c.Claim(b, "b", nil) }, "no line"},
		{"no consumer", func(c *Chip, _, b *Owner) error { return c.Claim(b, "", out(2)) }, "consumer"},
		{"no direction", func(c *Chip, _, b *Owner) error { return c.Claim(b, "b", []LineRequest{{Line: 2}}) }, "direction"},
		{"level 2", func(c *Chip, a, _ *Owner) error { return c.Set(a, []LineRequest{{Line: 0, Level: 2}}) }, "0 or 1"},
		{"set of another's line", func(c *Chip, _, b *Owner) error { return c.Set(b, []LineRequest{{Line: 0, Level: 1}}) }, "not requested on this"},
		{"set of an input", func(c *Chip, a, _ *Owner) error { return c.Set(a, []LineRequest{{Line: 1, Level: 1}}) }, "as an input"},
		{"release of another's line", func(c *Chip, _, b *Owner) error { return c.Release(b, []int{0}, CauseRelease) }, "not requested on this"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, path := newChip(t, Options{Lines: 4})
			a, b := &Owner{PID: 1}, &Owner{PID: 2}
			must(t, c.Claim(a, "a", []LineRequest{{Line: 0, Direction: Output}, {Line: 1, Direction: Input}}))
			before := len(rows(t, path))
			err := tc.do(c, a, b)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
			var busy *BusyError
			if isBusy := strings.Contains(tc.want, "held"); isBusy != errors.As(err, &busy) || isBusy != errors.Is(err, hal.ErrBusy) {
				t.Errorf("busy or not is told wrongly by %v", err)
			}
			if n := len(rows(t, path)); n != before {
				t.Errorf("a refused call left %d events", n-before)
			}
		})
	}
}

// TestChipDrive: the outside moves inputs at once, an output only when it is reverted.
func TestChipDrive(t *testing.T) {
	c, path := newChip(t, Options{Lines: 2, OnRelease: Revert})
	o := &Owner{PID: 1}
	must(t, c.Claim(o, "door", []LineRequest{{Line: 0, Direction: Input}, {Line: 1, Direction: Output}}))
	must(t, c.Drive(Owner{PID: 9, Consumer: "test"}, []LineRequest{{Line: 0, Level: 1}, {Line: 1, Level: 1}}))
	if ls := c.Info(); ls[0].Level != 1 || ls[1].Level != 0 {
		t.Errorf("levels after drive: %+v", ls)
	}
	must(t, c.Release(o, []int{1}, CauseRelease))
	if l := c.Info()[1]; l.Level != 1 || l.Direction != Input {
		t.Errorf("a reverted line must follow the outside: %+v", l)
	}
	wantRows(t, rows(t, path), []row{
		{EventStart, -1, 0, 0, "", CauseStart},
		{EventClaim, 0, 0, 0, Input, CauseRequest},
		{EventClaim, 1, 0, 0, Output, CauseRequest},
		{EventTransition, 1, 0, 0, Output, CauseRequest},
		{EventTransition, 0, 0, 1, Input, CauseDrive},
		{EventRelease, 1, 0, 1, Input, CauseRelease},
		{EventTransition, 1, 0, 1, Input, CauseRelease},
	})
}

func TestChipOptions(t *testing.T) {
	for _, tc := range []struct {
		opt  Options
		want string
	}{
		{Options{Lines: 0}, "lines"},
		{Options{Lines: 65}, "1 to 64"},
		{Options{Lines: 1, OnRelease: "drop"}, "on-release"},
		{Options{Lines: 1, LineNames: []string{"a", "b"}}, "line-names"},
		{Options{Lines: 2, LineNames: []string{"a", "a"}}, "both called"},
	} {
		if _, err := New(tc.opt, haltest.NewClock(), nil); err == nil || !strings.Contains(err.Error(), tc.want) || !errors.Is(err, hal.ErrInput) {
			t.Errorf("%+v: %v, want %q", tc.opt, err, tc.want)
		}
	}
	// An unwritable record stops the chip from starting: without it the chip proves nothing.
	rec, err := OpenRecorder(filepath.Join(t.TempDir(), "r"))
	must(t, err)
	must(t, rec.Close())
	if _, err := New(Options{Lines: 1}, haltest.NewClock(), rec); err == nil {
		t.Error("a chip without a writable record started")
	}
}

// TestChipRecordFails: what cannot be recorded does not happen, but a release does.
func TestChipRecordFails(t *testing.T) {
	c, path := newChip(t, Options{Lines: 1, OnRelease: Revert})
	o := &Owner{PID: 1}
	must(t, c.Claim(o, "o", []LineRequest{{Line: 0, Direction: Output, Level: 1}}))
	must(t, c.rec.Close())
	if err := c.Set(o, []LineRequest{{Line: 0, Level: 0}}); err == nil || c.Info()[0].Level != 1 {
		t.Errorf("set without a record: %v, level %d", err, c.Info()[0].Level)
	}
	if err := c.Release(o, nil, CauseClosed); err == nil || c.Info()[0].Owned {
		t.Errorf("release without a record: %v, %+v", err, c.Info()[0])
	}
	if err := c.Stop(); err == nil {
		t.Error("Stop must return the lost release")
	}
	if n := len(rows(t, path)); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func TestEventTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r")
	rec, err := OpenRecorder(path)
	must(t, err)
	clock := haltest.NewClock()
	c, err := New(Options{Lines: 1, Name: "relays"}, clock, rec)
	must(t, err)
	clock.Advance(1500 * time.Millisecond)
	must(t, c.Claim(&Owner{PID: 4}, "x", []LineRequest{{Line: 0, Direction: Output, Level: 1}}))
	ev, err := ReadRecord(path)
	must(t, err)
	last := ev[len(ev)-1]
	if last.BootNS-ev[0].BootNS != int64(1500*time.Millisecond) || !last.Wall.Equal(clock.Now()) || last.Chip != "relays" || last.PID != 4 || last.Consumer != "x" {
		t.Errorf("stamps: %+v", last)
	}
}
