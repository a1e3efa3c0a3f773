package load_test

import (
	"bytes"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"

	"wayside/graph/graphtest"
	"wayside/graph/load"
	"wayside/graph/tensor"
	"wayside/kernels"
)

// TestMoversKeepPromises runs the golden cases of operators that move data in memory that held something else: the same bytes again,
// and no allocation.
func TestMoversKeepPromises(t *testing.T) {
	for _, c := range graphtest.Cases(t, "move", "slice", "gather") {
		p, err := load.Bytes(c.Model, c.Name, load.Options{})
		check(t, err)
		arena := tensor.Aligned(p.ArenaBytes())
		for i := range arena {
			arena[i] = 0xa5
		}
		s, err := p.NewSessionIn(arena)
		check(t, err)
		for i, in := range c.Runs[0].In {
			copy(s.Input(i).Data, in.Data)
		}
		check(t, s.Run())
		first := slices.Clone(s.Output(0).Data)
		least := 1.0
		for range 3 {
			if least > 0 {
				least = min(least, testing.AllocsPerRun(1, func() { err = s.Run() }))
			}
		}
		check(t, err)
		if least > 0 {
			t.Errorf("%s: %v allocations per run", c.Name, least)
		}
		if !bytes.Equal(first, s.Output(0).Data) || !bytes.Equal(first, c.Runs[0].Out[0].Data) && s.Output(0).DType != tensor.F32 {
			t.Errorf("%s: the bytes depend on what the memory held before", c.Name)
		}
	}
}

// TestDilatedConvolution runs a model that computes the paddings of its dilation from its input's shape: with each shape they are
// constants before anything runs. The sums are those of LiteRT's reference kernels.
func TestDilatedConvolution(t *testing.T) {
	// The order of float sums is the reference's in the generic kernels only.
	check(t, kernels.Limit("generic"))
	defer func() { check(t, kernels.Limit(os.Getenv("WAYSIDE_KERNELS"))) }()
	for _, c := range []struct {
		in  []int
		sum uint32
	}{{[]int{1, 64, 64, 3}, 2381562455}, {nil, 2032405337}, {[]int{2, 17, 9, 3}, 1393547660}} {
		o := load.Options{}
		if c.in != nil {
			o.Shapes = map[string][]int{"input_1": c.in}
		}
		p, err := load.File(graphtest.Shared(t, "models/tflite-support/dilated_conv.tflite"), o)
		check(t, err)
		for _, st := range p.Steps() {
			if slices.Contains([]string{"SHAPE", "STRIDED_SLICE", "PACK", "FLOOR_MOD", "SUB"}, st.Op) {
				t.Errorf("%v: %s is a step of the run", c.in, st.Op)
			}
		}
		s := p.NewSession()
		for i := range s.Input(0).F32() {
			s.Input(0).F32()[i] = float32(i*7919%1021)/512 - 1
		}
		check(t, s.Run())
		if got := crc32.ChecksumIEEE(s.Output(0).Data); got != c.sum {
			t.Errorf("%v: the output %v has the sum %d, want %d", c.in, s.Output(0).Shape, got, c.sum)
		}
	}
}

// TestVoiceActivityStream runs a streaming model, which keeps its last frames in variables, cuts them with STRIDED_SLICE and joins them with
// CONCATENATION, on 40 frames of noise. The scores are tflite-micro's.
func TestVoiceActivityStream(t *testing.T) {
	want := []uint8{4, 3, 3, 3, 2, 2, 2, 1, 4, 11, 4, 3, 1, 1, 1, 1, 1, 1, 0, 1, 1, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	s := model(t, "models/microwakeword/vad.tflite").NewSession()
	seed := uint32(2)
	for k, w := range want {
		for i := range s.Input(0).S8() {
			seed = (seed*1103515245 + 12345) & (1<<31 - 1)
			s.Input(0).S8()[i] = int8(int(seed>>16&255) - 128)
		}
		check(t, s.Run())
		if got := s.Output(0).U8()[0]; got != w {
			t.Fatalf("frame %d scores %d, want %d", k, got, w)
		}
	}
}

// TestComputedPositionsAreChecked gives operators positions that are outside of their data: an error, never a panic or a neighbour's data.
func TestComputedPositionsAreChecked(t *testing.T) {
	for _, c := range graphtest.Cases(t, "slice", "gather") {
		p, err := load.Bytes(c.Model, c.Name, load.Options{})
		check(t, err)
		s := p.NewSession()
		indexed := false
		for i, in := range c.Runs[0].In {
			copy(s.Input(i).Data, in.Data)
			if d := in.DType; strings.HasPrefix(d, "int") && d != "int8" {
				indexed = true
				for k := range s.Input(i).Data {
					s.Input(i).Data[k] = 0x6f
				}
			}
		}
		err = s.Run()
		// Updates are clamped, one-hot rows may stay off, a whole input may be int32 data.
		must := strings.HasPrefix(c.Name, "gather_shape") || strings.HasPrefix(c.Name, "gather_nd_shape") || strings.HasPrefix(c.Name, "scatter_nd_shape") ||
			strings.HasPrefix(c.Name, "reverse_sequence_shape") || strings.HasPrefix(c.Name, "slice_computed")
		if must && indexed && err == nil {
			t.Errorf("%s: positions far outside are accepted", c.Name)
		}
	}
}
