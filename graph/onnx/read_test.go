package onnx

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"wayside/graph"
	"wayside/graph/tensor"
)

// msg builds a protobuf message field by field.
type msg []byte

func (m msg) num(field protowire.Number, v int64) msg {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(v))
}

func (m msg) raw(field protowire.Number, b []byte) msg {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), b)
}

func (m msg) str(field protowire.Number, s string) msg { return m.raw(field, []byte(s)) }

// initializer starts a TensorProto.
func initializer(name string, typ int64, dims ...int64) msg {
	m := msg{}.str(8, name).num(2, typ)
	for _, d := range dims {
		m = m.num(1, d)
	}
	return m
}

func node(op string, in, out []string, attrs ...msg) msg {
	m := msg{}.str(4, op)
	for _, s := range in {
		m = m.str(1, s)
	}
	for _, s := range out {
		m = m.str(2, s)
	}
	for _, a := range attrs {
		m = m.raw(5, a)
	}
	return m
}

func valueInfo(name string, typ int64, dims ...msg) msg {
	shape := msg{}
	for _, d := range dims {
		shape = shape.raw(1, d)
	}
	return msg{}.str(1, name).raw(2, msg{}.raw(1, msg{}.num(1, typ).raw(2, shape)))
}

func model(graphMsg msg) []byte {
	return msg{}.num(1, 8).raw(7, graphMsg).raw(8, msg{}.str(1, "").num(2, 13))
}

// small is a whole model: y = Relu(x), with one initializer that nothing reads.
func small(init ...msg) []byte {
	g := msg{}.raw(1, node("Relu", []string{"x"}, []string{"y"})).str(2, "g")
	for _, t := range init {
		g = g.raw(5, t)
	}
	g = g.raw(11, valueInfo("x", typeFloat, msg{}.str(2, "batch"), msg{}.num(1, 3))).raw(12, valueInfo("y", typeFloat))
	return model(g)
}

func find(t *testing.T, g *graph.Graph, name string) *graph.Value {
	t.Helper()
	i := slices.IndexFunc(g.Values, func(v graph.Value) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("no value %q", name)
	}
	return &g.Values[i]
}

func TestRead(t *testing.T) {
	g, err := Read(small())
	if err != nil {
		t.Fatal(err)
	}
	if g.Format != graph.ONNX || g.Name != "g" || len(g.Nodes) != 1 || len(g.Inputs) != 1 || len(g.Outputs) != 1 {
		t.Fatalf("got %+v", g)
	}
	x := g.Values[g.Inputs[0]]
	if x.Name != "x" || x.DType != tensor.F32 || !x.Shape.Equal(tensor.Shape{-1, 3}) {
		t.Errorf("input is %+v", x)
	}
	n := g.Nodes[0]
	if n.Op != "" || n.Src.Op != "Relu" || n.Src.Version != 13 || n.Name != "y" || n.In[0] != g.Inputs[0] || n.Out[0] != g.Outputs[0] {
		t.Errorf("node is %+v", n)
	}
}

// TestReadInitializers covers each storage of each element type.
func TestReadMeta(t *testing.T) {
	g, err := Read(msg(small()).str(2, "exporter\x1b[1m").str(3, "1.2").num(5, 7).str(6, "what it\ndoes"))
	if err != nil {
		t.Fatal(err)
	}
	if m := g.Meta; m.Producer != "exporter[1m 1.2" || m.Version != "7" || m.Description != "what it does" {
		t.Errorf("%+v", m)
	}
}

