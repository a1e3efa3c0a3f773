package rnn

import "wayside/kernels/gemm"

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
func (c *SVDF) Scratch() (floats, bytes int) { return c.Filters, c.Input }

// Step computes the output y after the input x and moves the memory on.
func (c *SVDF) Step(y, memory, x, f []float32, q []int8) {
	m := c.Memory
	if len(memory) != c.Filters*m || len(x) != c.Input || len(y)*c.Rank != c.Filters {
		panic("rnn: svdf slice length mismatch")
	}
	f = f[:c.Filters]
	clear(f)
	v, _ := operand(x, q, c.Hybrid, c.Asymmetric)
	c.Feature.mulAdd(f, &v)
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

	packed   *gemm.Sums // Feature packed for this machine; nil for the plain loop
	features []int32    // with packed: minus InZero × the sums of Feature's rows
}

// Pack packs the weights of the features where this machine has a kernel for them; it reports whether it has. The plain ones are then given up.
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
	return true
}

// PackedBytes returns the memory of packed weights, int8 and int32, and ID their tile.
func (c *IntSVDF) PackedBytes() (s8, s32 int) {
	s8, s32 = c.packed.Bytes()
	return s8, s32 + 4*len(c.features)
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

// sums writes the products of the features with the input less its zero point.
func (c *IntSVDF) sums(dst []int32, x []int8, flipped []byte) {
	if c.packed != nil {
		c.packed.Run(dst, c.Filters, x, c.Input, 1, flipped)
		for i, v := range c.features {
			dst[i] += v
		}
		return
	}
	for i := range dst {
		sum := int32(0)
		w := c.Feature[i*c.Input : (i+1)*c.Input]
		for k, v := range x {
			sum += int32(w[k]) * (int32(v) - c.InZero)
		}
		dst[i] = sum
	}
}

// StepSVDF computes the output y after the input x and moves the memory on. lo and hi are the range of the memory's type,
// sums and flipped working memory.
func StepSVDF[T int8 | int16](c *IntSVDF, y []int8, memory []T, x []int8, lo, hi int32, sums []int32, flipped []byte) {
	m := c.Memory
	if len(memory) != c.Filters*m || len(x) != c.Input || len(y)*c.Rank != c.Filters {
		panic("rnn: svdf slice length mismatch")
	}
	sums = sums[:c.Filters]
	c.sums(sums, x, flipped)
	copy(memory, memory[1:]) // every row moves on by one; the last place of each is written anew
	for i, sum := range sums {
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
