package ops

import (
	"encoding/binary"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/signal"
)

// Operators of the audio front end with memory. Their states are inputs behind those of the file. Results that are not valid yet are zeros, where
// tflite-micro leaves what the memory held before.
func init() {
	signalOp("SignalFilterBankSpectralSubtraction", "uint32", inferSubtraction, compileSubtraction, func(l *graph.Lower, o *flexOptions) any {
		const most = 1<<31 - 1
		o.states = []graph.ValueID{l.State("noise", tensor.U32, tensor.Shape{o.int("num_channels", 1, maxSignal)}, nil)}
		return signal.SpectralSubtraction{
			Smoothing: uint32(o.int("smoothing", 0, most)), OneMinus: uint32(o.int("one_minus_smoothing", 0, most)),
			AltSmoothing: uint32(o.int("alternate_smoothing", 0, most)), AltOneMinus: uint32(o.int("alternate_one_minus_smoothing", 0, most)),
			MinRemaining: uint32(o.int("min_signal_remaining", 0, most)), Clamp: o.bool("clamping"),
			SmoothingBits: uint(o.int("smoothing_bits", 0, 31)), Bits: uint(o.int("spectral_subtraction_bits", 0, 63)),
		}
	})
	signalOp("SignalFramer", "int16", inferFramer, compileFramer, lowerFramer)
	signalOp("SignalStacker", "int16", inferStacker, compileStacker, lowerStacker)
	signalOp("SignalDelay", "int16", inferDelay, compileDelay, func(l *graph.Lower, o *flexOptions) any {
		n := o.int("delay_length", 0, maxSignal)
		if outer, _ := splitLast(l.In(0)); n > 0 {
			o.states = []graph.ValueID{l.State("delayed", tensor.S16, tensor.Shape{outer, n}, nil)}
		}
		return delayAttr{n}
	})
	signalOp("SignalOverlapAdd", "int16, float32", inferOverlapAdd, compileOverlapAdd, func(l *graph.Lower, o *flexOptions) any {
		checkElemType(l, o)
		step := o.int("frame_step", 1, maxSignal)
		if x := l.In(0); x != nil && len(x.Shape) >= 2 {
			n := len(x.Shape)
			outer, _ := x.Shape[:n-2].Elems()
			o.states = []graph.ValueID{l.State("rest", x.DType, tensor.Shape{outer, x.Shape[n-1]}, nil)}
		}
		return overlapAttr{step}
	})
}

// splitLast returns the number of rows of a value, and its last axis; zeros for what Infer will refuse.
func splitLast(v *graph.Value) (outer, last int) {
	if v == nil || len(v.Shape) == 0 {
		return 0, 0
	}
	n := len(v.Shape) - 1
	outer, _ = v.Shape[:n].Elems()
	return outer, v.Shape[n]
}

// counter makes the start bytes of a state of int32.
func counter(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }

func inferSubtraction(c *graph.InferCtx) error {
	if err := checkSignal(c, 2, dtypeRank{tensor.U32, 1}, dtypeRank{tensor.U32, 1}); err != nil {
		return err
	}
	x, state := c.In(0).Shape, c.In(1).Shape
	if !x.Equal(state) {
		return c.Refuse("the input has %d channels, num_channels is %d", x[0], state[0])
	}
	if err := c.Set(0, tensor.U32, x); err != nil {
		return err
	}
	return c.Set(1, tensor.U32, x)
}

func compileSubtraction(c *graph.CompileCtx) (*graph.Kernel, error) {
	p := c.N.Attr.(signal.SpectralSubtraction)
	return &graph.Kernel{ID: "signal.subtract/u32/generic", Run: func(a *graph.Args) error {
		p.Run(a.Out[0].U32(), a.In[1].U32(), a.In[0].U32())
		copy(a.Out[1].Data, a.In[1].Data)
		return nil
	}}, nil
}

type framerAttr struct{ size, step int }

