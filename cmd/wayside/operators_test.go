package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/graphtest"
)

// withoutCase are the TFLite operators that run and have no golden case, each with the reason. The list may only get shorter.
var withoutCase = map[string]string{
	"STABLEHLO_COMPARE":  noKernel,
	"STABLEHLO_DIVIDE":   noKernel,
	"STABLEHLO_OR":       noKernel,
	"STABLEHLO_SELECT":   noKernel,
	"STABLEHLO_SUBTRACT": noKernel,
}

// noKernel: what these run as is held to an oracle by the operators of TFLite itself.
const noKernel = "no reference implementation has a kernel; runs as a proved operator"

// oracleNames are how the golden cases name what computed them; see scripts/oracles/tflite/suite.py.
var oracleNames = map[string]string{"tflm": "tflite-micro", "litert": "LiteRT reference", "builtin": "LiteRT built-in"}

// oracleCases counts the golden cases by operator and oracle. Cases name custom operators without the prefix of the registry.
func oracleCases(t *testing.T) map[string]map[string]int {
	t.Helper()
	custom := map[string]bool{}
	for _, f := range graph.Forms() {
		custom[f.Op] = strings.HasPrefix(f.Op, "CUSTOM:")
	}
	n := map[string]map[string]int{}
	for _, c := range graphtest.Cases(t) {
		if oracleNames[c.Oracle] == "" {
			t.Errorf("case %s: the oracle %q is unknown", c.Name, c.Oracle)
		}
		op := c.Op
		if custom["CUSTOM:"+op] {
			op = "CUSTOM:" + op
		}
		if n[op] == nil {
			n[op] = map[string]int{}
		}
		n[op][c.Oracle]++
	}
	return n
}

// TestGoldenOperators keeps docs/operators.md equal to what is registered and proved.
func TestGoldenOperators(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Operators

Generated from the registered operators by ` + "`make goldens`" + `; a test fails when it is stale. A model with an operator, version or dtype outside of these tables is
refused when it is loaded, with the whole list of what is unsupported and the nearest supported form.

"Runs as" names the neutral operators behind both formats; several make one operator of the file together or by its attributes. Versions are TFLite operator versions or ONNX opsets.

`)
	cases := oracleCases(t)
	tflite, onnx := []graph.Form{}, []graph.Form{}
	for _, f := range graph.Forms() {
		if f.Format == graph.TFLite {
			tflite = append(tflite, f)
		} else {
			onnx = append(onnx, f)
		}
	}
	b.WriteString("## TensorFlow Lite\n\n" +
		"Integers are equal to the oracle's in every byte; floats differ by at most the bound that each case states. Cases are small models in `graph/graphtest/testdata/tflite`.\n\n" +
		"| operator | versions | dtypes | runs as | golden cases |\n| --- | --- | --- | --- | --- |\n")
	ops, total, by := map[string]bool{}, 0, map[string]int{}
	for _, f := range tflite {
		proof := "none: " + withoutCase[f.Op]
		if len(cases[f.Op]) > 0 {
			var parts []string
			for _, o := range slices.Sorted(maps.Keys(cases[f.Op])) {
				parts = append(parts, fmt.Sprintf("%s %d", oracleNames[o], cases[f.Op][o]))
			}
			proof = strings.Join(parts, ", ")
		}
		if ops[f.Op] {
			proof = "as above"
		} else {
			for o, n := range cases[f.Op] {
				by[o] += n
				total += n
			}
		}
		ops[f.Op] = true
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.Op, versionRange(f), f.DTypes, runsAs(f), proof)
	}
	var parts []string
	for _, o := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%s %d", oracleNames[o], by[o]))
	}
	fmt.Fprintf(&b, "| **%d operators** | | | | **%d cases**: %s |\n\n", len(ops), total, strings.Join(parts, ", "))

	b.WriteString("## ONNX\n\n| operator | opsets | dtypes | runs as |\n| --- | --- | --- | --- |\n")
	ops = map[string]bool{}
	for _, f := range onnx {
		name := f.Op
		if f.Domain != "" {
			name = f.Domain + "::" + f.Op
		}
		ops[name] = true
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, versionRange(f), f.DTypes, runsAs(f))
	}
	fmt.Fprintf(&b, "| **%d operators** | | | |\n", len(ops))
	compareGolden(t, filepath.Join(repoRoot(t), "docs", "operators.md"), b.String())
}

func versionRange(f graph.Form) string {
	switch {
	case f.Max == 0:
		return fmt.Sprintf("%d and later", f.Min)
	case f.Min == f.Max:
		return fmt.Sprint(f.Min)
	}
	return fmt.Sprintf("%d to %d", f.Min, f.Max)
}

func runsAs(f graph.Form) string {
	if len(f.Neutral) == 0 {
		return "known at load"
	}
	return strings.Join(f.Neutral, ", ")
}

// TestEveryFormIsProved: what the tables promise has been compared with an oracle at least once.
func TestEveryFormIsProved(t *testing.T) {
	cases := oracleCases(t)
	known := map[string]bool{}
	for _, f := range graph.Forms() {
		if f.DTypes == "" {
			t.Errorf("%s %s: no dtypes are documented", f.Format, f.Op)
		}
		if f.Neutral == nil {
			t.Errorf("%s %s: say with Form.As which neutral operators it becomes", f.Format, f.Op)
		}
		for _, n := range f.Neutral {
			if _, ok := graph.FindOp(n); !ok {
				t.Errorf("%s %s: there is no neutral operator %q", f.Format, f.Op, n)
			}
		}
		if f.Format != graph.TFLite {
			continue
		}
		known[f.Op] = true
		switch why := withoutCase[f.Op]; {
		case len(cases[f.Op]) == 0 && why == "":
			t.Errorf("%s runs and has no golden case: add one in scripts/oracles/tflite", f.Op)
		case len(cases[f.Op]) > 0 && why != "":
			t.Errorf("%s has golden cases now: take it off the list withoutCase", f.Op)
		}
	}
	for op := range withoutCase {
		if !known[op] {
			t.Errorf("withoutCase: %s is not registered", op)
		}
	}
	for op := range cases {
		if !known[op] {
			t.Errorf("golden cases are about %s, which is not registered", op)
		}
	}
}