func TestReadInitializers(t *testing.T) {
	packed := func(v ...uint64) []byte {
		var b []byte
		for _, x := range v {
			b = protowire.AppendVarint(b, x)
		}
		return b
	}
	minus := ^uint64(0) // -1
	for _, c := range []struct {
		name string
		m    msg
		d    tensor.DType
		want []byte
	}{
		{"float raw", initializer("c", typeFloat, 1).raw(9, []byte{0, 0, 128, 63}), tensor.F32, []byte{0, 0, 128, 63}},
		{"float typed", initializer("c", typeFloat, 2).raw(4, []byte{0, 0, 128, 63, 0, 0, 0, 64}), tensor.F32, []byte{0, 0, 128, 63, 0, 0, 0, 64}},
		{"int64 typed", initializer("c", typeInt64, 2).raw(7, packed(1, minus)), tensor.S64, []byte{1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}},
		{"int32 unpacked", initializer("c", typeInt32, 2).num(5, 3).num(5, -1), tensor.S32, []byte{3, 0, 0, 0, 255, 255, 255, 255}},
		{"int16 typed", initializer("c", typeInt16, 1).raw(5, packed(minus)), tensor.S16, []byte{255, 255}},
		{"int8 typed", initializer("c", typeInt8, 2).raw(5, packed(5, minus)), tensor.S8, []byte{5, 255}},
		{"uint8 typed", initializer("c", typeUint8, 1).raw(5, packed(200)), tensor.U8, []byte{200}},
		{"bool typed", initializer("c", typeBool, 2).raw(5, packed(0, 7)), tensor.Bool, []byte{0, 1}},
		{"float16 typed", initializer("c", typeFloat16, 1).raw(5, packed(0x3c00)), tensor.F16, []byte{0, 0x3c}},
		{"bfloat16 typed", initializer("c", typeBFloat16, 1).raw(5, packed(0x3f80)), tensor.BF16, []byte{0x80, 0x3f}},
		{"bfloat16 raw", initializer("c", typeBFloat16, 1).raw(9, []byte{0x80, 0x3f}), tensor.BF16, []byte{0x80, 0x3f}},
		{"empty", initializer("c", typeFloat, 0), tensor.F32, []byte{}},
		{"scalar", initializer("c", typeFloat).raw(9, []byte{1, 2, 3, 4}), tensor.F32, []byte{1, 2, 3, 4}},
		{"float64 has no counterpart", initializer("c", 11, 1).raw(9, make([]byte, 8)), tensor.Invalid, []byte{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := Read(small(c.m))
			if err != nil {
				t.Fatal(err)
			}
			v := find(t, g, "c")
			if v.DType != c.d || v.Const == nil || !bytes.Equal(v.Const, c.want) {
				t.Errorf("got %s % x, want %s % x", v.DType, v.Const, c.d, c.want)
			}
		})
	}
}

// TestReadConstantNodes makes constants of Constant nodes in all numeric forms.
func TestReadConstantNodes(t *testing.T) {
	attr := func(name string, kind int64) msg { return msg{}.str(1, name).num(20, kind) }
	f32 := protowire.AppendFixed32(protowire.AppendTag(nil, 2, protowire.Fixed32Type), 0x3f800000)
	for _, c := range []struct {
		name  string
		a     msg
		d     tensor.DType
		shape tensor.Shape
	}{
		{"tensor", attr("value", kindTensor).raw(5, initializer("", typeInt8, 2).raw(9, []byte{1, 2})), tensor.S8, tensor.Shape{2}},
		{"float", append(attr("value_float", kindFloat), f32...), tensor.F32, tensor.Shape{}},
		{"int", attr("value_int", kindInt).num(3, 9), tensor.S64, tensor.Shape{}},
		{"ints", attr("value_ints", kindInts).num(8, 1).num(8, 2).num(8, 3), tensor.S64, tensor.Shape{3}},
		{"floats", attr("value_floats", kindFloats).raw(7, []byte{0, 0, 0, 0}), tensor.F32, tensor.Shape{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := Read(model(msg{}.raw(1, node("Constant", nil, []string{"k"}, c.a)).raw(12, valueInfo("k", typeFloat))))
			if err != nil {
				t.Fatal(err)
			}
			v := find(t, g, "k")
			if v.Const == nil || v.DType != c.d || !v.Shape.Equal(c.shape) || len(g.Nodes) != 0 {
				t.Errorf("got %+v with %d nodes", v, len(g.Nodes))
			}
		})
	}
}

func TestReadAttributes(t *testing.T) {
	a := msg{}.str(1, "axis").num(20, kindInt).num(3, -1)
	b := msg{}.str(1, "activations").num(20, kindStrings).str(9, "Tanh").str(9, "Relu")
	body := msg{}.str(1, "body").num(20, 5).raw(6, []byte{1, 2, 3}) // a subgraph, even a broken one, is not looked at
	g, err := Read(model(msg{}.raw(1, node("Loop", []string{"x"}, []string{"y"}, a, b, body)).raw(11, valueInfo("x", typeBool, msg{}.num(1, 1))).raw(12, valueInfo("y", typeFloat))))
	if err != nil {
		t.Fatal(err)
	}
	at := g.Nodes[0].Src.Attrs
	if at.Int(-1, "axis", 5) != -1 || at.Int(-1, "none", 5) != 5 || at.Ints(-1, "axis") != nil || at.Float(-1, "axis", 2) != 2 {
		t.Error("integers are not read by kind")
	}
	if s := at.(attributes).Strings("activations"); !slices.Equal(s, []string{"Tanh", "Relu"}) {
		t.Errorf("strings are %q", s)
	}
	if !at.Has(-1, "body") || at.Has(-1, "else_branch") {
		t.Error("the subgraph is not known")
	}
}

