package signal

import (
	"math"
	"math/bits"
)

// FilterBank describes overlapping triangles over the bins of a spectrum. Entry c of Freq, Start and Width says where triangle c begins in the spectrum
// and in the weights, and how many bins it has. Each bin adds its energy times Weights to channel c and times Unweights to channel c + 1;
// entry 0 serves only the second purpose.
type FilterBank struct {
	Weights, Unweights []int16
	Freq, Start, Width []int16
}

// Valid reports whether the bank reads within its weights and a spectrum of bins elements for channels channels.
func (b *FilterBank) Valid(channels, bins int) bool {
	if channels < 0 || min(len(b.Freq), len(b.Start), len(b.Width)) <= channels {
		return false
	}
	for c := range channels + 1 {
		w := int(b.Width[c])
		if w <= 0 {
			continue
		}
		f, s := int(b.Freq[c]), int(b.Start[c])
		if f < 0 || s < 0 || f+w > bins || s+w > min(len(b.Weights), len(b.Unweights)) {
			return false
		}
	}
	return true
}

// Accumulate writes one sum for each element of dst, which Valid has allowed. Sums wrap.
func (b *FilterBank) Accumulate(dst []uint64, src []uint32) {
	var carry uint64
	for c := range len(dst) + 1 {
		sum := carry
		carry = 0
		if w := int(b.Width[c]); w > 0 {
			f, s := int(b.Freq[c]), int(b.Start[c])
			up, down := b.Weights[s:s+w], b.Unweights[s:s+w]
			for i, v := range src[f : f+w] {
				sum += uint64(int64(up[i])) * uint64(v)
				carry += uint64(int64(down[i])) * uint64(v)
			}
		}
		if c > 0 {
			dst[c-1] = sum
		}
	}
}

// SquareRoot writes the rounded square roots, without their shift lowest bits. Only the five lowest bits of shift count.
func SquareRoot(dst []uint32, src []uint64, shift int32) {
	for i, v := range src {
		dst[i] = sqrt(v) >> (shift & 31)
	}
}

// sqrt rounds to the nearest integer. Below 2³² the result has 16 bits, so that it stays at 65535 where 65536 would be nearest.
func sqrt(v uint64) uint32 {
	most := uint64(math.MaxUint16)
	if v>>32 != 0 {
		most = math.MaxUint32
	}
	r := min(uint64(math.Sqrt(float64(v))), most)
	for r*r > v {
		r--
	}
	for r < most && (r+1)*(r+1) <= v {
		r++
	}
	if v-r*r > r && r != most {
		r++
	}
	return uint32(r)
}

// SpectralSubtraction takes an estimate of the steady noise off each channel. All factors are fractions with Bits bits behind the point.
type SpectralSubtraction struct {
	Smoothing, OneMinus       uint32 // weights of the new value and of the old estimate, in channels 0, 2, 4 ...
	AltSmoothing, AltOneMinus uint32 // the same in channels 1, 3, 5 ...
	MinRemaining              uint32 // what is left of a channel at least
	SmoothingBits             uint   // bits behind the point of the estimate, below 32
	Bits                      uint   // below 64
	Clamp                     bool   // whether an estimate above the channel comes down to it
}

// Run moves the estimates on with src and writes the rest into dst. All have the same length.
func (p *SpectralSubtraction) Run(dst, estimate, src []uint32) {
	for i, v := range src {
		now, before := p.Smoothing, p.OneMinus
		if i&1 == 1 {
			now, before = p.AltSmoothing, p.AltOneMinus
		}
		scaled := v << p.SmoothingBits
		e := uint32((uint64(scaled)*uint64(now) + uint64(estimate[i])*uint64(before)) >> p.Bits)
		noise := min(e, scaled)
		if p.Clamp {
			e = noise
		}
		estimate[i] = e
		dst[i] = max((scaled-noise)>>p.SmoothingBits, uint32(uint64(v)*uint64(p.MinRemaining)>>p.Bits))
	}
}

// Fixed point of PCAN's signal-to-noise ratio and of its result, in bits behind the point.
const (
	snrBits  = 12
	pcanBits = 6
)

// MinGainTable is the number of elements that PCAN reads of its table at most.
const MinGainTable = 4*32 - 3

// PCAN normalizes the energy of each channel by a gain that depends on its noise, and presses small results towards zero: x²/4 below 2, x − 1 above.
// The table has three coefficients of a polynomial for every power of two of the noise, in steps of four, after values for 0, 1 and 2. shift is below 64.
func PCAN(dst, src, noise []uint32, table []int16, shift uint) {
	if len(table) < MinGainTable {
		panic("signal: PCAN: table too short")
	}
	for i, v := range src {
		gain := uint32(int32(wideDynamic(noise[i], table)))
		snr := uint32(uint64(v) * uint64(gain) >> shift)
		if snr < 2<<snrBits {
			dst[i] = snr * snr >> (2 + 2*snrBits - pcanBits)
		} else {
			dst[i] = snr>>(snrBits-pcanBits) - 1<<pcanBits
		}
	}
}

func wideDynamic(x uint32, table []int16) int16 {
	if x <= 2 {
		return table[x]
	}
	n := bits.Len32(x)
	t := table[4*n-6:]
	frac := int32(x << (32 - n) >> 21 & 0x3ff) // ten bits below the highest one
	r := int32(t[2])*frac>>5 + int32(t[1])<<5
	return int16((r*frac+1<<14)>>15 + int32(t[0]))
}

// logTable is log₂(1+x) − x in steps of 1/128, with 16 bits behind the point.
var logTable = func() (t [129]int32) {
	for i := range t {
		x := float64(i) / 128
		t[i] = int32(math.Round((math.Log2(1+x) - x) * 65536))
	}
	return t
}()

// Log writes scale × ln(src × 2^shift), cut to int16; 0 where the product (of 32 bits) is 0 or 1. shift is below 32.
func Log(dst []int16, src []uint32, scale uint32, shift uint) {
	for i, v := range src {
		v <<= shift
		dst[i] = 0
		if v > 1 {
			dst[i] = int16(min((scale*ln(v)+1<<15)>>16, math.MaxInt16))
		}
	}
}

// ln returns the natural logarithm of x > 0 with 16 bits behind the point: the binary one by linear interpolation, times ln 2.
func ln(x uint32) uint32 {
	const ln2 = 45426
	n := bits.Len32(x) - 1
	frac := int32(uint64(x-1<<n) << 16 >> n)
	seg := frac >> 9
	low, high := logTable[seg], logTable[seg+1]
	log2 := uint32(n)<<16 + uint32(frac+low+(high-low)*(frac-seg<<9)>>16)
	return uint32((ln2*uint64(log2) + 1<<15) >> 16)
}
