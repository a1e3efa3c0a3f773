package load_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/feed"
	"wayside/graph/graphtest"
	"wayside/graph/load"
	"wayside/graph/passes"
	"wayside/graph/tensor"
	"wayside/graph/tflite"
)

// recurrentGolden returns what tflite-micro gives for the models of this file (scripts/oracles/recurrent_models.py).
func recurrentGolden(t *testing.T) map[string]*tensor.Tensor {
	t.Helper()
	b, err := os.ReadFile("testdata/recurrent.npz")
	check(t, err)
	arrays, err := feed.ParseNPZ(b)
	check(t, err)
	m := map[string]*tensor.Tensor{}
	for _, a := range arrays {
		m[a.Name] = a.T
	}
	return m
}

// TestHandwrittenDigits runs two LSTM models over rows of pixels: the digit must be right, the int8 scores those of tflite-micro, and the float scores close
// to them. The first run of each picture starts afresh; then all of them run in one session, in which the state goes on.
func TestHandwrittenDigits(t *testing.T) {
	golden := recurrentGolden(t)
	digits := []int{0, 2, 4, 6, 8}
	for _, name := range []string{"trained_lstm", "trained_lstm_int8"} {
		t.Run(name, func(t *testing.T) {
			p := model(t, "models/tflm/"+name+".tflite")
			s, row := p.NewSession(), p.NewSession()
			worst := 0.0
			compare := func(what string, got, want *tensor.Tensor, from int) {
				if got.DType == tensor.S8 {
					if !slices.Equal(got.S8(), want.S8()[from:from+10]) {
						t.Errorf("%s: %v, tflite-micro gives %v", what, got.S8(), want.S8()[from:from+10])
					}
					return
				}
				worst = max(worst, graphtest.MaxULP(got.F32(), want.F32()[from:from+10]))
			}
			for i, d := range digits {
				f, err := os.Open(graphtest.Shared(t, fmt.Sprintf("data/images/mnist_lstm/sample%d.png", d)))
				check(t, err)
				defer f.Close()
				pic, err := png.Decode(f)
				check(t, err)
				for _, one := range []*graph.Session{s, row} {
					for k, v := range pic.(*image.Gray).Pix {
						if in := one.Input(0); in.DType == tensor.S8 {
							in.S8()[k] = int8(int(v) - 128)
						} else {
							in.F32()[k] = float32(v) / 255
						}
					}
				}
				s.Reset()
				check(t, s.Run())
				check(t, row.Run())
				scores, _ := s.Output(0).Floats()
				if ints, ok := s.Output(0).Ints(); ok {
					scores = nil
					for _, v := range ints {
						scores = append(scores, float32(v))
					}
				}
				if got := slices.Index(scores, slices.Max(scores)); got != d {
					t.Errorf("the picture of a %d reads as %d: %v", d, got, scores)
				}
				compare(fmt.Sprint(d), s.Output(0), golden[fmt.Sprintf("%s.%d", name, d)], 0)
				compare(fmt.Sprintf("%d in a row", d), row.Output(0), golden[name+".row"], 10*i)
			}
			if name == "trained_lstm" {
				t.Logf("float scores are within %.3g units in the last place of the largest", worst)
				if worst > 8 {
					t.Errorf("%v units in the last place", worst)
				}
			}
		})
	}
}

// rebuild does what load.Bytes does with a graph that has been read.
func rebuild(g *graph.Graph) (*graph.Plan, error) {
	for _, step := range []func(*graph.Graph) error{graph.Check, func(g *graph.Graph) error { return graph.Bind(g, nil) }, passes.ShiftSign, graph.Build, passes.Run} {
		if err := step(g); err != nil {
			return nil, err
		}
	}
	return graph.NewPlan(g, 0)
}

// TestKeywordSequence runs the int8 keyword model with seven SVDF layers over a sequence of inputs. Its weights are scrambled so that its
// scores are always equal: results inside the model are compared with tflite-micro's.
func TestKeywordSequence(t *testing.T) {
	golden := recurrentGolden(t)
	b, err := os.ReadFile(graphtest.Shared(t, "models/tflm/keyword_scrambled.tflite"))
	check(t, err)
	g, err := tflite.Read(b)
	check(t, err)
	probes := []graph.ValueID{5, 29, 47, 50} // tensors of the file
	g.Outputs = append(slices.Clone(probes), g.Outputs...)
	p, err := rebuild(g)
	check(t, err)
	s := p.NewSession()
	in := golden["keyword.in"]
	width := in.Shape[1]
	for i := range in.Shape[0] {
		copy(s.Input(0).S16(), in.S16()[i*width:(i+1)*width])
		check(t, s.Run())
		for k, id := range probes {
			want := golden[fmt.Sprintf("keyword.%d", id)]
			n := want.Shape[1]
			if got := s.Output(k).S8(); !slices.Equal(got, want.S8()[i*n:(i+1)*n]) {
				t.Fatalf("input %d, tensor %d: %v, tflite-micro gives %v", i, id, got, want.S8()[i*n:(i+1)*n])
			}
		}
	}
}