func lowerFramer(l *graph.Lower, o *flexOptions) any {
	a := framerAttr{o.int("frame_size", 1, maxSignal), o.int("frame_step", 1, maxSignal)}
	start := 0
	if o.bool("prefill") {
		if start = a.size - a.step; start < 0 {
			o.fail(l.Refuse("prefill needs a frame_step that does not exceed frame_size"))
		}
	}
	if o.err != nil {
		return nil
	}
	outer, _ := splitLast(l.In(0))
	room := (a.size + a.step - 1) / a.step * a.step
	o.states = []graph.ValueID{l.State("samples", tensor.S16, tensor.Shape{outer, room}, nil), l.State("held", tensor.S32, nil, counter(start))}
	return a
}

func inferFramer(c *graph.InferCtx) error {
	if err := checkSignal(c, 2, dtypeRank{tensor.S16, -1}, dtypeRank{tensor.S16, 2}, dtypeRank{tensor.S32, 0}); err != nil {
		return err
	}
	a, x := c.N.Attr.(framerAttr), c.In(0).Shape
	n := x[len(x)-1]
	if n < 1 || n%a.step != 0 {
		return c.Refuse("the last axis has %d samples; a multiple of frame_step %d is supported", n, a.step)
	}
	if err := c.Set(0, tensor.S16, append(lastAxis(x, n/a.step), a.size)); err != nil {
		return err
	}
	return c.Set(1, tensor.Bool, nil)
}

func compileFramer(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(framerAttr)
	outer, last := splitLast(c.In(0))
	room, frames := c.In(1).Shape[1], last/a.step
	return &graph.Kernel{ID: "signal.framer/s16/generic", Run: func(g *graph.Args) error {
		dst, src, held := g.Out[0].S16(), g.In[0].S16(), &g.In[2].S32()[0]
		start := min(max(int(*held), 0), room-a.step) // a restored state may hold anything
		valid := true
		for i := range outer {
			q := signal.Queue{Buf: g.In[1].S16()[i*room : (i+1)*room], Len: start}
			for range frames {
				q.Push(src[:a.step])
				if !q.Take(dst[:a.size], a.step) {
					clear(dst[:a.size])
					valid = false
				}
				src, dst = src[a.step:], dst[a.size:]
			}
			*held = int32(q.Len)
		}
		g.Out[1].Bool()[0] = boolByte(valid)
		return nil
	}}, nil
}

