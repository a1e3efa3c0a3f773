package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/move"
)

// PadAttr is the attribute of Pad: elements before and after each axis, and with Inner, which may be nil, between the elements of each
// axis. Input 1, when present, is the value to pad with; otherwise it is zero, for quantized data the output's zero point.
type PadAttr struct{ Before, After, Inner []int }

// Padding implements graph.Padder.
func (a PadAttr) Padding() (before, after []int, ok bool) {
	return a.Before, a.After, !slices.ContainsFunc(a.Inner, func(n int) bool { return n != 0 })
}

// MirrorPadAttr is the attribute of MirrorPad: elements before and after each axis, which repeat the data backwards from its edge.
// Skip is 1 when the outermost element itself is not repeated (reflect), else 0 (symmetric).
type MirrorPadAttr struct {
	Before, After []int
	Skip          int
}

func init() {
	const dtypes = anyWhole + "; the padding value may be computed"
	graph.Register(graph.Op{Name: "Pad", Infer: inferPad, Compile: compilePad},
		moveForm("PAD", 6, lowerPadTFLite, dtypes),
		moveForm("PADV2", 6, lowerPadTFLite, dtypes),
		moveForm("DILATE", 1, lowerDilate, dtypes),
		moveForm("STABLEHLO_PAD", 1, lowerHLOPad, dtypes+"; negative paddings cut").As("Pad", "Slice"))
	graph.Register(graph.Op{Name: "MirrorPad", Infer: inferMirrorPad, Compile: compileMirrorPad},
		moveForm("MIRROR_PAD", 3, lowerMirrorPad, anyWhole))
}

// paddings reads pairs of paddings for each axis of input 0 from input i.
func paddings(l *graph.Lower, i int) (before, after []int, err error) {
	x := l.In(0)
	if x == nil {
		return nil, nil, l.Refuse("needs data")
	}
	p, err := constVec(l.NodeCtx, i, "paddings")
	if err != nil {
		return nil, nil, err
	}
	if len(p) != 2*len(x.Shape) {
		return nil, nil, l.Refuse("%d paddings do not fit an input of rank %d", len(p), len(x.Shape))
	}
	for k := range x.Shape {
		before, after = append(before, p[2*k]), append(after, p[2*k+1])
	}
	return before, after, nil
}

func lowerPadTFLite(l *graph.Lower) error {
	before, after, err := paddings(l, 1)
	if err != nil {
		return err
	}
	in := l.First(3)
	l.Emit("Pad", PadAttr{Before: before, After: after}, ids(in[0], in[2]), l.Outs())
	return nil
}

func lowerDilate(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || l.In(2) == nil {
		return l.Refuse("needs data, dilations and a padding value")
	}
	rank := len(x.Shape)
	d, err := constVec(l.NodeCtx, 1, "dilations")
	if err != nil {
		return err
	}
	if len(d) != rank || rank == 0 {
		return l.Refuse("%d dilations do not fit an input of rank %d", len(d), rank)
	}
	a := PadAttr{make([]int, rank), make([]int, rank), make([]int, rank)}
	for i := range d {
		if d[i] < 1 || x.Shape[i] < 1 {
			return l.Refuse("dilations %v of %v; dilations of 1 and more on axes that are not empty are supported", d, x.Shape)
		}
		a.Inner[i] = d[i] - 1
	}
	in := l.Ins()
	l.Emit("Pad", a, ids(in[0], in[2]), l.Outs())
	return nil
}

