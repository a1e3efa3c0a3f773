package vec

import "math"

// The float32 functions of two inputs with assembly kernels: numbers of the tables in the assembly.
type pairFunction uint8

const (
	pairAdd pairFunction = iota
	pairSub
	pairMul
	pairDiv
	pairMax
	pairMin
	pairSquaredDifference
	pairPrelu
	pairFunctions
)

// Rows are runs of N elements of an operator with two inputs, Count of them. Those of dst follow each other; the inputs have strides within a run, 0
// or 1, and steps from run to run.
type Rows struct {
	N, SA, SB           int
	Count, StepA, StepB int
}

// check makes sure that all runs lie within the slices.
func (r *Rows) check(dst, a, b int) {
	last := r.Count - 1
	if dst != r.N*r.Count || dst > 0 && (a <= last*r.StepA+(r.N-1)*r.SA || b <= last*r.StepB+(r.N-1)*r.SB) {
		panic("vec: slice length mismatch")
	}
}

// joinElems is how many elements short runs have when they are joined, at most.
const joinElems = 1024

// short reports whether runs are so short, and so many, that they are faster when they are joined: one input goes on from run to run and the other one begins
// anew, of which a joined run needs copies side by side.
func (r *Rows) short() bool {
	const short, least = 16, 256 // longer runs are faster one by one, and fewer elements
	return r.N < short && r.N*r.Count >= least && r.SA&r.SB == 1 && (r.StepA == r.N && r.StepB == 0 || r.StepA == 0 && r.StepB == r.N)
}

// join returns the work of short runs in fewer ones, each of several of r's. rest are the runs that are left over.
func (r *Rows) join() (joined, rest Rows) {
	const vector = 64
	n := joinElems / r.N
	if unit := vector / min(r.N&-r.N, vector); n >= unit { // runs of whole vectors
		n -= n % unit
	}
	n = min(n, r.Count)
	joined = Rows{N: n * r.N, SA: 1, SB: 1, Count: r.Count / n, StepA: n * r.StepA, StepB: n * r.StepB}
	rest = *r
	rest.Count -= n * joined.Count
	return joined, rest
}

// sides returns the inputs of joined runs: the one that begins anew with copies in side.
func sides[T any](side, a, b []T, r *Rows) (x, y []T) {
	if r.StepA == 0 {
		return copies(side, a[:r.N]), b
	}
	return a, copies(side, b[:r.N])
}

// copies fills to with what is in from, over and over.
func copies[T any](to, from []T) []T {
	for n := copy(to, from); n < len(to); n *= 2 {
		copy(to[n:], to[:n])
	}
	return to
}

// eachRow calls f for every run.
func eachRow[T any](dst, a, b []T, r *Rows, f func(dst, a []T, sa int, b []T, sb int)) {
	for i := range min(r.Count, len(dst)) {
		f(dst[i*r.N:(i+1)*r.N], a[i*r.StepA:], r.SA, b[i*r.StepB:], r.SB)
	}
}

// PairF32 is a float32 function of two inputs. Its kernels give the same numbers everywhere, save that a limit of 0 may leave −0, and that NEON in 32-bit
// programs may take subnormal floats for 0.
type PairF32 struct {
	kernel pairFunction
	lo, hi float32
	plain  func(dst, a []float32, sa int, b []float32, sb int)
}

// NewArithF32 returns Add, Sub, Mul or Div by its name, limited to lo..hi.
func NewArithF32(op string, lo, hi float32) *PairF32 {
	p := &PairF32{lo: lo, hi: hi}
	f := Add[float32]
	switch op {
	case "Sub":
		p.kernel, f = pairSub, Sub[float32]
	case "Mul":
		p.kernel, f = pairMul, Mul[float32]
	case "Div":
		p.kernel, f = pairDiv, divF32
	}
	p.plain = func(dst, a []float32, sa int, b []float32, sb int) { f(dst, a, sa, b, sb, lo, hi) }
	return p
}

// Functions of two inputs without limits: Max, Min, SquaredDifference; a where a ≥ 0, else a × b.
var (
	MaxF32               = &PairF32{kernel: pairMax, plain: Max[float32]}
	MinF32               = &PairF32{kernel: pairMin, plain: Min[float32]}
	SquaredDifferenceF32 = &PairF32{kernel: pairSquaredDifference, plain: SquaredDifference[float32]}
	PreluF32             = &PairF32{kernel: pairPrelu, plain: preluF32}
)

// Run computes all runs. dst may be an input whose runs follow each other.
func (p *PairF32) Run(dst, a, b []float32, r *Rows) {
	r.check(len(dst), len(a), len(b))
	if r.short() {
		p.runShort(dst, a, b, r)
		return
	}
	p.runs(dst, a, b, r)
}