func boolByte(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

type stackerAttr struct{ channels, left, size, step int }

func lowerStacker(l *graph.Lower, o *flexOptions) any {
	a := stackerAttr{channels: o.int("num_channels", 1, maxSignal), left: o.int("stacker_left_context", 0, maxSignal)}
	frames := a.left + o.int("stacker_right_context", 0, maxSignal) + 1
	step := o.int("stacker_step", 1, maxSignal)
	if step > frames {
		o.fail(l.Refuse("stacker_step is %d; it must not exceed the %d frames of a stack", step, frames))
	}
	if int64(frames)*int64(a.channels) > maxSignal {
		o.fail(l.Refuse("a stack of %d frames of %d channels is too large; %d values are supported", frames, a.channels, maxSignal))
	}
	if o.err != nil {
		return nil
	}
	a.size, a.step = frames*a.channels, step*a.channels
	o.states = []graph.ValueID{l.State("stack", tensor.S16, tensor.Shape{a.size}, nil), l.State("held", tensor.S32, nil, counter(-1))}
	return a
}

func inferStacker(c *graph.InferCtx) error {
	if err := checkSignal(c, 2, dtypeRank{tensor.S16, 1}, dtypeRank{tensor.S16, 1}, dtypeRank{tensor.S32, 0}); err != nil {
		return err
	}
	a := c.N.Attr.(stackerAttr)
	if n := c.In(0).Shape[0]; n != a.channels {
		return c.Refuse("the input has %d values, num_channels is %d", n, a.channels)
	}
	if err := c.Set(0, tensor.S16, tensor.Shape{a.size}); err != nil {
		return err
	}
	return c.Set(1, tensor.Bool, nil)
}

// compileStacker: the state held counts values, -1 before the first frame, which stands for the frames to its left, too.
func compileStacker(c *graph.CompileCtx) (*graph.Kernel, error) {
	a := c.N.Attr.(stackerAttr)
	return &graph.Kernel{ID: "signal.stacker/s16/generic", Run: func(g *graph.Args) error {
		dst, src, held := g.Out[0].S16(), g.In[0].S16(), &g.In[2].S32()[0]
		q := signal.Queue{Buf: g.In[1].S16(), Len: min(max(int(*held), 0), a.size-a.channels)}
		if *held < 0 {
			for range a.left {
				q.Push(src)
			}
		}
		q.Push(src)
		valid := q.Take(dst, a.step)
		if !valid {
			clear(dst)
		}
		*held = int32(q.Len)
		g.Out[1].Bool()[0] = boolByte(valid)
		return nil
	}}, nil
}

type delayAttr struct{ length int }

func inferDelay(c *graph.InferCtx) error {
	ins := []dtypeRank{{tensor.S16, -1}, {tensor.S16, 2}}
	if c.N.Attr.(delayAttr).length == 0 {
		ins = ins[:1]
	}
	if err := checkSignal(c, 1, ins...); err != nil {
		return err
	}
	return c.Set(0, tensor.S16, c.In(0).Shape)
}

func compileDelay(c *graph.CompileCtx) (*graph.Kernel, error) {
	n := c.N.Attr.(delayAttr).length
	outer, last := splitLast(c.In(0))
	return &graph.Kernel{ID: "signal.delay/s16/generic", Run: func(g *graph.Args) error {
		dst, src := g.Out[0].S16(), g.In[0].S16()
		if n == 0 {
			copy(dst, src)
			return nil
		}
		for i := range outer {
			signal.Delay(dst[i*last:(i+1)*last], src[i*last:(i+1)*last], g.In[1].S16()[i*n:(i+1)*n])
		}
		return nil
	}}, nil
}

type overlapAttr struct{ step int }

func inferOverlapAdd(c *graph.InferCtx) error {
	x := c.In(0)
	if x == nil || x.DType != tensor.S16 && x.DType != tensor.F32 || len(x.Shape) < 2 {
		return c.Refuse("needs one input of int16 or float32 with the axes frames and samples at least")
	}
	if err := checkSignal(c, 1, dtypeRank{x.DType, -1}, dtypeRank{x.DType, 2}); err != nil {
		return err
	}
	n, step := len(x.Shape), c.N.Attr.(overlapAttr).step
	if step > x.Shape[n-1] {
		return c.Refuse("frame_step is %d; it must not exceed the %d samples of a frame", step, x.Shape[n-1])
	}
	frames := x.Shape[n-2]
	if int64(frames)*int64(step) > tensor.MaxElems {
		return c.Refuse("%d frames with a step of %d are too large", frames, step)
	}
	return c.Set(0, x.DType, lastAxis(x.Shape[:n-1], frames*step))
}

func compileOverlapAdd(c *graph.CompileCtx) (*graph.Kernel, error) {
	step := c.N.Attr.(overlapAttr).step
	if c.In(0).DType == tensor.S16 {
		return overlapAdd("s16", c, step, (*tensor.Tensor).S16), nil
	}
	return overlapAdd("f32", c, step, (*tensor.Tensor).F32), nil
}

func overlapAdd[T int16 | float32](types string, c *graph.CompileCtx, step int, view func(*tensor.Tensor) []T) *graph.Kernel {
	s := c.In(0).Shape
	frames, size := s[len(s)-2], s[len(s)-1]
	return &graph.Kernel{ID: "signal.overlap/" + types + "/generic", Run: func(g *graph.Args) error {
		dst, src := view(g.Out[0]), view(g.In[0])
		for rest := view(g.In[1]); len(rest) > 0; rest = rest[size:] {
			for range frames {
				signal.OverlapAdd(dst[:step], src[:size], rest[:size])
				dst, src = dst[step:], src[size:]
			}
		}
		return nil
	}}
}
