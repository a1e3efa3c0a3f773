package release

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"wayside/graph"
	"wayside/graph/feed"
	"wayside/graph/tensor"
)

// goldenSet is golden.npz against the inputs and outputs of one model: samples of bytes in the model's own types.
type goldenSet struct {
	samples int
	in, out []*tensor.Tensor // per input and output of the model; the first axis counts samples
}

// maxGoldenSamples bounds the time of a self-test.
const maxGoldenSamples = 4096

// readGolden parses golden.npz out of memory and matches it to p.
func readGolden(data []byte, p Program) (*goldenSet, error) {
	if err := boundNPZ(data); err != nil {
		return nil, fmt.Errorf("%s: %w", goldenName, err)
	}
	arrays, err := feed.ParseNPZ(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", goldenName, err)
	}
	g := &goldenSet{in: make([]*tensor.Tensor, len(p.Inputs())), out: make([]*tensor.Tensor, len(p.Outputs())), samples: -1}
	for _, a := range arrays {
		side, ios, kind := g.out, p.Outputs(), "out"
		if strings.HasPrefix(a.Name, "in") {
			side, ios, kind = g.in, p.Inputs(), "in"
		}
		i, err := strconv.Atoi(strings.TrimPrefix(a.Name, kind))
		if err != nil || i < 0 || i >= len(side) {
			return nil, fmt.Errorf("%s: %q is not one of in0 to in%d, out0 to out%d", goldenName, a.Name, len(g.in)-1, len(g.out)-1)
		}
		if err := g.match(a.T, ios[i]); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", goldenName, a.Name, err)
		}
		side[i] = a.T
	}
	for i, t := range g.in {
		if t == nil {
			return nil, fmt.Errorf("%s: in%d is missing", goldenName, i)
		}
	}
	for i, t := range g.out {
		if t == nil {
			return nil, fmt.Errorf("%s: out%d is missing", goldenName, i)
		}
	}
	return g, nil
}

// maxGoldenBytes bounds what the arrays may inflate to.
const maxGoldenBytes = 16 << 20

// boundNPZ refuses an archive that says it inflates to too much. One that lies is stopped by the zip reader itself, which
// never gives more than the header says.
func boundNPZ(data []byte) error {
	zr, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	var n uint64
	for _, f := range zr.File {
		if n += f.UncompressedSize64; n > maxGoldenBytes || f.UncompressedSize64 > maxGoldenBytes {
			return fmt.Errorf("inflates to more than the %d bytes allowed", maxGoldenBytes)
		}
	}
	return nil
}

// match checks dtype and size, and that all arrays hold the same number of samples.
func (g *goldenSet) match(t *tensor.Tensor, io graph.IO) error {
	if t.DType != io.DType {
		return fmt.Errorf("dtype is %s, the model has %s", t.DType, io.DType)
	}
	per, err := io.Shape.Elems()
	if err != nil {
		return err
	}
	n := t.Elems()
	if per == 0 || n == 0 || n%per != 0 {
		return fmt.Errorf("shape %s is no number of samples of %s", t.Shape, io.Shape)
	}
	s := n / per
	if s > maxGoldenSamples {
		return fmt.Errorf("%d samples are more than the %d allowed", s, maxGoldenSamples)
	}
	if g.samples >= 0 && s != g.samples {
		return fmt.Errorf("has %d samples, another array has %d", s, g.samples)
	}
	g.samples = s
	return nil
}

// sample is the bytes of sample i of an array that counts samples first.
func (g *goldenSet) sample(t *tensor.Tensor, i int) []byte {
	n := len(t.Data) / g.samples
	return t.Data[i*n : (i+1)*n]
}

// run gives every sample to a fresh state and compares what comes out. stop is asked before each sample.
func (g *goldenSet) run(s Session, tolerance float64, stop func() error) error {
	for i := range g.samples {
		if err := stop(); err != nil {
			return err
		}
		s.Reset()
		for j, t := range g.in {
			copy(s.Input(j).Data, g.sample(t, i))
		}
		if err := s.Run(); err != nil {
			return fmt.Errorf("golden sample %d: %w", i, err)
		}
		for j, t := range g.out {
			got := s.Output(j)
			if err := compare(got, g.sample(t, i), tolerance); err != nil {
				return fmt.Errorf("golden sample %d, output %d: %w", i, j, err)
			}
		}
	}
	return nil
}

func compare(got *tensor.Tensor, want []byte, tolerance float64) error {
	if got.DType != tensor.F32 {
		if !bytes.Equal(got.Data, want) {
			at := 0
			for at < len(want) && at < len(got.Data) && got.Data[at] == want[at] {
				at++
			}
			return fmt.Errorf("differs from byte %d on; integers must be equal", at)
		}
		return nil
	}
	w := tensor.As[float32](aligned(want), 4)
	for k, v := range got.F32() {
		a, b := float64(v), float64(w[k])
		if math.IsNaN(a) || math.IsInf(a, 0) {
			return fmt.Errorf("element %d is %g", k, a)
		}
		if d := math.Abs(a - b); !(d <= tolerance*max(1, math.Abs(b))) {
			return fmt.Errorf("element %d is %g, golden is %g (tolerance %g)", k, a, b, tolerance)
		}
	}
	return nil
}

// aligned copies b to where any element type may view it: a sample in the middle of an array need not be aligned.
func aligned(b []byte) []byte {
	c := tensor.Aligned(len(b))
	copy(c, b)
	return c
}

// vectors are the golden inputs as real numbers, for the behaviour test of a model with one numeric input.
func (g *goldenSet) vectors(io graph.IO) ([][]float32, error) {
	out := make([][]float32, g.samples)
	for i := range out {
		t := &tensor.Tensor{DType: io.DType, Shape: io.Shape, Quant: io.Quant, Data: aligned(g.sample(g.in[0], i))}
		out[i] = make([]float32, t.Elems())
		if err := feed.Dequantize(out[i], t); err != nil {
			return nil, err
		}
	}
	return out, nil
}
