package gpiochip

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wayside/hal"
	"wayside/hal/sim/socket"
)

// start serves a chip in this process and returns its path, its record, and a function that ends it.
func start(t *testing.T, opt Options) (path, record string, stop func()) {
	t.Helper()
	// t.TempDir has the test's name in it and could be too long for a socket.
	dir, err := os.MkdirTemp("", "chip")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path, record = filepath.Join(dir, "s"), filepath.Join(dir, "r")
	rec, err := OpenRecorder(record)
	must(t, err)
	c, err := New(opt, hal.RealClock(), rec)
	must(t, err)
	l, err := socket.Listen(path)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, c) }()
	var once bool
	stop = func() {
		if once {
			return
		}
		once = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		must(t, rec.Close())
	}
	t.Cleanup(stop)
	return path, record, stop
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(context.Background(), path)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// waitFree waits until nobody owns the line: the chip hears of a closed connection a moment later.
func waitFree(t *testing.T, c *Client, n int) Line {
	t.Helper()
	for range 500 {
		l, err := c.Line(context.Background(), n)
		must(t, err)
		if !l.Owned {
			return l
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("line %d was not released", n)
	return Line{}
}

func TestTwoClients(t *testing.T) {
	ctx := context.Background()
	path, record, stop := start(t, Options{Lines: 64, LineNames: []string{"lamp"}, Name: "cab"})
	a, b := dial(t, path), dial(t, path)
	info, err := a.Chip(ctx)
	must(t, err)
	if info.Name != "cab" || info.Lines != 64 || info.OnRelease != Keep || info.PID != os.Getpid() {
		t.Errorf("chip: %+v", info)
	}
	must(t, a.Request(ctx, "guard", LineRequest{Line: 0, Direction: Output, Level: 1}))
	err = b.Request(ctx, "thief", LineRequest{Line: 0, Direction: Output})
	var busy *BusyError
	if !errors.As(err, &busy) || busy.Consumer != "guard" || busy.PID != os.Getpid() || !errors.Is(err, hal.ErrBusy) {
		t.Errorf("second claim: %v", err)
	}
	if err := b.Set(ctx, LineRequest{Line: 0}); err == nil {
		t.Error("a stranger could set the line")
	}
	// The connection survives refusals, and looking changes nothing.
	l, err := b.Line(ctx, 0)
	must(t, err)
	if want := (Line{Line: 0, Name: "lamp", Direction: Output, Level: 1, Owned: true, Consumer: "guard", PID: os.Getpid()}); l != want {
		t.Errorf("info %+v, want %+v", l, want)
	}
	must(t, a.Release(ctx, 0))
	must(t, b.Request(ctx, "next", LineRequest{Line: 0, Direction: Output, Level: 1}))
	stop()
	wantRows(t, rows(t, record), []row{
		{EventStart, -1, 0, 0, "", CauseStart},
		{EventClaim, 0, 0, 1, Output, CauseRequest},
		{EventTransition, 0, 0, 1, Output, CauseRequest},
		{EventRelease, 0, 1, 1, Output, CauseRelease},
		{EventClaim, 0, 1, 1, Output, CauseRequest},
		{EventRelease, 0, 1, 1, Output, CauseStop},
		{EventStop, -1, 0, 0, "", CauseStop},
	})
	if _, err := b.Lines(ctx); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("after the chip ended: %v", err)
	}
	if _, err := b.Lines(ctx); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("a broken client must stay broken: %v", err)
	}
}

