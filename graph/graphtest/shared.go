package graphtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// root is the folder of go.mod, above the package whose test runs; found at the start, for tests that change the folder.
var root = func() string {
	dir, _ := filepath.Abs(".")
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	return dir
}()

// Shared returns the path of a file in the folder shared beside the repository, and skips the test where it is absent.
func Shared(t testing.TB, name string) string {
	t.Helper()
	p := filepath.Join(root, "../shared", name)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("skipped: ../shared/%s is absent", name)
	}
	return p
}

// TarFiles reads a .tar.gz whole, in memory, by name.
func TarFiles(t testing.TB, path string) map[string][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if files[h.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}
