package signal

import "math"

// pair is a number as an unevaluated sum of two float64, about 106 bits.
type pair struct{ hi, lo float64 }

func twoSum(a, b float64) pair {
	s := a + b
	t := s - a
	return pair{s, (a - (s - t)) + (b - t)}
}

func twoProd(a, b float64) pair {
	p := float64(a * b)
	return pair{p, math.FMA(a, b, -p)}
}

func (a pair) add(b pair) pair {
	s := twoSum(a.hi, b.hi)
	return twoSum(s.hi, s.lo+(a.lo+b.lo))
}

func (a pair) mul(b pair) pair {
	p := twoProd(a.hi, b.hi)
	return twoSum(p.hi, p.lo+(float64(a.hi*b.lo)+float64(a.lo*b.hi)))
}

// div divides by a number that float64 holds exactly.
func (a pair) div(d float64) pair {
	q := a.hi / d
	r := math.FMA(-q, d, a.hi) + a.lo
	return twoSum(q, r/d)
}

// π/2 in three parts of float64.
const (
	halfPi0 = 1.5707963267948966
	halfPi1 = 6.123233995736766e-17
	halfPi2 = -1.4973849048591833e-33
)

// sincos returns sine and cosine of x, |x| at most 2π, rounded to the nearest float64. Tables of the FFT are cut to integers, at half
// steps too (the cosine of 60 degrees), so that the last bit matters, and math.Sin differs there between CPUs.
func sincos(x float64) (sin, cos float64) {
	if x == 0 {
		return x, 1
	}
	k := math.Round(x / halfPi0)
	p := twoProd(-k, halfPi0)
	r := twoSum(x, p.hi).add(pair{p.lo, 0}).add(twoProd(-k, halfPi1)).add(pair{float64(-k * halfPi2), 0})
	square := r.mul(r)
	square.hi, square.lo = -square.hi, -square.lo
	s, c := r, pair{1, 0}
	for term, i := r, 2.0; math.Abs(term.hi) > 1e-36; i += 2 {
		term = term.mul(square).div(i * (i + 1))
		s = s.add(term)
	}
	for term, i := c, 1.0; math.Abs(term.hi) > 1e-36; i += 2 {
		term = term.mul(square).div(i * (i + 1))
		c = c.add(term)
	}
	switch int(k) & 3 {
	case 1:
		return c.hi, -s.hi
	case 2:
		return -s.hi, -c.hi
	case 3:
		return -c.hi, s.hi
	}
	return s.hi, c.hi
}
