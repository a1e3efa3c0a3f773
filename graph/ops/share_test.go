package ops

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/gemm"
	"wayside/kernels/par"
	"wayside/kernels/requant"
	"wayside/kernels/vec"
)

// TestRowStep shares a step that scales each row by a value of an input that stays whole, and compares with what one thread computes.
func TestRowStep(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	defer par.Set(1)
	bad := errors.New("bad row")
	for _, workers := range []int{1, 2, 3} {
		par.Set(workers)
		for _, rows := range []int{1, 2, 7, 12, 13, 24, 25, 100, 997} {
			for _, work := range []int64{0, 5000, 250000} {
				const cols = 5
				x, f, y := mustTensor(t, tensor.F32, rows, cols), mustTensor(t, tensor.F32, 1), mustTensor(t, tensor.F32, rows, cols)
				for i := range x.F32() {
					x.F32()[i] = float32(i)
				}
				f.F32()[0] = 3
				k := &graph.Kernel{}
				step := rowStep{rows: rows, tile: 4, work: work, whole: []int{1}, kernel: func(n int) (func(*graph.Args) error, int) {
					return func(a *graph.Args) error {
						in, out, tmp := a.In[0].F32(), a.Out[0].F32(), tensor.As[float32](a.Scratch, 4)
						if len(in) != n*cols || len(tmp) < n*cols || a.In[1].Elems() != 1 {
							t.Errorf("%d rows of %d: %d values, %d of scratch", n, rows, len(in), len(tmp))
						}
						copy(tmp, in)
						for i, v := range tmp[:n*cols] {
							out[i] = v * a.In[1].F32()[0]
							if v < 0 {
								return bad
							}
						}
						return nil
					}, 4 * n * cols
				}}
				step.set(k)
				shared := workers > 1 && par.For(work) > 1 && rows >= 8
				if (k.Bind != nil) != shared {
					t.Fatalf("%d threads, %d rows, work %d: shared: %v", workers, rows, work, k.Bind != nil)
				}
				args := &graph.Args{In: []*tensor.Tensor{x, f}, Out: []*tensor.Tensor{y}, Scratch: tensor.Aligned(k.Scratch)}
				run := k.Run
				if shared {
					var err error
					if run, err = k.Bind(args); err != nil {
						t.Fatal(err)
					}
				}
				if err := run(args); err != nil {
					t.Fatal(err)
				}
				for i, v := range y.F32() {
					if v != 3*float32(i) {
						t.Fatalf("%d threads, %d rows: value %d is %v", workers, rows, i, v)
					}
				}
				if n := testing.AllocsPerRun(20, func() { _ = run(args) }); n >= 1 {
					t.Errorf("%v allocations", n)
				}
				x.F32()[rows*cols-1] = -1
				if err := run(args); err != bad {
					t.Errorf("%d threads, %d rows: the error of the last row is %v", workers, rows, err)
				}
			}
		}
	}
}

