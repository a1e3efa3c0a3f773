package ops

import (
	"math"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/resize"
)

// ResizeAttr is the attribute of ResizeBilinear and ResizeNearest over x[N,H,W,C].
type ResizeAttr struct {
	Size [2]int // height, width
	Mode resize.Mode
	At   *ResizeAt // ONNX's coordinates instead of Mode
}

// ResizeAt says how ONNX finds the place of an output in the input: its coordinate transformation, its scales, and how it rounds for the nearest element.
type ResizeAt struct {
	Transform, Nearest string
	Scale              [2]float32
}

// transforms are ONNX's coordinate transformations of output i of an axis.
var transforms = map[string]func(i int, scale float32, in, out int) float32{
	"half_pixel":           func(i int, scale float32, _, _ int) float32 { return (float32(i)+0.5)/scale - 0.5 },
	"asymmetric":           func(i int, scale float32, _, _ int) float32 { return float32(i) / scale },
	"tf_half_pixel_for_nn": func(i int, scale float32, _, _ int) float32 { return (float32(i) + 0.5) / scale },
	"pytorch_half_pixel": func(i int, scale float32, _, out int) float32 {
		if out == 1 {
			return 0
		}
		return (float32(i)+0.5)/scale - 0.5
	},
	"half_pixel_symmetric": func(i int, scale float32, in, out int) float32 {
		centre := float32(in) / 2
		return centre*(1-float32(out)/(scale*float32(in))) + (float32(i)+0.5)/scale - 0.5
	},
	"align_corners": func(i int, _ float32, in, out int) float32 {
		if out == 1 {
			return 0
		}
		return float32(i*(in-1)) / float32(out-1)
	},
}

// nearests are ONNX's ways to round a coordinate.
var nearests = map[string]func(float64) float64{
	"round_prefer_floor": func(x float64) float64 { return math.Ceil(x - 0.5) },
	"round_prefer_ceil":  func(x float64) float64 { return math.Floor(x + 0.5) },
	"floor":              math.Floor,
	"ceil":               math.Ceil,
}

// at returns the coordinates along an axis.
func (a *ResizeAt) at(axis, in, out int) func(int) float32 {
	f, scale := transforms[a.Transform], a.Scale[axis]
	return func(i int) float32 { return f(i, scale, in, out) }
}

func init() {
	graph.Register(graph.Op{Name: "ResizeBilinear", Infer: inferResize, Compile: compileBilinear},
		graph.Form{Format: graph.TFLite, Op: "RESIZE_BILINEAR", Min: 1, Max: 4, DTypes: "float32, int8, uint8, int16", Lower: lowerResizeTFLite("ResizeBilinear", 2)})
	graph.Register(graph.Op{Name: "ResizeNearest", Infer: inferResize, Compile: compileNearest},
		graph.Form{Format: graph.TFLite, Op: "RESIZE_NEAREST_NEIGHBOR", Min: 1, Max: 4, DTypes: "float32, int8, uint8, int16, int32", Lower: lowerResizeTFLite("ResizeNearest", 0)})
}

// lowerResizeTFLite reads options that begin with align_corners at a slot.
func lowerResizeTFLite(op string, slot int) func(*graph.Lower) error {
	return func(l *graph.Lower) error {
		size, err := constVec(l.NodeCtx, 1, "size")
		if err != nil {
			return err
		}
		const limit = 1 << 15
		if len(size) != 2 || min(size[0], size[1]) < 1 || max(size[0], size[1]) > limit {
			return l.Refuse("size %v is not supported; 1 to %d per axis is", size, limit)
		}
		a := ResizeAttr{Size: [2]int(size)}
		a.Mode.AlignCorners, a.Mode.HalfPixel = l.Attrs().Int(slot, "", 0) != 0, l.Attrs().Int(slot+1, "", 0) != 0
		l.Emit(op, a, l.First(1), l.Outs())
		return nil
	}
}

