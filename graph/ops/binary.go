package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// BinaryAttr is the attribute of Add, Sub and Mul: two inputs that broadcast against each other.
type BinaryAttr struct{ Act graph.Activation }

// FuseAct implements graph.ActFuser.
func (a BinaryAttr) FuseAct(act graph.Activation) (any, bool) {
	if a.Act != graph.ActNone || !clamps(act) {
		return nil, false
	}
	return BinaryAttr{act}, true
}

func init() {
	for _, o := range []struct {
		name, tflite string
		max          int
	}{{"Add", "ADD", 5}, {"Sub", "SUB", 5}, {"Mul", "MUL", 7}} {
		graph.Register(graph.Op{Name: o.name, Infer: inferBinary, Compile: compileBinary, Elementwise: true},
			graph.Form{Format: graph.TFLite, Op: o.tflite, Min: 1, Max: o.max, DTypes: "float32, int8, uint8", Lower: func(l *graph.Lower) error {
				act, err := fusedAct(l, 0)
				if err != nil {
					return err
				}
				l.Emit(o.name, BinaryAttr{act}, l.Ins(), l.Outs())
				return nil
			}})
	}
}

func inferBinary(c *graph.InferCtx) error {
	a, b := c.In(0), c.In(1)
	if a == nil || b == nil || a.DType != b.DType {
		return c.Refuse("needs two inputs of one type")
	}
	if a.DType != tensor.F32 && a.DType != tensor.S8 {
		return c.Refuse("%s is not supported; float32 and int8 are", a.DType)
	}
	s, ok := broadcastShape(a.Shape, b.Shape)
	if !ok || len(s) > maxRank {
		return c.Refuse("shapes %v and %v do not broadcast", a.Shape, b.Shape)
	}
	if !clamps(c.N.Attr.(BinaryAttr).Act) {
		return c.Refuse("activation %v cannot be fused", c.N.Attr.(BinaryAttr).Act)
	}
	if a.DType == tensor.S8 {
		o := c.Out(0)
		if o == nil || o.Quant == nil {
			return c.Refuse("the output has no scale")
		}
		if err := checkQuant(a, b, o); err != nil {
			return err
		}
		if c.N.Op != "Mul" {
			if p := newAddS8(c.N.Op == "Sub", a, b, o); p == nil {
				return c.Refuse("scales %v, %v and %v are too far apart", a.Quant.Scale[0], b.Quant.Scale[0], o.Quant.Scale[0])
			}
		}
	}
	return c.Set(0, a.DType, s)
}

// addShift is how many bits the reference moves int8 inputs to the left before it rescales them.
const addShift = 20

// newAddS8 prepares an int8 addition or subtraction, nil where the output multiplier is not below one.
func newAddS8(sub bool, a, b, o *graph.Value) *vec.AddS8Params {
	sa, sb, so := a.Quant.Scale[0], b.Quant.Scale[0], o.Quant.Scale[0]
	twice := 2 * max(sa, sb)
	ra, rb := float64(sa)/float64(twice), float64(sb)/float64(twice)
	ro := float64(twice) / (float64(1<<addShift) * float64(so))
	if !(ra > 0 && rb > 0 && ro > 0 && ro < 1) || math.IsInf(float64(twice), 0) {
		return nil
	}
	p := &vec.AddS8Params{Zero: o.Quant.Zero[0]}
	ma, ea := requant.Quantize(ra)
	mb, eb := requant.Quantize(rb)
	p.Mult, p.Shift = requant.Quantize(ro)
	for x := int32(math.MinInt8); x <= math.MaxInt8; x++ {
		p.A[uint8(x)] = requant.Mul((x-a.Quant.Zero[0])<<addShift, ma, ea)
		v := requant.Mul((x-b.Quant.Zero[0])<<addShift, mb, eb)
		if sub {
			v = -v
		}
		p.B[uint8(x)] = v
	}
	return p
}

// spread walks two broadcast inputs in runs along the innermost axes, along which each advances by one or not at all.
type spread struct {
	outer  []int // extents of the outer axes
	oa, ob []int // strides of the inputs along them
	n      int   // length of a run
	sa, sb int   // strides within a run: 0 or 1
}

