package ops

import (
	"math"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/move"
	"wayside/kernels/vec"
)

// ReshapeAttr is the attribute of Reshape: the new shape, with at most one -1 for what remains.
type ReshapeAttr struct{ Shape []int }

// With implements graph.Reshaper.
func (ReshapeAttr) With(shape []int) any { return ReshapeAttr{Shape: shape} }

// ConcatAttr is the attribute of Concat. Rescale converts an int8 input whose scale or zero point differs from the output's, in the way of
// uint8 files; without it such inputs are refused.
type ConcatAttr struct {
	Axis    int
	Rescale bool
}

func init() {
	graph.Register(graph.Op{Name: "Reshape", Infer: inferReshape, Compile: compileReshape})
	graph.Register(graph.Op{Name: "Concat", Infer: inferConcat, Compile: compileConcat})
}

func inferReshape(c *graph.InferCtx) error {
	x := c.In(0)
	if x == nil {
		return c.Refuse("needs one input")
	}
	shape := tensor.Shape(slices.Clone(c.N.Attr.(ReshapeAttr).Shape))
	open, known := -1, int64(1)
	for i, d := range shape {
		switch {
		case d == -1 && open < 0:
			open = i
		case d < 0 || d > tensor.MaxElems || known*int64(d) > tensor.MaxElems:
			return c.Refuse("cannot give %v the shape %v", x.Shape, shape)
		default:
			known *= int64(d)
		}
	}
	n := int64(product(x.Shape))
	if open >= 0 {
		if known == 0 || n%known != 0 {
			return c.Refuse("cannot give %v the shape %v", x.Shape, shape)
		}
		shape[open] = int(n / known)
		known = n
	}
	if known != n {
		return c.Refuse("cannot give %v (%d elements) the shape %v (%d)", x.Shape, n, shape, known)
	}
	if o := c.Out(0); o != nil && o.Quant == nil { // otherwise the file's, as it is: the reference copies the bytes
		o.Quant = x.Quant
	}
	return c.Set(0, x.DType, shape)
}

func compileReshape(*graph.CompileCtx) (*graph.Kernel, error) {
	return &graph.Kernel{ID: "copy/any/generic", View: true, Run: func(a *graph.Args) error {
		copy(a.Out[0].Data, a.In[0].Data)
		return nil
	}}, nil
}

func inferConcat(c *graph.InferCtx) error {
	axis, rescale := c.N.Attr.(ConcatAttr).Axis, c.N.Attr.(ConcatAttr).Rescale
	first, o := c.In(0), c.Out(0)
	if first == nil || o == nil || axis < 0 || axis >= len(first.Shape) {
		return c.Refuse("axis %d does not fit the inputs", axis)
	}
	if o.Quant == nil {
		o.Quant = first.Quant
	}
	if err := checkWhole(c, first); err != nil {
		return err
	}
	shape := slices.Clone(first.Shape)
	shape[axis] = 0
	for i := range c.N.In {
		x := c.In(i)
		if x == nil || x.DType != first.DType || len(x.Shape) != len(shape) {
			return c.Refuse("input %d differs in type or rank", i)
		}
		for k, d := range x.Shape {
			if k != axis && d != shape[k] {
				return c.Refuse("input %d has the shape %v, input 0 %v", i, x.Shape, first.Shape)
			}
		}
		if rescale {
			if err := checkQuant(x, o); err != nil {
				return err
			}
		} else if x.DType == tensor.S8 && (x.Quant != nil || o.Quant != nil) && (x.Quant == nil || o.Quant == nil || !sameQuant(x, o)) {
			return c.Refuse("input %d and the output differ in scale or zero point; equal ones are supported", i)
		}
		if shape[axis] += x.Shape[axis]; shape[axis] > tensor.MaxElems {
			return c.Refuse("the result has more than %d elements", tensor.MaxElems)
		}
	}
	return c.Set(0, first.DType, shape)
}

func compileConcat(c *graph.CompileCtx) (*graph.Kernel, error) {
	return concatKernel(c, c.N.Attr.(ConcatAttr).Axis, c.N.Attr.(ConcatAttr).Rescale)
}

// concatKernel takes a row of each input by turns: what lies at and within the axis.
func concatKernel(c *graph.CompileCtx, axis int, rescale bool) (*graph.Kernel, error) {
	o := c.Out(0)
	outer := product(o.Shape[:axis])
	sizes := make([]int, len(c.N.In))
	tables := make([]*[256]int8, len(c.N.In)) // nil for inputs that are copied
	total := 0
	id := "move.concat/any/" + move.ISA()
	for i := range sizes {
		x := c.In(i)
		sizes[i] = o.DType.Bytes(product(x.Shape[axis:]))
		total += sizes[i]
		if rescale && !sameQuant(x, o) {
			tables[i] = concatTable(x.Quant, o.Quant)
			id = "move.concat/s8/" + vec.ISA8()
		}
	}
	return &graph.Kernel{ID: id, Run: func(a *graph.Args) error {
		at := 0
		for i, n := range sizes {
			src, dst := a.In[i].Data, a.Out[0].Data
			if tables[i] == nil {
				move.CopyRows(dst[at:], src, n, outer, total, n)
				at += n
				continue
			}
			for r := range outer {
				to, from := dst[r*total+at:r*total+at+n], src[r*n:r*n+n]
				vec.LookupS8(tensor.As[int8](to, 1), tensor.As[int8](from, 1), tables[i])
			}
			at += n
		}
		return nil
	}}, nil
}

// concatTable converts between two scales as the reference does for uint8: in float32, on the bytes as the file has them.
func concatTable(from, to *tensor.Quant) *[256]int8 {
	scale := from.Scale[0] * float32(1/to.Scale[0])
	bias := float32(-float32(from.Zero[0]+128) * scale)
	return table(func(x int32) int32 {
		v := math.Round(float64(float32(float32(x+128)*scale) + bias))
		return int32(min(max(v, -1<<24), 1<<24)) + to.Zero[0]
	})
}
