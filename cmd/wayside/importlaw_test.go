package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// rule says what one folder, and everything below it, may import of ours, and why no more.
type rule struct {
	folder string
	may    []string // folders of ours; a name covers its subfolders; "." is the folder itself
	why    string
}

// law is the import law of docs/architecture.md. The first rule whose folder covers a package holds for it: put subfolders first.
var law = []rule{
	{"cmd", []string{".", "agent", "quant", "graph", "hal", "firmware-config", "kernels"}, "the entry point wires everything"},
	{"agent/guard", []string{".", "agent/config", "agent/journal", "hal"}, "the guardian stays small: no model, no parser of foreign data, nothing that can take it down with it"},
	{"agent/config", []string{".", "hal"}, "settings are read by worker and guardian alike, so they must not bring in either"},
	{"agent/journal", []string{".", "hal"}, "the log serves worker and guardian alike"},
	{"agent", []string{".", "graph", "graph/load", "graph/tensor", "graph/feed", "hal"}, "the daemon goes through graph and hal only: no quantizer, kernel, periph or embedded file"},
	{"quant", []string{".", "graph", "graph/load", "graph/tensor", "graph/feed", "kernels"}, "bench tools must run without hardware"},
	{"graph/load", []string{"graph", "graph/onnx", "graph/tflite", "graph/ops", "graph/passes", "graph/tensor"}, "the one door knows every part of the runtime and nothing else"},
	{"graph/feed", []string{"graph/tensor"}, "files and windows become tensors without a model"},
	{"graph/ops", []string{"graph", "graph/tensor", "kernels"}, "operators compute; they know no format's bytes"},
	{"graph/onnx", []string{"graph", "graph/tensor"}, "a reader parses; it does not compute"},
	{"graph/tflite", []string{"graph", "graph/tensor"}, "a reader parses; it does not compute"},
	{"graph/passes", []string{"graph", "graph/tensor"}, "a rewrite knows neutral operators only"},
	{"graph/graphtest", []string{"graph/tensor"}, "what tests share knows no reader and no operator"},
	{"graph/tensor", nil, "descriptions of data depend on nothing"},
	{"graph", []string{"graph/tensor"}, "the IR is below readers, operators and passes"},
	{"hal", []string{"."}, "a driver must be testable without a model"},
	{"kernels", []string{"."}, "hot loops must be testable alone and run anywhere"},
	{"firmware-config", nil, "data, no logic"},
	{"scripts", []string{"."}, "nothing in scripts ships"},
}

// foreign limits who may import packages of others.
var foreign = []struct {
	prefix string
	may    []string
	why    string
}{
	{"periph.io/", []string{"hal"}, "one adapter, replaceable"},
	{"os/exec", []string{"cmd", "agent", "scripts"}, "a model file, a kernel and a driver must not be able to start programs"},
	{"net", []string{"cmd", "agent", "hal", "scripts"}, "a model file must not be able to reach the network"},
	{"log", []string{"scripts"}, "loggers are injected (log/slog), never global"},
	{"testing", []string{"graph/graphtest", "hal/haltest", "kernels/internal/kerneltest"}, "a test helper must not be linked into the binary"},
	{"flag", []string{"scripts"}, "the command line is cmd's, through cobra"},
	{"fmt", []string{"kernels/internal/asmgen", "cmd", "agent", "quant", "graph", "hal", "scripts", "firmware-config"}, "kernels fail with constant texts"},
}

type listed struct {
	ImportPath string
	Dir        string
	Imports    []string
	Standard   bool
	GoFiles    []string
	Module     *struct{ Path, Version string }
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Imports,Standard,GoFiles,Module"}, args...)...)
	cmd.Dir = repoRoot(t)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errs.String())
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// repoRoot is the folder of go.mod.
func repoRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
}

