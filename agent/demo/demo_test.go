package demo

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRunRefusesBadOptions(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"too short", Options{Duration: time.Second}, "too short"},
		{"port", Options{Duration: MinDuration, Port: 70000}, "port 70000"},
		{"folder in use", Options{Duration: MinDuration, Keep: full}, "not empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Assets, c.o.Out, c.o.Binary = assets(t), io.Discard, "/nonexistent"
			_, err := Run(context.Background(), c.o)
			var in *InputError
			if !errors.As(err, &in) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want an InputError with %q", err, c.want)
			}
		})
	}
	if left, err := os.ReadDir(full); err != nil || len(left) != 1 {
		t.Errorf("the folder in use was changed: %v, %v", left, err)
	}
}

// A process that cannot start must leave nothing behind.
func TestRunCleansUpAfterFailure(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	_, err := Run(context.Background(), Options{Assets: assets(t), Duration: MinDuration, Out: io.Discard, Binary: "/nonexistent"})
	if err == nil {
		t.Fatal("no error without a program")
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A part that dies at once is named, with what it said.
func TestRunNamesThePartThatDied(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	fake := filepath.Join(t.TempDir(), "wayside")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho no more pins >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Run(context.Background(), Options{Assets: assets(t), Duration: MinDuration, Out: io.Discard, Binary: fake})
	if err == nil || !strings.Contains(err.Error(), "gpio") || !strings.Contains(err.Error(), "no more pins") {
		t.Errorf("error %v, want one that names gpio and its words", err)
	}
}