func mustTensor(t *testing.T, d tensor.DType, shape ...int) *tensor.Tensor {
	t.Helper()
	x, err := tensor.New(d, shape)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestShareRuns compares operators with two inputs whose work is shared among threads with undivided ones.
func TestShareRuns(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	defer par.Set(1)
	f := vec.NewArithF32("Sub", -math.MaxFloat32, math.MaxFloat32).Run
	const least = 2000
	defer par.SetLeast(par.SetLeast(least))
	const many = least * elemsPerNano
	for _, workers := range []int{1, 3} {
		par.Set(workers)
		for _, c := range []struct {
			out, a, b tensor.Shape
			shared    bool
		}{
			{tensor.Shape{many + 1}, tensor.Shape{many + 1}, tensor.Shape{many + 1}, true},
			{tensor.Shape{many + 1}, tensor.Shape{1}, tensor.Shape{many + 1}, true},
			{tensor.Shape{many, 2}, tensor.Shape{many, 2}, tensor.Shape{2}, true},
			{tensor.Shape{many, 2}, tensor.Shape{many, 2}, tensor.Shape{many, 1}, true},
			{tensor.Shape{3, many}, tensor.Shape{3, 1}, tensor.Shape{3, many}, true},
			{tensor.Shape{1, many}, tensor.Shape{1, many}, tensor.Shape{1, 1}, true},
			{tensor.Shape{3, 2, many}, tensor.Shape{3, 1, many}, tensor.Shape{1, 2, many}, false},
			{tensor.Shape{many - 5}, tensor.Shape{many - 5}, tensor.Shape{1}, false},
		} {
			x, y, z := mustTensor(t, tensor.F32, c.a...), mustTensor(t, tensor.F32, c.b...), mustTensor(t, tensor.F32, c.out...)
			for i := range x.F32() {
				x.F32()[i] = float32(i % 1009)
			}
			for i := range y.F32() {
				y.F32()[i] = float32(i%997) / 2
			}
			s := newSpread(c.out, c.a, c.b)
			args := &graph.Args{In: []*tensor.Tensor{x, y}, Out: []*tensor.Tensor{z}}
			if err := rowsRun(s, f)(args); err != nil {
				t.Fatal(err)
			}
			want := slices.Clone(z.F32())
			clear(z.F32())
			k := &graph.Kernel{}
			shareRuns(k, s, f)
			run := k.Run
			if k.Bind != nil {
				var err error
				if run, err = k.Bind(args); err != nil {
					t.Fatal(err)
				}
			}
			if (k.Bind != nil) != (c.shared && workers > 1) {
				t.Errorf("%v − %v with %d threads: shared: %v", c.a, c.b, workers, k.Bind != nil)
			}
			if err := run(args); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(z.F32(), want) {
				t.Errorf("%v − %v with %d threads differs", c.a, c.b, workers)
			}
		}
	}
}

// TestDenseThreads: threads that share the columns, or the rows, of a product compute what one does.
func TestDenseThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	defer par.Set(1)
	const n, k = 1001, 400
	w, w8 := make([]float32, n*k), make([]int8, n*k)
	for i := range w {
		w8[i] = int8(i * 7 % 255)
		w[i] = float32(w8[i])
	}
	packed := gemm.PackF32(w, n, k, nil, -1e9, 1e9)
	packed8 := gemm.PackS8(w8, n, k, nil, 0, 0, requant.Params{Mult: []int32{1 << 30}, Shift: []int32{-9}, Min: -128, Max: 127})
	for _, rows := range []int{1, 2, 23, 24, 61} {
		x, y := mustTensor(t, tensor.F32, rows, k), mustTensor(t, tensor.F32, rows, n)
		x8, y8 := mustTensor(t, tensor.S8, rows, k), mustTensor(t, tensor.S8, rows, n)
		for i := range x.F32() {
			x8.S8()[i] = int8(i * 11 % 251)
			x.F32()[i] = float32(x8.S8()[i])
		}
		want, want8 := make([]float32, rows*n), make([]int8, rows*n)
		gemm.F32(want, n, x.F32(), k, rows, packed)
		gemm.S8(want8, n, x8.S8(), k, rows, packed8, make([]byte, packed8.Scratch(rows)))
		for _, workers := range []int{1, 2, 3} {
			par.Set(workers)
			floats, ints := &graph.Kernel{}, &graph.Kernel{}
			setDenseF32(floats, rows, packed)
			setDenseS8(ints, rows, packed8, nil)
			runKernel(t, floats, x, y)
			runKernel(t, ints, x8, y8)
			if workers > 1 && (floats.Bind == nil || ints.Bind == nil) {
				t.Errorf("%d rows, %d threads: nothing is shared", rows, workers)
			}
			if !slices.Equal(y.F32(), want) || !slices.Equal(y8.S8(), want8) {
				t.Errorf("%d rows, %d threads: results differ", rows, workers)
			}
			clear(y.F32())
			clear(y8.S8())
		}
	}
}

// runKernel runs a kernel of one input and one output.
func runKernel(t *testing.T, k *graph.Kernel, x, y *tensor.Tensor) {
	t.Helper()
	args, run := &graph.Args{In: []*tensor.Tensor{x}, Out: []*tensor.Tensor{y}, Scratch: tensor.Aligned(k.Scratch)}, k.Run
	if k.Bind != nil {
		var err error
		if run, err = k.Bind(args); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(args); err != nil {
		t.Fatal(err)
	}
}
