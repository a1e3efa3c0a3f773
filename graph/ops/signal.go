package ops

import (
	"fmt"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/signal"
)

// The custom operators of TensorFlow Lite Micro's audio front end that keep no state; signal_fft.go and signal_stream.go have the others.
func init() {
	signalOp("SignalWindow", "int16", inferWindow, compileWindow, func(_ *graph.Lower, o *flexOptions) any {
		return windowAttr{uint(o.int("shift", 0, 31))}
	})
	signalOp("SignalFftAutoScale", "int16", inferAutoScale, compileAutoScale, func(*graph.Lower, *flexOptions) any { return nil })
	signalOp("SignalEnergy", "int16 to uint32", inferEnergy, compileEnergy, func(_ *graph.Lower, o *flexOptions) any {
		return energyAttr{o.int("start_index", 0, signal.MaxFFT), o.int("end_index", 0, signal.MaxFFT)}
	})
	signalOp("SignalFilterBank", "uint32 to uint64, constant int16 weights", inferFilterBank, compileFilterBank, func(_ *graph.Lower, o *flexOptions) any {
		return filterBankAttr{o.int("num_channels", 1, maxSignal)}
	})
	signalOp("SignalFilterBankSquareRoot", "uint64 to uint32", inferSquareRoot, compileSquareRoot, func(*graph.Lower, *flexOptions) any { return nil })
	signalOp("SignalPCAN", "uint32", inferPCAN, compilePCAN, func(_ *graph.Lower, o *flexOptions) any {
		return pcanAttr{uint(o.int("snr_shift", 0, 63))}
	})
	signalOp("SignalFilterBankLog", "uint32 to int16", inferLog, compileLog, func(_ *graph.Lower, o *flexOptions) any {
		return logAttr{uint32(int32(o.int("output_scale", -1<<31, 1<<31-1))), uint(o.int("input_correction_bits", 0, 31))}
	})
}

// maxSignal bounds frames, channels and the like, so that a short file cannot ask for much memory.
const maxSignal = 1 << 20

// signalOp registers one operator of the front end under its own name. lower reads the options, declares the states, which become inputs behind
// those of the file, and returns the attribute.
func signalOp(name, types string, infer func(*graph.InferCtx) error, compile func(*graph.CompileCtx) (*graph.Kernel, error), lower func(*graph.Lower, *flexOptions) any) {
	form := graph.Form{Format: graph.TFLite, Op: "CUSTOM:" + name, Min: 1, Max: 1, DTypes: types, Lower: func(l *graph.Lower) error {
		m, err := parseFlexMap(l.Attrs().String(1000, "", "")) // the raw options of a custom operator
		if err != nil {
			return err
		}
		o := flexOptions{m: m}
		attr := lower(l, &o)
		if o.err != nil {
			return o.err
		}
		l.Emit(name, attr, append(l.Ins(), o.states...), l.Outs())
		return nil
	}}
	graph.Register(graph.Op{Name: name, Infer: infer, Compile: compile, Impure: signalHasState[name]}, form)
}

var signalHasState = map[string]bool{"SignalFilterBankSpectralSubtraction": true, "SignalFramer": true, "SignalStacker": true, "SignalDelay": true, "SignalOverlapAdd": true}

// flexOptions reads options one after the other and keeps the first failure. lower adds the operator's states.
type flexOptions struct {
	m      flexMap
	err    error
	states []graph.ValueID
}

// int returns a required option between lo and hi.
func (o *flexOptions) int(name string, lo, hi int64) int {
	if _, ok := o.m[name]; !ok {
		o.fail(fmt.Errorf("option %s is missing", name))
		return 0
	}
	v, err := o.m.int(name, 0, lo, hi)
	o.fail(err)
	return v
}

// bool returns a required option.
func (o *flexOptions) bool(name string) bool {
	if _, ok := o.m[name]; !ok {
		o.fail(fmt.Errorf("option %s is missing", name))
		return false
	}
	v, err := o.m.bool(name, false)
	o.fail(err)
	return v
}

func (o *flexOptions) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

// dtypeRank is the type that an input must have, and its rank, or -1 for any rank from 1.
type dtypeRank struct {
	dtype tensor.DType
	rank  int
}

