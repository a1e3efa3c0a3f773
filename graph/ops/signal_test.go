package ops

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/tensor"
)

// flexInts encodes a map of integers in four bytes each.
func flexInts(m map[string]int) string {
	keys := slices.Sorted(maps.Keys(m))
	var b []byte
	at := map[string]int{}
	for _, k := range keys {
		at[k] = len(b)
		b = append(append(b, k...), 0)
	}
	u32 := func(v int) { b = binary.LittleEndian.AppendUint32(b, uint32(int32(v))) }
	u32(len(keys))
	list := len(b)
	for _, k := range keys {
		u32(len(b) - at[k])
	}
	u32(len(b) - list)
	u32(4)
	u32(len(keys))
	values := len(b)
	for _, k := range keys {
		u32(m[k])
	}
	for range keys {
		b = append(b, flexInt<<2|2)
	}
	u32(len(b) - values)
	return string(append(b, flexMapType<<2|2, 4))
}

// rawOptions are attributes that hold custom options alone.
type rawOptions string

func (o rawOptions) Int(_ int, _ string, def int64) int64       { return def }
func (o rawOptions) Float(_ int, _ string, def float32) float32 { return def }
func (o rawOptions) Ints(int, string) []int64                   { return nil }
func (o rawOptions) Floats(int, string) []float32               { return nil }
func (o rawOptions) Tensor(string) *graph.Value                 { return nil }
func (o rawOptions) Has(slot int, _ string) bool                { return slot == 1000 }
func (o rawOptions) String(slot int, _ string, def string) string {
	if slot == 1000 {
		return string(o)
	}
	return def
}

// refusal builds a graph with one custom operator and returns the reason why it does not run, or "".
func refusal(t *testing.T, op, options string, ins []graph.Value, outs int) string {
	t.Helper()
	_, why := customPlan(op, options, ins, outs)
	return why
}

func customPlan(op, options string, ins []graph.Value, outs int) (*graph.Plan, string) {
	g := &graph.Graph{Format: graph.TFLite}
	n := graph.Node{Name: "n", Src: graph.Source{Op: "CUSTOM:" + op, Version: 1, Attrs: rawOptions(options)}}
	for _, v := range ins {
		id := g.NewValue(v)
		if v.Const == nil {
			g.Inputs = append(g.Inputs, id)
		}
		n.In = append(n.In, id)
	}
	for range outs {
		id := g.NewValue(graph.Value{Name: "o"})
		g.Outputs = append(g.Outputs, id)
		n.Out = append(n.Out, id)
	}
	g.Nodes = []graph.Node{n}
	var p *graph.Plan
	err := graph.Build(g)
	if err == nil {
		p, err = graph.NewPlan(g, 1<<24)
	}
	var u *graph.UnsupportedError
	switch {
	case err == nil:
		return p, ""
	case errors.As(err, &u):
		return nil, u.Nodes[0].Reason
	}
	return nil, "not refused but: " + err.Error()
}

