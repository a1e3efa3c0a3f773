package load_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"wayside/graph"
	"wayside/graph/graphtest"
	"wayside/graph/load"
	"wayside/graph/tensor"
)

// modelRuns is what scripts/oracles/tflite_models.py writes for a real model: per run and output a hash of an integer output, or a
// sample of the values of a float output with its largest absolute value.
type modelRuns struct {
	Model, Oracle string
	Runs          [][]struct {
		SHA256 string
		Values []float32
		Max    float32
	}
}

// oracleIsWrong are models whose oracle gives what no arithmetic explains, with the test that checks them instead.
var oracleIsWrong = map[string]string{
	"tflite-attn/static_w8_a16_quantized_attn_vec_einsum.tflite": "LiteRT gives zeros for every input; TestAttnVecEinsum compares with float64",
}

// modelULP bounds the distance of float outputs of whole models from the oracle's, in units in the last place of the output's largest
// value: both sum in their own order over many layers.
var modelULP = map[string]float64{}

const defaultModelULP = 32

// splitMix gives the numbers of SplitMix64 (Steele, Lea, Flood 2014) for a seed.
func splitMix(seed uint64, n int, f func(i int, z uint64)) {
	for i := range n {
		z := seed + uint64(i+1)*0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		f(i, z^z>>31)
	}
}

// fillRandom repeats values() of scripts/oracles/tflite_models.py.
func fillRandom(t *testing.T, in *tensor.Tensor, seed uint64) {
	t.Helper()
	n := in.Elems()
	switch in.DType {
	case tensor.F32:
		x := in.F32()
		splitMix(seed, n, func(i int, z uint64) { x[i] = float32(int64(z>>51)-4096) / 4096 })
	case tensor.S8, tensor.U8:
		splitMix(seed, n, func(i int, z uint64) { in.Data[i] = byte(z >> 56) })
	case tensor.S16:
		x := in.S16()
		splitMix(seed, n, func(i int, z uint64) { x[i] = int16(uint16(z >> 48)) })
	case tensor.Bool:
		splitMix(seed, n, func(i int, z uint64) { in.Data[i] = byte(z >> 63) })
	default:
		t.Fatalf("no random values of type %s", in.DType)
	}
}

// TestModelsAgainstOracle runs every real model 20 times in one session on random inputs. Integer outputs must be those of the oracle, byte for
// byte; the largest distance of float outputs is printed.
func TestModelsAgainstOracle(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "graphtest", "testdata", "tflite_models.json"))
	check(t, err)
	var models []modelRuns
	check(t, json.Unmarshal(b, &models))
	files, err := filepath.Glob(filepath.Join(graphtest.Shared(t, "models"), "*", "*.tflite"))
	check(t, err)
	if len(files) != len(models) {
		t.Errorf("%d models in ../shared/models, %d with recorded outputs: run scripts/oracles/tflite_models.py", len(files), len(models))
	}
	for _, m := range models {
		t.Run(m.Model, func(t *testing.T) {
			if why, ok := oracleIsWrong[m.Model]; ok {
				t.Skip("skipped: " + why)
			}
			p, err := load.File(graphtest.Shared(t, "models/"+m.Model), load.Options{})
			check(t, err)
			s := p.NewSession()
			worst := 0.0
			largest := make([]float32, len(p.Outputs())) // of all runs: one value near zero says nothing
			for _, run := range m.Runs {
				for i := range largest {
					largest[i] = max(largest[i], run[i].Max)
				}
			}
			runs := m.Runs
			if macs := work(p); macs > 50e6 && runtime.GOARCH != "amd64" {
				runs = runs[:2]
				t.Logf("2 of %d runs: %d million multiply-accumulates each are slow under an emulator", len(m.Runs), macs/1e6)
			}
			for r, run := range runs {
				for i := range p.Inputs() {
					fillRandom(t, s.Input(i), uint64(1000*r+i))
				}
				check(t, s.Run())
				for i := range p.Outputs() {
					o, want := s.Output(i), run[i]
					if want.SHA256 != "" {
						if h := sha256.Sum256(o.Data); hex.EncodeToString(h[:8]) != want.SHA256 {
							t.Errorf("run %d: output %d differs from %s", r, i, m.Oracle)
						}
						continue
					}
					d := sampleULP(t, o.F32(), want.Values, largest[i])
					worst = max(worst, d)
				}
			}
			bound := modelULP[m.Model]
			if bound == 0 {
				bound = defaultModelULP
			}
			if worst > bound {
				t.Errorf("up to %.1f ulp of the largest value from %s, the bound is %v", worst, m.Oracle, bound)
			}
			if p.Outputs()[0].DType == tensor.F32 {
				t.Logf("figure: %s: at most %.1f ulp of the largest value from %s", m.Model, worst, m.Oracle)
			}
		})
	}
}

// work returns the multiply-accumulates of a run.
func work(p *graph.Plan) (n int64) {
	for _, s := range p.Steps() {
		n += s.MACs
	}
	return n
}

// sampleULP compares the values at the recorded positions.
func sampleULP(t *testing.T, got, want []float32, largest float32) float64 {
	t.Helper()
	unit := float64(math.Nextafter32(largest, math.MaxFloat32)) - float64(largest)
	worst := 0.0
	at := func(i int, k uint64) { worst = max(worst, math.Abs(float64(got[k])-float64(want[i]))/unit) }
	if len(got) <= len(want) {
		if len(got) != len(want) {
			t.Fatalf("%d values instead of %d", len(got), len(want))
		}
		for i := range want {
			at(i, uint64(i))
		}
		return worst
	}
	splitMix(uint64(len(got)), len(want), func(i int, z uint64) { at(i, z%uint64(len(got))) })
	return worst
}
