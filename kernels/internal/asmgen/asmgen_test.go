package main

import (
	"bytes"
	"go/build"
	"os"
	"path/filepath"
	"regexp"
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
		if !bytes.Equal(got, generate()) {
			t.Errorf("%s is stale: run go run ./internal/asmgen in kernels", name)
		}
	}
}

// TestTableLengths compares the tables of functions with what Go declares them to be: files of several architectures may share a declaration, and the assembler
// does not know the lengths.
func TestTableLengths(t *testing.T) {
	table := regexp.MustCompile(`(?m)^(?:// )?func (\w+)\(\) \*\[(\d+)\]uintptr$`)
	declared, checked := make(map[string]map[string]string), 0
	for name, generate := range files {
		dir, arch := filepath.Dir(name), strings.TrimSuffix(name[strings.LastIndexByte(name, '_')+1:], ".s")
		if declared[dir+arch] == nil {
			declared[dir+arch] = goTables(t, dir, arch, table)
		}
		for _, m := range table.FindAllStringSubmatch(string(generate()), -1) {
			if want, ok := declared[dir+arch][m[1]]; ok {
				if checked++; want != m[2] {
					t.Errorf("%s: %s has %s functions, Go declares %s", name, m[1], m[2], want)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d tables are declared in Go", checked)
	}
}

// goTables returns the lengths of the tables that the Go files of a folder declare for an architecture.
func goTables(t *testing.T, dir, arch string, table *regexp.Regexp) map[string]string {
	t.Helper()
	ctx := build.Default
	ctx.GOARCH = arch
	p, err := ctx.ImportDir(filepath.Join("..", "..", dir), 0)
	if err != nil {
		t.Fatal(err)
	}
	lengths := make(map[string]string)
	for _, f := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, f))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range table.FindAllStringSubmatch(string(text), -1) {
			lengths[m[1]] = m[2]
		}
	}
	return lengths
}