func newSpread(a, b, out tensor.Shape) *spread {
	sa, sb := broadcastStrides(a, out), broadcastStrides(b, out)
	s := &spread{n: 1}
	i := len(out) - 1
	for i >= 0 && out[i] == 1 {
		i--
	}
	if i >= 0 {
		s.sa, s.sb = min(sa[i], 1), min(sb[i], 1)
	}
	for ; i >= 0; i-- {
		// An axis joins the run when both inputs go on as within the run.
		if out[i] != 1 && (sa[i] != s.sa*s.n || sb[i] != s.sb*s.n) {
			break
		}
		s.n *= out[i]
	}
	for k := range i + 1 {
		s.outer, s.oa, s.ob = append(s.outer, out[k]), append(s.oa, sa[k]), append(s.ob, sb[k])
	}
	return s
}

// each calls f for every run with the first elements of output and inputs.
func (s *spread) each(f func(o, a, b int)) {
	var at [maxRank]int
	total := product(s.outer)
	if s.n == 0 {
		return
	}
	pa, pb := 0, 0
	for r := range total {
		f(r*s.n, pa, pb)
		for k := len(s.outer) - 1; k >= 0; k-- {
			at[k]++
			pa, pb = pa+s.oa[k], pb+s.ob[k]
			if at[k] < s.outer[k] {
				break
			}
			pa, pb = pa-s.oa[k]*s.outer[k], pb-s.ob[k]*s.outer[k]
			at[k] = 0
		}
	}
}

func compileBinary(c *graph.CompileCtx) (*graph.Kernel, error) {
	a, b, o := c.In(0), c.In(1), c.Out(0)
	act := c.N.Attr.(BinaryAttr).Act
	s := newSpread(a.Shape, b.Shape, o.Shape)
	k := &graph.Kernel{}
	for i, v := range []*graph.Value{a, b} {
		if v.Shape.Equal(o.Shape) {
			k.InPlace = append(k.InPlace, i)
		}
	}
	id := map[string]string{"Add": "vec.add", "Sub": "vec.sub", "Mul": "vec.mul"}[c.N.Op]
	if a.DType == tensor.F32 {
		f := map[string]func(dst, a []float32, sa int, b []float32, sb int, lo, hi float32){"Add": vec.AddF32, "Sub": vec.SubF32, "Mul": vec.MulF32}[c.N.Op]
		lo, hi := actRangeF32(act)
		k.ID = id + "/f32/generic"
		k.Run = func(a *graph.Args) error {
			x, y, d := a.In[0].F32(), a.In[1].F32(), a.Out[0].F32()
			s.each(func(o, i, j int) { f(d[o:o+s.n], x[i:], s.sa, y[j:], s.sb, lo, hi) })
			return nil
		}
		return k, nil
	}
	k.ID = id + "/s8/generic"
	lo, hi := actRange(tensor.S8, act, o.Quant.Scale[0], o.Quant.Zero[0])
	if c.N.Op == "Mul" {
		p := &vec.MulS8Params{ZeroA: a.Quant.Zero[0], ZeroB: b.Quant.Zero[0], Zero: o.Quant.Zero[0], Lo: lo, Hi: hi}
		p.Mult, p.Shift = requant.Quantize(float64(a.Quant.Scale[0]) * float64(b.Quant.Scale[0]) / float64(o.Quant.Scale[0]))
		k.Run = func(a *graph.Args) error {
			x, y, d := a.In[0].S8(), a.In[1].S8(), a.Out[0].S8()
			s.each(func(o, i, j int) { vec.MulS8(d[o:o+s.n], x[i:], s.sa, y[j:], s.sb, p) })
			return nil
		}
		return k, nil
	}
	p := newAddS8(c.N.Op == "Sub", a, b, o)
	p.Lo, p.Hi = lo, hi
	k.Run = func(a *graph.Args) error {
		x, y, d := a.In[0].S8(), a.In[1].S8(), a.Out[0].S8()
		s.each(func(o, i, j int) { vec.AddS8(d[o:o+s.n], x[i:], s.sa, y[j:], s.sb, p) })
		return nil
	}
	return k, nil
}
