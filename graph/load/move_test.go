package load_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"wayside/graph/graphtest"
	"wayside/graph/load"
	"wayside/graph/tensor"
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