// checkSignal makes sure that the node has the given inputs, all of them, and a number of outputs.
func checkSignal(c *graph.InferCtx, outs int, ins ...dtypeRank) error {
	if len(c.N.In) != len(ins) || len(c.N.Out) != outs {
		return c.Refuse("has %d inputs and %d outputs; it needs %d and %d", len(c.N.In), len(c.N.Out), len(ins), outs)
	}
	for i, want := range ins {
		v := c.In(i)
		if v == nil {
			return c.Refuse("input %d is absent", i)
		}
		if v.DType != want.dtype {
			return c.Refuse("input %d is %s; %s is supported", i, v.DType, want.dtype)
		}
		if want.rank >= 0 && len(v.Shape) != want.rank {
			return c.Refuse("input %d has the shape %v; rank %d is supported", i, v.Shape, want.rank)
		}
		if len(v.Shape) == 0 && want.rank < 0 {
			return c.Refuse("input %d is a scalar; rank 1 and more are supported", i)
		}
	}
	for i := range outs {
		if c.Out(i) == nil {
			return c.Refuse("output %d is absent", i)
		}
	}
	return nil
}

type windowAttr struct{ shift uint }

func inferWindow(c *graph.InferCtx) error {
	if err := checkSignal(c, 1, dtypeRank{tensor.S16, -1}, dtypeRank{tensor.S16, 1}); err != nil {
		return err
	}
	x, w := c.In(0), c.In(1)
	if n := w.Shape[0]; n < 1 || x.Shape[len(x.Shape)-1]%n != 0 {
		return c.Refuse("%d weights do not divide an input of the shape %v into windows", n, x.Shape)
	}
	return c.Set(0, tensor.S16, x.Shape)
}

func compileWindow(c *graph.CompileCtx) (*graph.Kernel, error) {
	shift := c.N.Attr.(windowAttr).shift
	return &graph.Kernel{ID: "signal.window/s16/generic", Run: func(a *graph.Args) error {
		signal.Window(a.Out[0].S16(), a.In[0].S16(), a.In[1].S16(), shift)
		return nil
	}}, nil
}

func inferAutoScale(c *graph.InferCtx) error {
	if err := checkSignal(c, 2, dtypeRank{tensor.S16, 1}); err != nil {
		return err
	}
	if err := c.Set(0, tensor.S16, c.In(0).Shape); err != nil {
		return err
	}
	return c.Set(1, tensor.S32, nil)
}

func compileAutoScale(*graph.CompileCtx) (*graph.Kernel, error) {
	return &graph.Kernel{ID: "signal.autoscale/s16/generic", Run: func(a *graph.Args) error {
		a.Out[1].S32()[0] = signal.AutoScale(a.Out[0].S16(), a.In[0].S16())
		return nil
	}}, nil
}

type energyAttr struct{ start, end int }

func inferEnergy(c *graph.InferCtx) error {
	if err := checkSignal(c, 1, dtypeRank{tensor.S16, 1}); err != nil {
		return err
	}
	n, at := c.In(0).Shape[0], c.N.Attr.(energyAttr)
	if n%2 != 0 {
		return c.Refuse("the input has %d elements; pairs of real and imaginary part are supported", n)
	}
	if at.end > n/2 || at.start > n/2 {
		return c.Refuse("start_index %d and end_index %d exceed the %d numbers of the spectrum", at.start, at.end, n/2)
	}
	return c.Set(0, tensor.U32, tensor.Shape{n / 2})
}

func compileEnergy(c *graph.CompileCtx) (*graph.Kernel, error) {
	at := c.N.Attr.(energyAttr)
	return &graph.Kernel{ID: "signal.energy/s16u32/generic", Run: func(a *graph.Args) error {
		signal.Energy(a.Out[0].U32(), a.In[0].S16(), at.start, at.end)
		return nil
	}}, nil
}

type filterBankAttr struct{ channels int }

