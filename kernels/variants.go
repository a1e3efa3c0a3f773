package kernels

import (
	"slices"

	"wayside/kernels/conv"
	"wayside/kernels/gemm"
	"wayside/kernels/internal/cpu"
	"wayside/kernels/requant"
)

// Variant is one kernel at work on data of a fixed shape, for comparing the kernels of a machine.
type Variant struct {
	ID     string // family/types/tile/isa, as inspect shows it for a model's step
	Tier   string // the lowest tier that has it
	Work   string // what it computes, for people
	MACs   int64
	Chosen bool // the one that a model would get with the limit that holds
	run    func()
}

// Run does the work n times. As Limit it must not be called while a model runs.
func (v *Variant) Run(n int) {
	defer limited(v.Tier)()
	for range n {
		v.run()
	}
}

// limited sets a limit and returns what restores the one before. Only names of tiers are given to it.
func limited(tier string) func() {
	before := cpu.Best().String()
	_ = cpu.Limit(tier)
	return func() { _ = cpu.Limit(before) }
}

// work makes one shape of data and the kernel for it that the limit allows.
type work struct {
	name string
	make func() (id string, macs int64, run func())
}

// works are the shapes: the layers that most of the time of small networks goes to.
var works = []work{
	{"int8 matrix product, 196 rows of 256 to 256", func() (string, int64, func()) { return denseS8(196, 256, 256) }},
	{"int8 matrix product, 1 row of 640 to 128", func() (string, int64, func()) { return denseS8(1, 128, 640) }},
	{"float32 matrix product, 196 rows of 256 to 256", func() (string, int64, func()) { return denseF32(196, 256, 256) }},
	{"float32 matrix product, 1 row of 640 to 128", func() (string, int64, func()) { return denseF32(1, 128, 640) }},
	{"int8 convolution 3×3, 28×28×32 to 32", convS8},
	{"float32 convolution 3×3, 28×28×32 to 32", convF32},
	{"int8 depthwise convolution 3×3, 28×28×128", depthwiseS8},
}

// Variants returns every kernel of this machine for each of a few fixed shapes, from the slowest tier to the fastest, whatever the limit. The
// number of threads is the one set by Threads before. As Limit it must not be called while a model runs.
func Variants() []*Variant {
	best := cpu.Best()
	var all []*Variant
	for _, w := range works {
		first := len(all)
		for _, t := range cpu.Tiers() {
			if !cpu.Supported(t) {
				continue
			}
			v := &Variant{Tier: t.String(), Work: w.name}
			func() {
				defer limited(v.Tier)()
				v.ID, v.MACs, v.run = w.make()
			}()
			same := slices.IndexFunc(all[first:], func(o *Variant) bool { return o.ID == v.ID })
			if same < 0 {
				all = append(all, v)
				same = len(all) - 1 - first
			}
			if t == best {
				all[first+same].Chosen = true
			}
		}
	}
	return all
}

// pattern fills s with values of all sizes, the same ones every time.
func pattern[T int8 | float32](s []T) []T {
	seed := uint32(1)
	for i := range s {
		seed = seed*1664525 + 1013904223
		s[i] = T(int8(seed>>24) / 2) // halves stay clear of −128, which some tiles leave to others
	}
	return s
}

// channels is a rescaling of n channels by something near 1/500.
func channels(n int) requant.Params {
	q := requant.Params{Mult: make([]int32, n), Shift: make([]int32, n), Min: -128, Max: 127}
	for i := range n {
		q.Mult[i], q.Shift[i] = requant.Quantize(0.002 + float64(i)*1e-6)
	}
	return q
}

func denseS8(m, n, k int) (string, int64, func()) {
	w := gemm.PackS8(pattern(make([]int8, n*k)), n, k, make([]int32, n), 3, 0, channels(n))
	x, dst, scratch := pattern(make([]int8, m*k)), make([]int8, m*n), make([]byte, w.Scratch(m))
	return "gemm/s8pc/" + w.ID(), int64(m) * int64(n) * int64(k), func() { gemm.S8(dst, n, x, k, m, w, scratch) }
}

func denseF32(m, n, k int) (string, int64, func()) {
	w := gemm.PackF32(pattern(make([]float32, n*k)), n, k, make([]float32, n), -1e9, 1e9)
	x, dst := pattern(make([]float32, m*k)), make([]float32, m*n)
	return "gemm/" + w.Types() + "/" + w.ID(), int64(m) * int64(n) * int64(k), func() { gemm.F32(dst, n, x, k, m, w) }
}

// square is a convolution 3×3 with stride 1 that keeps the size of its picture.
func square(size, in, out, groups int) *conv.Geometry {
	return &conv.Geometry{Batch: 1, H: size, W: size, C: in, OutH: size, OutW: size, OutC: out, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1,
		PadTop: 1, PadLeft: 1, Groups: groups}
}

func convS8() (string, int64, func()) {
	g := square(28, 32, 32, 1)
	k := g.KH * g.KW * g.C
	w := gemm.PackS8(pattern(make([]int8, g.OutC*k)), g.OutC, k, make([]int32, g.OutC), 3, 0, channels(g.OutC))
	c := conv.NewS8(g, []*gemm.S8Weights{w}, 3)
	src, dst, scratch := pattern(make([]int8, g.H*g.W*g.C)), make([]int8, g.OutH*g.OutW*g.OutC), make([]byte, c.Scratch())
	return "conv/s8pc/" + w.ID(), g.MACs(), func() { c.Run(dst, src, scratch) }
}

func convF32() (string, int64, func()) {
	g := square(28, 32, 32, 1)
	k := g.KH * g.KW * g.C
	w := gemm.PackF32(pattern(make([]float32, g.OutC*k)), g.OutC, k, make([]float32, g.OutC), -1e9, 1e9)
	c := conv.NewF32(g, []*gemm.F32Weights{w})
	src, dst, scratch := pattern(make([]float32, g.H*g.W*g.C)), make([]float32, g.OutH*g.OutW*g.OutC), make([]float32, c.Scratch())
	return "conv/" + w.Types() + "/" + w.ID(), g.MACs(), func() { c.Run(dst, src, scratch) }
}

func depthwiseS8() (string, int64, func()) {
	const name = "conv.depthwise/s8pc/"
	g := square(28, 128, 128, 128)
	q := &gemm.Quant{Params: channels(g.OutC), XZero: 3, Bias: make([]int64, g.OutC)}
	w := pattern(make([]int8, g.KH*g.KW*g.OutC))
	src, dst := pattern(make([]int8, g.H*g.W*g.C)), make([]int8, g.OutH*g.OutW*g.OutC)
	if p, ok := conv.PackDepthwiseS8(w, g, q); ok {
		scratch := make([]byte, p.Scratch()+64) // more than 32 bytes lie aligned
		return name + p.ID(), g.MACs(), func() { p.Run(dst, src, scratch) }
	}
	acc := make([]int32, g.OutC)
	return name + "generic", g.MACs(), func() { conv.Depthwise(dst, src, g, w, q, acc) }
}
