package rnn

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
}

// StepSVDF computes the output y after the input x and moves the memory on. lo and hi are the range of the memory's type.
func StepSVDF[T int8 | int16](c *IntSVDF, y []int8, memory []T, x []int8, lo, hi int32) {
	m := c.Memory
	if len(memory) != c.Filters*m || len(x) != c.Input || len(y)*c.Rank != c.Filters {
		panic("rnn: svdf slice length mismatch")
	}
	for u := range y {
		total := int32(0)
		if c.Bias != nil {
			total = int32(c.Bias[u])
		}
		for i := u * c.Rank; i < (u+1)*c.Rank; i++ {
			sum := int32(0)
			w := c.Feature[i*c.Input : (i+1)*c.Input]
			for k, v := range x {
				sum += int32(w[k]) * (int32(v) - c.InZero)
			}
			row := memory[i*m : (i+1)*m]
			copy(row, row[1:])
			// The zero point comes after the limits and may wrap in int8, as in TensorFlow Lite Micro.
			row[m-1] = T(min(max(c.In.mul(sum), lo), hi) + c.MemoryZero)
			for k, t := range c.Time[i*m : (i+1)*m] {
				total += int32(t) * (int32(row[k]) - c.MemoryZero)
			}
		}
		y[u] = sat8(c.Out.mul(total) + c.OutZero)
	}
}
