package ops

import (
	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// CompareAttr says which outcomes of a comparison give true.
type CompareAttr struct{ Relation vec.Relation }

// Compare compares two broadcast inputs and gives bool. Quantized int8 and uint8 are compared as real values.
func init() {
	const ordered = "float32, int8, uint8, int16, int32, int64"
	form := func(op string, max int, r vec.Relation, types string) graph.Form {
		return graph.Form{Format: graph.TFLite, Op: op, Min: 1, Max: max, DTypes: types, Lower: func(l *graph.Lower) error {
			l.Emit("Compare", CompareAttr{r}, l.Ins(), l.Outs())
			return nil
		}}
	}
	graph.Register(graph.Op{Name: "Compare", Infer: inferCompare, Compile: compileCompare, Elementwise: true},
		form("EQUAL", 5, vec.Equal, ordered+", bool"),
		form("NOT_EQUAL", 4, vec.NotEqual, ordered+", bool"),
		form("GREATER", 2, vec.Greater, ordered),
		form("GREATER_EQUAL", 3, vec.GreaterEqual, ordered),
		form("LESS", 3, vec.Less, ordered),
		form("LESS_EQUAL", 2, vec.LessEqual, ordered))
}

// scaledCompare reports whether the reference rescales both inputs. For int16 it does so for equality only and compares the
// stored numbers otherwise, even where the scales differ.
func scaledCompare(c graph.NodeCtx) bool {
	switch x := c.In(0); x.DType {
	case tensor.S8:
		return true
	case tensor.S16:
		r := c.N.Attr.(CompareAttr).Relation
		return x.Quant != nil && (r == vec.Equal || r == vec.NotEqual)
	}
	return false
}

func inferCompare(c *graph.InferCtx) error {
	a, b, s, err := inferPair(c)
	if err != nil {
		return err
	}
	switch a.DType {
	case tensor.F32, tensor.S8, tensor.S16, tensor.S32, tensor.S64:
	case tensor.Bool:
		if r := c.N.Attr.(CompareAttr).Relation; r != vec.Equal && r != vec.NotEqual {
			return c.Refuse("bool has no order; float32 and integers have")
		}
	default:
		return c.Refuse("%s is not supported; float32, int8, uint8, int16, int32, int64 and, for equality, bool are", a.DType)
	}
	if scaledCompare(c.NodeCtx) {
		if err := checkQuantZero16(a, b); err != nil {
			return err
		}
		if m := max(a.Quant.Scale[0], b.Quant.Scale[0]); m >= 1 {
			return c.Refuse("the scale %v is not below 1, as the reference needs it; dequantize before", m)
		}
	}
	return c.Set(0, tensor.Bool, s)
}

func compileCompare(c *graph.CompileCtx) (*graph.Kernel, error) {
	r := c.N.Attr.(CompareAttr).Relation
	a, b := c.In(0), c.In(1)
	s := pairSpread(c)
	k := &graph.Kernel{ID: "vec.compare/" + shortType(a.DType) + "/generic", InPlace: inPlace(c)}
	if !scaledCompare(c.NodeCtx) {
		switch a.DType {
		case tensor.F32:
			k.Run = compareRun[float32](s, r)
		case tensor.S16:
			k.Run = compareRun[int16](s, r)
		case tensor.S32:
			k.Run = compareRun[int32](s, r)
		case tensor.S64:
			k.Run = compareRun[int64](s, r)
		case tensor.Bool:
			k.Run = compareRun[uint8](s, r)
		}
		return k, nil
	}
	const left = 8
	ra := vec.Rescale{Zero: a.Quant.Zero[0], Left: left}
	rb := vec.Rescale{Zero: b.Quant.Zero[0], Left: left}
	ra.Mult, ra.Shift = requant.Quantize(float64(a.Quant.Scale[0]))
	rb.Mult, rb.Shift = requant.Quantize(float64(b.Quant.Scale[0]))
	if a.DType == tensor.S16 {
		k.ID = "vec.compare/qs16/generic"
		k.Run = pairRun(s, func(dst []uint8, a []int16, sa int, b []int16, sb int) {
			vec.CompareS16(dst, a, sa, b, sb, &ra, &rb, r)
		})
		return k, nil
	}
	ta, tb := ra.Table(), rb.Table()
	k.Weights = map[tensor.DType]int{tensor.S32: 2 * 4 * 256}
	k.Run = pairRun(s, func(dst []uint8, a []int8, sa int, b []int8, sb int) {
		vec.CompareS8(dst, a, sa, b, sb, ta, tb, r)
	})
	return k, nil
}

func compareRun[T vec.Number](s *spread, r vec.Relation) func(*graph.Args) error {
	return pairRun(s, func(dst []uint8, a []T, sa int, b []T, sb int) { vec.Compare(dst, a, sa, b, sb, r) })
}