// runShort is Run for short runs. Its frame is large.
func (p *PairF32) runShort(dst, a, b []float32, r *Rows) {
	var side [joinElems]float32
	joined, rest := r.join()
	n := joined.N * joined.Count
	x, y := sides(side[:joined.N], a, b, r)
	if pairF32Asm(p.kernel, dst[:n], x, y, &joined, p.lo, p.hi) {
		dst, a, b, r = dst[n:], a[joined.Count*joined.StepA:], b[joined.Count*joined.StepB:], &rest
	}
	p.runs(dst, a, b, r)
}

// runs computes all runs as they are.
func (p *PairF32) runs(dst, a, b []float32, r *Rows) {
	if len(dst) > 0 && !pairF32Asm(p.kernel, dst, a, b, r, p.lo, p.hi) {
		eachRow(dst, a, b, r, p.plain)
	}
}

// The float32 functions of one input with assembly kernels: numbers of the tables in the assembly. noMap has none.
type mapFunction int8

const (
	mapClamp mapFunction = iota
	mapLeakyRelu
	mapExp
	mapLogistic
	mapTanh
	mapHardSwish
	mapAbs
	mapNeg
	mapSquare
	mapSqrt
	mapRsqrt
	mapRoundEven
	mapFloor
	mapCeil
	mapGelu
	mapGeluTanh
	mapFunctions

	noMap mapFunction = -1
)

// Function is a float32 function of one input. Its kernels differ from At by at most 2 units in the last place for the exponential, 3 for the logistic
// function, 2^-22 for the hyperbolic tangent (4 units within ±0.35), 2^-22 × |x| for both forms of GELU, and by nothing for the others. Exponentials and
// logistic values below 2^-126 may become 0. NEON in 32-bit programs may take subnormal floats for 0 in all of them.
type Function struct {
	At     func(float32) float32
	kernel mapFunction
	p      float32 // parameter of the kernel
}

// The functions with kernels of their own.
var (
	FnExp         = Function{Exp, mapExp, 0}
	FnLogistic    = Function{Logistic, mapLogistic, float32(math.Inf(-1))}
	FnLogisticCut = Function{LogisticCut, mapLogistic, -9}
	FnTanh        = Function{Tanh, mapTanh, 0}
	FnHardSwish   = Function{HardSwish, mapHardSwish, 0}
	FnAbs         = Function{Abs32, mapAbs, 0}
	FnNeg         = Function{Neg32, mapNeg, 0}
	FnSquare      = Function{Square, mapSquare, 0}
	FnSqrt        = Function{Sqrt, mapSqrt, 0}
	FnRsqrt       = Function{Rsqrt, mapRsqrt, 0}
	FnRoundEven   = Function{RoundEven, mapRoundEven, 0}
	FnFloor       = Function{Floor, mapFloor, 0}
	FnCeil        = Function{Ceil, mapCeil, 0}
	FnGelu        = Function{Gelu, mapGelu, 0}
	FnGeluTanh    = Function{GeluTanh, mapGeluTanh, 0}
)

// Plain is a function without kernels.
func Plain(at func(float32) float32) Function { return Function{at, noMap, 0} }

// ISA names the instructions that Map uses, as in kernel ids.
func (f *Function) ISA() string {
	if !hasMap(f.kernel) {
		return "generic"
	}
	return ISA()
}

// Map computes dst[i] = f(src[i]). dst may be src.
func (f *Function) Map(dst, src []float32) {
	checkSame(len(dst), len(src))
	if mapF32Asm(f.kernel, dst, src, f.p, 0) {
		return
	}
	for i, v := range src {
		dst[i] = f.At(v)
	}
}

// ClampF32 computes dst[i] = src[i] limited to lo..hi. dst may be src.
func ClampF32(dst, src []float32, lo, hi float32) {
	checkSame(len(dst), len(src))
	if mapF32Asm(mapClamp, dst, src, lo, hi) {
		return
	}
	for i, v := range src {
		dst[i] = min(max(v, lo), hi)
	}
}

// LeakyReluF32 computes dst[i] = src[i], times alpha where it is not positive. dst may be src.
func LeakyReluF32(dst, src []float32, alpha float32) {
	checkSame(len(dst), len(src))
	if mapF32Asm(mapLeakyRelu, dst, src, alpha, 0) {
		return
	}
	for i, v := range src {
		if !(v > 0) {
			v *= alpha
		}
		dst[i] = v
	}
}

// SoftmaxF32 normalizes every row of depth values: exp((x − max) × beta) / sum. dst may be src. Kernels add in another order and
// take exponentials below 2^-126 for 0.
func SoftmaxF32(dst, src []float32, depth int, beta float32) {
	checkRows(len(dst), len(src), depth)
	if len(src) > 0 && !softmaxF32Asm(dst, src, depth, beta) {
		softmaxF32Generic(dst, src, depth, beta)
	}
}