// TestOwnerDies: a connection cut in the middle of a request, as kill -9 cuts it, releases the lines.
func TestOwnerDies(t *testing.T) {
	for _, mode := range []OnRelease{Keep, Revert} {
		t.Run(string(mode), func(t *testing.T) {
			ctx := context.Background()
			path, record, stop := start(t, Options{Lines: 2, OnRelease: mode})
			watch := dial(t, path)
			raw, err := net.Dial("unix", path)
			must(t, err)
			_, err = raw.Write([]byte(`{"v":1,"op":"request","consumer":"victim","lines":[{"line":1,"direction":"output","level":1}]}` + "\n"))
			must(t, err)
			buf := make([]byte, 64)
			_, err = raw.Read(buf)
			must(t, err)
			_, err = raw.Write([]byte(`{"v":1,"op":"set","lines":[{"line":1`)) // half a request
			must(t, err)
			must(t, raw.Close())
			l := waitFree(t, watch, 1)
			want := 1
			if mode == Revert {
				want = 0
			}
			if l.Level != want || l.Consumer != "victim" {
				t.Errorf("after the owner died: %+v, want level %d", l, want)
			}
			must(t, watch.Request(ctx, "heir", LineRequest{Line: 1, Direction: Output, Level: l.Level}))
			stop()
			found := false
			for _, r := range rows(t, record) {
				found = found || r == row{EventRelease, 1, 1, want, map[OnRelease]Direction{Keep: Output, Revert: Input}[mode], CauseClosed}
			}
			if !found {
				t.Errorf("no release with cause closed in %+v", rows(t, record))
			}
		})
	}
}

func TestHostileRequests(t *testing.T) {
	path, _, _ := start(t, Options{Lines: 1})
	for _, tc := range []struct{ send, want string }{
		{"nonsense\n", "no JSON"},
		{"{}\n", "protocol version 0"},
		{`{"v":2,"op":"info"}` + "\n", "speaks 1"},
		{`{"v":1,"op":"toggle"}` + "\n", "unknown"},
		{`{"v":1,"op":"set","lines":[{"line":99}]}` + "\n", "does not exist"},
	} {
		raw, err := net.Dial("unix", path)
		must(t, err)
		_, err = raw.Write([]byte(tc.send))
		must(t, err)
		buf := make([]byte, 4096)
		n, err := raw.Read(buf)
		must(t, err)
		if !strings.Contains(string(buf[:n]), tc.want) || !strings.Contains(string(buf[:n]), `"ok":false`) {
			t.Errorf("%q: answer %q", tc.send, buf[:n])
		}
		must(t, raw.Close())
	}
	// A request without an end is cut off, and the chip goes on.
	raw, err := net.Dial("unix", path)
	must(t, err)
	_, _ = raw.Write(make([]byte, maxMessage+1)) // the chip may close before the last byte
	if n, err := raw.Read(make([]byte, 1)); err == nil {
		t.Errorf("an endless request was answered with %d bytes", n)
	}
	_, err = dial(t, path).Lines(context.Background())
	must(t, err)
}

func TestListen(t *testing.T) {
	path, _, stop := start(t, Options{Lines: 1})
	if _, err := socket.Listen(path); !errors.Is(err, hal.ErrBusy) {
		t.Errorf("second chip on one path: %v", err)
	}
	stop()
	if _, err := Dial(context.Background(), path); !errors.Is(err, hal.ErrNoDevice) || !strings.Contains(err.Error(), "wayside simulate gpio") {
		t.Errorf("no chip: %v", err)
	}
	// A path that a killed chip left behind is replaced.
	l, err := socket.Listen(path)
	must(t, err)
	l.SetUnlinkOnClose(false)
	must(t, l.Close())
	l, err = socket.Listen(path)
	must(t, err)
	must(t, l.Close())
	// Any other file is left alone.
	must(t, os.WriteFile(path, []byte("mine"), 0o600))
	if _, err := socket.Listen(path); !errors.Is(err, hal.ErrInput) {
		t.Errorf("over a plain file: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("the file was touched: %q, %v", b, err)
	}
	if _, err := socket.Listen("/tmp/" + strings.Repeat("x", 120)); !errors.Is(err, hal.ErrInput) || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("long path: %v", err)
	}
}

// TestHungChip: a chip that never answers costs a caller his own time and no more.
func TestHungChip(t *testing.T) {
	dir, err := os.MkdirTemp("", "chip")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := socket.Listen(path) // the kernel accepts, nobody reads
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	c := dial(t, path)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Lines(ctx); !errors.Is(err, hal.ErrTimeout) {
		t.Errorf("hung chip: %v", err)
	}
	if _, err := c.Lines(context.Background()); !errors.Is(err, hal.ErrTimeout) {
		t.Errorf("a client that missed an answer must not be used again: %v", err)
	}
}
