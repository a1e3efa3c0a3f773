package rnn

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// cmsisCase is one line of the CMSIS-NN test data: reference outputs were made with TensorFlow Lite.
type cmsisCase struct {
	Case   string
	Macros map[string]any
	Arrays map[string]struct {
		Type string
		Data []int32
	}
}

func (c *cmsisCase) num(name string) int {
	v, _ := c.Macros[name].(float64)
	return int(v)
}

func (c *cmsisCase) s8(name string) []int8 {
	out := make([]int8, len(c.Arrays[name].Data))
	for i, v := range c.Arrays[name].Data {
		out[i] = int8(v)
	}
	return out
}

func (c *cmsisCase) scale(name string) Scale {
	return Scale{int32(c.num(name + "_MULTIPLIER")), int32(c.num(name + "_SHIFT"))}
}

func TestCMSISNNCases(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "conformance", "cmsis-nn", "cases.jsonl.gz")
	f, err := os.Open(path)
	if err != nil {
		t.Skipf("skipped: %s is absent", path)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var c cmsisCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(c.Case, "lstm"):
			t.Run(c.Case, func(t *testing.T) { cmsisLSTM(t, &c) })
		case strings.HasPrefix(c.Case, "svdf"):
			t.Run(c.Case, func(t *testing.T) { cmsisSVDF(t, &c) })
		default:
			continue
		}
		n++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if n != 7 {
		t.Errorf("%d cases ran, the file has 7", n)
	}
}

func cmsisLSTM(t *testing.T, c *cmsisCase) {
	steps, batch, in, n := c.num("TIME_STEPS"), c.num("BATCH_SIZE"), c.num("INPUT_SIZE"), c.num("HIDDEN_SIZE")
	zx, zh := -c.num("INPUT_ZERO_POINT"), c.num("OUTPUT_ZERO_POINT")
	cell := &IntCell{
		Input: in, Cells: n, Output: n, Power: c.num("CELL_SCALE_POWER"), Clips: true, CellClip: int16(c.num("CELL_CLIP")),
		Forget: c.scale("FORGET_TO_CELL"), In: c.scale("INPUT_TO_CELL"), Hidden: c.scale("OUTPUT"), HiddenZero: int32(zh),
	}
	for k, name := range []string{"input", "forget", "cell", "output"} {
		g := &cell.Gates[k]
		up := strings.ToUpper(name) + "_GATE_"
		g.W, g.R = c.s8(name+"_gate_input_weights"), c.s8(name+"_gate_hidden_weights")
		g.WScale, g.RScale, g.Logistic = c.scale(up+"INPUT"), c.scale(up+"HIDDEN"), k != GateCell
		for r, b := range c.Arrays[name+"_gate_bias"].Data {
			sums := func(w []int8, cols int) (s int64) {
				for _, v := range w[r*cols : (r+1)*cols] {
					s += int64(v)
				}
				return s
			}
			g.WBias = append(g.WBias, int64(b)-int64(zx)*sums(g.W, in))
			g.RBias = append(g.RBias, -int64(zh)*sums(g.R, n))
		}
	}
	x, want, got := c.s8("input_tensor"), c.s8("output"), make([]int8, steps*batch*n)
	words, _ := cell.Scratch()
	f := make([]int16, words)
	for b := range batch {
		h, s := slices.Repeat([]int8{int8(zh)}, n), make([]int16, n)
		for i := range steps {
			r := b*steps + i
			if c.Macros["TIME_MAJOR"] == "true" {
				r = i*batch + b
			}
			StepMicro(cell, h, s, x[r*in:(r+1)*in], f)
			copy(got[r*n:], h)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func cmsisSVDF(t *testing.T, c *cmsisCase) {
	in, batch := c.num("INPUT_SIZE"), c.num("INPUT_BATCHES")
	cell := &IntSVDF{
		Input: in, Filters: c.num("FEATURE_BATCHES"), Memory: c.num("TIME_BATCHES"), Rank: c.num("RANK"), Feature: c.s8("weights_feature"),
		In: Scale{int32(c.num("MULTIPLIER_IN")), int32(c.num("SHIFT_1"))}, Out: Scale{int32(c.num("MULTIPLIER_OUT")), int32(c.num("SHIFT_2"))},
		InZero: int32(c.num("INPUT_OFFSET")), OutZero: int32(c.num("OUTPUT_OFFSET")),
	}
	for _, v := range c.Arrays["weights_time"].Data {
		cell.Time = append(cell.Time, int16(v))
	}
	for _, v := range c.Arrays["biases"].Data {
		cell.Bias = append(cell.Bias, int64(v))
	}
	size, units := cell.Filters*cell.Memory, cell.Filters/cell.Rank
	narrow, wide := make([]int8, batch*size), make([]int16, batch*size)
	y := make([]int8, batch*units)
	cell.Pack()
	words, bytes := cell.Scratch()
	sums, flipped := make([]int32, words), make([]byte, bytes)
	for x := c.s8("input_sequence"); len(x) > 0; x = x[batch*in:] {
		for b := range batch {
			xb, yb := x[b*in:(b+1)*in], y[b*units:(b+1)*units]
			if c.Arrays["state"].Type == "int8_t" {
				StepSVDF(cell, yb, narrow[b*size:(b+1)*size], xb, math.MinInt8, math.MaxInt8, sums, flipped)
			} else {
				StepSVDF(cell, yb, wide[b*size:(b+1)*size], xb, math.MinInt16, math.MaxInt16, sums, flipped)
			}
		}
	}
	if want := c.s8("output_ref"); !slices.Equal(y, want) {
		t.Errorf("got %v, want %v", y, want)
	}
}
