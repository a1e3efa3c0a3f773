package ops

import (
	"errors"

	"wayside/graph"
	"wayside/graph/tensor"
)

// arithKind is an operation of Arith.
type arithKind string

// ArithAttr is the operation of an Arith node.
type ArithAttr struct{ Kind arithKind }

// Arith is broadcast arithmetic that the fused operators Add, Sub and Mul do not cover: float32 division, and all four
// operations on int32 and int64, which shape computations need. Integer division truncates; by zero it fails.
func init() {
	graph.Register(graph.Op{Name: "Arith", Infer: inferArith, Compile: compileArith, Elementwise: true},
		onnxForm("Div", 7, lowerArith("Div", ""), "float32, int32, int64"))
	graph.RegisterForm(onnxForm("Add", 7, lowerArith("Add", "Add"), "float32, int32, int64"))
	graph.RegisterForm(onnxForm("Sub", 7, lowerArith("Sub", "Sub"), "float32, int32, int64"))
	graph.RegisterForm(onnxForm("Mul", 7, lowerArith("Mul", "Mul"), "float32, int32, int64"))
}

// lowerArith emits the fused operator for float32 where there is one.
func lowerArith(kind arithKind, fused string) func(*graph.Lower) error {
	return func(l *graph.Lower) error {
		in := widenedIns(l)
		if len(in) != 2 || in[0] == graph.None || in[1] == graph.None {
			return l.Refuse("needs two inputs")
		}
		if l.G.Values[in[0]].DType == tensor.F32 && fused != "" {
			l.Emit(fused, BinaryAttr{}, in, l.Outs())
		} else {
			l.Emit("Arith", ArithAttr{kind}, in, l.Outs())
		}
		return nil
	}
}

// broadcastShape returns numpy's broadcast of two shapes.
func broadcastShape(a, b tensor.Shape) (tensor.Shape, bool) {
	r := max(len(a), len(b))
	out := make(tensor.Shape, r)
	for i := range out {
		da, db := 1, 1
		if j := i - r + len(a); j >= 0 {
			da = a[j]
		}
		if j := i - r + len(b); j >= 0 {
			db = b[j]
		}
		if da != db && da != 1 && db != 1 {
			return nil, false
		}
		out[i] = da
		if da == 1 {
			out[i] = db
		}
	}
	return out, true
}

// broadcastStrides returns the strides of an input within the broadcast shape, 0 on the axes along which it repeats.
func broadcastStrides(in, out tensor.Shape) []int {
	st := make([]int, len(out))
	for i, s := range contiguous(in) {
		if in[i] != 1 {
			st[i+len(out)-len(in)] = s
		}
	}
	return st
}

func inferArith(c *graph.InferCtx) error {
	a, b := c.In(0), c.In(1)
	if a == nil || b == nil || a.DType != b.DType {
		return c.Refuse("needs two inputs of one type")
	}
	if a.DType != tensor.F32 && a.DType != tensor.S32 && a.DType != tensor.S64 {
		return c.Refuse("%s is not supported; float32, int32 and int64 are", a.DType)
	}
	s, ok := broadcastShape(a.Shape, b.Shape)
	if !ok || len(s) > maxRank {
		return c.Refuse("shapes %v and %v do not broadcast within %d axes", a.Shape, b.Shape, maxRank)
	}
	return c.Set(0, a.DType, s)
}

// pair walks two broadcast inputs.
type pair struct {
	dims   []int
	sa, sb []int
}

func compileArith(c *graph.CompileCtx) (*graph.Kernel, error) {
	a, b, o := c.In(0), c.In(1), c.Out(0)
	p := pair{o.Shape, broadcastStrides(a.Shape, o.Shape), broadcastStrides(b.Shape, o.Shape)}
	kind := c.N.Attr.(ArithAttr).Kind
	switch a.DType {
	case tensor.F32:
		return &graph.Kernel{ID: "vec.arith/f32/generic", Run: func(a *graph.Args) error {
			return arith(kind, &p, a.Out[0].F32(), a.In[0].F32(), a.In[1].F32())
		}}, nil
	case tensor.S32:
		return &graph.Kernel{ID: "vec.arith/s32/generic", Run: func(a *graph.Args) error {
			return arith(kind, &p, a.Out[0].S32(), a.In[0].S32(), a.In[1].S32())
		}}, nil
	}
	return &graph.Kernel{ID: "vec.arith/s64/generic", Run: func(a *graph.Args) error {
		return arith(kind, &p, a.Out[0].S64(), a.In[0].S64(), a.In[1].S64())
	}}, nil
}

var errDivideByZero = errors.New("ops: div: integer division by zero")

func arith[T int32 | int64 | float32](kind arithKind, p *pair, dst, a, b []T) error {
	var at [maxRank]int
	half := T(1) / 2 // zero for integers
	ia, ib := 0, 0
	for i := range dst {
		x, y := a[ia], b[ib]
		switch kind {
		case "Add":
			x += y
		case "Sub":
			x -= y
		case "Mul":
			x *= y
		case "Div":
			if y == 0 && half == 0 {
				return errDivideByZero
			}
			x /= y
		}
		dst[i] = x
		for d := len(p.dims) - 1; d >= 0; d-- {
			at[d]++
			ia += p.sa[d]
			ib += p.sb[d]
			if at[d] < p.dims[d] {
				break
			}
			ia -= p.sa[d] * p.dims[d]
			ib -= p.sb[d] * p.dims[d]
			at[d] = 0
		}
	}
	return nil
}
