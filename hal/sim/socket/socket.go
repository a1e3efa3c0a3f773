package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"wayside/hal"
)

// Listen makes a Unix stream socket. A socket file that no process answers on any more is replaced; a live one is hal.ErrBusy, any other
// file hal.ErrInput.
func Listen(path string) (*net.UnixListener, error) {
	if err := check(path); err != nil {
		return nil, err
	}
	addr := &net.UnixAddr{Name: path, Net: "unix"}
	l, err := net.ListenUnix("unix", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		if c, dialErr := net.DialUnix("unix", nil, addr); dialErr == nil {
			_ = c.Close() // only asked whether anybody is there
			return nil, fmt.Errorf("socket %s: another process answers on it: %w", path, hal.ErrBusy)
		}
		if info, statErr := os.Lstat(path); statErr != nil || info.Mode()&os.ModeSocket == 0 {
			return nil, hal.InputError("socket %s: a file of that name is there and is no socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("socket %s: remove the dead one: %w", path, err)
		}
		l, err = net.ListenUnix("unix", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return l, nil
}

// Dial connects before ctx ends. Nobody there is hal.ErrNoDevice; start says how to start who should be.
func Dial(ctx context.Context, path, start string) (net.Conn, error) {
	if err := check(path); err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("socket %s: nobody answers (%s): %w", path, start, hal.ErrNoDevice)
	case err != nil:
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return conn, nil
}

// check refuses paths that do not fit the kernel's address structure; the kernel itself says only "invalid argument".
func check(path string) error {
	if path == "" {
		return &hal.KeyError{Key: "socket", Reason: "is empty", Remedy: "give the path of a Unix socket"}
	}
	if limit := len(unix.RawSockaddrUnix{}.Path) - 1; len(path) > limit {
		return &hal.KeyError{Key: "socket", Reason: fmt.Sprintf("path %s has %d bytes, the kernel takes %d", filepath.Clean(path), len(path), limit), Remedy: "use a shorter folder name or a relative path"}
	}
	return nil
}
