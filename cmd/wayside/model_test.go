package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"wayside/graph/feed"
	"wayside/graph/graphtest"
	"wayside/graph/tensor"
)

// Models that are part of the repository, with recorded inputs and outputs beside them.
const (
	tinyInt8  = "../../firmware-config/demo/models/incident-1.0.0"
	tinyFloat = "../../firmware-config/demo/models/forecast-1.0.0"
)

// wayside runs the real binary in dir. WAYSIDE_TEST_RUNNER, words separated by spaces, is run in its place: an emulator and a binary
// for another processor.
func wayside(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	runner := strings.Fields(os.Getenv("WAYSIDE_TEST_RUNNER"))
	if len(runner) == 0 {
		runner = []string{binary(t, "")}
	}
	cmd := exec.Command(runner[0], append(runner[1:], args...)...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	if err := cmd.Run(); err != nil {
		var ee *exec.ExitError
		if !errors.As(err, &ee) {
			t.Fatal(err)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// absPath makes a path of the repository usable from any folder.
func absPath(t *testing.T, p string) string {
	t.Helper()
	a, err := filepath.Abs(p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// array makes a tensor of int8 or float32.
func array[T int8 | float32](shape tensor.Shape, v []T) *tensor.Tensor {
	switch v := any(v).(type) {
	case []int8:
		t := &tensor.Tensor{DType: tensor.S8, Shape: shape, Data: tensor.Aligned(len(v))}
		copy(t.S8(), v)
		return t
	case []float32:
		t := &tensor.Tensor{DType: tensor.F32, Shape: shape, Data: tensor.Aligned(4 * len(v))}
		copy(t.F32(), v)
		return t
	}
	panic("unreachable")
}

func saveNPY(t *testing.T, path string, x *tensor.Tensor) {
	t.Helper()
	var b bytes.Buffer
	if err := feed.WriteNPY(&b, x); err != nil {
		t.Fatal(err)
	}
	saveFile(t, path, b.Bytes())
}

func saveFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// recorded returns one array of a recording beside a model.
func recorded(t *testing.T, base, name string) *tensor.Tensor {
	t.Helper()
	all, err := feed.ReadNPZ(base + ".golden.npz")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if n.Name == name {
			return n.T
		}
	}
	t.Fatalf("%s has no array %q", base, name)
	return nil
}

// outputs reads an .npz that infer wrote; its keys must be 0, 1, and so on, in this order.
func outputs(t *testing.T, path string) []*tensor.Tensor {
	t.Helper()
	all, err := feed.ReadNPZ(path)
	if err != nil {
		t.Fatal(err)
	}
	var ts []*tensor.Tensor
	for i, n := range all {
		if n.Name != strconv.Itoa(i) {
			t.Fatalf("key %d is %q", i, n.Name)
		}
		ts = append(ts, n.T)
	}
	return ts
}

// TestInferRecordedRows runs recorded inputs of the demo's models and compares with the recorded outputs: int8 equal, float to 1e-5.
func TestInferRecordedRows(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		base, ext string
		outs      int
	}{{tinyInt8, ".tflite", 2}, {tinyFloat, ".onnx", 1}} {
		saveNPY(t, filepath.Join(dir, "x.npy"), recorded(t, c.base, "in0"))
		_, errs, code := wayside(t, dir, "infer", absPath(t, c.base+c.ext), "--in", "x.npy", "--rows", "--out", "y.npz")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		got := outputs(t, filepath.Join(dir, "y.npz"))
		if len(got) != c.outs {
			t.Fatalf("%d outputs, want %d", len(got), c.outs)
		}
		for i, g := range got {
			want := recorded(t, c.base, "out"+strconv.Itoa(i))
			if g.DType != want.DType || !g.Shape.Equal(want.Shape) {
				t.Errorf("%s output %d: %v %v, want %v %v", c.base, i, g.DType, g.Shape, want.DType, want.Shape)
				continue
			}
			a, b := make([]float32, g.Elems()), make([]float32, g.Elems())
			if err := errors.Join(feed.Dequantize(a, g), feed.Dequantize(b, want)); err != nil {
				t.Fatal(err)
			}
			for j := range a {
				if d := math.Abs(float64(a[j] - b[j])); d > 1e-5*max(1, math.Abs(float64(b[j]))) || g.DType == tensor.S8 && d > 0 {
					t.Errorf("%s output %d value %d: %v, recorded %v", c.base, i, j, a[j], b[j])
					break
				}
			}
		}
	}
}

// TestInferForms gives the same sample in every form that the command line allows; all must give the same bytes.
func TestInferForms(t *testing.T) {
	dir := t.TempDir()
	rows := recorded(t, tinyInt8, "in0") // [32,1,1,24,1]
	one := rows.S8()[:24]
	saveNPY(t, filepath.Join(dir, "full.npy"), array(tensor.Shape{1, 1, 24, 1}, one))
	saveNPY(t, filepath.Join(dir, "short.npy"), array(tensor.Shape{24, 1}, one))
	saveNPY(t, filepath.Join(dir, "a=b.npy"), array(tensor.Shape{1, 24, 1}, one))
	saveNPY(t, filepath.Join(dir, "renamed.csv"), array(tensor.Shape{1, 24, 1}, one))
	var z bytes.Buffer
	if err := feed.WriteNPZ(&z, []feed.Named{{Name: "any", T: array(tensor.Shape{1, 1, 24, 1}, one)}}); err != nil {
		t.Fatal(err)
	}
	saveFile(t, filepath.Join(dir, "x.npz"), z.Bytes())
	raw, realv := "n\n", "n\n"
	for _, v := range one {
		raw += fmt.Sprintln(v)
		realv += fmt.Sprintln(0.019084968 * float64(int(v)-54))
	}
	saveFile(t, filepath.Join(dir, "raw.csv"), []byte(raw))
	saveFile(t, filepath.Join(dir, "real.csv"), []byte(realv))
	var want []byte
	for _, args := range [][]string{
		{"--in", "full.npy"}, {"--in", "window=full.npy"}, {"--in", "short.npy"}, {"--in", "a=b.npy"}, {"--in", "window=a=b.npy"}, {"--in", "renamed.csv"}, {"--in", "x.npz"},
		{"--in", "raw.csv"}, {"--in", "real.csv", "--quantize"}, {"--in", "full.npy", "--quantize"}, {"--in", "full.npy", "--shape", "window=1,1,24,1"},
	} {
		_, errs, code := wayside(t, dir, append([]string{"infer", absPath(t, tinyInt8+".tflite"), "--out", "y.npz"}, args...)...)
		if code != 0 {
			t.Errorf("%v: exit code %d: %s", args, code, errs)
			continue
		}
		got, err := os.ReadFile(filepath.Join(dir, "y.npz"))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%v: other outputs than from a whole .npy", args)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestBadInput is the list of what people get wrong. Each gives exit code 2, once a text that names the thing, once JSON, and
// leaves an output file that was there as it was.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	model, err := os.ReadFile(tinyInt8 + ".tflite")
	if err != nil {
		t.Fatal(err)
	}
	m := absPath(t, tinyInt8+".tflite")
	nan := make([]float32, 24)
	nan[3] = float32(math.NaN())
	saveNPY(t, file("x.npy"), array(tensor.Shape{1, 1, 24, 1}, make([]int8, 24)))
	saveNPY(t, file("wrong.npy"), array(tensor.Shape{1, 1, 23, 1}, make([]int8, 23)))
	saveNPY(t, file("nan.npy"), array(tensor.Shape{1, 1, 24, 1}, nan))
	saveNPY(t, file("scalar.npy"), array(tensor.Shape{}, []int8{1}))
	for name, data := range map[string]string{
		"empty.tflite": "", "half.tflite": string(model[:len(model)/2]), "text.tflite": "hello", "zero.onnx": strings.Repeat("\x00", 100),
		"bad.toml": "[site]\nnmae = \"x\"\n", "broken.toml": "[site\n", "bad.csv": "a,b\n1,2\n1,x\n", "gap.csv": "a\n" + strings.Repeat("1\n", 23) + "nan\n", "keep.npz": "precious",
		"half.npy": "\x93NUMPY\x01\x00v\x00{'descr'",
	} {
		saveFile(t, file(name), []byte(data))
	}
	infer := func(args ...string) []string { return append([]string{"infer", m, "--out", "keep.npz"}, args...) }
	for _, c := range []struct {
		args []string
		say  []string
	}{
		{[]string{"infer", "no.tflite", "--in", "x.npy", "--out", "keep.npz"}, []string{"no.tflite", "no such file"}},
		{[]string{"infer", "empty.tflite", "--in", "x.npy", "--out", "keep.npz"}, []string{"empty.tflite", "empty"}},
		{[]string{"infer", "half.tflite", "--in", "x.npy", "--out", "keep.npz"}, []string{"half.tflite", "damaged"}},
		{[]string{"infer", "text.tflite", "--in", "x.npy", "--out", "keep.npz"}, []string{"text.tflite"}},
		{[]string{"infer", "zero.onnx", "--in", "x.npy", "--out", "keep.npz"}, []string{"zero.onnx"}},
		{[]string{"infer", ".", "--in", "x.npy"}, []string{"folder"}},
		{infer("--in", "wrong.npy"), []string{"wrong.npy", "window", "[1,1,23,1]", "[1,1,24,1]"}},
		{infer("--in", "nan.npy"), []string{"nan.npy", "float32", "int8", "--quantize"}},
		{infer("--in", "nan.npy", "--quantize"), []string{"nan.npy", "value 3 is NaN"}},
		{infer("--in", "no.npy"), []string{"no.npy"}},
		{infer("--in", "half.npy"), []string{"half.npy", "ends inside"}},
		{infer("--in", m), []string{".tflite", "none of"}},
		{infer("--in", "nosuch=x.npy"), []string{`"nosuch"`, `"window"`}},
		{infer("--in", "x.npy", "--in", "x.npy"), []string{"too many"}},
		{infer("--in", "window=x.npy", "--in", "window=x.npy"), []string{"two files"}},
		{infer(), []string{"window", "--in"}},
		{infer("--in", "bad.csv"), []string{"bad.csv:3", `"b"`, `"x"`}},
		{infer("--in", "gap.csv"), []string{"gap.csv", "line 25", `"a"`}},
		{infer("--in", "scalar.npy", "--rows"), []string{"scalar"}},
		{infer("--in", "x.npy", "--reset-each"), []string{"--rows"}},
		{infer("--in", "x.npy", "--shape", "window=1,x"), []string{"--shape", `"x"`}},
		{infer("--in", "x.npy", "--shape", "other=1,2"), []string{`"other"`, `"window"`}},
		{infer("--in", "x.npy", "--mean", "1"), []string{"std"}},
		{[]string{"infer", m, "--in", "x.npy", "--out", "nosuch/y.npz"}, []string{"--out", "nosuch"}},
		{[]string{"infer", m, "--in", "x.npy", "--out", "/dev/null"}, []string{"/dev/null", "regular"}},
		{[]string{"infer", m, "--nosuchflag"}, []string{"--nosuchflag", "wayside infer --help"}},
		{[]string{"infer"}, []string{"MODEL"}},
		{[]string{"inspect"}, []string{"MODEL"}},
		{[]string{"inspect", m, m}, []string{"one MODEL"}},
		{[]string{"inspect", "half.tflite"}, []string{"half.tflite", "damaged"}},
		{[]string{"check", "bad.toml"}, []string{"bad.toml", "nmae", "name"}},
		{[]string{"check", "broken.toml"}, []string{"broken.toml"}},
		{[]string{"check", "no.toml"}, []string{"no.toml"}},
		{[]string{"run", "--config", "bad.toml"}, []string{"bad.toml", "nmae"}},
		{[]string{"nosuchverb"}, []string{`"nosuchverb"`}},
		{[]string{"inspec", m}, []string{"inspect"}},
	} {
		name := strings.ReplaceAll(strings.Join(c.args, " "), m, "MODEL")
		out, errs, code := wayside(t, dir, c.args...)
		text := out + errs
		if code != exitInput || strings.Contains(text, "panic") || strings.Contains(text, "goroutine ") {
			t.Errorf("%s: exit code %d: %s", name, code, text)
			continue
		}
		for _, say := range c.say {
			if !strings.Contains(text, say) {
				t.Errorf("%s: the message does not say %q: %s", name, say, text)
			}
		}
		if line, _, _ := strings.Cut(strings.TrimSpace(errs), "\n"); line != "" && strings.Count(text, line) != 1 {
			t.Errorf("%s: printed twice: %s", name, text)
		}
		if b, err := os.ReadFile(file("keep.npz")); err != nil || string(b) != "precious" {
			t.Errorf("%s: the output file was touched: %q %v", name, b, err)
		}
	}
}

// TestFailureAsJSON: with --json a failing verb prints one JSON value with error on stdout and nothing on stderr.
func TestFailureAsJSON(t *testing.T) {
	dir := t.TempDir()
	saveFile(t, filepath.Join(dir, "bad.onnx"), unsupportedModel())
	for _, args := range [][]string{{"inspect", "no.tflite", "--json"}, {"infer", "--json=true"}, {"nosuchverb", "--json"}, {"inspect", "bad.onnx", "--json"}} {
		out, errs, code := wayside(t, dir, args...)
		var f failure
		if err := json.Unmarshal([]byte(out), &f); err != nil || f.Error == "" || code != exitInput || errs != "" {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, out, errs)
		}
		if args[1] != "bad.onnx" {
			continue
		}
		if len(f.Unsupported) != 2 {
			t.Fatalf("unsupported: %+v", f.Unsupported)
		}
		for i, u := range f.Unsupported {
			if u.Node != "n"+strconv.Itoa(i) || u.Op != "Frobnicate"+strconv.Itoa(i) || u.Reason == "" || u.Domain != "example.org" || u.Version != 7 {
				t.Errorf("unsupported %d: %+v", i, u)
			}
		}
	}
	out, _, _ := wayside(t, dir, "inspect", "bad.onnx", "--json")
	for _, key := range []string{`"node"`, `"op"`, `"domain"`, `"version"`, `"dtype"`, `"reason"`} {
		if !strings.Contains(out, key) {
			t.Errorf("no %s in %s", key, out)
		}
	}
}

// unsupportedModel is an ONNX file with two operators that nobody has. Field numbers: onnx.proto3.
func unsupportedModel() []byte {
	msg := func(b []byte, n protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
	}
	num := func(b []byte, n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
	}
	value := func(name string) []byte { // ValueInfoProto: float32 [2]
		tensorType := msg(num(nil, 1, 1), 2, msg(nil, 1, num(nil, 1, 2)))
		return msg(msg(nil, 1, []byte(name)), 2, msg(nil, 1, tensorType))
	}
	node := func(i int, in, out string) []byte {
		b := msg(msg(nil, 1, []byte(in)), 2, []byte(out))
		b = msg(msg(b, 3, []byte("n"+strconv.Itoa(i))), 4, []byte("Frobnicate"+strconv.Itoa(i)))
		return msg(b, 7, []byte("example.org"))
	}
	g := msg(msg(nil, 1, node(0, "x", "y")), 1, node(1, "y", "z"))
	g = msg(msg(msg(g, 2, []byte("g")), 11, value("x")), 12, value("z"))
	m := msg(num(nil, 1, 8), 7, g)
	return msg(msg(m, 8, num(nil, 2, 17)), 8, num(msg(nil, 1, []byte("example.org")), 2, 7))
}

func TestInspectJSON(t *testing.T) {
	t.Setenv("WAYSIDE_KERNELS", "generic") // other kernels pack weights otherwise
	for _, c := range []struct {
		model, format, in, dtype string
		weights                  int
		byDType                  string
	}{
		{tinyInt8 + ".tflite", "tflite", "window", "int8", 1592, "int8"},
		{tinyFloat + ".onnx", "onnx", "window", "float32", 5840, "bfloat16"},
	} {
		out, errs, code := wayside(t, ".", "inspect", c.model, "--json")
		var m inspectJSON
		dec := json.NewDecoder(strings.NewReader(out))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&m); err != nil || code != 0 || errs != "" {
			t.Fatalf("%s: exit code %d, %v, stderr %q", c.model, code, err, errs)
		}
		sum := 0
		for _, n := range m.ByDType {
			sum += n
		}
		if string(m.Format) != c.format || len(m.Inputs) != 1 || m.Inputs[0].Name != c.in || m.Inputs[0].DType != c.dtype || m.WeightBytes != c.weights || sum != c.weights ||
			m.ByDType[c.byDType] == 0 || m.ArenaBytes <= 0 || len(m.Outputs) == 0 || m.State == nil {
			t.Errorf("%s: %+v", c.model, m)
		}
		for _, s := range m.Steps {
			if s.Op == "" || s.Kernel == "" {
				t.Errorf("%s: step without operator or kernel: %+v", c.model, s)
			}
		}
	}
}

func TestInferJSON(t *testing.T) {
	dir := t.TempDir()
	saveNPY(t, filepath.Join(dir, "x.npy"), recorded(t, tinyInt8, "in0"))
	out, errs, code := wayside(t, dir, "infer", absPath(t, tinyInt8+".tflite"), "--in", "x.npy", "--rows", "--json")
	var r struct {
		Samples int
		Outputs []struct {
			Index  int
			Name   string
			DType  string
			Shape  []int
			Quant  *quantJSON `json:"quantization"`
			Values []int
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || errs != "" {
		t.Fatalf("exit code %d, %v, stderr %q", code, err, errs)
	}
	if r.Samples != 32 || len(r.Outputs) != 2 {
		t.Fatalf("%+v", r)
	}
	want := recorded(t, tinyInt8, "out1").S8()
	o := r.Outputs[1]
	if o.Index != 1 || o.DType != "int8" || len(o.Shape) != 3 || o.Quant == nil || len(o.Values) != len(want) {
		t.Fatalf("%+v", o)
	}
	for i := range want {
		if o.Values[i] != int(want[i]) {
			t.Errorf("value %d: %d, want %d", i, o.Values[i], want[i])
		}
	}
}

// TestPublishedRows compares all published int8 outputs of MLPerf Tiny's keyword model, through the command line.
func TestPublishedRows(t *testing.T) {
	shared := filepath.Dir(filepath.Dir(graphtest.Shared(t, "models/mlperf")))
	samples := map[string][]byte{}
	for name, b := range graphtest.TarFiles(t, filepath.Join(shared, "data/kws01/cases.tar.gz")) {
		samples[filepath.Base(name)] = b
	}
	g, err := os.Open(filepath.Join(shared, "conformance/mlperf-kws/cases.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	rows, err := csv.NewReader(g).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows = rows[1:]
	x := &tensor.Tensor{DType: tensor.S8, Shape: tensor.Shape{len(rows), 49, 10, 1}}
	for _, r := range rows {
		x.Data = append(x.Data, samples[r[0]]...)
	}
	dir := t.TempDir()
	saveNPY(t, filepath.Join(dir, "x.npy"), x)
	if _, errs, code := wayside(t, dir, "infer", absPath(t, filepath.Join(shared, "models/mlperf/kws_ref_model.tflite")), "--in", "x.npy", "--rows", "--out", "y.npz"); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	y := outputs(t, filepath.Join(dir, "y.npz"))[0].S8()
	equal := 0
	for i, r := range rows {
		same := true
		for j, want := range r[2:] {
			same = same && strconv.Itoa(int(y[i*12+j])) == want
		}
		if same {
			equal++
		}
	}
	if equal != len(rows) || equal != 500 {
		t.Errorf("%d of %d published rows are equal", equal, len(rows))
	}
}

func TestHelpHasExamples(t *testing.T) {
	root, _ := newRootCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		if c.Short == "" || !strings.Contains(c.Example, "wayside "+c.Name()) && !c.HasSubCommands() {
			t.Errorf("%s: no example in its help", c.Name())
		}
	}
}

func TestExitCodes(t *testing.T) {
	base := errors.New("x")
	for _, c := range []struct {
		err  error
		want int
	}{{base, 1}, {badInput(base), 2}, {absent(base), 3}, {fmt.Errorf("verb: %w", badInput(base)), 2}, {reported(3), 3}} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
	if badInput(nil) != nil || absent(nil) != nil {
		t.Error("no error became one")
	}
}
