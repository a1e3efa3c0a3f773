package release

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wayside/graph"
	"wayside/graph/feed"
	"wayside/graph/tensor"
)

// fakeProgram stands in for a plan: what it does is written in its "model file", so that tests can drop models that misbehave.
//
//	fake in=4 kind=mean|nan|nan_after:N|constant|constant_after:N|slow:MICROSECONDS|slow_after:N|big|panic|hang pad=...
type fakeProgram struct {
	n    int
	kind string
	arg  int
	st   []graph.IO
}

func loadFake(data []byte, name string, _ int64) (Program, error) {
	text := string(data)
	if !strings.HasPrefix(text, "fake ") {
		return nil, fmt.Errorf("%s: %w", name, graph.ErrFormat)
	}
	p := &fakeProgram{n: 4, kind: "mean"}
	for _, f := range strings.Fields(text)[1:] {
		k, v, _ := strings.Cut(f, "=")
		switch k {
		case "in":
			fmt.Sscan(v, &p.n)
		case "kind":
			kind, arg, _ := strings.Cut(v, ":")
			p.kind = kind
			fmt.Sscan(arg, &p.arg)
		case "state":
			p.st = []graph.IO{{Name: "h", DType: tensor.F32, Shape: tensor.Shape{1}}}
		case "damaged":
			return nil, fmt.Errorf("%s: node 3: %w", name, graph.ErrDamaged)
		}
	}
	return p, nil
}

func (p *fakeProgram) Inputs() []graph.IO {
	return []graph.IO{{Name: "x", DType: tensor.F32, Shape: tensor.Shape{1, p.n}}}
}

func (p *fakeProgram) Outputs() []graph.IO {
	return []graph.IO{{Name: "y", DType: tensor.F32, Shape: tensor.Shape{1, 1}}}
}
func (p *fakeProgram) State() []graph.IO { return p.st }
func (p *fakeProgram) ArenaBytes() int   { return 4 * p.n }
func (p *fakeProgram) WeightBytes() int  { return 0 }

func (p *fakeProgram) Session() Session {
	in, _ := tensor.New(tensor.F32, tensor.Shape{1, p.n})
	out, _ := tensor.New(tensor.F32, tensor.Shape{1, 1})
	return &fakeSession{p: p, in: in, out: out}
}

type fakeSession struct {
	p       *fakeProgram
	in, out *tensor.Tensor
	runs    int
	state   byte
}

func (s *fakeSession) Input(int) *tensor.Tensor  { return s.in }
func (s *fakeSession) Output(int) *tensor.Tensor { return s.out }
func (s *fakeSession) Reset()                    { s.state = 0 }
func (s *fakeSession) Save() []byte              { return []byte{s.state} }
func (s *fakeSession) Restore(b []byte) error    { s.state = b[0]; return nil }

func busy(d time.Duration) {
	for t := time.Now(); time.Since(t) < d; {
	}
}

func (s *fakeSession) Run() error {
	s.runs++
	s.state++
	sum := float32(0)
	for _, v := range s.in.F32() {
		sum += v
	}
	y := sum / float32(s.p.n)
	bad := s.runs > s.p.arg // for the _after kinds: well-behaved until the session has run so often
	switch s.p.kind {
	case "nan":
		y = float32(math.NaN())
	case "nan_after":
		if bad {
			y = float32(math.NaN())
		}
	case "constant":
		y = 0.25
	case "constant_after":
		if bad {
			y = 0.25
		}
	case "slow":
		busy(time.Duration(s.p.arg) * time.Microsecond)
	case "slow_after":
		busy(20 * time.Microsecond)
		if bad {
			busy(3 * time.Millisecond)
		}
	case "big":
		y += 100
	case "big_after":
		if bad {
			y += 100
		}
	case "panic":
		panic("index out of range")
	case "error_after":
		if bad {
			return fmt.Errorf("arena lost")
		}
	case "hang":
		time.Sleep(time.Hour)
	default:
		busy(20 * time.Microsecond) // a measurable pace
	}
	s.out.F32()[0] = y
	return nil
}

// dropSpec is a drop that a test writes.
type dropSpec struct {
	model    string // content of the model file; "" takes a good one
	file     string
	goldenFn func(in []float32) float32
	manifest func(string) string // edits release.toml
	mangle   func(dir string)    // edits the finished folder
	name     string
	version  string
}

