package signal

// cpx is a complex number.
type cpx[T Scalar] struct{ re, im T }

func (a cpx[T]) add(b cpx[T]) cpx[T] { return cpx[T]{a.re + b.re, a.im + b.im} }
func (a cpx[T]) sub(b cpx[T]) cpx[T] { return cpx[T]{a.re - b.re, a.im - b.im} }

// get and put access complex number i of a slice that holds real and imaginary parts in turn.
func get[T Scalar](s []T, i int) cpx[T] { return cpx[T]{s[2*i], s[2*i+1]} }

func put[T Scalar](s []T, i int, v cpx[T]) { s[2*i], s[2*i+1] = v.re, v.im }

// round drops the bits behind the point from a product of two fractions, half up.
func (f *FFT[T]) round(p int64) T { return T((p + 1<<(f.frac-1)) >> f.frac) }

// mul multiplies. Fixed point rounds the sum of two products once.
func (f *FFT[T]) mul(a, b cpx[T]) cpx[T] {
	if f.frac == 0 {
		return cpx[T]{
			T(float32(float32(a.re)*float32(b.re)) - float32(float32(a.im)*float32(b.im))),
			T(float32(float32(a.re)*float32(b.im)) + float32(float32(a.im)*float32(b.re))),
		}
	}
	return cpx[T]{
		f.round(int64(a.re)*int64(b.re) - int64(a.im)*int64(b.im)),
		f.round(int64(a.re)*int64(b.im) + int64(a.im)*int64(b.re)),
	}
}

// scale multiplies by a real number.
func (f *FFT[T]) scale(a, b T) T {
	if f.frac == 0 {
		return T(float32(float32(a) * float32(b)))
	}
	return f.round(int64(a) * int64(b))
}

// part divides by a small number in fixed point, so that sums cannot overflow: it multiplies by the largest fraction over that number.
// It leaves floats as they are.
func (f *FFT[T]) part(a cpx[T], by int) cpx[T] {
	if f.frac == 0 {
		return a
	}
	m := (int64(1)<<f.frac - 1) / int64(by)
	return cpx[T]{f.round(int64(a.re) * m), f.round(int64(a.im) * m)}
}

// meanOf returns (a + b)/2, rounded down in fixed point. The sum of two int16 is exact, that of two int32 wraps.
func (f *FFT[T]) meanOf(a, b T) T {
	switch f.frac {
	case 0:
		return T(float32(a+b) * 0.5)
	case 15:
		return T((int64(a) + int64(b)) >> 1)
	}
	return T(int64(a+b) >> 1)
}

// halfGap returns (a − b)/2 like meanOf.
func (f *FFT[T]) halfGap(a, b T) T {
	switch f.frac {
	case 0:
		return T(float32(a-b) * 0.5)
	case 15:
		return T((int64(a) - int64(b)) >> 1)
	}
	return T(int64(a-b) >> 1)
}

// transform runs all stages on the numbers in s, which stand where place says.
func (f *FFT[T]) transform(s []T) {
	for i := len(f.stages) - 1; i >= 0; i-- {
		g := f.stages[i]
		size := 2 * g.radix * g.m
		for at := 0; at < 2*f.n; at += size {
			b := s[at : at+size]
			switch g.radix {
			case 2:
				f.radix2(b, g)
			case 3:
				f.radix3(b, g)
			case 4:
				f.radix4(b, g)
			case 5:
				f.radix5(b, g)
			}
		}
	}
}

func (f *FFT[T]) radix2(s []T, g stage) {
	for u := range g.m {
		a := f.part(get(s, u), 2)
		b := f.mul(f.part(get(s, u+g.m), 2), f.roots[u*g.stride])
		put(s, u, a.add(b))
		put(s, u+g.m, a.sub(b))
	}
}

func (f *FFT[T]) radix3(s []T, g stage) {
	m := g.m
	turn := f.roots[g.stride*m].im // sine of 120 degrees
	for u := range m {
		a := f.part(get(s, u), 3)
		b := f.mul(f.part(get(s, u+m), 3), f.roots[u*g.stride])
		c := f.mul(f.part(get(s, u+2*m), 3), f.roots[2*u*g.stride])
		sum, gap := b.add(c), b.sub(c)
		gap = cpx[T]{f.scale(gap.re, turn), f.scale(gap.im, turn)}
		mid := cpx[T]{a.re - f.meanOf(sum.re, 0), a.im - f.meanOf(sum.im, 0)}
		put(s, u, a.add(sum))
		put(s, u+m, cpx[T]{mid.re - gap.im, mid.im + gap.re})
		put(s, u+2*m, cpx[T]{mid.re + gap.im, mid.im - gap.re})
	}
}

func (f *FFT[T]) radix4(s []T, g stage) {
	m := g.m
	for u := range m {
		a := f.part(get(s, u), 4)
		b := f.mul(f.part(get(s, u+m), 4), f.roots[u*g.stride])
		c := f.mul(f.part(get(s, u+2*m), 4), f.roots[2*u*g.stride])
		d := f.mul(f.part(get(s, u+3*m), 4), f.roots[3*u*g.stride])
		even, oddSum, oddGap := a.sub(c), b.add(d), b.sub(d)
		a = a.add(c)
		put(s, u, a.add(oddSum))
		put(s, u+2*m, a.sub(oddSum))
		back := cpx[T]{even.re - oddGap.im, even.im + oddGap.re}
		ahead := cpx[T]{even.re + oddGap.im, even.im - oddGap.re}
		if f.inverse {
			ahead, back = back, ahead
		}
		put(s, u+m, ahead)
		put(s, u+3*m, back)
	}
}

func (f *FFT[T]) radix5(s []T, g stage) {
	m := g.m
	y, z := f.roots[g.stride*m], f.roots[2*g.stride*m] // 72 and 144 degrees
	for u := range m {
		a := f.part(get(s, u), 5)
		b := f.mul(f.part(get(s, u+m), 5), f.roots[u*g.stride])
		c := f.mul(f.part(get(s, u+2*m), 5), f.roots[2*u*g.stride])
		d := f.mul(f.part(get(s, u+3*m), 5), f.roots[3*u*g.stride])
		e := f.mul(f.part(get(s, u+4*m), 5), f.roots[4*u*g.stride])
		outer, outerGap, inner, innerGap := b.add(e), b.sub(e), c.add(d), c.sub(d)
		put(s, u, a.add(outer.add(inner)))

		even := cpx[T]{
			a.re + f.scale(outer.re, y.re) + f.scale(inner.re, z.re),
			a.im + f.scale(outer.im, y.re) + f.scale(inner.im, z.re),
		}
		odd := cpx[T]{
			f.scale(outerGap.im, y.im) + f.scale(innerGap.im, z.im),
			-f.scale(outerGap.re, y.im) - f.scale(innerGap.re, z.im),
		}
		put(s, u+m, even.sub(odd))
		put(s, u+4*m, even.add(odd))

		even = cpx[T]{
			a.re + f.scale(outer.re, z.re) + f.scale(inner.re, y.re),
			a.im + f.scale(outer.im, z.re) + f.scale(inner.im, y.re),
		}
		odd = cpx[T]{
			-f.scale(outerGap.im, z.im) + f.scale(innerGap.im, y.im),
			f.scale(outerGap.re, z.im) - f.scale(innerGap.re, y.im),
		}
		put(s, u+2*m, even.add(odd))
		put(s, u+3*m, even.sub(odd))
	}
}
