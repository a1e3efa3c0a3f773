package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestCacheFlag loads a model with every verb that has --cache, from a good folder, a damaged file and a folder that cannot be made, and in two processes at once.
func TestCacheFlag(t *testing.T) {
	dir, model := t.TempDir(), absPath(t, tinyInt8+".tflite")
	saveNPY(t, filepath.Join(dir, "rows.npy"), recorded(t, tinyInt8, "in0"))
	infer := func(args ...string) (string, string) {
		t.Helper()
		stdout, stderr, code := wayside(t, dir, append([]string{"infer", model, "--in", "rows.npy", "--rows", "--json"}, args...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		return stdout, stderr
	}
	want, _ := infer()
	same := func(what, note string) {
		t.Helper()
		got, stderr := infer("--cache", "panels")
		if got != want || note == "" && stderr != "" || !strings.Contains(stderr, note) {
			t.Fatalf("%s: other results, or stderr is %q", what, stderr)
		}
	}
	same("no folder", "")
	files, err := filepath.Glob(filepath.Join(dir, "panels", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q are kept", files)
	}
	same("kept", "")
	for _, verb := range [][]string{{"inspect", model, "--cache", "panels"}, {"bench", model, "--runs", "1", "--cache", "panels"}} {
		if _, stderr, code := wayside(t, dir, verb...); code != 0 || stderr != "" {
			t.Fatalf("%q: exit code %d: %s", verb, code, stderr)
		}
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	same("damaged", "infer: note: load: the packed weights in "+filepath.Join("panels", filepath.Base(files[0]))+" are made anew: its checksum is wrong")
	same("mended", "")
	if got, stderr := infer("--cache", filepath.Join(files[0], "x")); got != want || !strings.Contains(stderr, "are not kept") {
		t.Fatalf("a folder that cannot be made: other results, or stderr is %q", stderr)
	}
	if err := os.RemoveAll(filepath.Join(dir, "panels")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if got, stderr, code := wayside(t, dir, "infer", model, "--in", "rows.npy", "--rows", "--json", "--cache", "panels"); got != want || stderr != "" || code != 0 {
				t.Errorf("two processes at once: exit code %d: %s", code, stderr)
			}
		})
	}
	wg.Wait()
	same("after both", "")
}
