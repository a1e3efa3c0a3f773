package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// ReshapeAttr is the attribute of Reshape: the new shape, with at most one -1 for what remains.
type ReshapeAttr struct{ Shape []int }

// ConcatAttr is the attribute of Concat.
type ConcatAttr struct{ Axis int }

// PadAttr is the attribute of Pad: elements before and after each axis. Input 1, when present, is a constant with the value to
// pad with; otherwise it is zero, for quantized data the zero point.
type PadAttr struct{ Before, After []int }

func init() {
	graph.Register(graph.Op{Name: "Reshape", Infer: inferReshape, Compile: compileReshape},
		graph.Form{Format: graph.TFLite, Op: "RESHAPE", Min: 1, Max: 1, DTypes: "any", Lower: lowerReshapeTFLite})
	graph.Register(graph.Op{Name: "Concat", Infer: inferConcat, Compile: compileConcat},
		graph.Form{Format: graph.TFLite, Op: "CONCATENATION", Min: 1, Max: 4, DTypes: "any; int8 with one quantization", Lower: lowerConcatTFLite})
	graph.Register(graph.Op{Name: "Pad", Infer: inferPad, Compile: compilePad},
		graph.Form{Format: graph.TFLite, Op: "PAD", Min: 1, Max: 4, DTypes: "any", Lower: lowerPadTFLite},
		graph.Form{Format: graph.TFLite, Op: "PADV2", Min: 1, Max: 4, DTypes: "any", Lower: lowerPadTFLite})
}

func lowerReshapeTFLite(l *graph.Lower) error {
	shape, ok := l.ConstInts(1)
	if !ok {
		if l.In(1) != nil {
			return l.Refuse("the new shape is computed at run time; only constant shapes are supported")
		}
		shape = l.Attrs().Ints(0, "")
	}
	if len(shape) == 1 && shape[0] == 0 {
		shape = nil // how old files write a scalar
	}
	l.Emit("Reshape", ReshapeAttr{ints(shape)}, l.First(1), l.Outs())
	return nil
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
	if o := c.Out(0); o != nil {
		if o.Quant == nil {
			o.Quant = x.Quant
		}
		// Nothing of the file's scale is used when bytes are passed on; unequal ones would mean another operator.
		if x.DType == tensor.S8 && o.Quant != nil && x.Quant != nil && x.Quant.PerTensor() && !sameQuant(x, o) {
			return c.Refuse("input and output differ in scale or zero point")
		}
	}
	return c.Set(0, x.DType, shape)
}

func compileReshape(*graph.CompileCtx) (*graph.Kernel, error) {
	return &graph.Kernel{ID: "copy/any/generic", View: true, Run: func(a *graph.Args) error {
		copy(a.Out[0].Data, a.In[0].Data)
		return nil
	}}, nil
}

func lowerConcatTFLite(l *graph.Lower) error {
	if act, err := fusedAct(l, 1); err != nil || act != graph.ActNone {
		return l.Refuse("a fused activation is not supported")
	}
	axis := int(l.Attrs().Int(0, "", 0))
	if x := l.In(0); axis < 0 && x != nil {
		axis += len(x.Shape)
	}
	l.Emit("Concat", ConcatAttr{axis}, l.Ins(), l.Outs())
	return nil
}

func inferConcat(c *graph.InferCtx) error {
	axis := c.N.Attr.(ConcatAttr).Axis
	first, o := c.In(0), c.Out(0)
	if first == nil || o == nil || axis < 0 || axis >= len(first.Shape) {
		return c.Refuse("axis %d does not fit the inputs", axis)
	}
	if o.Quant == nil {
		o.Quant = first.Quant
	}
	if first.DType == tensor.S4 {
		return c.Refuse("int4 is not supported")
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
		if x.DType == tensor.S8 && (x.Quant != nil || o.Quant != nil) && (x.Quant == nil || o.Quant == nil || !sameQuant(x, o)) {
			return c.Refuse("input %d and the output differ in scale or zero point; equal ones are supported", i)
		}
		if shape[axis] += x.Shape[axis]; shape[axis] > tensor.MaxElems {
			return c.Refuse("the result has more than %d elements", tensor.MaxElems)
		}
	}
	return c.Set(0, first.DType, shape)
}

