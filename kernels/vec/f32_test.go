package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"wayside/kernels/internal/kerneltest"
)

// sizes are around the widths of vectors and rounds.
var sizes = []int{0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 71, 127, 129, 257}

// special are floats that kernels treat apart.
func special() []float32 {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	return []float32{0, float32(math.Copysign(0, -1)), 1, -1, 6, inf, -inf, nan, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 1e-40, -1e-40, 2.5, -3.5,
		88.72, 88.73, 89, 100, 1e10, -87.33, -87.34, -103.9, -104, -110, -1e10, 16.7, -9, -9.0001, 0.35, -0.35, 0.34999, 1e-6, -1e-20}
}

func fill(dst []float32, r *rand.Rand) {
	s := special()
	for i := range dst {
		switch r.IntN(8) {
		case 0:
			dst[i] = s[r.IntN(len(s))]
		case 1:
			dst[i] = (r.Float32() - 0.5) * 200
		default:
			dst[i] = (r.Float32() - 0.5) * 16
		}
	}
}

// same reports whether two floats are one, or both NaN; the sign of zero does not count, and where kernels flush, subnormal floats are zero.
func same(a, b float32) bool {
	return a == b || a != a && b != b || flushes() && subnormal(a) && subnormal(b)
}

// flushes reports whether the kernels take subnormal floats for zero, as NEON does in 32-bit programs. Some functions have parts that do not: both results
// are right.
func flushes() bool { return runtime.GOARCH == "arm" && ISA() != "generic" }

func subnormal(x float32) bool { return math.Abs(float64(x)) < 0x1p-126 }

// flushed returns x with zeros for subnormal floats, signs kept, where kernels flush.
func flushed(x float32) float32 {
	if flushes() && subnormal(x) {
		return float32(math.Copysign(0, float64(x)))
	}
	return x
}

func TestPairsF32(t *testing.T) {
	inf := float32(math.Inf(1))
	cases := map[string]*PairF32{
		"add": NewArithF32("Add", -inf, inf), "add6": NewArithF32("Add", 0, 6), "sub": NewArithF32("Sub", -math.MaxFloat32, math.MaxFloat32),
		"mul": NewArithF32("Mul", -inf, inf), "div": NewArithF32("Div", -inf, inf), "max": MaxF32, "min": MinF32,
		"squaredDifference": SquaredDifferenceF32, "prelu": PreluF32,
	}
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, n := range sizes {
			for _, atEnd := range []bool{false, true} {
				for _, p := range rowShapes(n) {
					a, b := kerneltest.Guarded[float32](t, p.length(p.SA, p.StepA), atEnd), kerneltest.Guarded[float32](t, p.length(p.SB, p.StepB), atEnd)
					dst, want, zeroed := kerneltest.Guarded[float32](t, n*p.Count, atEnd), make([]float32, n*p.Count), make([]float32, n*p.Count)
					fill(a, r)
					fill(b, r)
					for name, f := range cases {
						f.Run(dst, a, b, &p)
						eachRow(want, a, b, &p, f.plain)
						eachRow(zeroed, flushAll(a), flushAll(b), &p, f.plain)
						differ(t, name, &p, dst, want, zeroed)
						if len(a) == len(dst) {
							in := append([]float32{}, a...)
							f.Run(in, in, b, &p)
							differ(t, name+" in place", &p, in, want, zeroed)
						}
					}
				}
			}
		}
	})
}

// rowShapes are runs of n elements with all strides: one run, and several whose inputs go on, stand still or leave gaps.
func rowShapes(n int) []Rows {
	var all []Rows
	for _, s := range [][2]int{{1, 1}, {1, 0}, {0, 1}, {0, 0}} {
		all = append(all, Rows{N: n, SA: s[0], SB: s[1], Count: 1})
		if n > 40 && n != 65 {
			continue
		}
		for _, step := range [][2]int{{n, 0}, {0, n}, {n + 3, n}, {n, 1}} {
			all = append(all, Rows{N: n, SA: s[0], SB: s[1], Count: 5, StepA: step[0], StepB: step[1]})
		}
		if n > 0 && n < 10 && s == [2]int{1, 1} { // joined, with some runs left over
			all = append(all, Rows{N: n, SA: 1, SB: 1, Count: 1100, StepA: n}, Rows{N: n, SA: 1, SB: 1, Count: 1100, StepB: n})
		}
	}
	return all
}

// length is how many elements an input of a stride and a step has.
func (r *Rows) length(stride, step int) int {
	if r.N == 0 {
		return 0
	}
	return (r.Count-1)*step + (r.N-1)*stride + 1
}

// flushAll returns flushed values of x.
func flushAll(x []float32) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = flushed(v)
	}
	return out
}

// differ fails where got is neither what is wanted nor, if that differs, what is wanted of inputs whose subnormal floats are zeros.
func differ(t *testing.T, name string, p *Rows, got, want, zeroed []float32) {
	t.Helper()
	for i := range want {
		if !same(got[i], want[i]) && !same(got[i], zeroed[i]) {
			t.Fatalf("%s %+v: at %d %v, want %v", name, *p, i, got[i], want[i])
		}
	}
}

