package release

import (
	"fmt"
	"time"

	"wayside/graph"
	"wayside/graph/feed"
	"wayside/graph/load"
	"wayside/graph/tensor"
)

// Program is a loaded model, immutable and shared: *graph.Plan through Load, or a double in tests.
type Program interface {
	Inputs() []graph.IO
	Outputs() []graph.IO
	State() []graph.IO
	ArenaBytes() int
	WeightBytes() int
	Session() Session
}

// Session is one stream of a Program's state with memory of its own; *graph.Session is one. Not safe for concurrent use.
type Session interface {
	Input(i int) *tensor.Tensor
	Output(i int) *tensor.Tensor
	Run() error
	Reset()
	Save() []byte
	Restore([]byte) error
}

type plan struct{ *graph.Plan }

func (p plan) Session() Session { return p.NewSession() }

// LoadGraph reads a model of any format that graph/load knows, holding at most maxBytes of file and as much of arena.
func LoadGraph(data []byte, name string, maxBytes int64) (Program, error) {
	return CachedGraphs(nil)(data, name, maxBytes)
}

// CachedGraphs is LoadGraph with packed weights kept in a cache; nil for none.
func CachedGraphs(c *load.Cache) func(data []byte, name string, maxBytes int64) (Program, error) {
	return func(data []byte, name string, maxBytes int64) (Program, error) {
		p, err := load.Bytes(data, name, load.Options{MaxFileBytes: maxBytes, MaxArenaBytes: maxBytes, Cache: c})
		if err != nil {
			return nil, err
		}
		return plan{p}, nil
	}
}

// Model is a Program with its identity.
type Model struct {
	Name    string // as configured
	Version string // of the release; "factory" for the configured file
	Digest  string // SHA-256 of the model's bytes, inflated, in hex
	Release string // SHA-256 of release.toml; "" for the factory model
	Program Program
}

// Factory is the version of a model that came with the configuration and not with a release.
const Factory = "factory"

// Runner feeds real numbers to one session of a model and gives real numbers back, quantizing and dequantizing as its tensors say.
// All memory is allocated by NewRunner. Not safe for concurrent use.
type Runner struct {
	s       Session
	in      *tensor.Tensor
	outs    []*tensor.Tensor
	out     []float32
	offsets []int // of each output in out
}

// NewRunner opens a session. It refuses a model that cannot be fed with one vector: more than one input, or a type without a real value.
func NewRunner(p Program) (*Runner, error) {
	if n := len(p.Inputs()); n != 1 {
		return nil, fmt.Errorf("the model has %d inputs; a task feeds exactly one", n)
	}
	if len(p.Outputs()) == 0 {
		return nil, fmt.Errorf("the model has no output")
	}
	in := p.Inputs()[0]
	if !numeric(in.DType) {
		return nil, fmt.Errorf("input %q is %s; a task feeds float32, int8, uint8, int16 or int32", in.Name, in.DType)
	}
	r := &Runner{s: p.Session()}
	r.in = r.s.Input(0)
	n := 0
	for i, o := range p.Outputs() {
		if !numeric(o.DType) {
			return nil, fmt.Errorf("output %q is %s; a task reads float32, int8, uint8, int16 or int32", o.Name, o.DType)
		}
		t := r.s.Output(i)
		r.outs = append(r.outs, t)
		r.offsets = append(r.offsets, n)
		n += t.Elems()
	}
	r.out = make([]float32, n)
	return r, nil
}

func numeric(d tensor.DType) bool {
	switch d {
	case tensor.F32, tensor.S8, tensor.U8, tensor.S16, tensor.S32:
		return true
	}
	return false
}

// InputLen is the number of values that Run takes.
func (r *Runner) InputLen() int { return r.in.Elems() }

// OutputLen is the number of values that Run gives, all outputs together.
func (r *Runner) OutputLen() int { return len(r.out) }

// Offset is where output tensor i begins in what Run gives, and its length; ok is false when there is no such output.
func (r *Runner) Offset(i int) (at, n int, ok bool) {
	if i < 0 || i >= len(r.outs) {
		return 0, 0, false
	}
	return r.offsets[i], r.outs[i].Elems(), true
}

// Run computes one step. The result belongs to the Runner and lasts until the next Run. A panic inside becomes an error:
// a model is foreign data, and what it breaks must not be the worker.
func (r *Runner) Run(in []float32) (out []float32, took time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("release: the model's run panicked: %v", p)
		}
	}()
	if len(in) != r.in.Elems() {
		return nil, 0, fmt.Errorf("release: %d values for an input of %d", len(in), r.in.Elems())
	}
	if err := feed.Quantize(r.in, in, feed.HalfAway); err != nil {
		return nil, 0, err
	}
	start := time.Now()
	err = r.s.Run()
	took = time.Since(start)
	if err != nil {
		return nil, took, err
	}
	for i, t := range r.outs {
		if err := feed.Dequantize(r.out[r.offsets[i]:r.offsets[i]+t.Elems()], t); err != nil {
			return nil, took, err
		}
	}
	return r.out, took, nil
}
