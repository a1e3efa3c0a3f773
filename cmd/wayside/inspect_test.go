package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"wayside/graph/graphtest"
)

// TestInspectPrints: what a person needs is on one screen of 100 columns.
func TestInspectPrints(t *testing.T) {
	t.Setenv("WAYSIDE_KERNELS", "generic") // ids and bytes are those of the generic kernels
	dir := t.TempDir()
	classifier(t, dir, "red\ngreen\nblue\n")
	for _, c := range []struct {
		args []string
		say  []string
	}{
		{[]string{"m.tflite"}, []string{"Things v1 by A. Author: tells things apart", `"x:0" (picture, image)`, `"y:0" (score, probability)`, "3 labels: red, green, blue", "written by made by a test, for TensorFlow Lite 1.5.0 and later", "(p − 100) / 50", "RELU", "arena", "1 step"}},
		{[]string{"m.tflite", "--steps"}, []string{"RELU", "float32[1,2,2,3]", "y:0"}},
		{[]string{absPath(t, tinyInt8+".tflite")}, []string{"TensorFlow Lite", "int8[1,1,24,1]", "weights  1 592 bytes", "fullest at step", "73 %"}},
		{[]string{absPath(t, tinyFloat+".onnx")}, []string{"ONNX", "bfloat16 5 136", "gemm/f32bf16"}},
	} {
		out, errs, code := wayside(t, dir, append([]string{"inspect"}, c.args...)...)
		if code != 0 || errs != "" {
			t.Errorf("%v: exit code %d: %s", c.args, code, errs)
		}
		for _, s := range c.say {
			if !strings.Contains(out, s) {
				t.Errorf("%v: no %q in\n%s", c.args, s, out)
			}
		}
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if len(lines) > 40 {
			t.Errorf("%v: %d lines", c.args, len(lines))
		}
		for _, l := range lines {
			if utf8.RuneCountInString(l) > screenWidth || strings.TrimRight(l, " ") != l {
				t.Errorf("%v: a line is too long or ends in blanks: %q", c.args, l)
			}
		}
	}
}

// TestInspectAbout: --json has everything that the file says about itself.
func TestInspectAbout(t *testing.T) {
	dir := t.TempDir()
	classifier(t, dir, "red\ngreen\nblue\nviolet\n")
	out, errs, code := wayside(t, dir, "inspect", "m.tflite", "--json")
	var m inspectJSON
	if err := json.Unmarshal([]byte(out), &m); err != nil || code != 0 || errs != "" {
		t.Fatalf("exit code %d, %v, stderr %q", code, err, errs)
	}
	in, s := m.Inputs[0], m.Steps[0]
	if m.About != (aboutJSON{"Things", "tells things apart", "v1", "A. Author", "Apache-2.0", "made by a test", "1.5.0"}) || m.FileBytes == 0 ||
		len(m.Signatures) != 1 || m.Signatures[0].Key != "serving_default" || m.Signatures[0].Inputs[0] != (bindingJSON{"picture", 0}) ||
		in.Signature != "picture" || in.Meta == nil || in.Meta.Mean[0] != 100 || len(m.Outputs[0].Labels) != 4 || m.Peak.Step != 0 || m.Peak.Bytes != 96 ||
		len(m.Operators) != 1 || m.Operators[0].Steps != 1 || s.In[0].Value == s.Out[0].Value || len(s.Out[0].Shape) != 4 {
		t.Errorf("%+v", m)
	}
	if len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "4 labels") {
		t.Errorf("notes %q", m.Notes)
	}
}

// TestInspectSVG: the drawing has every step, is the same each time, and appears whole or not at all.
func TestInspectSVG(t *testing.T) {
	t.Setenv("WAYSIDE_KERNELS", "generic") // ids and bytes are those of the generic kernels
	dir := t.TempDir()
	m := absPath(t, tinyInt8+".tflite")
	var first []byte
	for range 2 {
		out, errs, code := wayside(t, dir, "inspect", m, "--svg", "g.svg")
		if code != 0 || !strings.Contains(out, "g.svg: drawn") {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		got, err := os.ReadFile(filepath.Join(dir, "g.svg"))
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, got) {
			t.Error("two drawings differ")
		}
		first = got
	}
	for _, s := range []string{"<svg", "</svg>\n", "CONV_2D", "conv/s8pc/generic", "input 0", "output 1", "int8[1,1,24,1]"} {
		if !bytes.Contains(first, []byte(s)) {
			t.Errorf("no %q in the drawing", s)
		}
	}
	saveFile(t, filepath.Join(dir, "bad.onnx"), unsupportedModel())
	for _, c := range []struct {
		args []string
		say  string
	}{
		{[]string{"bad.onnx", "--svg", "g.svg"}, "2 unsupported nodes"},
		{[]string{m, "--svg", "no/such/g.svg"}, "--svg no/such/g.svg: there is no folder no/such"},
		{[]string{m, "--svg", "."}, "--svg . is not a regular file"},
		{[]string{m, "--svg", ""}, "--svg needs a file"},
		{[]string{m, "--json", "--steps"}, "--steps"},
	} {
		out, errs, code := wayside(t, dir, append([]string{"inspect"}, c.args...)...)
		if code != exitInput || !strings.Contains(out+errs, c.say) {
			t.Errorf("%v: exit code %d: %s%s", c.args, code, out, errs)
		}
	}
	if left, err := os.ReadFile(filepath.Join(dir, "g.svg")); err != nil || !bytes.Equal(left, first) {
		t.Error("a failed drawing touched the file that was there")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestInspectRealModels: every model beside the repository is printed and drawn, or refused with the list.
func TestInspectRealModels(t *testing.T) {
	models, err := filepath.Glob(filepath.Join(graphtest.Shared(t, "models"), "*", "*.*"))
	if err != nil || len(models) < 20 {
		t.Fatalf("%d models, %v", len(models), err)
	}
	dir := t.TempDir()
	for _, m := range models {
		out, errs, code := wayside(t, dir, "inspect", m, "--svg", "g.svg")
		switch {
		case code == exitInput && strings.Contains(errs, "unsupported node"):
		case code != 0 || errs != "":
			t.Errorf("%s: exit code %d: %s", m, code, errs)
		default:
			for _, l := range strings.Split(out, "\n") {
				if utf8.RuneCountInString(l) > screenWidth {
					t.Errorf("%s: a line of %d columns: %s", m, utf8.RuneCountInString(l), l)
				}
			}
		}
	}
}
