package ops

import (
	"fmt"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/signal"
)

func init() {
	const types = "int16, int32, float32"
	lower := func(l *graph.Lower, o *flexOptions) any {
		checkElemType(l, o)
		return fftAttr{o.int("fft_length", 2, signal.MaxFFT)}
	}
	signalOp("SignalRfft", types, inferRFFT, compileRFFT, lower)
	signalOp("SignalIrfft", types, inferIRFFT, compileIRFFT, lower)
}

// checkElemType refuses an option T, the type of the elements by its number in the format, that differs from the type of the input.
func checkElemType(l *graph.Lower, o *flexOptions) {
	if _, ok := o.m["T"]; !ok || l.In(0) == nil {
		return
	}
	want := map[tensor.DType]int{tensor.F32: 0, tensor.S32: 2, tensor.S16: 7}
	if n, ok := want[l.In(0).DType]; ok && o.int("T", 0, 255) != n {
		o.fail(fmt.Errorf("option T says that the input is not %s", l.In(0).DType))
	}
}

type fftAttr struct{ length int }

// checkFFT checks type and length and returns the shape of the input.
func checkFFT(c *graph.InferCtx) (tensor.Shape, error) {
	x := c.In(0)
	if x == nil || x.DType != tensor.S16 && x.DType != tensor.S32 && x.DType != tensor.F32 {
		return nil, c.Refuse("needs one input of int16, int32 or float32")
	}
	if err := checkSignal(c, 1, dtypeRank{x.DType, -1}); err != nil {
		return nil, err
	}
	if n := c.N.Attr.(fftAttr).length; !signal.ValidFFT(n) {
		return nil, c.Refuse("fft_length is %d; 4 to %d are supported, twice a product of twos, threes and fives as in tflite-micro", n, signal.MaxFFT)
	}
	return x.Shape, nil
}

// lastAxis returns the shape with another last axis.
func lastAxis(s tensor.Shape, n int) tensor.Shape {
	o := append(tensor.Shape(nil), s...)
	o[len(o)-1] = n
	return o
}

func inferRFFT(c *graph.InferCtx) error {
	s, err := checkFFT(c)
	if err != nil {
		return err
	}
	n := c.N.Attr.(fftAttr).length
	if in := s[len(s)-1]; in > n || in < 1 {
		return c.Refuse("the last axis has %d samples; 1 to fft_length %d are supported", in, n)
	}
	return c.Set(0, c.In(0).DType, lastAxis(s, n+2))
}

func inferIRFFT(c *graph.InferCtx) error {
	s, err := checkFFT(c)
	if err != nil {
		return err
	}
	n := c.N.Attr.(fftAttr).length
	if in := s[len(s)-1]; in != n+2 {
		return c.Refuse("the last axis has %d elements; real and imaginary parts of fft_length/2 + 1 numbers, %d, are supported", in, n+2)
	}
	return c.Set(0, c.In(0).DType, lastAxis(s, n))
}

func compileRFFT(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, n := c.In(0), c.N.Attr.(fftAttr).length
	in := x.Shape[len(x.Shape)-1]
	switch x.DType {
	case tensor.S16:
		return forwardFFT("s16", in, n, x, (*tensor.Tensor).S16), nil
	case tensor.S32:
		return forwardFFT("s32", in, n, x, (*tensor.Tensor).S32), nil
	}
	return forwardFFT("f32", in, n, x, (*tensor.Tensor).F32), nil
}

func forwardFFT[T signal.Scalar](types string, in, n int, x *graph.Value, view func(*tensor.Tensor) []T) *graph.Kernel {
	f := signal.NewFFT[T](n, false)
	elems, _ := x.Shape.Elems()
	return &graph.Kernel{ID: "signal.rfft/" + types + "/generic", MACs: f.MACs() * int64(elems/in), Weights: fftTables(f, x.DType), Run: func(a *graph.Args) error {
		dst, src := view(a.Out[0]), view(a.In[0])
		for len(src) > 0 {
			f.Forward(dst[:n+2], src[:in])
			dst, src = dst[n+2:], src[in:]
		}
		return nil
	}}
}

func compileIRFFT(c *graph.CompileCtx) (*graph.Kernel, error) {
	x, n := c.In(0), c.N.Attr.(fftAttr).length
	switch x.DType {
	case tensor.S16:
		return inverseFFT("s16", n, x, (*tensor.Tensor).S16), nil
	case tensor.S32:
		return inverseFFT("s32", n, x, (*tensor.Tensor).S32), nil
	}
	k := inverseFFT("f32", n, x, (*tensor.Tensor).F32)
	transform, length := k.Run, float32(n)
	k.Run = func(a *graph.Args) error {
		if err := transform(a); err != nil {
			return err
		}
		out := a.Out[0].F32()
		for i := range out {
			out[i] /= length
		}
		return nil
	}
	return k, nil
}

func inverseFFT[T signal.Scalar](types string, n int, x *graph.Value, view func(*tensor.Tensor) []T) *graph.Kernel {
	f := signal.NewFFT[T](n, true)
	elems, _ := x.Shape.Elems()
	return &graph.Kernel{ID: "signal.irfft/" + types + "/generic", MACs: f.MACs() * int64(elems/(n+2)), Weights: fftTables(f, x.DType), Run: func(a *graph.Args) error {
		dst, src := view(a.Out[0]), view(a.In[0])
		for len(src) > 0 {
			f.Inverse(dst[:n], src[:n+2])
			dst, src = dst[n:], src[n+2:]
		}
		return nil
	}}
}

// fftTables counts the bytes of a transform's tables.
func fftTables[T signal.Scalar](f *signal.FFT[T], d tensor.DType) map[tensor.DType]int {
	indices, values := f.Numbers()
	m := map[tensor.DType]int{tensor.S32: tensor.S32.Bytes(indices)}
	m[d] += d.Bytes(values)
	return m
}