// ulps is the distance of two floats in units in the last place of want, at least those of the smallest normal number.
func ulps(got, want float32) float64 {
	if same(got, want) || got == 0 && want > 0 && want < 0x1.001p-126 {
		return 0
	}
	e := math.Ilogb(math.Max(math.Abs(float64(want)), 0x1p-126))
	return math.Abs(float64(got)-float64(want)) / math.Ldexp(1, e-23)
}

func TestFunctionsF32(t *testing.T) {
	exact := func(got, want, _ float32) bool { return same(got, want) }
	within := func(bound float64) func(got, want, x float32) bool {
		return func(got, want, _ float32) bool { return ulps(got, want) <= bound }
	}
	cases := map[string]struct {
		f  Function
		ok func(got, want, x float32) bool
	}{
		"exp": {FnExp, within(2)}, "logistic": {FnLogistic, within(3)}, "logisticCut": {FnLogisticCut, within(3)},
		"tanh": {FnTanh, func(got, want, x float32) bool {
			if math.Abs(float64(x)) < 0.35 {
				return ulps(got, want) <= 4
			}
			return same(got, want) || math.Abs(float64(got-want)) <= 0x1p-22
		}},
		"gelu": {FnGelu, nearGelu}, "geluTanh": {FnGeluTanh, nearGelu},
		"hardSwish": {FnHardSwish, exact}, "abs": {FnAbs, exact}, "neg": {FnNeg, exact}, "square": {FnSquare, exact}, "sqrt": {FnSqrt, exact},
		"rsqrt": {FnRsqrt, exact}, "roundEven": {FnRoundEven, exact}, "floor": {FnFloor, exact}, "ceil": {FnCeil, exact},
		"clamp": {Plain(func(x float32) float32 { return min(max(x, 0), 6) }), exact},
		"leakyRelu": {Plain(func(x float32) float32 {
			if !(x > 0) {
				x *= 0.25
			}
			return x
		}), exact},
	}
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		worst := map[string]float64{}
		for _, n := range append(sizes, 50000) {
			for _, atEnd := range []bool{false, true} {
				src, dst := kerneltest.Guarded[float32](t, n, atEnd), kerneltest.Guarded[float32](t, n, atEnd)
				fill(src, r)
				for name, c := range cases {
					run := c.f.Map
					switch name {
					case "clamp":
						run = func(dst, src []float32) { ClampF32(dst, src, 0, 6) }
					case "leakyRelu":
						run = func(dst, src []float32) { LeakyReluF32(dst, src, 0.25) }
					}
					run(dst, src)
					for i, x := range src {
						want := c.f.At(x)
						if !c.ok(dst[i], want, x) {
							want = c.f.At(flushed(x))
						}
						if !c.ok(dst[i], want, x) {
							t.Fatalf("%s n=%d: f(%v) = %v, want %v", name, n, x, dst[i], want)
						}
						worst[name] = max(worst[name], ulps(dst[i], want))
					}
					copy(dst, src)
					run(dst, dst)
					for i, x := range src {
						if !c.ok(dst[i], c.f.At(x), x) && !c.ok(dst[i], c.f.At(flushed(x)), x) {
							t.Fatalf("%s n=%d in place: f(%v) = %v", name, n, x, dst[i])
						}
					}
				}
			}
		}
		t.Log("largest differences in ulp:", fmt.Sprint(worst))
	})
}

func TestLayerNormF32(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, depth := range sizes[1:] {
			for _, rows := range []int{0, 1, 3} {
				for _, atEnd := range []bool{false, true} {
					src, dst := kerneltest.Guarded[float32](t, rows*depth, atEnd), kerneltest.Guarded[float32](t, rows*depth, atEnd)
					scale, shift := kerneltest.Guarded[float32](t, depth, atEnd), kerneltest.Guarded[float32](t, depth, atEnd)
					for _, v := range [][]float32{src, scale, shift} {
						for i := range v {
							v[i] = r.Float32()*6 - 2
						}
					}
					if rows == 3 { // what is not finite stays in its row
						src[depth] = float32(math.Inf(-1))
						src[2*depth] = float32(math.NaN())
					}
					LayerNormF32(dst, src, scale, shift, depth, 1e-3)
					want := make([]float32, depth)
					for i := range rows {
						layerNormRow(want, src[i*depth:(i+1)*depth], scale, shift, 1e-3)
						for j, got := range dst[i*depth : (i+1)*depth] {
							if d := math.Abs(float64(got) - float64(want[j])); !(d <= 4e-6*(1+math.Abs(float64(want[j])))) && !same(got, want[j]) {
								t.Fatalf("depth %d row %d: at %d %v, want %v", depth, i, j, got, want[j])
							}
						}
					}
					LayerNormF32(src, src, scale, shift, depth, 1e-3)
					for i := range dst {
						if !same(dst[i], src[i]) {
							t.Fatalf("depth %d in place differs", depth)
						}
					}
				}
			}
		}
	})
}