func goldenNPZ(t testing.TB, n int, f func([]float32) float32) []byte {
	t.Helper()
	in, _ := tensor.New(tensor.F32, tensor.Shape{6, n})
	out, _ := tensor.New(tensor.F32, tensor.Shape{6, 1})
	for i := range in.F32() {
		in.F32()[i] = float32(i%7) / 10
	}
	for i := range out.F32() {
		out.F32()[i] = f(in.F32()[i*n : (i+1)*n])
	}
	var b bytes.Buffer
	if err := feed.WriteNPZ(&b, []feed.Named{{Name: "in0", T: in}, {Name: "out0", T: out}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mean(in []float32) float32 {
	s := float32(0)
	for _, v := range in {
		s += v
	}
	return s / float32(len(in))
}

// write makes the folder under a hidden name and renames it, as a careful tool would.
func (d dropSpec) write(t testing.TB, dir string) {
	t.Helper()
	if d.model == "" {
		d.model = "fake in=4 kind=mean v=" + d.name
	}
	if d.file == "" {
		d.file = "model.tflite"
	}
	if d.goldenFn == nil {
		d.goldenFn = mean
	}
	if d.version == "" {
		d.version = "2.0"
	}
	golden := goldenNPZ(t, 4, d.goldenFn)
	man := fmt.Sprintf("model = \"m\"\nfile = %q\nversion = %q\n[sha256]\n%q = %q\n\"golden.npz\" = %q\n",
		d.file, d.version, d.file, Digest([]byte(d.model)), Digest(golden))
	if d.manifest != nil {
		man = d.manifest(man)
	}
	tmp := filepath.Join(dir, "."+d.name)
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	for n, b := range map[string][]byte{d.file: []byte(d.model), "golden.npz": golden, ManifestName: []byte(man)} {
		if err := os.WriteFile(filepath.Join(tmp, n), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d.mangle != nil {
		d.mangle(tmp)
	}
	if err := os.Rename(tmp, filepath.Join(dir, d.name)); err != nil {
		t.Fatal(err)
	}
}

// bench is a manager with one slot, driven by the test.
type bench struct {
	t     *testing.T
	dir   string // state
	drops string
	store *Store
	slot  *Slot
	user  *User
	m     *Manager
	mu    sync.Mutex
	log   []Event
	swaps map[string]pendingSwap
}

func newBench(t *testing.T, dir string, o Options) *bench {
	t.Helper()
	b := &bench{t: t, dir: dir, drops: filepath.Join(dir, "releases"), swaps: map[string]pendingSwap{}}
	if err := os.MkdirAll(b.drops, 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	var damaged error
	if b.store, damaged, err = OpenStore(filepath.Join(dir, "state")); err != nil || damaged != nil {
		t.Fatal(err, damaged)
	}
	mod, dropped, err := Start(b.store, "m", []byte("fake in=4 kind=mean factory"), "factory.tflite", loadFake)
	if err != nil {
		t.Fatal(err)
	}
	if dropped != nil {
		t.Log("dropped:", dropped)
	}
	lim := Limits{OutputMin: []float32{-1}, OutputMax: []float32{10}, MaxSlowdown: 20, ConstantRuns: 12, ProbationRuns: 20}
	if b.slot, err = NewSlot(mod, false, lim); err != nil {
		t.Fatal(err)
	}
	if b.user, err = b.slot.User("task", func(p Program) error {
		if n, _ := p.Inputs()[0].Shape.Elems(); n != 4 {
			return fmt.Errorf("the model's input has %d values, the task feeds 4", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Load = b.drops, loadFake
	if o.SelfTestTimeout == 0 {
		o.SelfTestTimeout = 2 * time.Second
	}
	o.Event = func(e Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.log = append(b.log, e)
	}
	b.m = NewManager(o, b.store, map[string]*Slot{"m": b.slot})
	b.slot.onOutcome(func(m *Model, reason string) { b.m.done <- outcome{m, reason} })
	return b
}

// steps runs n steps of the task on moving input and lets the manager hear their outcomes.
func (b *bench) steps(n int) {
	b.t.Helper()
	in := make([]float32, 4)
	for i := range n {
		for k := range in {
			in[k] = float32((i*7+k*3)%11) / 10
		}
		r, err := b.user.Step(in)
		if err != nil {
			b.t.Fatalf("step %d: %v", i, err)
		}
		if !(r.Out[0] >= -1 && r.Out[0] <= 10) {
			b.t.Fatalf("step %d gave %v: a bad model's output got out", i, r.Out)
		}
		select {
		case o := <-b.m.done:
			b.m.settle(o, b.swaps)
		default:
		}
	}
}

func (b *bench) states() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s []string
	for _, e := range b.log {
		s = append(s, e.State)
	}
	return strings.Join(s, " ")
}

func (b *bench) last() Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.log) == 0 {
		return Event{}
	}
	return b.log[len(b.log)-1]
}