// TestSignalStateMayHoldAnything restores counters that no run leaves.
func TestSignalStateMayHoldAnything(t *testing.T) {
	x := []graph.Value{{Name: "x", DType: tensor.S16, Shape: tensor.Shape{4}}}
	for op, options := range map[string]map[string]int{
		"SignalFramer":  {"frame_size": 6, "frame_step": 4, "prefill": 0},
		"SignalStacker": {"num_channels": 4, "stacker_left_context": 2, "stacker_right_context": 1, "stacker_step": 3},
	} {
		p, why := customPlan(op, flexInts(options), x, 2)
		if why != "" {
			t.Fatal(why)
		}
		s := p.NewSession()
		for _, held := range []int32{-1 << 31, -2, -1, 0, 1, 3, 7, 8, 9, 15, 16, 17, 1<<31 - 1} {
			saved := s.Save()
			binary.LittleEndian.PutUint32(saved[len(saved)-8:], uint32(held))
			binary.LittleEndian.PutUint32(saved[len(saved)-4:], crc32.ChecksumIEEE(saved[:len(saved)-4]))
			if err := s.Restore(saved); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := s.Run(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestSignalRefuses(t *testing.T) {
	in := func(d tensor.DType, shape ...int) graph.Value { return graph.Value{Name: "x", DType: d, Shape: shape} }
	s16 := func(n ...int) graph.Value { return in(tensor.S16, n...) }
	u32 := func(n ...int) graph.Value { return in(tensor.U32, n...) }
	constant := func(vs ...int16) graph.Value {
		v := s16(len(vs))
		v.Const = []byte{}
		for _, x := range vs {
			v.Const = binary.LittleEndian.AppendUint16(v.Const, uint16(x))
		}
		return v
	}
	type o = map[string]int
	type vs = []graph.Value
	usual := o{"smoothing": 1, "one_minus_smoothing": 1, "alternate_smoothing": 1, "alternate_one_minus_smoothing": 1, "min_signal_remaining": 1, "clamping": 0,
		"smoothing_bits": 10, "spectral_subtraction_bits": 14, "num_channels": 4}
	with := func(name string, v int) o {
		m := maps.Clone(usual)
		m[name] = v
		return m
	}
	for _, c := range []struct {
		op   string
		opts o
		ins  vs
		outs int
		says string
	}{
		{"SignalWindow", o{"shift": 12}, vs{s16(8), s16(4)}, 1, ""},
		{"SignalWindow", o{}, vs{s16(8), s16(4)}, 1, "option shift is missing"},
		{"SignalWindow", o{"shift": 32}, vs{s16(8), s16(4)}, 1, "option shift is 32; 0 to 31 is supported"},
		{"SignalWindow", o{"shift": -1}, vs{s16(8), s16(4)}, 1, "option shift is -1"},
		{"SignalWindow", o{"shift": 12}, vs{s16(8), s16(3)}, 1, "3 weights do not divide"},
		{"SignalWindow", o{"shift": 12}, vs{s16(8), s16(0)}, 1, "0 weights do not divide"},
		{"SignalWindow", o{"shift": 12}, vs{s16(), s16(1)}, 1, "input 0 is a scalar"},
		{"SignalWindow", o{"shift": 12}, vs{s16(8), s16(2, 4)}, 1, "input 1 has the shape [2,4]; rank 1 is supported"},
		{"SignalWindow", o{"shift": 12}, vs{in(tensor.F32, 8), s16(4)}, 1, "input 0 is float32; int16 is supported"},
		{"SignalWindow", o{"shift": 12}, vs{s16(8)}, 1, "has 1 inputs and 1 outputs; it needs 2 and 1"},
		{"SignalFftAutoScale", nil, vs{s16(8)}, 2, ""},
		{"SignalFftAutoScale", nil, vs{s16(8)}, 1, "has 1 inputs and 1 outputs"},
		{"SignalRfft", o{"T": 7, "fft_length": 16}, vs{s16(16)}, 1, ""},
		{"SignalRfft", o{"fft_length": 16}, vs{s16(16)}, 1, ""},
		{"SignalRfft", o{"T": 2, "fft_length": 16}, vs{s16(16)}, 1, "option T says that the input is not int16"},
		{"SignalRfft", o{"T": 7, "fft_length": 16}, vs{s16(17)}, 1, "the last axis has 17 samples; 1 to fft_length 16"},
		{"SignalRfft", o{"T": 7, "fft_length": 14}, vs{s16(14)}, 1, "fft_length is 14; 4 to 16384 are supported, twice a product of twos, threes and fives"},
		{"SignalRfft", o{"T": 7, "fft_length": 15}, vs{s16(15)}, 1, "fft_length is 15"},
		{"SignalRfft", o{"T": 7, "fft_length": 1 << 30}, vs{s16(15)}, 1, "option fft_length is 1073741824"},
		{"SignalRfft", o{"T": 9, "fft_length": 16}, vs{in(tensor.S8, 16)}, 1, "needs one input of int16, int32 or float32"},
		{"SignalRfft", o{"T": 7, "fft_length": 16}, vs{}, 1, "needs one input"},
		{"SignalIrfft", o{"T": 0, "fft_length": 16}, vs{in(tensor.F32, 2, 18)}, 1, ""},
		{"SignalIrfft", o{"T": 0, "fft_length": 16}, vs{in(tensor.F32, 2, 16)}, 1, "fft_length/2 + 1 numbers, 18"},
		{"SignalEnergy", o{"start_index": 1, "end_index": 4}, vs{s16(8)}, 1, ""},
		{"SignalEnergy", o{"start_index": 1, "end_index": 5}, vs{s16(8)}, 1, "exceed the 4 numbers"},
		{"SignalEnergy", o{"start_index": 1, "end_index": 4}, vs{s16(9)}, 1, "the input has 9 elements"},
		{"SignalFilterBank", o{"num_channels": 1}, vs{u32(4), constant(1, 2), constant(1, 2), constant(0, 1), constant(0, 1), constant(1, 1)}, 1, ""},
		{"SignalFilterBank", o{"num_channels": 1}, vs{u32(4), s16(2), constant(1, 2), constant(0, 1), constant(0, 1), constant(1, 1)}, 1, "must be constants"},
		{"SignalFilterBank", o{"num_channels": 2}, vs{u32(4), constant(1, 2), constant(1, 2), constant(0, 1), constant(0, 1), constant(1, 1)}, 1, "starts and widths of 2 channels"},
		{"SignalFilterBank", o{"num_channels": 1}, vs{u32(4), constant(1, 2), constant(1, 2), constant(0, 3), constant(0, 1), constant(1, 2)}, 1, "do not stay within the weights and the 4 bins"},
		{"SignalFilterBank", o{"num_channels": 1}, vs{u32(4), constant(1, 2), constant(1, 2), constant(0, -1), constant(0, 1), constant(1, 1)}, 1, "do not stay"},
		{"SignalFilterBank", o{"num_channels": 1}, vs{u32(4), constant(1, 2), constant(1), constant(0, 1), constant(0, 1), constant(1, 1)}, 1, "do not stay"},
		{"SignalFilterBankSquareRoot", nil, vs{in(tensor.U64, 4), in(tensor.S32)}, 1, ""},
		{"SignalFilterBankSquareRoot", nil, vs{in(tensor.U64, 4), in(tensor.S32, 1)}, 1, "input 1 has the shape [1]; rank 0"},
		{"SignalPCAN", o{"snr_shift": 6}, vs{u32(4), u32(4), s16(125)}, 1, ""},
		{"SignalPCAN", o{"snr_shift": 6}, vs{u32(4), u32(5), s16(125)}, 1, "differ in shape"},
		{"SignalPCAN", o{"snr_shift": 6}, vs{u32(4), u32(4), s16(124)}, 1, "the gain table has 124 elements; at least 125"},
		{"SignalPCAN", o{"snr_shift": 64}, vs{u32(4), u32(4), s16(125)}, 1, "option snr_shift is 64"},
		{"SignalFilterBankLog", o{"output_scale": 64, "input_correction_bits": 3}, vs{u32(4)}, 1, ""},
		{"SignalFilterBankLog", o{"output_scale": 64, "input_correction_bits": 32}, vs{u32(4)}, 1, "option input_correction_bits is 32"},
		{"SignalFilterBankSpectralSubtraction", usual, vs{u32(4)}, 2, ""},
		{"SignalFilterBankSpectralSubtraction", usual, vs{u32(5)}, 2, "the input has 5 channels, num_channels is 4"},
		{"SignalFilterBankSpectralSubtraction", with("smoothing", -1), vs{u32(4)}, 2, "option smoothing is -1"},
		{"SignalFilterBankSpectralSubtraction", with("spectral_subtraction_bits", 64), vs{u32(4)}, 2, "option spectral_subtraction_bits is 64"},
		{"SignalFramer", o{"frame_size": 4, "frame_step": 2, "prefill": 1}, vs{s16(6)}, 2, ""},
		{"SignalFramer", o{"frame_size": 4, "frame_step": 2}, vs{s16(6)}, 2, "option prefill is missing"},
		{"SignalFramer", o{"frame_size": 4, "frame_step": 0, "prefill": 1}, vs{s16(6)}, 2, "option frame_step is 0"},
		{"SignalFramer", o{"frame_size": 4, "frame_step": 5, "prefill": 1}, vs{s16(5)}, 2, "prefill needs a frame_step"},
		{"SignalFramer", o{"frame_size": 4, "frame_step": 2, "prefill": 0}, vs{s16(5)}, 2, "a multiple of frame_step 2"},
		{"SignalFramer", o{"frame_size": 1 << 20, "frame_step": 1, "prefill": 0}, vs{s16(1 << 10)}, 2, "has more than"},
		{"SignalFramer", o{"frame_size": 1 << 20, "frame_step": 1, "prefill": 0}, vs{s16(1<<10, 1)}, 2, "has more than"},
		{"SignalFramer", o{"frame_size": 4, "frame_step": 2, "prefill": 0}, vs{}, 2, "has 2 inputs"},
		{"SignalStacker", o{"num_channels": 2, "stacker_left_context": 1, "stacker_right_context": 1, "stacker_step": 3}, vs{s16(2)}, 2, ""},
		{"SignalStacker", o{"num_channels": 2, "stacker_left_context": 1, "stacker_right_context": 1, "stacker_step": 4}, vs{s16(2)}, 2, "must not exceed the 3 frames"},
		{"SignalStacker", o{"num_channels": 1 << 20, "stacker_left_context": 1 << 20, "stacker_right_context": 1, "stacker_step": 1}, vs{s16(2)}, 2, "too large"},
		{"SignalStacker", o{"num_channels": 3, "stacker_left_context": 1, "stacker_right_context": 1, "stacker_step": 1}, vs{s16(2)}, 2, "the input has 2 values, num_channels is 3"},
		{"SignalDelay", o{"delay_length": 3}, vs{s16(2, 2)}, 1, ""},
		{"SignalDelay", o{"delay_length": 0}, vs{s16(2, 2)}, 1, ""},
		{"SignalDelay", o{"delay_length": -1}, vs{s16(2, 2)}, 1, "option delay_length is -1"},
		{"SignalDelay", o{"delay_length": 1 << 20}, vs{s16(1<<20, 1)}, 1, "has more than"},
		{"SignalOverlapAdd", o{"T": 0, "frame_step": 2}, vs{in(tensor.F32, 3, 4)}, 1, ""},
		{"SignalOverlapAdd", o{"T": 0, "frame_step": 5}, vs{in(tensor.F32, 3, 4)}, 1, "must not exceed the 4 samples"},
		{"SignalOverlapAdd", o{"T": 2, "frame_step": 2}, vs{in(tensor.S32, 3, 4)}, 1, "int16 or float32"},
		{"SignalOverlapAdd", o{"T": 7, "frame_step": 2}, vs{s16(4)}, 1, "int16 or float32 with the axes"},
	} {
		got := refusal(t, c.op, flexInts(c.opts), c.ins, c.outs)
		if c.says == "" && got != "" || !strings.Contains(got, c.says) {
			t.Errorf("%s %v %v: got %q, want %q", c.op, c.opts, c.ins, got, c.says)
		}
	}
	if got := refusal(t, "SignalWindow", "\x01\x02\x03", vs{s16(8), s16(4)}, 1); !strings.Contains(got, "custom options") {
		t.Errorf("damaged options: got %q", got)
	}
}
