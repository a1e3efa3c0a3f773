package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"wayside/agent/config"
)

// documents are all Markdown files of the repository.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root := repoRoot(t)
	docs := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == ".venv" || d.Name() == "bin" || d.Name() == "dist" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(p) != ".md":
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		docs[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if docs["README.md"] == "" {
		t.Fatal("there is no README.md")
	}
	return docs
}

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```")

// TestDocumentedConfigurations decodes every TOML block of the documents as strictly as run does.
func TestDocumentedConfigurations(t *testing.T) {
	n := 0
	for name, text := range documents(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] != "toml" {
				continue
			}
			n++
			if _, err := config.Parse([]byte(m[2]), name, checkFeatures); err != nil {
				t.Errorf("%s: a TOML block is refused: %v", name, err)
			}
		}
	}
	if n == 0 {
		t.Error("no document has a TOML block")
	}
}

// TestDocumentedCommands parses every line of the documents' shell blocks that calls wayside: verb and flags must exist.
func TestDocumentedCommands(t *testing.T) {
	n := 0
	for name, text := range documents(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] != "sh" {
				continue
			}
			for _, line := range strings.Split(m[2], "\n") {
				if checkCommandLine(t, name, line) {
					n++
				}
			}
		}
	}
	if n == 0 {
		t.Error("no document has a command")
	}
}

// TestHelpCommands does the same with the examples of --help.
func TestHelpCommands(t *testing.T) {
	root, _ := newRootCmd()
	n := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "completion" {
			return
		}
		for _, line := range strings.Split(c.Example, "\n") {
			if checkCommandLine(t, c.CommandPath()+" --help", line) {
				n++
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	if n < 10 {
		t.Errorf("only %d examples in all helps", n)
	}
}

// checkCommandLine reports whether line calls wayside, and fails the test if its verb or flags do not exist.
func checkCommandLine(t *testing.T, where, line string) bool {
	t.Helper()
	line, _, _ = strings.Cut(line, " #")
	line, _, _ = strings.Cut(strings.TrimSpace(line), "   ") // examples explain themselves after a wide gap
	called := false
	for _, part := range regexp.MustCompile(`&&|[|;&]`).Split(line, -1) {
		args := strings.Fields(strings.ReplaceAll(part, `"`, ""))
		if len(args) < 2 || args[0] != "wayside" && args[0] != "bin/wayside" {
			continue
		}
		called = true
		root, _ := newRootCmd()
		cmd, rest, err := root.Find(args[1:])
		if err == nil && cmd == root {
			err = errors.New("no such verb")
		}
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err != nil {
			t.Errorf("%s: %s: %v", where, strings.TrimSpace(part), err)
		}
	}
	return called
}

var link = regexp.MustCompile(`\]\(([^)#:]+)\)`)

// TestDocumentedLinks: every relative link of a document leads somewhere.
func TestDocumentedLinks(t *testing.T) {
	for name, text := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(repoRoot(t), filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", name, m[1])
			}
		}
	}
}
