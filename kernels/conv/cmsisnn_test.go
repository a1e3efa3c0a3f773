package conv_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wayside/kernels/conv"
	"wayside/kernels/gemm"
	"wayside/kernels/requant"
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

func narrow(s []int32) []int8 {
	out := make([]int8, len(s))
	for i, v := range s {
		out[i] = int8(v)
	}
	return out
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
	plain, grouped := 0, 0
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var c cmsisCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Macros["FILTER_X"]; !ok || c.Arrays["input"].Type != "int8_t" || strings.Contains(c.Case, "int4") || strings.Contains(c.Case, "transpose") {
			continue
		}
		t.Run(c.Case, func(t *testing.T) {
			if runCMSIS(t, &c) == 1 {
				plain++
			} else {
				grouped++
			}
		})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if plain != 26 || grouped != 2 {
		t.Errorf("%d ungrouped and %d grouped int8 cases ran, the file has 26 and 2", plain, grouped)
	}
}

// runCMSIS compares one case and returns its count of groups.
func runCMSIS(t *testing.T, c *cmsisCase) int {
	g := &conv.Geometry{
		Batch: c.num("INPUT_BATCHES"), H: c.num("INPUT_H"), W: c.num("INPUT_W"), C: c.num("IN_CH"),
		OutH: c.num("OUTPUT_H"), OutW: c.num("OUTPUT_W"), OutC: c.num("OUT_CH"),
		KH: c.num("FILTER_Y"), KW: c.num("FILTER_X"), StrideH: c.num("STRIDE_Y"), StrideW: c.num("STRIDE_X"),
		DilH: c.num("DILATION_Y"), DilW: c.num("DILATION_X"), PadTop: c.num("PAD_Y"), PadLeft: c.num("PAD_X"), Groups: 1,
	}
	src, w, bias := narrow(c.Arrays["input"].Data), narrow(c.Arrays["weights"].Data), c.Arrays["biases"].Data
	zero := int32(-c.num("INPUT_OFFSET"))
	q := requant.Params{
		Mult: c.Arrays["output_mult"].Data, Shift: c.Arrays["output_shift"].Data, Zero: int32(c.num("OUTPUT_OFFSET")),
		Min: int32(c.num("OUT_ACTIVATION_MIN")), Max: int32(c.num("OUT_ACTIVATION_MAX")),
	}
	want := narrow(c.Arrays["output_ref"].Data)
	got := make([]int8, g.Batch*g.OutH*g.OutW*g.OutC)
	if _, ok := c.Macros["CH_MULT"]; ok {
		packed := conv.PackDepthwiseS8(w, g.KH*g.KW, g.OutC, bias, zero, 0, q)
		conv.DepthwiseS8(got, src, g, packed, make([]int32, g.OutC))
	} else {
		g.Groups = g.C * g.OutC * g.KH * g.KW / len(w)
		n, k := g.OutC/g.Groups, g.KH*g.KW*g.C/g.Groups
		var packed []*gemm.S8Weights
		for i := range g.Groups {
			p := q
			p.Mult, p.Shift = q.Mult[i*n:(i+1)*n], q.Shift[i*n:(i+1)*n]
			packed = append(packed, gemm.PackS8(w[i*n*k:], n, k, bias[i*n:(i+1)*n], zero, 0, p))
		}
		conv.S8(got, src, g, packed, int8(zero), make([]int8, g.PatchElems()))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got[:min(len(got), 40)], want[:min(len(want), 40)])
	}
	return g.Groups
}