// lowerHLOPad pads between the elements and at the edges, and then cuts off what negative paddings take away.
func lowerHLOPad(l *graph.Lower) error {
	x := l.In(0)
	if x == nil || l.In(1) == nil {
		return l.Refuse("needs data and a padding value")
	}
	rank := len(x.Shape)
	low, high, inner := l.Attrs().Ints(0, ""), l.Attrs().Ints(1, ""), l.Attrs().Ints(2, "")
	if len(low) != rank || len(high) != rank || len(inner) != rank || rank == 0 {
		return l.Refuse("%d, %d and %d paddings do not fit an input of rank %d", len(low), len(high), len(inner), rank)
	}
	a := PadAttr{make([]int, rank), make([]int, rank), make([]int, rank)}
	cut := SliceAttr{make([]int, rank), make([]int, rank), make([]int, rank)}
	whole := true
	for i, d := range x.Shape {
		for _, p := range []int64{low[i], high[i], inner[i]} {
			if p > tensor.MaxElems || p < -tensor.MaxElems {
				return l.Refuse("a padding of %d", p)
			}
		}
		if inner[i] < 0 || int(inner[i]) > tensor.MaxElems/max(d, 1) {
			return l.Refuse("%d elements between those of axis %d with extent %d", inner[i], i, d)
		}
		a.Before[i], a.After[i], a.Inner[i] = int(max(low[i], 0)), int(max(high[i], 0)), int(inner[i])
		all := d + max(d-1, 0)*a.Inner[i] + a.Before[i] + a.After[i]
		from, to := int(max(-low[i], 0)), int(max(-high[i], 0))
		if cut.Size[i] = all - from - to; cut.Size[i] < 0 {
			return l.Refuse("paddings %d and %d take more than there is of axis %d", low[i], high[i], i)
		}
		cut.Start[i], cut.Step[i] = from, 1
		whole = whole && from == 0 && to == 0
	}
	in := l.Ins()
	if whole {
		l.Emit("Pad", a, ids(in[0], in[1]), l.Outs())
		return nil
	}
	t := l.Temp("padded", x.Quant)
	l.Emit("Pad", a, ids(in[0], in[1]), ids(t))
	l.Emit("Slice", cut, ids(t), l.Outs())
	return nil
}

