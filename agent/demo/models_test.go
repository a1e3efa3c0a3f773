package demo

import (
	"bytes"
	"math"
	"path/filepath"
	"testing"

	"wayside/graph/feed"
	"wayside/graph/load"
	"wayside/graph/tensor"
)

// The factory models must give what their oracles gave: int8 byte for byte (TensorFlow Lite Micro), float within 1e-5 (ONNX Runtime).
func TestFactoryModelsAgreeWithGoldens(t *testing.T) {
	const dir = "../../firmware-config/demo/models"
	for _, c := range []struct{ model, golden string }{
		{"incident-1.0.0.tflite", "incident-1.0.0.golden.npz"},
		{"forecast-1.0.0.onnx", "forecast-1.0.0.golden.npz"},
	} {
		t.Run(c.model, func(t *testing.T) {
			plan, err := load.File(filepath.Join(dir, c.model), load.Options{})
			if err != nil {
				t.Fatal(err)
			}
			arrays, err := feed.ReadNPZ(filepath.Join(dir, c.golden))
			if err != nil {
				t.Fatal(err)
			}
			byName := map[string]*tensor.Tensor{}
			for _, a := range arrays {
				byName[a.Name] = a.T
			}
			in := byName["in0"]
			if in == nil || in.Shape[0] < 5 {
				t.Fatalf("golden inputs: %v", in)
			}
			s := plan.NewSession()
			for i := range in.Shape[0] {
				s.Reset()
				copy(s.Input(0).Data, part(in, i))
				if err := s.Run(); err != nil {
					t.Fatal(err)
				}
				for k := range plan.Outputs() {
					want := byName["out"+string(rune('0'+k))]
					if want == nil {
						t.Fatalf("no golden for output %d", k)
					}
					compare(t, i, k, s.Output(k), part(want, i))
				}
			}
		})
	}
}

// part is sample i of an array whose first axis counts samples.
func part(a *tensor.Tensor, i int) []byte {
	n := len(a.Data) / a.Shape[0]
	return a.Data[i*n : (i+1)*n]
}

func compare(t *testing.T, sample, output int, got *tensor.Tensor, want []byte) {
	t.Helper()
	if got.DType != tensor.F32 {
		if !bytes.Equal(got.Data, want) {
			t.Errorf("sample %d, output %d: %v, golden %v", sample, output, got.Data, want)
		}
		return
	}
	w := tensor.Aligned(len(want))
	copy(w, want)
	for k, x := range tensor.As[float32](w, 4) {
		if d := math.Abs(float64(got.F32()[k] - x)); !(d <= 1e-5*max(1, math.Abs(float64(x)))) {
			t.Errorf("sample %d, output %d, element %d: %g, golden %g", sample, output, k, got.F32()[k], x)
		}
	}
}
