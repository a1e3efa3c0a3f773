package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/vec"
)

// TopKAttr is the attribute of TopK: how many of the largest values of the last axis are wanted.
type TopKAttr struct{ K int }

func init() {
	graph.Register(graph.Op{Name: "TopK", Infer: inferTopK, Compile: compileTopK},
		graph.Form{Format: graph.TFLite, Op: "TOPK_V2", Min: 1, Max: 3, DTypes: "float32, int8, uint8, int16, int32, int64", Lower: func(l *graph.Lower) error {
			x := l.In(0)
			k, err := constOne(l.NodeCtx, 1, "number of values")
			if err != nil {
				return err
			}
			if x == nil || len(x.Shape) == 0 || k < 0 || k > x.Shape[len(x.Shape)-1] {
				return l.Refuse("needs an input whose last axis has %d elements", k)
			}
			l.Emit("TopK", TopKAttr{k}, l.First(1), l.Outs())
			return nil
		}})
}

func inferTopK(c *graph.InferCtx) error {
	k := c.N.Attr.(TopKAttr).K
	x := c.In(0)
	if x == nil || len(x.Shape) == 0 || len(c.N.Out) != 2 || k < 0 || k > x.Shape[len(x.Shape)-1] {
		return c.Refuse("needs one input, two outputs and a number of values that the last axis has")
	}
	switch x.DType {
	case tensor.F32, tensor.S8, tensor.U8, tensor.S16, tensor.S32, tensor.S64:
	default:
		return c.Refuse("%s is not supported; float32, int8, uint8, int16, int32 and int64 are", x.DType)
	}
	if o := c.Out(0); o != nil && o.Quant != nil && !sameQuant(x, o) {
		return c.Refuse("input and output differ in scale or zero point; they need equal ones")
	}
	shape := append(tensor.Shape{}, x.Shape...)
	shape[len(shape)-1] = k
	if err := c.Set(0, x.DType, shape); err != nil {
		return err
	}
	return c.Set(1, tensor.S32, shape)
}

func compileTopK(c *graph.CompileCtx) (*graph.Kernel, error) {
	switch c.In(0).DType {
	case tensor.S8:
		return topK[int8](c, "s8"), nil
	case tensor.U8:
		return topK[uint8](c, "u8"), nil
	case tensor.S16:
		return topK[int16](c, "s16"), nil
	case tensor.S32:
		return topK[int32](c, "s32"), nil
	case tensor.S64:
		return topK[int64](c, "s64"), nil
	}
	return topK[float32](c, "f32"), nil
}

func topK[T vec.Number](c *graph.CompileCtx, types string) *graph.Kernel {
	s := c.In(0).Shape
	k, depth, rows := c.N.Attr.(TopKAttr).K, s[len(s)-1], product(s[:len(s)-1])
	size := c.In(0).DType.Bytes(1)
	// A value or place that nobody wants is written to scratch.
	values, places := 0, 0
	if c.Out(0) == nil {
		values = size * k
	}
	if c.Out(1) == nil {
		places = 4 * k
	}
	places8 := (places + 7) &^ 7 // keeps the values aligned
	return &graph.Kernel{ID: "vec.topk/" + types + "/generic", Scratch: places8 + values, Run: func(a *graph.Args) error {
		src := tensor.As[T](a.In[0].Data, size)
		for r := range rows {
			var v []T
			var p []int32
			if values > 0 {
				v = tensor.As[T](a.Scratch[places8:], size)[:k]
			} else {
				v = tensor.As[T](a.Out[0].Data, size)[r*k:][:k]
			}
			if places > 0 {
				p = tensor.As[int32](a.Scratch, 4)[:k]
			} else {
				p = a.Out[1].S32()[r*k:][:k]
			}
			vec.TopK(v, p, src[r*depth:][:depth])
		}
		return nil
	}}
}
