package main

import (
	"bytes"
	"os"
	"path/filepath"
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
		if !bytes.Equal(got, generate()) {
			t.Errorf("%s is stale: run go run ./internal/asmgen in kernels", name)
		}
	}
}