func inferFilterBank(c *graph.InferCtx) error {
	s16 := dtypeRank{tensor.S16, 1}
	if err := checkSignal(c, 1, dtypeRank{tensor.U32, 1}, s16, s16, s16, s16, s16); err != nil {
		return err
	}
	bank, ok := filterBank(c.NodeCtx)
	if !ok {
		return c.Refuse("weights, starts and widths must be constants")
	}
	channels := c.N.Attr.(filterBankAttr).channels
	if !bank.Valid(channels, c.In(0).Shape[0]) {
		return c.Refuse("starts and widths of %d channels do not stay within the weights and the %d bins of the input", channels, c.In(0).Shape[0])
	}
	return c.Set(0, tensor.U64, tensor.Shape{channels})
}

// filterBank returns views of the constants, or false when one is computed.
func filterBank(c graph.NodeCtx) (*signal.FilterBank, bool) {
	var v [5][]int16
	for i := range v {
		t, ok := c.Const(i + 1)
		if !ok {
			return nil, false
		}
		v[i] = t.S16()
	}
	return &signal.FilterBank{Weights: v[0], Unweights: v[1], Freq: v[2], Start: v[3], Width: v[4]}, true
}

func compileFilterBank(c *graph.CompileCtx) (*graph.Kernel, error) {
	bank, _ := filterBank(c.NodeCtx)
	k := &graph.Kernel{ID: "signal.filterbank/u32u64/generic", Weights: map[tensor.DType]int{}}
	for i, v := range []*[]int16{&bank.Weights, &bank.Unweights, &bank.Freq, &bank.Start, &bank.Width} {
		c.Take(i + 1)
		*v = slices.Clone(*v)
		k.Weights[tensor.S16] += 2 * len(*v)
	}
	for _, w := range bank.Width[:c.N.Attr.(filterBankAttr).channels+1] {
		k.MACs += 2 * int64(max(w, 0))
	}
	k.Run = func(a *graph.Args) error {
		bank.Accumulate(a.Out[0].U64(), a.In[0].U32())
		return nil
	}
	return k, nil
}

func inferSquareRoot(c *graph.InferCtx) error {
	if err := checkSignal(c, 1, dtypeRank{tensor.U64, 1}, dtypeRank{tensor.S32, 0}); err != nil {
		return err
	}
	return c.Set(0, tensor.U32, c.In(0).Shape)
}

func compileSquareRoot(*graph.CompileCtx) (*graph.Kernel, error) {
	return &graph.Kernel{ID: "signal.sqrt/u64u32/generic", Run: func(a *graph.Args) error {
		signal.SquareRoot(a.Out[0].U32(), a.In[0].U64(), a.In[1].S32()[0])
		return nil
	}}, nil
}

type pcanAttr struct{ shift uint }

func inferPCAN(c *graph.InferCtx) error {
	if err := checkSignal(c, 1, dtypeRank{tensor.U32, 1}, dtypeRank{tensor.U32, 1}, dtypeRank{tensor.S16, 1}); err != nil {
		return err
	}
	x, noise, table := c.In(0).Shape, c.In(1).Shape, c.In(2).Shape
	if !x.Equal(noise) {
		return c.Refuse("input %v and noise estimate %v differ in shape", x, noise)
	}
	if table[0] < signal.MinGainTable {
		return c.Refuse("the gain table has %d elements; at least %d are needed", table[0], signal.MinGainTable)
	}
	return c.Set(0, tensor.U32, x)
}

func compilePCAN(c *graph.CompileCtx) (*graph.Kernel, error) {
	shift := c.N.Attr.(pcanAttr).shift
	return &graph.Kernel{ID: "signal.pcan/u32/generic", Run: func(a *graph.Args) error {
		signal.PCAN(a.Out[0].U32(), a.In[0].U32(), a.In[1].U32(), a.In[2].S16(), shift)
		return nil
	}}, nil
}

type logAttr struct {
	scale uint32
	bits  uint
}

func inferLog(c *graph.InferCtx) error {
	if err := checkSignal(c, 1, dtypeRank{tensor.U32, 1}); err != nil {
		return err
	}
	return c.Set(0, tensor.S16, c.In(0).Shape)
}

func compileLog(c *graph.CompileCtx) (*graph.Kernel, error) {
	at := c.N.Attr.(logAttr)
	return &graph.Kernel{ID: "signal.log/u32s16/generic", Run: func(a *graph.Args) error {
		signal.Log(a.Out[0].S16(), a.In[0].U32(), at.scale, at.bits)
		return nil
	}}, nil
}
