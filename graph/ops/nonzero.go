package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
)

// NonZero and Unique have results whose length depends on the data. Steps have fixed shapes, so both take constants only: they are
// computed at load.
func init() {
	graph.Register(graph.Op{Name: "NonZero", Infer: inferNonZero, Compile: compileNonZero},
		graph.Form{Format: graph.TFLite, Op: "WHERE", Min: 1, Max: 2, DTypes: "constants of float32, int8, uint8, int32, int64, bool"})
	graph.Register(graph.Op{Name: "Unique", Infer: inferUnique, Compile: compileUnique},
		graph.Form{Format: graph.TFLite, Op: "UNIQUE", Min: 1, Max: 1, DTypes: "constants of float32, int8, uint8, int16, int32, int64"})
}

// maxFolded bounds a constant, because many nodes may share one.
const maxFolded = 1 << 14

const needsConst = "how many values the result has depends on the data, which only a constant tells at load; use a mask of fixed shape instead"

// nonZeros says which elements are not zero.
func nonZeros(t *tensor.Tensor) ([]bool, bool) {
	if f, ok := t.Floats(); ok {
		return unlike(f, 0), true
	}
	v, ok := t.Ints()
	return unlike(v, 0), ok
}

func unlike[T comparable](v []T, zero T) []bool {
	out := make([]bool, len(v))
	for i, x := range v {
		out[i] = x != zero
	}
	return out
}

func inferNonZero(c *graph.InferCtx) error {
	if x := c.In(0); x == nil || x.Const == nil {
		return c.Refuse(needsConst)
	} else if product(x.Shape) > maxFolded {
		return c.Refuse("a constant of %d elements; up to %d are supported", product(x.Shape), maxFolded)
	}
	t, _ := c.Const(0)
	set, ok := nonZeros(t)
	if !ok || len(t.Shape) == 0 || len(t.Shape) > maxRank {
		return c.Refuse("%s%v is not supported; float32, integers and bool with 1 to %d axes are", t.DType, t.Shape, maxRank)
	}
	n := 0
	for _, s := range set {
		if s {
			n++
		}
	}
	return c.Set(0, tensor.S64, tensor.Shape{n, len(t.Shape)})
}

func compileNonZero(c *graph.CompileCtx) (*graph.Kernel, error) {
	t, _ := c.Const(0)
	set, _ := nonZeros(t)
	strides := contiguous(t.Shape)
	return &graph.Kernel{ID: "vec.nonzero/any/generic", Run: func(a *graph.Args) error {
		dst := a.Out[0].S64()
		for i, s := range set {
			if !s {
				continue
			}
			for k, st := range strides {
				dst[k] = int64(i / st)
				i %= st
			}
			dst = dst[len(strides):]
		}
		return nil
	}}, nil
}

// uniques numbers the different elements of a constant in the order of their first places.
func uniques(t *tensor.Tensor) (first []int, number []int32, ok bool) {
	if f, ok := t.Floats(); ok {
		first, number = numbered(f)
		return first, number, true
	}
	v, ok := t.Ints()
	first, number = numbered(v)
	return first, number, ok
}

func numbered[T comparable](v []T) (first []int, number []int32) {
	seen := map[T]int32{}
	number = make([]int32, len(v))
	for i, x := range v {
		k, ok := seen[x]
		if !ok {
			k = int32(len(first))
			seen[x] = k
			first = append(first, i)
		}
		number[i] = k
	}
	return first, number
}

func inferUnique(c *graph.InferCtx) error {
	if x := c.In(0); x == nil || x.Const == nil {
		return c.Refuse(needsConst)
	} else if product(x.Shape) > maxFolded {
		return c.Refuse("a constant of %d elements; up to %d are supported", product(x.Shape), maxFolded)
	}
	t, _ := c.Const(0)
	first, _, ok := uniques(t)
	if !ok || len(t.Shape) != 1 || len(c.N.Out) != 2 || t.DType == tensor.Bool || t.DType == tensor.F16 || t.DType == tensor.BF16 {
		return c.Refuse("%s%v is not supported; float32 and integers with one axis are", t.DType, t.Shape)
	}
	if err := c.Set(0, t.DType, tensor.Shape{len(first)}); err != nil {
		return err
	}
	it := tensor.S32
	if o := c.Out(1); o != nil && o.DType == tensor.S64 {
		it = tensor.S64
	}
	return c.Set(1, it, t.Shape)
}

func compileUnique(c *graph.CompileCtx) (*graph.Kernel, error) {
	t, _ := c.Const(0)
	first, number, _ := uniques(t)
	size := t.DType.Bytes(1)
	return &graph.Kernel{ID: "vec.unique/any/generic", Run: func(a *graph.Args) error {
		if o := a.Out[0]; o != nil {
			for i, p := range first {
				copy(o.Data[i*size:(i+1)*size], t.Data[p*size:])
			}
		}
		if o := a.Out[1]; o != nil && o.DType == tensor.S64 {
			for i, k := range number {
				o.S64()[i] = int64(k)
			}
		} else if o != nil {
			copy(o.S32(), number)
		}
		return nil
	}}, nil
}
