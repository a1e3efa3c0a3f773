package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

const whereTypes = "any of whole bytes; the condition is bool"

// Where takes each element from the second input where the first is true, else from the third; all three broadcast.
func init() {
	graph.Register(graph.Op{Name: "Where", Infer: inferWhere, Compile: compileWhere, Elementwise: true},
		graph.Form{Format: graph.TFLite, Op: "SELECT_V2", Min: 1, Max: 2, DTypes: whereTypes},
		graph.Form{Format: graph.TFLite, Op: "SELECT", Min: 1, Max: 4, DTypes: whereTypes, Lower: lowerSelect})
}

// lowerSelect handles the first version of the operator, which does not broadcast; but a condition of rank 1 chooses whole
// slices along the first axis, and a scalar one of both values.
func lowerSelect(l *graph.Lower) error {
	cond, x, y := l.In(0), l.In(1), l.In(2)
	if len(l.N.In) != 3 || cond == nil || x == nil || y == nil {
		return l.Refuse("needs three inputs")
	}
	in := l.Ins()
	switch one := product(cond.Shape) == 1 && product(x.Shape) == 1 && product(y.Shape) == 1; {
	case one:
	case !x.Shape.Equal(y.Shape):
		return l.Refuse("the values %v and %v must have one shape; SELECT_V2 broadcasts", x.Shape, y.Shape)
	case len(cond.Shape) == 0 || cond.Shape.Equal(x.Shape):
	case len(cond.Shape) == 1 && len(x.Shape) > 1 && cond.Shape[0] == x.Shape[0]:
		to := make(tensor.Shape, len(x.Shape))
		for i := range to {
			to[i] = 1
		}
		to[0] = cond.Shape[0]
		in[0] = l.Temp("condition", nil)
		l.Emit("Reshape", ReshapeAttr{Shape: to}, ids(l.N.In[0]), ids(in[0]))
	default:
		return l.Refuse("the condition %v must be a scalar, have the shape of the values %v or the extent of their first axis", cond.Shape, x.Shape)
	}
	l.Emit("Where", nil, in, l.Outs())
	return nil
}

func inferWhere(c *graph.InferCtx) error {
	cond, x, y, o := c.In(0), c.In(1), c.In(2), c.Out(0)
	if len(c.N.In) != 3 || cond == nil || x == nil || y == nil || len(c.N.Out) != 1 || o == nil || cond.DType != tensor.Bool || x.DType != y.DType {
		return c.Refuse("needs a bool condition, two values of one type and one output")
	}
	if x.DType == tensor.S4 {
		return c.Refuse("int4 is not supported; int8 is")
	}
	if x.Shifted != y.Shifted || x.Shifted != o.Shifted {
		return c.Refuse("uint8 values with and without a scale do not mix")
	}
	s, ok := broadcastShape(x.Shape, y.Shape)
	if ok {
		s, ok = broadcastShape(s, cond.Shape)
	}
	if !ok || len(s) > maxRank {
		return c.Refuse("shapes %v, %v and %v do not broadcast within %d axes", cond.Shape, x.Shape, y.Shape, maxRank)
	}
	// Among single elements the reference keeps the output's shape as the file has it.
	if n, err := o.Shape.Elems(); c.G.Format == graph.TFLite && err == nil && n == 1 && product(s) == 1 && len(o.Shape) <= maxRank && o.DType != tensor.Invalid {
		s = o.Shape
	}
	return c.Set(0, x.DType, s)
}

func compileWhere(c *graph.CompileCtx) (*graph.Kernel, error) {
	cond, x, y, o := c.In(0), c.In(1), c.In(2), c.Out(0)
	to := o.Shape
	if product(to) == 1 {
		to = tensor.Shape{} // the inputs may have more axes than the output
	}
	shapes := []tensor.Shape{cond.Shape, x.Shape, y.Shape}
	for i, s := range shapes {
		if product(s) == 1 {
			shapes[i] = tensor.Shape{}
		}
	}
	s := newSpread(to, shapes...)
	k := &graph.Kernel{ID: "vec.where/any/generic", InPlace: inPlace(c)}
	switch x.DType.Bytes(1) {
	case 1:
		k.Run = whereRun[uint8](s)
	case 2:
		k.Run = whereRun[uint16](s)
	case 4:
		k.Run = whereRun[uint32](s)
	default:
		k.Run = whereRun[uint64](s)
	}
	return k, nil
}

func whereRun[T any](s *spread) func(*graph.Args) error {
	return func(a *graph.Args) error {
		c, x, y, d := a.In[0].Bool(), elems[T](a.In[1]), elems[T](a.In[2]), elems[T](a.Out[0])
		s.each(func(o int, p [3]int) {
			vec.Where(d[o:o+s.n], c[p[0]:], s.in[0], x[p[1]:], s.in[1], y[p[2]:], s.in[2])
		})
		return nil
	}
}
