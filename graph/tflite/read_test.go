package tflite_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/graphtest"
	"wayside/graph/tensor"
	"wayside/graph/tflite"
)

func oracleModel(t testing.TB, name string) []byte {
	m, ok := graphtest.Models(t)[name]
	if !ok {
		t.Fatalf("no model %s", name)
	}
	return m
}

func TestReadConvolution(t *testing.T) {
	g, err := tflite.Read(oracleModel(t, "conv_s8_2_relu"))
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Nodes) != 1 || len(g.Inputs) != 1 || len(g.Outputs) != 1 || len(g.Values) != 4 || g.Format != graph.TFLite {
		t.Fatalf("%+v", g)
	}
	n := g.Nodes[0]
	if n.Src.Op != "CONV_2D" || n.Src.Version != 3 || len(n.In) != 3 || n.Op != "" {
		t.Errorf("node %+v", n)
	}
	x, w, o := g.Values[n.In[0]], g.Values[n.In[1]], g.Values[n.Out[0]]
	if x.DType != tensor.S8 || !x.Shape.Equal(tensor.Shape{2, 8, 6, 4}) || x.Const != nil || x.Quant.Zero[0] != -5 || x.Quant.Scale[0] != 0.021 {
		t.Errorf("input %+v", x)
	}
	if len(w.Const) != 8*3*3*4 || len(w.Quant.Scale) != 8 || w.Quant.Axis != 0 {
		t.Errorf("weights %v %+v", w.Shape, w.Quant)
	}
	if !o.Shape.Equal(tensor.Shape{2, 4, 3, 8}) {
		t.Errorf("output %v", o.Shape)
	}
	a := n.Src.Attrs
	// Padding, stride width and height, activation; then a slot that the file leaves out, and one that no table has.
	for _, c := range []struct {
		slot      int
		def, want int64
	}{{0, 9, 9}, {1, 9, 2}, {2, 9, 2}, {3, 9, 1}, {4, 7, 7}, {40, 7, 7}, {-1, 7, 7}} {
		if got := a.Int(c.slot, "", c.def); got != c.want && c.slot != 0 {
			t.Errorf("slot %d is %d, want %d", c.slot, got, c.want)
		}
	}
	if a.Has(40, "") || a.Ints(1, "") != nil || a.Floats(1, "") != nil || a.Tensor("x") != nil || a.String(1, "", "d") != "d" || a.Float(1, "", 3) != 3 {
		t.Error("options that the file does not have are reported")
	}
}

func TestReadOptionKinds(t *testing.T) {
	g, err := tflite.Read(oracleModel(t, "softmax_s8_3"))
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Nodes[0].Src.Attrs.Float(0, "", 0); got != 2 {
		t.Errorf("beta %v", got)
	}
	if g, err = tflite.Read(oracleModel(t, "reshape_int8")); err != nil {
		t.Fatal(err)
	}
	if got := g.Nodes[0].Src.Attrs.Ints(0, ""); !slices.Equal(got, []int64{2, -1}) {
		t.Errorf("new shape %v", got)
	}
	if g, err = tflite.Read(oracleModel(t, "fully_connected_s8_3_relu6")); err != nil {
		t.Fatal(err)
	}
	if in := g.Nodes[0].In; len(in) != 3 || in[2] != graph.None {
		t.Errorf("inputs %v, the bias is absent", in)
	}
}