// nearGelu is the tolerance that Function states for both forms of GELU.
func nearGelu(got, want, x float32) bool {
	return same(got, want) || math.Abs(float64(got)-float64(want)) <= 0x1p-22*math.Abs(float64(x))
}

// TestGelu holds both forms against float64 mathematics: within 3 units in the last place above −1, and within 2^-23 × |x| in any case.
func TestGelu(t *testing.T) {
	for name, c := range map[string]struct {
		f    Function
		want func(x float64) float64
	}{
		"erf": {FnGelu, func(x float64) float64 {
			if x < 0 {
				return x / 2 * math.Erfc(-x/math.Sqrt2)
			}
			return x / 2 * (1 + math.Erf(x/math.Sqrt2))
		}},
		"tanh": {FnGeluTanh, func(x float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) }},
	} {
		kerneltest.EachTier(t, func(t *testing.T) {
			if c.f.ISA() == "generic" {
				t.Skip("At itself, which rounds in between")
			}
			var src, dst [16001]float32
			for i := range src {
				src[i] = float32(i-8000) / 667
			}
			c.f.Map(dst[:], src[:])
			for i, x := range src {
				want := c.want(float64(x))
				if d := math.Abs(float64(dst[i]) - want); d > 0x1p-23*math.Abs(float64(x)) || x > -1 && ulps(dst[i], float32(want)) > 3 {
					t.Fatalf("%s(%v) = %v, want %v", name, x, dst[i], want)
				}
			}
		})
	}
}

func TestExpRowsF32(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, depth := range sizes[1:] {
			for _, rows := range []int{0, 1, 3} {
				for _, atEnd := range []bool{false, true} {
					x, each, wide := kerneltest.Guarded[float32](t, rows*depth, atEnd), kerneltest.Guarded[float32](t, rows, atEnd), kerneltest.Guarded[float32](t, max(rows*(depth+3)-3, 0), atEnd)
					for i := range x {
						x[i] = (r.Float32() - 0.5) * 30
					}
					if rows == 3 {
						x[depth], x[2*depth] = float32(math.Inf(-1)), float32(math.NaN())
					}
					want := make([]float32, len(x))
					softmaxF32Generic(want, x, depth, 1)
					ExpRowsF32(x, each, depth)
					for i := range wide {
						wide[i] = 7
						if row, at := i/(depth+3), i%(depth+3); at < depth {
							wide[i] = x[row*depth+at]
						}
					}
					ScaleRowsF32(wide, depth+3, depth, each)
					for i, got := range wide {
						switch row, at := i/(depth+3), i%(depth+3); {
						case at >= depth:
							if got != 7 {
								t.Fatalf("depth %d: written between rows", depth)
							}
						case !(ulps(got, want[row*depth+at]) <= 8):
							t.Fatalf("depth %d row %d, %d: %v, want %v", depth, row, at, got, want[row*depth+at])
						}
					}
				}
			}
		}
	})
}

func TestSoftmaxF32(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, depth := range sizes[1:] {
			for _, rows := range []int{1, 3} {
				for _, atEnd := range []bool{false, true} {
					src, dst := kerneltest.Guarded[float32](t, rows*depth, atEnd), kerneltest.Guarded[float32](t, rows*depth, atEnd)
					for i := range src {
						src[i] = (r.Float32() - 0.5) * 30
					}
					if rows == 3 { // what is not finite stays in its row
						src[depth] = float32(math.Inf(-1))
						src[2*depth] = float32(math.NaN())
					}
					want := make([]float32, len(src))
					beta := float32(0.5)
					if atEnd && rows == 3 {
						beta = -0.25
					}
					softmaxF32Generic(want, src, depth, beta)
					SoftmaxF32(dst, src, depth, beta)
					for i := range dst {
						if d := ulps(dst[i], want[i]); !(d <= 8) {
							t.Fatalf("depth %d, %d: %v, want %v", depth, i, dst[i], want[i])
						}
					}
					SoftmaxF32(src, src, depth, beta)
					for i := range dst {
						if !same(dst[i], src[i]) {
							t.Fatalf("depth %d in place differs", depth)
						}
					}
				}
			}
		}
	})
}

// TestShortRunsAllocate: short runs are joined in memory of the stack.
func TestShortRunsAllocate(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		r := Rows{N: 3, SA: 1, SB: 1, Count: 400, StepA: 3}
		x, b, dst := make([]float32, 1200), make([]float32, 3), make([]float32, 1200)
		x8, b8, dst8 := make([]int8, 1200), make([]int8, 3), make([]int8, 1200)
		q := &Store{Mult: 1 << 30, Shift: -6, Lo: -128, Hi: 127}
		product := NewProductS8(1, 2, q)
		product.Prepare(len(dst8))
		if n := testing.AllocsPerRun(10, func() { SquaredDifferenceF32.Run(dst, x, b, &r); product.Run(dst8, x8, b8, &r) }); n != 0 {
			t.Errorf("%v allocations in a run", n)
		}
	})
}
