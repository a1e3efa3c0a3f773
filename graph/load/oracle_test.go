package load_test

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"wayside/graph/load"
	"wayside/graph/tensor"
)

// oracleTensor is a tensor as scripts/oracles/tflite.py writes it.
type oracleTensor struct {
	DType string
	Shape tensor.Shape
	Data  string
}

func (o *oracleTensor) bytes(t testing.TB) []byte {
	b, err := base64.StdEncoding.DecodeString(o.Data)
	check(t, err)
	return b
}

type oracleCase struct {
	Name, Model string
	Runs        []struct {
		In  []oracleTensor
		Out oracleTensor
	}
}

func (c *oracleCase) bytes(t testing.TB) []byte {
	b, err := base64.StdEncoding.DecodeString(c.Model)
	check(t, err)
	return b
}

func oracleCases(t testing.TB) []oracleCase {
	f, err := os.Open(filepath.Join("..", "ops", "testdata", "tflite_cases.json.gz"))
	check(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	check(t, err)
	var file struct{ Cases []oracleCase }
	check(t, json.NewDecoder(z).Decode(&file))
	if len(file.Cases) < 150 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	return file.Cases
}

// oracleModels returns the one-operator models by name.
func oracleModels(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	for _, c := range oracleCases(t) {
		out[c.Name] = c.bytes(t)
	}
	return out
}

// TestTFLiteOracle runs one-operator models whose outputs are those of tflite-micro's reference kernels: integer outputs must be
// equal, float outputs within a few units in the last place.
func TestTFLiteOracle(t *testing.T) {
	for _, c := range oracleCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			p, err := load.Bytes(c.bytes(t), c.Name, load.Options{})
			check(t, err)
			s := p.NewSession()
			for r, run := range c.Runs {
				for i := range run.In {
					if in := s.Input(i); copy(in.Data, run.In[i].bytes(t)) != len(in.Data) || in.DType.String() != run.In[i].DType {
						t.Fatalf("input %d is %s%v", i, in.DType, in.Shape)
					}
				}
				check(t, s.Run())
				out := s.Output(0)
				if out.DType.String() != run.Out.DType || !out.Shape.Equal(run.Out.Shape) {
					t.Fatalf("output is %s%v, want %s%v", out.DType, out.Shape, run.Out.DType, run.Out.Shape)
				}
				compare(t, r, out, run.Out.bytes(t))
			}
		})
	}
}

func compare(t *testing.T, run int, out *tensor.Tensor, want []byte) {
	t.Helper()
	bad, first := 0, -1
	if out.DType != tensor.F32 {
		for i := range want {
			if out.Data[i] != want[i] {
				bad++
				if first < 0 {
					first = i
				}
			}
		}
		if bad > 0 {
			t.Errorf("run %d: %d of %d bytes differ, first at %d: got %d, want %d", run, bad, len(want), first, int8(out.Data[first]), int8(want[first]))
		}
		return
	}
	w := tensor.Aligned(len(want))
	copy(w, want)
	for i, x := range tensor.As[float32](w, 4) {
		g := out.F32()[i]
		if d := math.Abs(float64(g - x)); d > 1e-6*max(1, math.Abs(float64(x))) || g != g {
			bad++
			if first < 0 {
				first = i
			}
		}
	}
	if bad > 0 {
		t.Errorf("run %d: %d of %d values differ, first at %d: got %v, want %v", run, bad, len(want)/4, first, out.F32()[first], tensor.As[float32](w, 4)[first])
	}
}