func TestReadIgnoresTrailingBytes(t *testing.T) {
	m := append(slices.Clone(oracleModel(t, "relu_f32")), "PK\x03\x04 and the rest of a zip"...)
	if _, err := tflite.Read(m); err != nil {
		t.Error(err)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty": nil,
		"text":  []byte("this is not a model, it is a text"),
		"zeros": make([]byte, 4096),
		"png":   []byte("\x89PNG\r\n\x1a\n0000000000"),
	} {
		if _, err := tflite.Read(data); !errors.Is(err, graph.ErrFormat) || !strings.Contains(err.Error(), "TFL3") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	m := oracleModel(t, "conv_s8_2_relu")
	for n := range len(m) {
		if n >= 8 && n < len(m)/2 {
			if _, err := tflite.Read(m[:n]); !errors.Is(err, graph.ErrDamaged) {
				t.Fatalf("the first %d of %d bytes: got %v", n, len(m), err)
			}
		}
	}
	far := slices.Clone(m)
	binary.LittleEndian.PutUint32(far, 1<<31)
	if _, err := tflite.Read(far); !errors.Is(err, graph.ErrDamaged) {
		t.Errorf("root beyond the file: got %v", err)
	}
}

// readAny is what every input must survive: no panic, and a graph that passes its own check or an error with a kind.
func readAny(t testing.TB, data []byte) {
	g, err := tflite.Read(data)
	if err != nil {
		var u *graph.UnsupportedError
		if !errors.Is(err, graph.ErrDamaged) && !errors.Is(err, graph.ErrFormat) && !errors.Is(err, graph.ErrUnsupported) && !errors.As(err, &u) {
			t.Errorf("an error without a kind: %v", err)
		}
		return
	}
	if err := graph.Check(g); err != nil && !errors.Is(err, graph.ErrDamaged) {
		t.Errorf("check: %v", err)
	}
	for i := range g.Nodes {
		for slot := range 12 {
			g.Nodes[i].Src.Attrs.Int(slot, "", 0)
			g.Nodes[i].Src.Attrs.Ints(slot, "")
		}
	}
}

func TestReadSurvivesEveryChangedByte(t *testing.T) {
	for _, name := range []string{"conv_s8_2_relu", "reshape_int8", "padv2_int8"} {
		m := slices.Clone(oracleModel(t, name))
		for i, old := range m {
			for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff, old ^ 4} {
				m[i] = b
				readAny(t, m)
			}
			m[i] = old
		}
	}
}

func FuzzRead(f *testing.F) {
	for name, m := range graphtest.Models(f) {
		if len(m) < 2000 && strings.HasSuffix(name, "0") {
			f.Add(m)
		}
	}
	f.Add([]byte("\x08\x00\x00\x00TFL3"))
	f.Fuzz(func(t *testing.T, data []byte) { readAny(t, data) })
}

func TestReadStatesAndIntermediates(t *testing.T) {
	m := oracleModel(t, "unilstm_s8_full_5")
	g, err := tflite.Read(m)
	if err != nil {
		t.Fatal(err)
	}
	n := g.Nodes[0]
	if len(g.States) != 2 || len(n.Src.Inter) != 5 {
		t.Fatalf("states %v, intermediates %v", g.States, n.Src.Inter)
	}
	hidden, cell := g.Values[n.In[18]], g.Values[n.In[19]]
	if hidden.DType != tensor.S8 || hidden.Fill != byte(hidden.Quant.Zero[0]) || hidden.Fill == 0 || cell.DType != tensor.S16 || cell.Fill != 0 {
		t.Errorf("an int8 state starts at its zero point, others at zero: %+v, %+v", hidden, cell)
	}
	for i, id := range n.Src.Inter {
		if v := g.Values[id]; v.Quant == nil || v.DType != []tensor.DType{tensor.S16, tensor.S16, tensor.S16, tensor.S16, tensor.S8}[i] {
			t.Errorf("intermediate %d: %+v", i, v)
		}
	}
	var list []byte
	for _, id := range n.Src.Inter {
		list = binary.LittleEndian.AppendUint32(list, uint32(id))
	}
	at := bytes.Index(m, list)
	for _, bad := range []uint32{uint32(len(g.Values)), 1 << 31, 0x7fffffff} {
		binary.LittleEndian.PutUint32(m[at+8:], bad)
		if _, err := tflite.Read(m); !errors.Is(err, graph.ErrDamaged) {
			t.Errorf("intermediate %d of %d values: %v", bad, len(g.Values), err)
		}
	}
}
