package vec

import "math"

// The functions of this file are the only exponential, logistic and hyperbolic tangent of the project: float32 in and out, computed in
// plain float64 operations and rounded once, so that every CPU gives the same bits. math.Exp and its relatives have an
// assembly form of their own on some architectures, and explicit conversions after products forbid fusing them with a sum.

// Exp returns e^x.
func Exp(x float32) float32 {
	if x != x {
		return x
	}
	return float32(exp(float64(x)))
}

// Logistic returns 1/(1+e^-x).
func Logistic(x float32) float32 {
	if x != x {
		return x
	}
	return float32(1 / (1 + exp(-float64(x))))
}

// LogisticCut is Logistic as TensorFlow Lite's reference kernels have it for float32: e^x below −9 and 1 above 16.619.
func LogisticCut(x float32) float32 {
	switch {
	case x > 16.619047164916992188:
		return 1
	case x < -9:
		return Exp(x)
	}
	return Logistic(x)
}

// Tanh returns the hyperbolic tangent of x.
func Tanh(x float32) float32 {
	a := float64(x)
	if a < 0 {
		a = -a
	}
	if !(a > 1e-5) { // also NaN; the cubic term is below float32's resolution
		return x
	}
	e := exp(-2 * a)
	t := (1 - e) / (1 + e)
	if x < 0 {
		t = -t
	}
	return float32(t)
}

const (
	log2e = 1 / math.Ln2
	ln2Hi = 6.93147180369123816490e-01 // the split of fdlibm's e_exp.c: n*ln2Hi is exact
	ln2Lo = 1.90821492927058770002e-10
)

// exp returns e^x for x that is not NaN. The Taylor remainder on |r| <= ln2/2 is below 5e-16, far below what float32 shows.
func exp(x float64) float64 {
	if x < -700 {
		return 0
	}
	if x > 700 {
		return math.Inf(1)
	}
	t := float64(x * log2e)
	if t < 0 {
		t -= 0.5
	} else {
		t += 0.5
	}
	n := int(t)
	r := x - float64(float64(n)*ln2Hi)
	r -= float64(float64(n) * ln2Lo)
	p := 1.0 / 479001600
	p = float64(p*r) + 1.0/39916800
	p = float64(p*r) + 1.0/3628800
	p = float64(p*r) + 1.0/362880
	p = float64(p*r) + 1.0/40320
	p = float64(p*r) + 1.0/5040
	p = float64(p*r) + 1.0/720
	p = float64(p*r) + 1.0/120
	p = float64(p*r) + 1.0/24
	p = float64(p*r) + 1.0/6
	p = float64(p*r) + 0.5
	p = float64(p*r) + 1
	p = float64(p*r) + 1
	return p * math.Float64frombits(uint64(n+1023)<<52)
}

// Log returns the natural logarithm of x.
func Log(x float32) float32 { return float32(math.Log(float64(x))) }

// Sin returns the sine of x, in radians.
func Sin(x float32) float32 { return float32(math.Sin(float64(x))) }

// Cos returns the cosine of x, in radians.
func Cos(x float32) float32 { return float32(math.Cos(float64(x))) }

// Sqrt returns the square root of x, correctly rounded.
func Sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// Rsqrt returns 1/√x with both operations rounded to float32.
func Rsqrt(x float32) float32 { return 1 / Sqrt(x) }

// Square returns x².
func Square(x float32) float32 { return x * x }

// Abs32 returns |x|.
func Abs32(x float32) float32 { return float32(math.Abs(float64(x))) }

// Neg32 returns −x.
func Neg32(x float32) float32 { return -x }

// Floor returns the largest whole number that is not above x.
func Floor(x float32) float32 { return float32(math.Floor(float64(x))) }

// Ceil returns the least whole number that is not below x.
func Ceil(x float32) float32 { return float32(math.Ceil(float64(x))) }

// RoundEven returns the nearest whole number, the even one of two.
func RoundEven(x float32) float32 { return float32(math.RoundToEven(float64(x))) }

// Sign returns −1, 0 or 1; NaN stays NaN.
func Sign(x float32) float32 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

// Elu returns e^x − 1 for negative x, and x otherwise.
func Elu(x float32) float32 {
	if x < 0 {
		return float32(math.Expm1(float64(x)))
	}
	return x
}

// Gelu returns x × Φ(x), with Φ the normal distribution function. The complementary error function keeps the digits
// of large negative inputs.
func Gelu(x float32) float32 {
	return 0.5 * x * float32(math.Erfc(float64(x*float32(-math.Sqrt2/2))))
}

// GeluTanh returns the common approximation of Gelu by a hyperbolic tangent.
func GeluTanh(x float32) float32 {
	const sqrt2OverPi = 0.797884560802865355879892119868763737
	cube := float32(float32(float32(float32(0.044715)*x)*x) * x)
	return 0.5 * x * (1 + Tanh(float32(sqrt2OverPi)*(x+cube)))
}

// HardSwish returns x × clamp(x+3, 0, 6) / 6, the quotient as a product with the rounded sixth.
func HardSwish(x float32) float32 { return x * min(max(x+3, 0), 6) * (1.0 / 6) }

// Erf returns the error function.
func Erf(x float32) float32 { return float32(math.Erf(float64(x))) }

// Softplus returns log(1 + e^x).
func Softplus(x float32) float32 {
	return float32(max(float64(x), 0) + math.Log1p(math.Exp(-math.Abs(float64(x)))))
}