// TestRecurrentState runs all golden cases of recurrent operators in ways in which a lost, shared or stale state would show.
func TestRecurrentState(t *testing.T) {
	moved := 0
	for _, c := range graphtest.Cases(t, "recurrent") {
		p, err := load.Bytes(c.Model, c.Name, load.Options{})
		check(t, err)
		run := func(s *graph.Session, r int) []byte {
			for i, a := range c.Runs[r].In {
				copy(s.Input(i).Data, a.Data)
			}
			check(t, s.Run())
			var out []byte
			for i := range c.Runs[r].Out {
				out = append(out, s.Output(i).Data...)
			}
			return out
		}
		if len(p.State()) == 0 {
			continue
		}
		s, other, third := p.NewSession(), p.NewSession(), p.NewSession()
		var first [][]byte
		fresh := s.Save()
		for r := range c.Runs {
			first = append(first, run(s, r))
			// A second session has been where the first one is, whatever a third one does in between.
			run(third, 0)
			if !bytes.Equal(run(other, r), first[r]) {
				t.Fatalf("%s: run %d differs between two sessions", c.Name, r)
			}
		}
		if !bytes.Equal(run(s, 0), first[0]) {
			moved++ // the state shows in the result
		}
		s.Reset()
		if !bytes.Equal(fresh, s.Save()) || !bytes.Equal(run(s, 0), first[0]) {
			t.Errorf("%s: after Reset the first run gives other bytes", c.Name)
		}
		check(t, third.Restore(s.Save()))
		for r := 1; r < len(c.Runs); r++ {
			if !bytes.Equal(run(third, r), first[r]) {
				t.Errorf("%s: run %d gives other bytes after Restore", c.Name, r)
			}
		}
		if strings.HasSuffix(c.Name, "_1") {
			checkAllocs(t, s)
		}
	}
	if moved < 200 {
		t.Errorf("the state shows in the results of %d cases only", moved)
	}
}