func inferPad(c *graph.InferCtx) error {
	a := c.N.Attr.(PadAttr)
	x, v, o := c.In(0), c.In(1), c.Out(0)
	if x == nil || o == nil || len(a.Before) != len(x.Shape) || len(a.After) != len(x.Shape) || a.Inner != nil && len(a.Inner) != len(x.Shape) || len(x.Shape) > maxRank {
		return c.Refuse("the paddings do not fit the input")
	}
	if v != nil && (v.DType != x.DType || product(v.Shape) != 1) {
		return c.Refuse("the padding value must be one element of the input's type")
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	keepQuant(x, o)
	if x.DType == tensor.S8 && x.Quant != nil {
		if err := checkQuant(o); err != nil {
			return err
		}
		if v != nil && v.Quant != nil && !sameQuant(v, o) {
			return c.Refuse("the padding value and the output differ in scale or zero point")
		}
	}
	shape := slices.Clone(x.Shape)
	for i := range shape {
		inner := 0
		if a.Inner != nil {
			inner = a.Inner[i]
		}
		if min(a.Before[i], a.After[i], inner) < 0 || max(a.Before[i], a.After[i]) > tensor.MaxElems || inner > tensor.MaxElems/max(shape[i], 1) {
			return c.Refuse("paddings %v %v %v; each must be 0 or more", a.Before, a.After, a.Inner)
		}
		shape[i] += a.Before[i] + a.After[i] + max(shape[i]-1, 0)*inner
	}
	return c.Set(0, x.DType, shape)
}

// bytesPerNano is how many bytes a thread moves in a nanosecond, roughly.
const bytesPerNano = 8

func compilePad(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(PadAttr)
	x, o := c.In(0), c.Out(0)
	size := x.DType.Bytes(1)
	value := make([]byte, size)
	computed := false
	if t, ok := c.Take(1); ok {
		copy(value, t.Data)
	} else if c.In(1) != nil {
		computed = true
	} else if o.Quant.PerTensor() {
		switch x.DType {
		case tensor.S8:
			value[0] = byte(int8(o.Quant.Zero[0]))
		case tensor.S16:
			value[0], value[1] = byte(o.Quant.Zero[0]), byte(o.Quant.Zero[0]>>8)
		}
	}
	st := contiguous(o.Shape)
	base := 0
	for i := range st {
		base += a.Before[i] * st[i]
		if a.Inner != nil {
			st[i] *= a.Inner[i] + 1
		}
	}
	// The axes before the first padded one are rows that threads may share.
	lead, rows := 0, 1
	for lead < len(st) && o.Shape[lead] == x.Shape[lead] {
		rows *= x.Shape[lead]
		lead++
	}
	if lead == len(st) { // nothing is added
		lead, rows = 0, 1
	}
	shape, strides := append(tensor.Shape{rows}, x.Shape[lead:]...), append([]int{product(o.Shape[lead:])}, st[lead:]...)
	step := rowStep{rows: rows, tile: 1, work: int64(product(o.Shape) * size / bytesPerNano), whole: []int{1}}
	step.kernel = func(m int) (func(*graph.Args) error, int) {
		part := slices.Clone(shape)
		part[0] = m
		s := newStrided(part, strides, base, size)
		return func(a *graph.Args) error {
			if computed {
				fillBytes(a.Out[0].Data, a.In[1].Data)
			} else {
				fillBytes(a.Out[0].Data, value)
			}
			s.place(a.Out[0].Data, a.In[0].Data)
			return nil
		}, 0
	}
	k := &graph.Kernel{ID: "move.pad/any/" + move.ISA()}
	step.set(k)
	return k, nil
}

func lowerMirrorPad(l *graph.Lower) error {
	before, after, err := paddings(l, 1)
	if err != nil {
		return err
	}
	a := MirrorPadAttr{Before: before, After: after}
	switch m := l.Attrs().Int(0, "", 0); m {
	case 0:
		a.Skip = 1
	case 1:
	default:
		return l.Refuse("mode %d is not supported; reflect (0) and symmetric (1) are", m)
	}
	l.Emit("MirrorPad", a, l.First(1), l.Outs())
	return nil
}

func inferMirrorPad(c *graph.InferCtx) error {
	a := c.N.Attr.(MirrorPadAttr)
	x, o := c.In(0), c.Out(0)
	if x == nil || o == nil || len(a.Before) != len(x.Shape) || len(a.After) != len(x.Shape) || len(x.Shape) > maxRank || len(x.Shape) == 0 {
		return c.Refuse("the paddings do not fit the input; 1 to %d axes are supported", maxRank)
	}
	if err := checkWhole(c, x); err != nil {
		return err
	}
	keepQuant(x, o)
	if err := passesOn(c, x, o); err != nil {
		return err
	}
	shape := slices.Clone(x.Shape)
	for i, d := range shape {
		if most := max(d-a.Skip, 0); min(a.Before[i], a.After[i]) < 0 || max(a.Before[i], a.After[i]) > most {
			return c.Refuse("paddings %d and %d of axis %d, whose extent %d allows 0 to %d", a.Before[i], a.After[i], i, d, most)
		}
		shape[i] += a.Before[i] + a.After[i]
	}
	return c.Set(0, x.DType, shape)
}

func compileMirrorPad(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(MirrorPadAttr)
	x := c.In(0)
	b := &move.Border{Dims: x.Shape, Before: a.Before, After: a.After, Skip: a.Skip}
	size := x.DType.Bytes(1)
	return &graph.Kernel{ID: "move.mirror/any/generic", Run: func(a *graph.Args) error {
		dst, src := a.Out[0].Data, a.In[0].Data
		switch size {
		case 1:
			move.Mirror(dst, src, b)
		case 2:
			move.Mirror(tensor.As[uint16](dst, 2), tensor.As[uint16](src, 2), b)
		case 4:
			move.Mirror(tensor.As[uint32](dst, 4), tensor.As[uint32](src, 4), b)
		case 8:
			move.Mirror(tensor.As[uint64](dst, 8), tensor.As[uint64](src, 8), b)
		}
		return nil
	}}, nil
}
