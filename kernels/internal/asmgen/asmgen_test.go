package main

import (
	"bytes"
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGeneratedFiles compares the files in the tree with what the generator writes.
func TestGeneratedFiles(t *testing.T) {
	for name, generate := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Error(err)
			continue
		}
		want := generate()
		if strings.HasSuffix(name, ".go") {
			if want, err = format.Source(want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go run ./internal/asmgen in kernels", name)
		}
	}
}
