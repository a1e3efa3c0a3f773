package load_test

import (
	"math"
	"os"
	"testing"

	"wayside/graph/graphtest"
	"wayside/graph/tensor"
	"wayside/graph/tflite"
)

// TestAttnVecEinsum checks the matrix product with one scale per column against float64. No oracle runs it: LiteRT 2.3 gives zeros
// for every input, because it reads a scale that is not there.
func TestAttnVecEinsum(t *testing.T) {
	const file = "models/tflite-attn/static_w8_a16_quantized_attn_vec_einsum.tflite"
	data, err := os.ReadFile(graphtest.Shared(t, file))
	check(t, err)
	g, err := tflite.Read(data)
	check(t, err)
	var w *tensor.Tensor
	for i := range g.Values {
		if g.Values[i].DType == tensor.S8 {
			w, _ = g.Values[i].Tensor()
		}
	}
	s := model(t, file).NewSession()
	x, y := s.Input(0), s.Output(0)
	for i := range x.S16() {
		x.S16()[i] = int16(i * 7919)
	}
	check(t, s.Run())
	k, n := w.Shape[0], w.Shape[1]
	far := 0.0
	for i, got := range y.S16() {
		sum := 0.0
		for c, v := range x.S16()[i/n*k : (i/n+1)*k] {
			sum += float64(v) * float64(w.S8()[c*n+i%n])
		}
		want := sum * float64(x.Quant.Scale[0]) * float64(w.Quant.Scale[i%n]) / float64(y.Quant.Scale[0])
		far = max(far, math.Abs(float64(got)-min(max(want, math.MinInt16), math.MaxInt16)))
	}
	if far > 1.5 { // the multiplier has 15 bits: half a step of rounding and one of 2^-15 × 2^15
		t.Errorf("up to %v steps away", far)
	}
}
