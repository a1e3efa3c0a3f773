package ops

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/graphtest"
	"wayside/graph/tensor"
	"wayside/kernels/conv"
	"wayside/kernels/gemm"
	"wayside/kernels/pool"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// cmsisCase is one line of the CMSIS-NN test data: TensorFlow Lite made the outputs. Cases hold fixed-point multipliers instead of
// scales, so they run on kernels, not on models.
type cmsisCase struct {
	Case   string
	Macros map[string]any
	Arrays map[string]struct {
		Type string
		Data []int64
	}
}

func (c *cmsisCase) num(name string) int {
	v, _ := c.Macros[name].(float64)
	return int(v)
}

// array returns the first of the named arrays that the case has.
func (c *cmsisCase) array(names ...string) (data []int64, typ string) {
	for _, n := range names {
		if a, ok := c.Arrays[n]; ok {
			return a.Data, a.Type
		}
	}
	return nil, ""
}

func narrowed[T int8 | int16 | int32](s []int64) []T {
	if s == nil {
		return nil
	}
	out := make([]T, len(s))
	for i, v := range s {
		out[i] = T(v)
	}
	return out
}

// cmsisKinds tells the cases apart by name and says how each kind runs: the count of cases, and a function that returns the outputs.
var cmsisKinds = []struct {
	kind  string
	match func(c *cmsisCase) bool
	count int
	run   func(t *testing.T, c *cmsisCase) []int64
}{
	{"depthwise", func(c *cmsisCase) bool { _, ok := c.Macros["CH_MULT"]; return ok }, 16, cmsisDepthwise},
	{"transposed convolution", func(c *cmsisCase) bool { return strings.Contains(c.Case, "transpose_conv") }, 4, cmsisTransposeConv},
	{"convolution", func(c *cmsisCase) bool { _, ok := c.Macros["FILTER_X"]; return ok }, 34, cmsisConv},
	{"fully connected", func(c *cmsisCase) bool { _, ok := c.Macros["ACCUMULATION_DEPTH"]; return ok }, 8, cmsisDense},
	{"batch matmul", named("batch_matmul"), 1, cmsisMatMul},
	{"pooling", named("avgpooling", "maxpool"), 10, cmsisPool},
	{"addition", named("add_s16"), 1, cmsisAdd},
	{"multiplication", named("mul_s16"), 1, cmsisMul},
	{"softmax", named("softmax_s16"), 1, cmsisSoftmax},
	{"maximum and minimum", named("maximum", "minimum"), 8, cmsisExtreme},
	{"padding", named("pad_int8"), 1, cmsisPad},
	{"transpose", named("transpose"), 5, cmsisTranspose},
}

// named matches cases by the beginnings of their names.
func named(prefixes ...string) func(*cmsisCase) bool {
	return func(c *cmsisCase) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(c.Case, p) })
	}
}

