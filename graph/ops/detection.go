package ops

import (
	"errors"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/detect"
)

// DetectionAttr is the attribute of DetectionPostProcess, whose inputs are box codes [1,N,4 or more], scores [1,N,classes] and
// anchors [N,4] and whose outputs are boxes [1,M,4], classes [1,M], scores [1,M] and a count [1], all float32.
type DetectionAttr struct {
	Config detect.Config // Boxes and Columns come from the shapes
	Scale  [4]float32    // of box codes: y, x, height, width
}

func init() {
	graph.Register(graph.Op{Name: "DetectionPostProcess", Infer: inferDetection, Compile: compileDetection},
		graph.Form{Format: graph.TFLite, Op: "CUSTOM:TFLite_Detection_PostProcess", Min: 1, Max: 1, DTypes: "float32, int8, uint8", Lower: lowerDetection})
}

// Bounds of a detector, far above any real one.
const (
	maxCandidates = 1 << 17
	maxDetections = 1 << 14
	maxClasses    = 1 << 16
)

func lowerDetection(l *graph.Lower) error {
	m, err := parseFlexMap(l.Attrs().String(1000, "", "")) // the raw options of a custom operator
	if err != nil {
		return l.Refuse("%v", err)
	}
	a := DetectionAttr{}
	c := &a.Config
	var errs []error
	whole := func(dst *int, name string, def, lo, hi int64) {
		v, err := m.int(name, def, lo, hi)
		*dst, errs = v, append(errs, err)
	}
	real := func(dst *float32, name string) {
		v, err := m.float(name, 0)
		*dst, errs = v, append(errs, err)
	}
	whole(&c.Detections, "max_detections", 0, 1, maxDetections)
	whole(&c.Places, "max_classes_per_detection", 0, 1, maxClasses)
	whole(&c.Classes, "num_classes", 0, 1, maxClasses)
	whole(&c.PerClass, "detections_per_class", 100, 1, maxCandidates)
	real(&c.MinScore, "nms_score_threshold")
	real(&c.MaxOverlap, "nms_iou_threshold")
	for i, name := range []string{"y_scale", "x_scale", "h_scale", "w_scale"} {
		real(&a.Scale[i], name)
	}
	regular, err := m.bool("use_regular_nms", false)
	c.Regular = regular
	for _, err := range append(errs, err) {
		if err != nil {
			return l.Refuse("%v", err)
		}
	}
	c.PerBox = min(c.Places, c.Classes)
	l.Emit("DetectionPostProcess", a, l.Ins(), l.Outs())
	return nil
}

func inferDetection(c *graph.InferCtx) error {
	a := c.N.Attr.(DetectionAttr)
	codes, scores, anchors := c.In(0), c.In(1), c.In(2)
	if codes == nil || scores == nil || anchors == nil || len(c.N.In) != 3 || len(c.N.Out) != 4 {
		return c.Refuse("needs three inputs and four outputs")
	}
	for i := range 4 {
		if c.Out(i) == nil {
			return c.Refuse("needs three inputs and four outputs")
		}
	}
	s, n := codes.Shape, 0
	if len(s) == 3 {
		n = s[1]
	}
	if n < 1 || n > maxCandidates || s[0] != 1 || s[2] < 4 || !scores.Shape.Equal(tensor.Shape{1, n, a.columns(scores.Shape)}) || !anchors.Shape.Equal(tensor.Shape{n, 4}) {
		return c.Refuse("box codes %v, scores %v and anchors %v do not fit %d classes; [1,N,4], [1,N,%d or one more] and [N,4] do", s, scores.Shape, anchors.Shape,
			a.Config.Classes, a.Config.Classes)
	}
	for _, v := range []*graph.Value{codes, scores, anchors} {
		switch {
		case v.DType == tensor.F32:
		case v.DType == tensor.S8 && v.Quant != nil:
			if err := checkQuant(v); err != nil {
				return err
			}
		default:
			return c.Refuse("%s is not supported; float32 and quantized int8 and uint8 are", v.DType)
		}
	}
	if codes.DType != anchors.DType {
		return c.Refuse("%s box codes with %s anchors are not supported; use one type for both", codes.DType, anchors.DType)
	}
	if k := &a.Config; !(k.MaxOverlap > 0 && k.MaxOverlap <= 1) {
		return c.Refuse("an overlap threshold of %v is not supported; above 0 and at most 1 is", k.MaxOverlap)
	}
	for _, f := range a.Scale {
		if f == 0 {
			return c.Refuse("box code scales %v are not supported; none may be 0", a.Scale)
		}
	}
	if t, ok := c.Const(2); ok {
		v := detectValues(t, valueTable(anchors))
		for i := range n {
			if v.At(4*i+2) < 0 || v.At(4*i+3) < 0 {
				return c.Refuse("anchor %d has a negative size", i)
			}
		}
	}
	m := a.Config.Detections * a.Config.Places
	for i, shape := range []tensor.Shape{{1, m, 4}, {1, m}, {1, m}, {1}} {
		if err := c.Set(i, tensor.F32, shape); err != nil {
			return err
		}
	}
	return nil
}