func covers(folder, pkg string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

const ours = "wayside/"

func TestImportLaw(t *testing.T) {
	used := make([]bool, len(law))
	for _, p := range goList(t, "./...") {
		pkg := strings.TrimPrefix(p.ImportPath, ours)
		at := slices.IndexFunc(law, func(r rule) bool { return covers(r.folder, pkg) })
		if at < 0 {
			t.Errorf("%s is in a folder that the law does not know: add a rule, with an ADR", pkg)
			continue
		}
		used[at] = true
		for _, imp := range p.Imports {
			if own, ok := strings.CutPrefix(imp, ours); ok {
				if strings.HasSuffix(own, "test") && !strings.HasSuffix(pkg, "test") {
					t.Errorf("%s imports %s outside a test", pkg, imp)
				}
				if !allowed(law[at], own) {
					t.Errorf("%s imports %s: not allowed, because %s", pkg, own, law[at].why)
				}
				continue
			}
			for _, f := range foreign {
				if (imp == f.prefix || strings.HasSuffix(f.prefix, "/") && strings.HasPrefix(imp, f.prefix)) && !slices.ContainsFunc(f.may, func(m string) bool { return covers(m, pkg) }) {
					t.Errorf("%s imports %s: not allowed, because %s", pkg, imp, f.why)
				}
			}
		}
	}
	for i, r := range law {
		if _, err := os.Stat(filepath.Join(repoRoot(t), r.folder)); err == nil && !used[i] {
			t.Errorf("no package is left under %s: remove its rule", r.folder)
		}
	}
}

// allowed: a rule's names cover their subfolders, but graph alone means the package graph, since its subfolders have rules of their own.
func allowed(r rule, own string) bool {
	for _, m := range r.may {
		switch m {
		case ".":
			if covers(r.folder, own) {
				return true
			}
		case "graph":
			if own == "graph" || r.folder == "cmd" && covers(m, own) {
				return true
			}
		default:
			if covers(m, own) {
				return true
			}
		}
	}
	return false
}

// TestLawForbids keeps the law from becoming a list that allows everything.
func TestLawForbids(t *testing.T) {
	find := func(folder string) rule {
		return law[slices.IndexFunc(law, func(r rule) bool { return r.folder == folder })]
	}
	for _, c := range []struct{ folder, imp string }{
		{"agent/guard", "graph"}, {"agent/guard", "agent/pipeline"}, {"agent", "kernels/gemm"}, {"agent", "quant"}, {"agent", "graph/ops"}, {"agent", "firmware-config"},
		{"graph/onnx", "graph/ops"}, {"graph/ops", "graph/tflite"}, {"graph", "kernels/vec"}, {"hal", "graph"}, {"hal", "agent/config"}, {"kernels", "graph/tensor"}, {"graph/feed", "graph"},
	} {
		if allowed(find(c.folder), c.imp) {
			t.Errorf("%s may import %s", c.folder, c.imp)
		}
	}
}

// TestGoldenDependencies compares every package that is linked into the binary, ours and the standard library's aside, with a list that
// reviews see. Packages that import unsafe are marked.
func TestGoldenDependencies(t *testing.T) {
	var lines []string
	for _, p := range goList(t, "-deps", "./cmd/wayside") {
		if p.Standard || strings.HasPrefix(p.ImportPath, ours) {
			continue
		}
		mark := ""
		if slices.Contains(p.Imports, "unsafe") {
			mark = " unsafe"
		}
		lines = append(lines, fmt.Sprintf("%s %s%s\n", p.ImportPath, p.Module.Version, mark))
	}
	sort.Strings(lines)
	compareGolden(t, filepath.Join("testdata", "dependencies.golden"), strings.Join(lines, ""))
}

// compareGolden fails where got differs from the file, or writes the file with -update.
func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run make goldens", err)
	}
	if got == string(want) {
		return
	}
	have, had := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for _, l := range have {
		if !slices.Contains(had, l) {
			t.Errorf("%s: new: %s", path, l)
		}
	}
	for _, l := range had {
		if !slices.Contains(have, l) {
			t.Errorf("%s: gone: %s", path, l)
		}
	}
	t.Errorf("if that is meant, run make goldens and say why in the commit; a new module needs an ADR")
}
