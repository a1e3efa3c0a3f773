package rnn

import (
	"math"

	"wayside/kernels/gemm"
)

// SVDF is a layer whose weights over features and time are factored (rank-limited): every filter keeps its last Memory feature sums.
type SVDF struct {
	Input, Filters, Memory, Rank int
	Feature                      Weights   // [filters][input]
	Time                         []float32 // [filters][memory]
	Bias                         []float32 // [filters/rank]; nil for none
	Act                          Activation
	Hybrid, Asymmetric           bool
}

// Scratch returns the numbers of float32 and int8 elements that Step needs.
func (c *SVDF) Scratch() (floats, bytes int) { return 2 * c.Filters, c.Input + room(&c.Feature) }

// Step computes the output y after the input x and moves the memory on.
func (c *SVDF) Step(y, memory, x, f []float32, q []int8) {
	m := c.Memory
	if len(memory) != c.Filters*m || len(x) != c.Input || len(y)*c.Rank != c.Filters {
		panic("rnn: svdf slice length mismatch")
	}
	f, products := f[:c.Filters], f[c.Filters:]
	clear(f)
	v, q := operand(x, q, c.Hybrid, c.Asymmetric)
	c.Feature.mulAdd(f, &v, workOf(products, q))
	for i, latest := range f {
		row := memory[i*m : (i+1)*m]
		copy(row, row[1:])
		row[m-1] = latest
		f[i] = dotF32(c.Time[i*m:(i+1)*m], row)
	}
	for u := range y {
		sum := float32(0)
		for _, v := range f[u*c.Rank : (u+1)*c.Rank] {
			sum += v
		}
		if c.Bias != nil {
			sum += c.Bias[u]
		}
		y[u] = c.Act.apply(sum)
	}
}

// IntSVDF is SVDF on int8 activations with a memory of int16 or int8.
type IntSVDF struct {
	Input, Filters, Memory, Rank int
	Feature                      []int8  // [filters][input]
	Time                         []int16 // [filters][memory]
	Bias                         []int64 // [filters/rank]; nil for none
	In, Out                      Scale   // of the feature sums, of the time sums
	InZero, MemoryZero, OutZero  int32

	packed   *gemm.Sums // Feature packed for this machine; nil for the plain loops
	features []int32    // with packed: minus InZero × the sums of Feature's rows
	time     []int16    // with packed: Time in whole vectors
	moved    []int32    // with packed, by unit: the bias, minus MemoryZero × the sums of Time's rows
}

// Pack packs the weights where this machine has kernels for them; it reports whether it has. The plain weights of the features are then given up.
func (c *IntSVDF) Pack() bool {
	p := gemm.PackSums(c.Feature, c.Filters, c.Input)
	if !p.Fast() {
		return false
	}
	c.packed, c.features = p, make([]int32, c.Filters)
	for i := range c.features {
		for _, v := range c.Feature[i*c.Input : (i+1)*c.Input] {
			c.features[i] -= c.InZero * int32(v)
		}
	}
	c.Feature = nil
	c.time, c.moved = padded(c.Time, c.Memory), make([]int32, c.Filters/c.Rank)
	for i, t := range c.Time {
		c.moved[i/c.Memory/c.Rank] -= c.MemoryZero * int32(t)
	}
	for u, b := range c.Bias {
		c.moved[u] += int32(b)
	}
	return true
}

// PackedBytes returns the memory of packed weights, int8, int16 and int32; it holds the bias too.
func (c *IntSVDF) PackedBytes() (s8, s16, s32 int) {
	s8, s32 = c.packed.Bytes()
	return s8, 2 * len(c.time), s32 + 4*(len(c.features)+len(c.moved))
}

// ID names the tile and the instruction set, where there is one.
func (c *IntSVDF) ID() string {
	if c.packed == nil {
		return "generic"
	}
	return c.packed.ID()
}

// Scratch returns the numbers of int32 and of bytes that StepSVDF needs.
func (c *IntSVDF) Scratch() (sums, bytes int) {
	if c.packed == nil {
		return c.Filters, 0
	}
	return c.Filters, c.packed.Scratch(1)
}

// StepSVDF computes the output y after the input x and moves the memory on. lo and hi are the range of the memory's type,
// sums and flipped working memory.
func StepSVDF[T int8 | int16](c *IntSVDF, y []int8, memory []T, x []int8, lo, hi int32, sums []int32, flipped []byte) {
	m := c.Memory
	if len(memory) != c.Filters*m || len(x) != c.Input || len(y)*c.Rank != c.Filters {
		panic("rnn: svdf slice length mismatch")
	}
	sums = sums[:c.Filters]
	copy(memory, memory[min(1, len(memory)):]) // every row moves on by one; the last place of each is written anew
	if c.packed != nil {
		stepPacked(c, y, memory, x, lo, hi, sums, flipped)
		return
	}
	for i := range sums {
		sum := int32(0)
		w := c.Feature[i*c.Input : (i+1)*c.Input]
		for k, v := range x {
			sum += int32(w[k]) * (int32(v) - c.InZero)
		}
		row, time := memory[i*m:(i+1)*m], c.Time[i*m:(i+1)*m]
		// The zero point comes after the limits and may wrap in int8, as in TensorFlow Lite Micro.
		row[m-1] = T(min(max(c.In.mul(sum), lo), hi) + c.MemoryZero)
		sum = 0
		for k, t := range time {
			sum += int32(t) * (int32(row[k]) - c.MemoryZero)
		}
		sums[i] = sum
	}
	for u := range y {
		total := int32(0)
		if c.Bias != nil {
			total = int32(c.Bias[u])
		}
		for _, sum := range sums[u*c.Rank : (u+1)*c.Rank] {
			total += sum
		}
		y[u] = sat8(c.Out.mul(total) + c.OutZero)
	}
}

// stepPacked is the rest of StepSVDF, with packed weights.
func stepPacked[T int8 | int16](c *IntSVDF, y []int8, memory []T, x []int8, lo, hi int32, sums []int32, flipped []byte) {
	m := c.Memory
	c.packed.Run(sums, c.Filters, x, c.Input, 1, flipped)
	scaleAll(sums, c.features, c.In, lo, hi, c.MemoryZero)
	for i, v := range sums {
		memory[i*m+m-1] = T(v)
	}
	done := 0
	if rows, ok := any(memory).([]int16); ok {
		done = dots(sums, c.time, rows, m)
	}
	for i := done; i < len(sums); i++ {
		sum := int32(0)
		for k, t := range c.Time[i*m : (i+1)*m] {
			sum += int32(t) * int32(memory[i*m+k])
		}
		sums[i] = sum
	}
	for u := range y {
		total := int32(0)
		for _, sum := range sums[u*c.Rank : (u+1)*c.Rank] {
			total += sum
		}
		sums[u] = total
	}
	scaleAll(sums[:len(y)], c.moved, c.Out, math.MinInt32, math.MaxInt32, c.OutZero)
	for u := range y {
		y[u] = sat8(sums[u])
	}
}