// columns returns the number of scores per box that a shape has if it fits, else that of the classes.
func (a DetectionAttr) columns(scores tensor.Shape) int {
	if n := a.Config.Classes; len(scores) != 3 || scores[2] != n+1 {
		return n
	}
	return a.Config.Classes + 1
}

// valueTable returns the real value of every bit pattern of an int8 value, nil for float32.
func valueTable(v *graph.Value) *[256]float32 {
	if v.DType != tensor.S8 {
		return nil
	}
	t := &[256]float32{}
	for q := int32(-128); q < 128; q++ {
		t[uint8(q)] = float32(q-v.Quant.Zero[0]) * v.Quant.Scale[0]
	}
	return t
}

func detectValues(t *tensor.Tensor, table *[256]float32) detect.Values {
	if table != nil {
		return detect.Values{Q: t.S8(), Table: table}
	}
	return detect.Values{F: t.F32()}
}

var errBoxes = errors.New("ops: detection: a box has a negative size")

func compileDetection(c *graph.CompileCtx) (*graph.Kernel, error) {
	at := c.N.Attr.(DetectionAttr)
	cfg, scale := at.Config, at.Scale
	cfg.Boxes, cfg.Columns = c.In(0).Shape[1], c.In(1).Shape[2]
	width := c.In(0).Shape[2]
	codes, scores, anchors := valueTable(c.In(0)), valueTable(c.In(1)), valueTable(c.In(2))
	floats, ints := cfg.FloatsAndInts()
	boxes := 4 * cfg.Boxes
	id := "detect.postprocess/f32/generic"
	if scores != nil {
		id = "detect.postprocess/s8/generic"
	}
	return &graph.Kernel{ID: id, Work: detectionWork(&cfg), Scratch: 4 * (boxes + floats + ints), Run: func(a *graph.Args) error {
		words := a.Scratch[:4*(boxes+floats+ints)]
		f := tensor.As[float32](words[:4*(boxes+floats)], 4)
		w := detect.NewWork(&cfg, f[boxes:], tensor.As[int32](words[4*(boxes+floats):], 4))
		v, p := detectValues(a.In[0], codes), detectValues(a.In[2], anchors)
		if !detect.Decode(f[:boxes], &v, width, &p, &scale) {
			return errBoxes
		}
		s := detectValues(a.In[1], scores)
		r := detect.Result{Boxes: a.Out[0].F32(), Classes: a.Out[1].F32(), Scores: a.Out[2].F32()}
		a.Out[3].F32()[0] = float32(detect.PostProcess(&r, f[:boxes], &s, &cfg, &w))
		return nil
	}}, nil
}

// detectionWork bounds the comparisons of one run, so that folding leaves large ones to the plan.
func detectionWork(c *detect.Config) int64 {
	n := int64(c.Boxes)
	if c.Regular {
		return int64(c.Classes) * n * (min(n, int64(c.PerClass)) + 1)
	}
	return n * (min(n, int64(c.Detections)) + int64(c.Columns))
}
