package socket

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wayside/hal"
)

func TestListenAndDial(t *testing.T) {
	dir, err := os.MkdirTemp("", "sock") // t.TempDir could be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	if _, err := Dial(context.Background(), path, "start it with: x"); !errors.Is(err, hal.ErrNoDevice) || !strings.Contains(err.Error(), "start it with: x") {
		t.Errorf("nobody there: %v", err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Dial(context.Background(), path, ""); err != nil {
		t.Error(err)
	} else if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Listen(path); !errors.Is(err, hal.ErrBusy) {
		t.Errorf("second listener: %v", err)
	}
	l.SetUnlinkOnClose(false) // as after kill -9
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Dial(context.Background(), path, ""); !errors.Is(err, hal.ErrNoDevice) {
		t.Errorf("dead socket: %v", err)
	}
	if l, err = Listen(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", filepath.Join(dir, strings.Repeat("x", 120))} {
		if _, err := Listen(bad); !errors.Is(err, hal.ErrInput) {
			t.Errorf("listen on %q: %v", bad, err)
		}
		if _, err := Dial(context.Background(), bad, ""); !errors.Is(err, hal.ErrInput) {
			t.Errorf("dial %q: %v", bad, err)
		}
	}
}