// TestRecurrentRefusals changes one thing in models that run.
func TestRecurrentRefusals(t *testing.T) {
	models := graphtest.Models(t)
	value := func(g *graph.Graph, in int) *graph.Value { return &g.Values[g.Nodes[0].In[in]] }
	drop := func(in int) func(*graph.Graph) { return func(g *graph.Graph) { g.Nodes[0].In[in] = graph.None } }
	shape := func(in int, s ...int) func(*graph.Graph) {
		return func(g *graph.Graph) { v := value(g, in); v.Shape = s }
	}
	plain := func(in int) func(*graph.Graph) { // no longer a variable tensor, but an input
		return func(g *graph.Graph) {
			id := g.Nodes[0].In[in]
			g.States = slices.DeleteFunc(g.States, func(s graph.ValueID) bool { return s == id })
			g.Inputs = append(g.Inputs, id)
		}
	}
	zero := func(in int, z int32) func(*graph.Graph) {
		return func(g *graph.Graph) { value(g, in).Quant.Zero[0] = z }
	}
	scale := func(in int, s float32) func(*graph.Graph) {
		return func(g *graph.Graph) { value(g, in).Quant.Scale[0] = s }
	}
	unscaled := func(in int) func(*graph.Graph) { return func(g *graph.Graph) { value(g, in).Quant = nil } }
	inner := func(n int) func(*graph.Graph) {
		return func(g *graph.Graph) { g.Nodes[0].Src.Inter = g.Nodes[0].Src.Inter[:n] }
	}
	version := func(g *graph.Graph) { g.Nodes[0].Src.Version = 9 }
	for _, c := range []struct {
		model  string
		change func(*graph.Graph)
		says   string
	}{
		{"unilstm_f32_1", drop(2), "input 2 is missing"},
		{"unilstm_f32_1", drop(1), "parameters of the input gate are incomplete"},
		{"unilstm_f32_1", drop(12), "parameters of the input gate are incomplete"},
		{"unilstm_f32_1", drop(18), "input 18 is missing"},
		{"unilstm_f32_1", shape(0, 4, 3), "rank 3"},
		{"unilstm_f32_1", shape(0, 1, 4, 0), "is empty"},
		{"unilstm_f32_1", plain(18), "output state must be a variable tensor"},
		{"unilstm_f32_1", plain(19), "cell state must be a variable tensor"},
		{"unilstm_f32_1", shape(19, 1, 3), "cell state must be float32"},
		{"unilstm_f32_1", shape(13, 1, 6), "input 13 must be float32"},
		{"unilstm_f32_1", func(g *graph.Graph) { g.Nodes[0].In = g.Nodes[0].In[:19] }, "19 inputs"},
		{"unilstm_f32_1", version, "versions 1 to 3"},
		{"unilstm_f32_1", func(g *graph.Graph) { // a variable tensor that no node uses
			g.States = append(g.States, g.NewValue(graph.Value{Name: "open", DType: tensor.F32, Shape: tensor.Shape{-1, 4}}))
		}, "has no size"},
		{"unilstm_f32_full_1", drop(10), "peepholes are incomplete"},
		{"unilstm_f32_full_0", func(g *graph.Graph) { g.Nodes[0].In[9] = g.Nodes[0].In[13] }, "belongs to the input gate"},
		{"unilstm_f32_full_3", drop(16), "need a projection"},
		{"unilstm_f32_full_4", drop(16), "but no projection"},
		{"unilstm_f32_full_5", drop(21), "layer normalization are incomplete"},
		{"unilstm_hybrid_sym", zero(2, 3), "zero point 0"},
		{"unilstm_hybrid_sym", func(g *graph.Graph) { value(g, 2).DType = tensor.U8 }, "uint8"},
		{"unilstm_s8_1", unscaled(0), "without a scale"},
		{"unilstm_s8_1", func(g *graph.Graph) { value(g, 0).DType = tensor.U8 }, "uint8 is not supported"},
		{"unilstm_s8_1", scale(19, 0.0003), "not a power of two"},
		{"unilstm_s8_1", zero(3, 1), "zero point 0"},
		{"unilstm_s16_17", scale(1, 1e6), "too large"},
		{"unilstm_s16_17", func(g *graph.Graph) {
			n := &g.Nodes[0]
			n.In[1], n.In[5], n.In[12] = graph.None, graph.None, graph.None
		}, "int16 activations are supported with 24 inputs"},
		{"unilstm_s8_full_0", inner(4), "5 intermediate tensors"},
		{"unilstm_s8_full_0", func(g *graph.Graph) {
			n := &g.Nodes[0]
			n.Src.Inter = slices.Repeat(n.Src.Inter[4:], 12)
		}, "12 intermediate tensors"},
		{"unilstm_s8_full_0", scale(19, 0.0625), "not a power of two from 2^-15"},
		{"unilstm_s8_full_5", func(g *graph.Graph) { g.Values[g.Nodes[0].Src.Inter[2]].Quant = nil }, "intermediate tensor 2"},
		{"lstm_f32_0", shape(0, 1, 1, 5), "rank 2"},
		{"lstm_basic_f32_0", shape(1, 2, 4), "do not go together"},
		{"lstm_basic_u8_0_state", func(g *graph.Graph) { g.Values[g.Nodes[0].Out[1]].Quant.Scale[0] = 0.001 }, "2^-11"},
		{"lstm_basic_u8_0_state", func(g *graph.Graph) { value(g, 0).DType = tensor.S8 }, "int8 is not supported by the basic kernel"},
		{"svdf_f32_1", drop(4), "input 4 is missing"},
		{"svdf_f32_1", plain(4), "state must be a variable tensor"},
		{"svdf_f32_1", shape(2, 5, 4), "input 2 must be"},
		{"svdf_s8_int16_1_0", unscaled(4), "without a scale"},
		{"svdf_s8_int8_1_0", shape(4, 1, 4), "state must be int8"},
		{"rnn_f32_tanh", drop(3), "input 3 is missing"},
		{"rnn_f32_tanh", shape(2, 2, 8), "input 2 must be"},
		{"unirnn_f32_0", plain(4), "hidden state must be a variable tensor"},
		{"birnn_f32_2", func(g *graph.Graph) { g.Nodes[0].Out = g.Nodes[0].Out[:1]; g.Outputs = g.Outputs[:1] }, "1 outputs instead of 2"},
		{"birnn_f32_2", drop(10), "a second input for the backward direction"},
		{"birnn_f32_6", shape(9, 3, 2, 5), "must have the shape"},
		{"birnn_hybrid_15", shape(0, 5000, 1, 4), "up to 1024 steps"},
		{"bilstm_f32_1", func(g *graph.Graph) { g.Nodes[0].In = g.Nodes[0].In[:47] }, "47 inputs"},
	} {
		g, err := tflite.Read(models[c.model])
		if err != nil {
			t.Errorf("%s: %v", c.model, err)
			continue
		}
		c.change(g)
		if _, err := rebuild(g); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want a refusal with %q", c.model, err, c.says)
		}
	}
}