func compileConcat(c *graph.CompileCtx) (*graph.Kernel, error) {
	axis := c.N.Attr.(ConcatAttr).Axis
	o := c.Out(0)
	outer := product(o.Shape[:axis])
	inner := o.DType.Bytes(product(o.Shape[axis+1:]))
	sizes := make([]int, len(c.N.In))
	total := 0
	for i := range sizes {
		sizes[i] = c.In(i).Shape[axis] * inner
		total += sizes[i]
	}
	return &graph.Kernel{ID: "copy.concat/any/generic", Run: func(a *graph.Args) error {
		at := 0
		for i, n := range sizes {
			src, dst := a.In[i].Data, a.Out[0].Data
			for r := range outer {
				copy(dst[r*total+at:r*total+at+n], src[r*n:r*n+n])
			}
			at += n
		}
		return nil
	}}, nil
}

func lowerPadTFLite(l *graph.Lower) error {
	x := l.In(0)
	p, ok := l.ConstInts(1)
	if x == nil || !ok {
		return l.Refuse("the paddings are computed at run time; only constant paddings are supported")
	}
	if len(p) != 2*len(x.Shape) {
		return l.Refuse("%d paddings do not fit an input of rank %d", len(p), len(x.Shape))
	}
	a := PadAttr{make([]int, len(x.Shape)), make([]int, len(x.Shape))}
	for i := range x.Shape {
		a.Before[i], a.After[i] = int(p[2*i]), int(p[2*i+1])
	}
	in := l.First(3)
	l.Emit("Pad", a, []graph.ValueID{in[0], in[2]}, l.Outs())
	return nil
}

func inferPad(c *graph.InferCtx) error {
	a := c.N.Attr.(PadAttr)
	x, v, o := c.In(0), c.In(1), c.Out(0)
	if x == nil || o == nil || len(a.Before) != len(x.Shape) || len(a.After) != len(x.Shape) || len(x.Shape) > maxRank {
		return c.Refuse("the paddings do not fit the input")
	}
	if v != nil && (v.Const == nil || v.DType != x.DType || product(v.Shape) != 1) {
		return c.Refuse("the padding value must be one constant of the input's type")
	}
	if x.DType == tensor.S4 {
		return c.Refuse("int4 is not supported")
	}
	if o.Quant == nil {
		o.Quant = x.Quant
	}
	if x.DType == tensor.S8 && x.Quant != nil {
		if err := checkQuant(x, o); err != nil {
			return err
		}
		if !sameQuant(x, o) {
			return c.Refuse("input and output differ in scale or zero point")
		}
		if v != nil && v.Quant != nil && !sameQuant(v, o) {
			return c.Refuse("the padding value and the output differ in scale or zero point")
		}
	}
	shape := slices.Clone(x.Shape)
	for i := range shape {
		if a.Before[i] < 0 || a.After[i] < 0 || a.Before[i] > tensor.MaxElems || a.After[i] > tensor.MaxElems {
			return c.Refuse("paddings %v %v; each must be 0 or more", a.Before, a.After)
		}
		shape[i] += a.Before[i] + a.After[i]
	}
	return c.Set(0, x.DType, shape)
}

func compilePad(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(PadAttr)
	x, o := c.In(0), c.Out(0)
	size := x.DType.Bytes(1)
	value := make([]byte, size)
	if t, ok := c.Take(1); ok {
		copy(value, t.Data)
	} else if x.DType == tensor.S8 && o.Quant != nil {
		value[0] = byte(int8(o.Quant.Zero[0]))
	}
	st := contiguous(o.Shape)
	base := 0
	for i, b := range a.Before {
		base += b * st[i]
	}
	rank := len(x.Shape)
	run := 1
	if rank > 0 {
		run = x.Shape[rank-1]
	}
	dims := x.Shape[:max(rank-1, 0)]
	return &graph.Kernel{ID: "copy.pad/any/generic", Run: func(a *graph.Args) error {
		dst, src := a.Out[0].Data, a.In[0].Data
		fillBytes(dst, value)
		var at [maxRank]int
		n := run * size
		for p := base; len(src) >= n && n > 0; src = src[n:] {
			copy(dst[p*size:p*size+n], src)
			for k := len(dims) - 1; k >= 0; k-- {
				at[k]++
				p += st[k]
				if at[k] < dims[k] {
					break
				}
				p -= st[k] * dims[k]
				at[k] = 0
			}
		}
		return nil
	}}, nil
}

// fillBytes repeats pattern over dst.
func fillBytes(dst, pattern []byte) {
	for n := copy(dst, pattern); n < len(dst); n *= 2 {
		copy(dst[n:], dst[:n])
	}
}