// TestCMSISNNCases runs every case of the archive but those of recurrent layers, which kernels/rnn runs; each output must be equal.
func TestCMSISNNCases(t *testing.T) {
	f, err := os.Open(graphtest.Shared(t, "conformance/cmsis-nn/cases.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	ran, left := make([]int, len(cmsisKinds)), []string{}
	dec := json.NewDecoder(bufio.NewReader(z))
next:
	for dec.More() {
		var c cmsisCase
		if err := dec.Decode(&c); err != nil {
			t.Fatal(err)
		}
		for i, k := range cmsisKinds {
			if !k.match(&c) {
				continue
			}
			ran[i]++
			t.Run(c.Case, func(t *testing.T) {
				want, _ := c.array("output_ref", "output")
				if got := k.run(t, &c); !slices.Equal(got, want) {
					t.Errorf("got %v\nwant %v", got[:min(len(got), 40)], want[:min(len(want), 40)])
				}
			})
			continue next
		}
		left = append(left, c.Case)
	}
	total := len(left)
	for i, k := range cmsisKinds {
		total += ran[i]
		if ran[i] != k.count {
			t.Errorf("%d cases of %s, the archive has %d", ran[i], k.kind, k.count)
		}
	}
	left = slices.DeleteFunc(left, func(n string) bool { return strings.HasPrefix(n, "lstm_") || strings.HasPrefix(n, "svdf") })
	if len(left) > 0 || total != 97 {
		t.Errorf("%d cases, the archive has 97; of a kind that does not run: %s", total, left)
	}
}

// cmsisGeometry reads the shape of a convolution.
func cmsisGeometry(c *cmsisCase) *conv.Geometry {
	return &conv.Geometry{
		Batch: c.num("INPUT_BATCHES"), H: c.num("INPUT_H"), W: c.num("INPUT_W"), C: c.num("IN_CH"),
		OutH: c.num("OUTPUT_H"), OutW: c.num("OUTPUT_W"), OutC: c.num("OUT_CH"),
		KH: c.num("FILTER_Y"), KW: c.num("FILTER_X"), StrideH: c.num("STRIDE_Y"), StrideW: c.num("STRIDE_X"),
		DilH: c.num("DILATION_Y"), DilW: c.num("DILATION_X"), PadTop: c.num("PAD_Y"), PadLeft: c.num("PAD_X"), Groups: 1,
	}
}

// cmsisQuant reads everything that scales sums; a 64-bit bias, or none beside int16, asks for the wide rule.
func cmsisQuant(c *cmsisCase) gemm.Quant {
	mult, _ := c.array("output_mult", "output_multiplier")
	shift, _ := c.array("output_shift")
	if mult == nil {
		mult, shift = []int64{int64(c.num("OUTPUT_MULTIPLIER"))}, []int64{int64(c.num("OUTPUT_SHIFT"))}
	}
	bias, typ := c.array("biases", "bias", "input_bias")
	q := gemm.Quant{XZero: int32(-c.num("INPUT_OFFSET")), Bias: bias, Params: requant.Params{
		Mult: narrowed[int32](mult), Shift: narrowed[int32](shift), Zero: int32(c.num("OUTPUT_OFFSET")),
		Min: int32(c.num("OUT_ACTIVATION_MIN")), Max: int32(c.num("OUT_ACTIVATION_MAX")),
	}}
	if typ == "int64_t" {
		q.Rule = requant.Wide
	}
	return q
}

// cmsisWeights reads n weights, which int4 cases pack in pairs.
func cmsisWeights(c *cmsisCase, n int) []int8 {
	w, _ := c.array("weights", "input_weights")
	if !strings.Contains(c.Case, "int4") {
		return narrowed[int8](w)
	}
	packed := make([]byte, len(w))
	for i, v := range w {
		packed[i] = byte(v)
	}
	out := make([]int8, n)
	vec.UnpackS4(out, packed)
	return out
}

func wide[T int8 | int16 | int32](s []T) []int64 {
	out := make([]int64, len(s))
	for i, v := range s {
		out[i] = int64(v)
	}
	return out
}

func cmsisConv(_ *testing.T, c *cmsisCase) []int64 {
	g, q := cmsisGeometry(c), cmsisQuant(c)
	if f := c.num("FILTER_CH"); f > 0 {
		g.Groups = g.C / f
	}
	n, k := g.OutC/g.Groups, g.KH*g.KW*g.C/g.Groups
	w := cmsisWeights(c, g.OutC*k)
	src, typ := c.array("input")
	qs := make([]gemm.Quant, g.Groups)
	for i := range qs {
		qs[i] = q
		qs[i].Mult, qs[i].Shift, qs[i].Bias = q.Mult[i*n:(i+1)*n], q.Shift[i*n:(i+1)*n], part(q.Bias, i*n, n)
	}
	if typ == "int16_t" {
		got := make([]int16, g.Batch*g.OutH*g.OutW*g.OutC)
		conv.Rows(got, narrowed[int16](src), g, w, qs, make([]int16, g.PatchElems()))
		return wide(got)
	}
	var packed []*gemm.S8Weights
	for i := range qs {
		packed = append(packed, gemm.PackS8(w[i*n*k:], n, k, narrow32(qs[i].Bias), q.XZero, 0, qs[i].Params))
	}
	got := make([]int8, g.Batch*g.OutH*g.OutW*g.OutC)
	layer := conv.NewS8(g, packed, int8(q.XZero))
	layer.Run(got, narrowed[int8](src), make([]byte, layer.Scratch()))
	return wide(got)
}

func cmsisDepthwise(_ *testing.T, c *cmsisCase) []int64 {
	g, q := cmsisGeometry(c), cmsisQuant(c)
	w := cmsisWeights(c, g.KH*g.KW*g.OutC)
	src, typ := c.array("input")
	if typ == "int16_t" {
		got := make([]int16, g.Batch*g.OutH*g.OutW*g.OutC)
		conv.Depthwise(got, narrowed[int16](src), g, w, &q, make([]int64, g.OutC))
		return wide(got)
	}
	got := make([]int8, g.Batch*g.OutH*g.OutW*g.OutC)
	conv.Depthwise(got, narrowed[int8](src), g, w, &q, make([]int32, g.OutC))
	return wide(got)
}

func cmsisTransposeConv(_ *testing.T, c *cmsisCase) []int64 {
	g, q := cmsisGeometry(c), cmsisQuant(c)
	src, _ := c.array("input")
	got := make([]int8, g.Batch*g.OutH*g.OutW*g.OutC)
	conv.Transpose(got, narrowed[int8](src), g, cmsisWeights(c, 0), &q, make([]int64, g.OutC))
	return wide(got)
}

func cmsisDense(_ *testing.T, c *cmsisCase) []int64 {
	q := cmsisQuant(c)
	m, n, k := c.num("INPUT_BATCHES"), c.num("OUT_CH"), c.num("ACCUMULATION_DEPTH")
	w := cmsisWeights(c, n*k)
	q.WZero = int32(-c.num("FILTER_OFFSET"))
	src, typ := c.array("input")
	if typ == "int16_t" {
		got := make([]int16, m*n)
		gemm.Rows(got, n, narrowed[int16](src), k, m, w, n, k, &q)
		return wide(got)
	}
	got := make([]int8, m*n)
	packed := gemm.PackS8(w, n, k, narrow32(q.Bias), q.XZero, q.WZero, q.Params)
	gemm.S8(got, n, narrowed[int8](src), k, m, packed, make([]byte, packed.Scratch(m)))
	return wide(got)
}

func cmsisMatMul(t *testing.T, c *cmsisCase) []int64 {
	shape := func(p string) tensor.Shape {
		return tensor.Shape{c.num(p + "_BATCH"), c.num(p + "_HEIGHT"), c.num(p + "_ROWS"), c.num(p + "_COLS")}
	}
	s, why := newMatShape(shape("LHS"), shape("RHS"), c.num("ADJ_X") == 1, c.num("ADJ_Y") == 1)
	if why != "" {
		t.Fatal(why)
	}
	a, _ := c.array("lhs_input_tensor")
	b, _ := c.array("rhs_input_tensor")
	p := &matMul{matShape: s, MatMulAttr: MatMulAttr{TransA: c.num("ADJ_X") == 1, TransB: c.num("ADJ_Y") == 1}, count: product(s.batch)}
	p.q = gemm.Quant{XZero: int32(-c.num("LHS_OFFSET")), WZero: int32(-c.num("RHS_OFFSET")), Params: requant.Params{
		Mult: []int32{int32(c.num("OUTPUT_MULTIPLIER"))}, Shift: []int32{int32(c.num("OUTPUT_SHIFT"))}, Zero: int32(c.num("OUTPUT_OFFSET")), Min: -128, Max: 127,
	}}
	p.s8 = gemm.NewProductS8(p.one(), &p.q)
	got := make([]int8, product(s.out))
	p.runS8(got, narrowed[int8](a), narrowed[int8](b), make([]byte, p.s8.Scratch()), 0, p.count)
	return wide(got)
}

func cmsisPool(_ *testing.T, c *cmsisCase) []int64 {
	g := &pool.Geometry{
		Batch: c.num("BATCH_SIZE"), H: c.num("INPUT_H"), W: c.num("INPUT_W"), C: c.num("INPUT_C"), OutH: c.num("OUTPUT_H"), OutW: c.num("OUTPUT_W"),
		KH: c.num("FILTER_H"), KW: c.num("FILTER_W"), StrideH: c.num("STRIDE_H"), StrideW: c.num("STRIDE_W"), PadTop: c.num("PADDING_H"), PadLeft: c.num("PADDING_W"),
	}
	src, typ := c.array("input_tensor")
	lo, hi, avg := c.num("ACTIVATION_MIN"), c.num("ACTIVATION_MAX"), strings.HasPrefix(c.Case, "avg")
	if typ == "int16_t" {
		return wide(pooled(g, narrowed[int16](src), avg, int16(lo), int16(hi)))
	}
	return wide(pooled(g, narrowed[int8](src), avg, int8(lo), int8(hi)))
}

func pooled[T int8 | int16](g *pool.Geometry, src []T, avg bool, lo, hi T) []T {
	got := make([]T, g.Batch*g.OutH*g.OutW*g.C)
	if avg {
		pool.Average(got, src, g, 0, int32(lo), int32(hi), make([]int32, g.C))
	} else {
		pool.Max(got, src, g, lo, lo, hi)
	}
	return got
}

// cmsisStore reads how an elementwise operator stores its sums.
func cmsisStore(c *cmsisCase) *vec.Store {
	return &vec.Store{
		Mult: int32(c.num("OUTPUT_MULT")), Shift: int32(c.num("OUTPUT_SHIFT")), Zero: int32(c.num("OUTPUT_OFFSET")),
		Lo: int32(c.num("OUT_ACTIVATION_MIN")), Hi: int32(c.num("OUT_ACTIVATION_MAX")),
	}
}

func cmsisAdd(_ *testing.T, c *cmsisCase) []int64 {
	input := func(n string) ([]int16, *vec.Rescale) {
		x, _ := c.array(strings.ToLower(n))
		return narrowed[int16](x), &vec.Rescale{Zero: int32(-c.num(n + "_OFFSET")), Left: int32(c.num("LEFT_SHIFT")), Mult: int32(c.num(n + "_MULT")), Shift: int32(c.num(n + "_SHIFT"))}
	}
	a, ra := input("INPUT1")
	b, rb := input("INPUT2")
	got := make([]int16, len(a))
	vec.AddS16(got, a, 1, b, 1, ra, rb, 1, cmsisStore(c))
	return wide(got)
}

func cmsisMul(_ *testing.T, c *cmsisCase) []int64 {
	a, _ := c.array("input1")
	b, _ := c.array("input2")
	got := make([]int16, len(a))
	vec.MulQ(got, narrowed[int16](a), 1, narrowed[int16](b), 1, int32(-c.num("INPUT1_OFFSET")), int32(-c.num("INPUT2_OFFSET")), cmsisStore(c))
	return wide(got)
}

func cmsisSoftmax(t *testing.T, c *cmsisCase) []int64 {
	src, _ := c.array("input")
	x := tensorOf(t, tensor.S16, tensor.Shape{c.num("NUM_ROWS"), c.num("ROW_SIZE")}, src)
	// The multiplier is that of the input's scale over 10/65535.
	x.Quant = &tensor.Quant{Scale: []float32{float32(math.Ldexp(float64(c.num("INPUT_MULT")), c.num("INPUT_LEFT_SHIFT")-31) * 10 / 65535)}, Zero: []int32{0}}
	return runNode(t, "Softmax", SoftmaxAttr{Beta: 1, Axis: 1}, &tensor.Quant{Scale: []float32{1.0 / 32768}, Zero: []int32{0}}, x)
}

func cmsisExtreme(t *testing.T, c *cmsisCase) []int64 {
	shape := func(i string) tensor.Shape {
		return tensor.Shape{c.num("BATCH_" + i), c.num("HEIGHT_" + i), c.num("WIDTH_" + i), c.num("CHANNEL_" + i)}
	}
	a, _ := c.array("input_tensor_1")
	b, _ := c.array("input_tensor_2")
	op := "Maximum"
	if strings.HasPrefix(c.Case, "min") {
		op = "Minimum"
	}
	return runNode(t, op, nil, nil, tensorOf(t, tensor.S8, shape("1"), a), tensorOf(t, tensor.S8, shape("2"), b))
}

func cmsisPad(t *testing.T, c *cmsisCase) []int64 {
	a := PadAttr{}
	shape := tensor.Shape{}
	for _, axis := range []string{"N", "H", "W", "C"} {
		shape = append(shape, c.num("INPUT_"+axis))
		a.Before, a.After = append(a.Before, c.num("PRE_PAD_"+axis)), append(a.After, c.num("POST_PAD_"+axis))
	}
	src, _ := c.array("input_tensor")
	return runNode(t, "Pad", a, nil, tensorOf(t, tensor.S8, shape, src), tensorOf(t, tensor.S8, tensor.Shape{}, []int64{int64(c.num("PAD_VALUE"))}))
}

func cmsisTranspose(t *testing.T, c *cmsisCase) []int64 {
	list := func(name string) []int {
		out := []int{}
		for _, v := range c.Macros[name].([]any) {
			out = append(out, int(v.(float64)))
		}
		return out
	}
	src, _ := c.array("input_tensor")
	perm := list("PERM")
	return runNode(t, graph.TransposeOp, graph.TransposeAttr{Perm: perm}, nil, tensorOf(t, tensor.S8, list("IN_DIM")[:len(perm)], src))
}

func tensorOf(t *testing.T, d tensor.DType, s tensor.Shape, data []int64) *tensor.Tensor {
	t.Helper()
	x, err := tensor.New(d, s)
	if err != nil || x.Elems() != len(data) {
		t.Fatalf("%v for %d values: %v", s, len(data), err)
	}
	if d == tensor.S16 {
		copy(x.S16(), narrowed[int16](data))
	} else {
		copy(x.S8(), narrowed[int8](data))
	}
	return x
}

// runNode runs one neutral node on inputs of one dtype and returns its output, which has that dtype too.
func runNode(t *testing.T, op string, attr any, out *tensor.Quant, in ...*tensor.Tensor) []int64 {
	t.Helper()
	g := &graph.Graph{Format: graph.TFLite}
	for _, x := range in {
		g.Inputs = append(g.Inputs, g.NewValue(graph.Value{Name: "in", DType: x.DType, Shape: x.Shape, Quant: x.Quant}))
	}
	o := g.NewValue(graph.Value{Name: "out", DType: in[0].DType, Quant: out})
	g.Outputs = []graph.ValueID{o}
	g.Nodes = []graph.Node{{Op: op, In: g.Inputs, Out: g.Outputs, Attr: attr}}
	if err := graph.Build(g); err != nil {
		t.Fatal(err)
	}
	p, err := graph.NewPlan(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	for i, x := range in {
		copy(s.Input(i).Data, x.Data)
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	got, _ := s.Output(0).Ints()
	return got
}