// TestReadRefuses checks what is damaged, and that it says where.
func TestReadRefuses(t *testing.T) {
	x := valueInfo("x", typeFloat, msg{}.num(1, 3))
	y := valueInfo("y", typeFloat)
	relu := node("Relu", []string{"x"}, []string{"y"})
	for _, c := range []struct {
		name    string
		data    []byte
		damaged bool
		text    string
	}{
		{"nothing", nil, true, "0 graphs"},
		{"zeros", make([]byte, 100), true, "not a protobuf"},
		{"text", []byte("hello"), true, "not a protobuf"},
		{"no graph", msg{}.num(1, 8), true, "0 graphs"},
		{"two graphs", append(small(), small()...), true, "2 graphs"},
		{"no opset", msg{}.num(1, 8).raw(7, msg{}), true, "opset_import"},
		{"no outputs", model(msg{}), true, "no outputs"},
		{"unknown input", model(msg{}.raw(1, relu).raw(12, y)), true, `"x" is not computed before it`},
		{"not topological", model(msg{}.raw(11, x).raw(1, node("Relu", []string{"t"}, []string{"y"})).raw(1, node("Relu", []string{"x"}, []string{"t"})).raw(12, y)), true, `"t" is not computed before it`},
		{"defined twice", model(msg{}.raw(11, x).raw(1, relu).raw(1, relu).raw(12, y)), true, `"y" is defined twice`},
		{"output nowhere", model(msg{}.raw(11, x).raw(12, y)), true, `output "y"`},
		{"no op_type", model(msg{}.raw(11, x).raw(1, msg{}.str(1, "x")).raw(12, y)), true, "no op_type"},
		{"short tensor", small(initializer("c", typeFloat, 2).raw(9, []byte{1, 2, 3, 4})), true, "4 bytes of data instead of 8"},
		{"short typed tensor", small(initializer("c", typeInt64, 2).num(7, 1)), true, "1 elements instead of 2"},
		{"huge tensor", small(initializer("c", typeFloat, 1<<20, 1<<20)), true, "more than"},
		{"negative extent", small(initializer("c", typeFloat, -2)), true, "extent -2"},
		{"many axes", small(initializer("c", typeFloat, 1, 1, 1, 1, 1, 1, 1, 1, 1)), true, "more values"},
		{"external data", small(initializer("c", typeFloat, 2).raw(13, msg{}.str(1, "location").str(2, "weights.bin")).num(14, 1)), false, `external file "weights.bin"`},
		{"double input", model(msg{}.raw(11, valueInfo("x", 11, msg{}.num(1, 3))).raw(1, relu).raw(12, y)), false, "float64"},
		{"input without shape", model(msg{}.raw(11, msg{}.str(1, "x").raw(2, msg{}.raw(1, msg{}.num(1, 1)))).raw(1, relu).raw(12, y)), false, "no shape"},
		{"sequence input", model(msg{}.raw(11, msg{}.str(1, "x").raw(2, msg{}.raw(4, msg{}))).raw(1, relu).raw(12, y)), false, "a sequence"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(c.data)
			if err == nil || !strings.Contains(err.Error(), c.text) || errors.Is(err, graph.ErrDamaged) != c.damaged {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestIs(t *testing.T) {
	whole := small()
	for _, c := range []struct {
		name string
		data []byte
		want bool
	}{
		{"model", whole, true}, {"half a model", whole[:len(whole)/2], true}, {"nothing", nil, false}, {"zeros", make([]byte, 100), false},
		{"text", []byte("hello"), false}, {"tflite", []byte("\x1c\x00\x00\x00TFL3\x00\x00"), false}, {"zip", []byte("PK\x03\x04aaaa"), false},
	} {
		if got := Is(c.data); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// committed returns the models of testdata/cases.json.gz.
func committed(t testing.TB) [][]byte {
	f, err := os.Open("testdata/cases.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var models [][]byte
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var c struct{ Model []byte }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if len(c.Model) > 0 {
			models = append(models, c.Model)
		}
	}
	if err := lines.Err(); err != nil || len(models) < 100 {
		t.Fatalf("%d models, %v", len(models), err)
	}
	return models
}

// TestReadDamaged cuts a model at every byte and flips bytes of all: a cut is an error, nothing panics.
func TestReadDamaged(t *testing.T) {
	models := committed(t)
	whole := models[0]
	for n := range whole {
		if _, err := Read(whole[:n]); !errors.Is(err, graph.ErrDamaged) {
			t.Fatalf("the first %d of %d bytes give %v", n, len(whole), err)
		}
	}
	r := rand.New(rand.NewSource(1))
	for _, m := range models {
		g, err := Read(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := graph.Check(g); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			b := slices.Clone(m)
			b[r.Intn(len(b))] ^= byte(1 + r.Intn(255))
			if g, err := Read(b); err == nil {
				if err := graph.Check(g); err != nil {
					t.Fatalf("an accepted model fails its check: %v", err)
				}
			}
		}
	}
}

// FuzzRead looks for panics, and for graphs that break the promises of Read.
func FuzzRead(f *testing.F) {
	for _, m := range committed(f)[:40] {
		f.Add(m)
		f.Add(m[:len(m)/2])
	}
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := Read(data)
		if err == nil {
			err = graph.Check(g)
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
