package ops

import (
	"fmt"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// EmbeddingLookup picks rows: y[i] = table[index[i]] along the table's first axis. int8 and int4 tables with a float32 output
// are scaled, by one factor or one per row.
func init() {
	graph.Register(graph.Op{Name: "EmbeddingLookup", Infer: inferEmbedding, Compile: compileEmbedding},
		graph.Form{Format: graph.TFLite, Op: "EMBEDDING_LOOKUP", Min: 1, Max: 5, DTypes: "all types of whole bytes; int8 and int4 tables to float32"})
}

func inferEmbedding(c *graph.InferCtx) error {
	ix, t, o := c.In(0), c.In(1), c.Out(0)
	if ix == nil || t == nil || o == nil || ix.DType != tensor.S32 || len(ix.Shape) != 1 || len(t.Shape) < 2 {
		return c.Refuse("needs int32 indices of rank 1 and a table of at least 2 axes")
	}
	out := append(tensor.Shape{ix.Shape[0]}, t.Shape[1:]...)
	if o.DType == t.DType || o.DType == tensor.Invalid {
		if t.DType == tensor.S4 {
			return c.Refuse("int4 rows as int4 are not supported; a float32 output is")
		}
		if t.Quant != nil && (o.Quant == nil || !sameQuant(t, o)) {
			return c.Refuse("table and output differ in scale or zero point")
		}
		return c.Set(0, t.DType, out)
	}
	if o.DType != tensor.F32 || t.DType != tensor.S8 && t.DType != tensor.S4 || t.Shifted {
		return c.Refuse("a %s table with a %s output is not supported; int8 and int4 tables give float32", t.DType, o.DType)
	}
	q := t.Quant
	if q == nil || len(q.Scale) != 1 && (len(q.Scale) != t.Shape[0] || q.Axis != 0) {
		return c.Refuse("the table needs one scale, or one per row")
	}
	if slices.ContainsFunc(q.Zero, func(z int32) bool { return z != 0 }) {
		return c.Refuse("zero points %v are not supported; 0 is", q.Zero)
	}
	if t.DType == tensor.S4 && product(t.Shape[1:])%2 != 0 {
		return c.Refuse("int4 rows of %d values do not end on a byte", product(t.Shape[1:]))
	}
	return c.Set(0, tensor.F32, out)
}

func compileEmbedding(c *graph.CompileCtx) (*graph.Kernel, error) {
	t, o := c.In(1), c.Out(0)
	rows, row := t.Shape[0], product(t.Shape[1:])
	at := func(i int32) (int, error) {
		if i < 0 || int(i) >= rows {
			return 0, fmt.Errorf("ops: embedding lookup: index %d of %d rows", i, rows)
		}
		return int(i), nil
	}
	if o.DType == t.DType {
		n := t.DType.Bytes(row)
		return &graph.Kernel{ID: "embedding/any/generic", Run: func(a *graph.Args) error {
			dst, src := a.Out[0].Data, a.In[1].Data
			for k, i := range a.In[0].S32() {
				r, err := at(i)
				if err != nil {
					return err
				}
				copy(dst[k*n:(k+1)*n], src[r*n:(r+1)*n])
			}
			return nil
		}}, nil
	}
	q, s4 := t.Quant, t.DType == tensor.S4
	id := "embedding/s8f32/generic"
	if s4 {
		id = "embedding/s4f32/generic"
	}
	return &graph.Kernel{ID: id, Run: func(a *graph.Args) error {
		dst, src := a.Out[0].F32(), tensor.As[int8](a.In[1].Data, 1)
		for k, i := range a.In[0].S32() {
			r, err := at(i)
			if err != nil {
				return err
			}
			scale := q.Scale[min(r, len(q.Scale)-1)]
			out := dst[k*row : (k+1)*row]
			if !s4 {
				for j, v := range src[r*row : (r+1)*row] {
					out[j] = float32(v) * scale
				}
				continue
			}
			for j, v := range src[r*row/2 : (r+1)*row/2] {
				out[2*j], out[2*j+1] = float32(v<<4>>4)*scale, float32(v>>4)*scale
			}
		}
		return nil
	}}, nil
}
