package feed

import (
	"fmt"
	"math"
	"math/cmplx"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/stat"
)

// The vocabulary of ParseFeatures. n is the length of the window; statistics are those of the population (numpy's default).
//
//	value       n      the window itself
//	diff        n-1    each value minus the one before it
//	zscore      n      (value − mean) / std; all zero when std is zero
//	mean        1      arithmetic mean
//	std         1      standard deviation
//	min, max    1      extremes
//	slope       1      least-squares slope per slot
//	rms         1      root of the mean square
//	spectrum:N  N      magnitudes of the first N bins of the real Fourier transform, divided by n; bin 0 is |mean|
var featureKinds = []string{"value", "diff", "zscore", "mean", "std", "min", "max", "slope", "rms", "spectrum:N"}

type feature struct {
	kind string
	bins int // spectrum only
}

// Features turns one window into a feature vector. The zero value has no features. Apply keeps scratch memory inside, so
// one Features serves one goroutine; ParseFeatures makes another.
type Features struct {
	list []feature
	mem  *featureScratch
}

type featureScratch struct {
	n      int
	x      []float64 // slot numbers, for the slope
	y      []float64 // the window
	fft    *fourier.FFT
	coeffs []complex128
}

// ParseFeatures reads a list from the vocabulary: value, diff, zscore, mean, std, min, max, slope, rms, spectrum:N.
func ParseFeatures(names []string) (Features, error) {
	f := Features{mem: &featureScratch{}}
	for i, name := range names {
		kind, arg, hasArg := strings.Cut(strings.TrimSpace(name), ":")
		ft := feature{kind: kind}
		known := false
		for _, k := range featureKinds {
			base, _, _ := strings.Cut(k, ":")
			known = known || base == kind
		}
		switch {
		case !known:
			return Features{}, fmt.Errorf("feed: feature %d: %q is unknown; known are %s", i+1, name, strings.Join(featureKinds, ", "))
		case kind == "spectrum":
			n, err := strconv.Atoi(arg)
			if err != nil || n < 1 || n > maxSlots/2+1 {
				return Features{}, fmt.Errorf("feed: feature %d: %q needs its number of bins, as in spectrum:8", i+1, name)
			}
			ft.bins = n
		case hasArg:
			return Features{}, fmt.Errorf("feed: feature %d: %q takes no number", i+1, name)
		}
		f.list = append(f.list, ft)
	}
	if len(f.list) == 0 {
		return Features{}, fmt.Errorf("feed: no features are named; known are %s", strings.Join(featureKinds, ", "))
	}
	return f, nil
}

// Check tells whether the features exist for a window of n values, and prepares for that length: after it Apply
// allocates nothing.
func (f Features) Check(n int) error {
	if n < 1 {
		return fmt.Errorf("feed: features of an empty window")
	}
	for _, ft := range f.list {
		if ft.kind == "spectrum" && ft.bins > n/2+1 {
			return fmt.Errorf("feed: spectrum:%d of a window of %d values: it has only %d bins", ft.bins, n, n/2+1)
		}
		if n < 2 && (ft.kind == "diff" || ft.kind == "slope") {
			return fmt.Errorf("feed: %s of a window of one value", ft.kind)
		}
	}
	f.prepare(n)
	return nil
}

// Size returns the number of values that Apply writes for a window of n values.
func (f Features) Size(n int) int {
	total := 0
	for _, ft := range f.list {
		total += ft.size(n)
	}
	return total
}

func (ft feature) size(n int) int {
	switch ft.kind {
	case "value", "zscore":
		return n
	case "diff":
		return max(n-1, 0)
	case "spectrum":
		return ft.bins
	}
	return 1
}

func (f Features) prepare(n int) {
	m := f.mem
	if m.n == n {
		return
	}
	*m = featureScratch{n: n, x: make([]float64, n), y: make([]float64, n)}
	for i := range m.x {
		m.x[i] = float64(i)
	}
	for _, ft := range f.list {
		if ft.kind == "spectrum" {
			m.fft, m.coeffs = fourier.NewFFT(n), make([]complex128, n/2+1)
			break
		}
	}
}

// Apply writes the features of window to dst, which has Size(len(window)) elements. It allocates only when the window's length
// differs from that of the call before. Check must have accepted the length.
func (f Features) Apply(dst, window []float32) {
	n := len(window)
	if len(dst) != f.Size(n) {
		panic("feed: features: dst has the wrong length")
	}
	f.prepare(n)
	m := f.mem
	for i, v := range window {
		m.y[i] = float64(v)
	}
	transformed := false
	for _, ft := range f.list {
		out := dst[:ft.size(n)]
		dst = dst[len(out):]
		switch ft.kind {
		case "value":
			copy(out, window)
		case "diff":
			for i := range out {
				out[i] = window[i+1] - window[i]
			}
		case "zscore":
			mean, std := stat.PopMeanStdDev(m.y, nil)
			for i, v := range m.y {
				if std > 0 {
					out[i] = float32((v - mean) / std)
				} else {
					out[i] = 0
				}
			}
		case "mean":
			out[0] = float32(stat.Mean(m.y, nil))
		case "std":
			out[0] = float32(stat.PopStdDev(m.y, nil))
		case "min", "max":
			out[0] = window[0]
			for _, v := range window {
				if ft.kind == "min" {
					out[0] = min(out[0], v)
				} else {
					out[0] = max(out[0], v)
				}
			}
		case "slope":
			_, slope := stat.LinearRegression(m.x, m.y, nil, false)
			out[0] = float32(slope)
		case "rms":
			sum := 0.0
			for _, v := range m.y {
				sum += float64(v * v)
			}
			out[0] = float32(math.Sqrt(sum / float64(n)))
		case "spectrum":
			if !transformed {
				m.fft.Coefficients(m.coeffs, m.y)
				transformed = true
			}
			for i := range out {
				out[i] = float32(cmplx.Abs(m.coeffs[i]) / float64(n))
			}
		}
	}
}

// Normalize maps v to (v − mean) / std in place. mean and std have one value for all, or one for each index of the last
// axis, which then has len(mean) elements.
func Normalize(v, mean, std []float32) error {
	if len(mean) == 0 || len(mean) != len(std) {
		return fmt.Errorf("feed: normalize: %d means and %d standard deviations; as many of each are needed", len(mean), len(std))
	}
	if len(v)%len(mean) != 0 {
		return fmt.Errorf("feed: normalize: %d values are not a multiple of %d means", len(v), len(mean))
	}
	for i, s := range std {
		if !(s > 0) || math.IsInf(float64(s), 0) {
			return fmt.Errorf("feed: normalize: standard deviation %d is %v, it must be positive", i+1, s)
		}
	}
	for i := range v {
		c := i % len(mean)
		v[i] = (v[i] - mean[c]) / std[c]
	}
	return nil
}
