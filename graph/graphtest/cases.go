package graphtest

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"wayside/graph/tensor"
)

// Array is a tensor as scripts/oracles writes it. Data is little endian.
type Array struct {
	DType string
	Shape tensor.Shape
	Data  []byte // base64 in the file
}

// Case is a small model with what its oracle computed. The runs share one session, so state goes on from one to the next.
type Case struct {
	Family string `json:"-"` // the module of scripts/oracles/tflite that made it
	Name   string
	Op     string // the operator that the case is about
	Oracle string // tflm, litert or builtin: see scripts/oracles/tflite/suite.py
	ULP    int    // bound for float outputs, in units in the last place
	OfMax  bool   `json:"of_max"` // the units are those of the largest value of the output, not of each value
	Model  []byte
	Runs   []struct{ In, Out []Array }
}

// Path returns a path in this package's testdata, whatever package the running test belongs to.
func Path(name string) string {
	return filepath.Join(root, "graph/graphtest/testdata", name)
}

// Cases returns the golden TFLite cases of all families, or of the named ones.
func Cases(t testing.TB, families ...string) []Case {
	t.Helper()
	paths := []string{}
	for _, f := range families {
		paths = append(paths, Path("tflite/"+f+".json.gz"))
	}
	if len(families) == 0 {
		var err error
		if paths, err = filepath.Glob(Path("tflite/*.json.gz")); err != nil || len(paths) == 0 {
			t.Fatalf("no golden cases: %v", err)
		}
	}
	var all []Case
	for _, p := range paths {
		all = append(all, family(t, p)...)
	}
	return all
}

// read holds the families that have been read: unpacking them takes most of the time of a small test.
var read sync.Map

// family returns the cases of one file. Callers share them and must leave them as they are.
func family(t testing.TB, path string) []Case {
	t.Helper()
	if c, ok := read.Load(path); ok {
		return c.([]Case)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var cases []Case
	dec := json.NewDecoder(bufio.NewReader(z))
	for dec.More() {
		c := Case{Family: strings.TrimSuffix(filepath.Base(path), ".json.gz")}
		if err := dec.Decode(&c); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		cases = append(cases, c)
	}
	read.Store(path, cases)
	return cases
}

// Models returns the models of the golden cases by name.
func Models(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, c := range Cases(t) {
		out[c.Name] = slices.Clone(c.Model)
	}
	return out
}

// Differ says how got differs from what the oracle gave, or returns "". Integers must be equal; floats may be ulp units in the last
// place away, of each value or, with ofMax, of the largest finite value. A NaN equals a NaN; zeros of both signs are equal.
func Differ(got *tensor.Tensor, want *Array, ulp int, ofMax bool) string {
	if got.DType.String() != want.DType || !got.Shape.Equal(want.Shape) {
		return fmt.Sprintf("%s%v instead of %s%v", got.DType, got.Shape, want.DType, want.Shape)
	}
	if len(got.Data) != len(want.Data) {
		return fmt.Sprintf("%d bytes instead of %d", len(got.Data), len(want.Data))
	}
	w := &tensor.Tensor{DType: got.DType, Shape: got.Shape, Data: tensor.Aligned(len(want.Data))}
	copy(w.Data, want.Data)
	bad, first, worst := 0, -1, 0.0
	if fw, ok := w.Floats(); ok {
		fg, _ := got.Floats()
		units := map[tensor.DType]float64{tensor.F32: 1, tensor.F16: 1 << 13, tensor.BF16: 1 << 16}[got.DType] // in those of float32
		bad, first, worst = differFloats(fg, fw, float64(ulp)*units, ofMax)
		if bad == 0 {
			return ""
		}
		return fmt.Sprintf("%d of %d values differ, by up to %.3g ulp; first at %d: got %v, want %v", bad, len(fw), worst, first, fg[first], fw[first])
	}
	iw, _ := w.Ints()
	ig, ok := got.Ints()
	if !ok {
		return "cannot compare " + got.DType.String()
	}
	for i := range iw {
		if ig[i] == iw[i] {
			continue
		}
		bad++
		if first < 0 {
			first = i
		}
		worst = max(worst, math.Abs(float64(ig[i]-iw[i])))
	}
	if bad == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d values differ, by up to %v; first at %d: got %v, want %v", bad, len(iw), worst, first, ig[first], iw[first])
}

// MaxULP returns the largest distance between two float tensors of one shape, in units in the last place of the largest value of want.
func MaxULP(got, want []float32) float64 {
	_, _, worst := differFloats(got, want, -1, true)
	return worst
}

func differFloats(got, want []float32, ulp float64, ofMax bool) (bad, first int, worst float64) {
	first = -1
	largest := 0.0
	for _, x := range want {
		if a := math.Abs(float64(x)); !math.IsInf(a, 0) && a > largest {
			largest = a
		}
	}
	for i, x := range want {
		g := got[i]
		if g == x || g != g && x != x {
			continue
		}
		at := math.Abs(float64(x))
		if ofMax {
			at = largest
		}
		unit := float64(math.Nextafter32(float32(at), math.MaxFloat32)) - float64(float32(at))
		d := math.Abs(float64(g)-float64(x)) / unit
		if d <= ulp {
			worst = max(worst, d)
			continue
		}
		bad++
		if first < 0 {
			first = i
		}
		if d != d {
			d = math.Inf(1)
		}
		worst = max(worst, d)
	}
	return bad, first, worst
}
