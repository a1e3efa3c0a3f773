package ops

import (
	"errors"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/detect"
)

// SuppressAttr is the attribute of NonMaxSuppression, whose inputs are boxes [N,4], scores [N], an overlap threshold, a score threshold
// and perhaps a sigma, and whose outputs are the places of the chosen boxes, their scores if there is a sigma, and a count.
type SuppressAttr struct{ Detections int }

func init() {
	graph.Register(graph.Op{Name: "NonMaxSuppression", Infer: inferSuppress, Compile: compileSuppress},
		graph.Form{Format: graph.TFLite, Op: "NON_MAX_SUPPRESSION_V4", Min: 1, Max: 1, DTypes: "float32", Lower: lowerSuppress(5, 2)},
		graph.Form{Format: graph.TFLite, Op: "NON_MAX_SUPPRESSION_V5", Min: 1, Max: 1, DTypes: "float32", Lower: lowerSuppress(6, 3)})
}

func lowerSuppress(ins, outs int) func(*graph.Lower) error {
	return func(l *graph.Lower) error {
		if len(l.N.In) != ins || len(l.N.Out) != outs {
			return l.Refuse("needs %d inputs and %d outputs", ins, outs)
		}
		n, err := constOne(l.NodeCtx, 2, "number of boxes")
		if err != nil {
			return err
		}
		if n < 0 || n > maxCandidates {
			return l.Refuse("%d boxes are wanted; up to %d are supported", n, maxCandidates)
		}
		in := l.Ins()
		l.Emit("NonMaxSuppression", SuppressAttr{n}, append(in[:2:2], in[3:]...), l.Outs())
		return nil
	}
}

func inferSuppress(c *graph.InferCtx) error {
	n := c.N.Attr.(SuppressAttr).Detections
	soft := len(c.N.In) == 5
	for i := range c.N.In {
		v := c.In(i)
		if v == nil || v.DType != tensor.F32 || i > 1 && product(v.Shape) != 1 {
			return c.Refuse("needs float32 boxes and scores, and scalar thresholds")
		}
		if i < 2 {
			continue
		}
		if k, ok := c.ConstF32(i); ok && (k[0] != k[0] || i == 4 && k[0] < 0) {
			return c.Refuse("a threshold or sigma of %v is not supported", k[0])
		}
	}
	if len(c.N.In) < 4 || len(c.N.Out) != len(c.N.In)-2 {
		return c.Refuse("needs boxes, scores and thresholds, and two or three outputs")
	}
	boxes, scores := c.In(0).Shape, c.In(1).Shape
	if len(boxes) != 2 || boxes[1] != 4 || boxes[0] > maxCandidates || !scores.Equal(boxes[:1]) {
		return c.Refuse("boxes %v and scores %v do not fit; [N,4] and [N] up to %d do", boxes, scores, maxCandidates)
	}
	if err := c.Set(0, tensor.S32, tensor.Shape{n}); err != nil {
		return err
	}
	if soft {
		if err := c.Set(1, tensor.F32, tensor.Shape{n}); err != nil {
			return err
		}
		return c.Set(2, tensor.S32, tensor.Shape{})
	}
	return c.Set(1, tensor.S32, tensor.Shape{})
}

var errSigma = errors.New("ops: non-maximum suppression: sigma is negative")

func compileSuppress(c *graph.CompileCtx) (*graph.Kernel, error) {
	n := c.N.Attr.(SuppressAttr).Detections
	boxes := c.In(0).Shape[0]
	soft := len(c.N.In) == 5
	last := len(c.N.Out) - 1
	const candidate = 12 // bytes
	extra := 0           // for places that nobody wants
	if c.Out(0) == nil {
		extra = 4 * n
	}
	work := int64(boxes) * (int64(min(n, boxes)) + 1)
	return &graph.Kernel{ID: "detect.suppress/f32/generic", Work: work, Scratch: candidate*boxes + extra, Run: func(a *graph.Args) error {
		cfg := detect.SuppressConfig{MaxOverlap: a.In[2].F32()[0], MinScore: a.In[3].F32()[0]}
		var kept []float32
		if soft {
			if cfg.Sigma = a.In[4].F32()[0]; cfg.Sigma < 0 {
				return errSigma
			}
			if a.Out[1] != nil {
				kept = a.Out[1].F32()
			}
		}
		heap := tensor.As[detect.Candidate](a.Scratch[:candidate*boxes], candidate)
		places := tensor.As[int32](a.Scratch[candidate*boxes:], 4)
		if extra == 0 {
			places = a.Out[0].S32()
		}
		got := detect.Suppress(places, kept, a.In[0].F32(), a.In[1].F32(), &cfg, heap)
		if a.Out[last] != nil {
			a.Out[last].S32()[0] = int32(got)
		}
		return nil
	}}, nil
}