func inferResize(c *graph.InferCtx) error {
	a := c.N.Attr.(ResizeAttr)
	x, o := c.In(0), c.Out(0)
	if x == nil || o == nil || len(x.Shape) != 4 || product(x.Shape) == 0 || max(x.Shape[1], x.Shape[2]) > math.MaxInt32>>11 {
		return c.Refuse("needs one input of rank 4 with elements, no picture larger than %d", math.MaxInt32>>11)
	}
	if min(a.Size[0], a.Size[1]) < 1 {
		return c.Refuse("size %v is not supported", a.Size)
	}
	bilinear := c.N.Op == "ResizeBilinear"
	switch x.DType {
	case tensor.F32, tensor.S8, tensor.U8, tensor.S16:
	case tensor.S32:
		if bilinear {
			return c.Refuse("int32 is not supported; float32, int8, uint8 and int16 are")
		}
	default:
		return c.Refuse("%s is not supported; float32, int8, uint8 and int16 are", x.DType)
	}
	if (x.Quant != nil || o.Quant != nil) && !sameQuant(x, o) {
		return c.Refuse("input and output differ in scale or zero point; resizing needs equal ones")
	}
	if bilinear && a.Mode.AlignCorners && a.Mode.HalfPixel {
		return c.Refuse("align_corners with half_pixel_centers is not supported; use one of them")
	}
	if bilinear && a.At != nil && x.DType != tensor.F32 {
		return c.Refuse("%s is not supported with these coordinates; float32 is", x.DType)
	}
	return c.Set(0, x.DType, tensor.Shape{x.Shape[0], a.Size[0], a.Size[1], x.Shape[3]})
}

func resizeGeometry(x tensor.Shape, size [2]int) *resize.Geometry {
	return &resize.Geometry{Batch: x[0], InH: x[1], InW: x[2], C: x[3], OutH: size[0], OutW: size[1]}
}

func compileBilinear(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(ResizeAttr)
	x := c.In(0)
	g := resizeGeometry(x.Shape, a.Size)
	if x.DType == tensor.S16 || x.DType == tensor.S8 && !x.Shifted {
		ys, xs := resize.NewFixedTaps(g.InH, g.OutH, a.Mode), resize.NewFixedTaps(g.InW, g.OutW, a.Mode)
		if x.DType == tensor.S16 {
			return &graph.Kernel{ID: "resize.bilinear/s16/generic", Run: func(a *graph.Args) error {
				resize.BilinearFixed(a.Out[0].S16(), a.In[0].S16(), g, ys, xs)
				return nil
			}}, nil
		}
		return &graph.Kernel{ID: "resize.bilinear/s8/" + resize.ISA(1, g.C), Run: func(a *graph.Args) error {
			resize.BilinearS8(a.Out[0].S8(), a.In[0].S8(), g, ys, xs)
			return nil
		}}, nil
	}
	ys, xs := resize.NewTaps(g.InH, g.OutH, a.Mode), resize.NewTaps(g.InW, g.OutW, a.Mode)
	if a.At != nil {
		ys, xs = resize.TapsAt(g.InH, g.OutH, a.At.at(0, g.InH, g.OutH)), resize.TapsAt(g.InW, g.OutW, a.At.at(1, g.InW, g.OutW))
	}
	switch x.DType {
	case tensor.S8:
		return &graph.Kernel{ID: "resize.bilinear/u8/generic", Run: func(a *graph.Args) error {
			resize.BilinearU8(a.Out[0].S8(), a.In[0].S8(), 128, g, ys, xs)
			return nil
		}}, nil
	case tensor.U8:
		return &graph.Kernel{ID: "resize.bilinear/u8/generic", Run: func(a *graph.Args) error {
			resize.BilinearU8(a.Out[0].U8(), a.In[0].U8(), 0, g, ys, xs)
			return nil
		}}, nil
	}
	return &graph.Kernel{ID: "resize.bilinear/f32/" + resize.ISA(4, g.C), Run: func(a *graph.Args) error {
		resize.BilinearF32(a.Out[0].F32(), a.In[0].F32(), g, ys, xs)
		return nil
	}}, nil
}

func compileNearest(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(ResizeAttr)
	x := c.In(0)
	g := resizeGeometry(x.Shape, a.Size)
	g.C *= x.DType.Bytes(1)
	ys, xs := resize.NearestPlaces(g.InH, g.OutH, a.Mode), resize.NearestPlaces(g.InW, g.OutW, a.Mode)
	if at := a.At; at != nil {
		ys = resize.PlacesAt(g.InH, g.OutH, at.at(0, g.InH, g.OutH), nearests[at.Nearest])
		xs = resize.PlacesAt(g.InW, g.OutW, at.at(1, g.InW, g.OutW), nearests[at.Nearest])
	}
	return &graph.Kernel{ID: "resize.nearest/any/generic", Run: func(a *graph.Args) error {
		resize.Nearest(a.Out[0].Data, a.In[0].Data, g, ys, xs)
		return nil
	}}, nil
}
