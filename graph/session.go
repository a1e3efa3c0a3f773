package graph

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
	"unsafe"

	"wayside/graph/tensor"
)

// Session is one stream of inferences through a plan: an arena with inputs, outputs and state. It is not safe for use by
// several goroutines at once; make one session each.
type Session struct {
	plan    *Plan
	inputs  []*tensor.Tensor
	outputs []*tensor.Tensor
	states  []*tensor.Tensor
	steps   []bound
}

type bound struct {
	run   func(*Args) error
	args  Args
	info  *StepInfo
	index int // in Plan.Steps
}

// NewSession allocates an arena of exactly ArenaBytes and returns a session on it, with the state reset.
func (p *Plan) NewSession() *Session {
	s, err := p.NewSessionIn(tensor.Aligned(p.arenaBytes))
	if err != nil {
		panic("graph: new session: " + err.Error()) // the arena is ours: right size, aligned
	}
	return s
}

// NewSessionIn makes a session in the caller's memory, which must be at least ArenaBytes long, aligned to 8 bytes and
// used by nothing else as long as the session lives.
func (p *Plan) NewSessionIn(arena []byte) (*Session, error) {
	if len(arena) < p.arenaBytes {
		return nil, fmt.Errorf("graph: new session: the arena has %d bytes, the model needs %d", len(arena), p.arenaBytes)
	}
	if len(arena) > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(arena)))%8 != 0 {
		return nil, fmt.Errorf("graph: new session: the arena is not aligned to 8 bytes; tensor.Aligned allocates one that is")
	}
	view := func(l *loc) *tensor.Tensor {
		switch {
		case l.none:
			return nil
		case l.konst != nil:
			return l.konst
		}
		end := l.off + l.size
		return &tensor.Tensor{DType: l.dtype, Shape: l.shape, Quant: l.quant, Data: arena[l.off:end:end]}
	}
	views := func(ls []loc) []*tensor.Tensor {
		out := make([]*tensor.Tensor, len(ls))
		for i := range ls {
			out[i] = view(&ls[i])
		}
		return out
	}
	s := &Session{plan: p, inputs: views(p.inLoc), outputs: views(p.outLoc), states: views(p.stLoc)}
	next := 0
	for i := range p.steps {
		st := &p.steps[i]
		index := next
		next++
		for _, inner := range st.kernel.Inner {
			next += len(inner.Steps())
		}
		if st.kernel.Run == nil && st.kernel.Bind == nil {
			continue
		}
		end := st.scratch.off + st.scratch.size
		b := bound{
			run:   st.kernel.Run,
			info:  &st.info,
			index: index,
			args:  Args{In: views(st.in), Out: views(st.out), Scratch: arena[st.scratch.off:end:end]},
		}
		if st.kernel.Bind != nil {
			var err error
			if b.run, err = st.kernel.Bind(&b.args); err != nil {
				return nil, fmt.Errorf("graph: new session: %s %q: %w", st.info.Op, st.info.Name, err)
			}
		}
		s.steps = append(s.steps, b)
	}
	s.Reset()
	return s, nil
}

// Plan returns the plan that the session runs.
func (s *Session) Plan() *Plan { return s.plan }

// Input returns the view of input i. Write it before Run; Run leaves it as it is.
func (s *Session) Input(i int) *tensor.Tensor { return s.inputs[i] }

// Output returns the view of output i, valid after Run until the next one.
func (s *Session) Output(i int) *tensor.Tensor { return s.outputs[i] }

// State returns the view of state i, in the order of Plan.State.
func (s *Session) State(i int) *tensor.Tensor { return s.states[i] }

// Run computes the outputs and moves the state on. It does not allocate and makes no system call. It fails only for input
// values that no check at load can exclude, such as an index out of range; the outputs are then undefined.
func (s *Session) Run() error {
	for i := range s.steps {
		b := &s.steps[i]
		if err := b.run(&b.args); err != nil {
			return fmt.Errorf("graph: running %s %q: %w", b.info.Op, b.info.Name, err)
		}
	}
	return nil
}

// RunTimed is Run, and adds to took, which has an element for each of the plan's Steps, how many nanoseconds each step ran. Steps inside a
// control operator count to it alone.
func (s *Session) RunTimed(took []int64) error {
	last := time.Now()
	for i := range s.steps {
		b := &s.steps[i]
		if err := b.run(&b.args); err != nil {
			return fmt.Errorf("graph: running %s %q: %w", b.info.Op, b.info.Name, err)
		}
		now := time.Now()
		took[b.index] += now.Sub(last).Nanoseconds()
		last = now
	}
	return nil
}

// Reset gives the state the values it has at the start.
func (s *Session) Reset() {
	for i, t := range s.states {
		rest := t.Data[copy(t.Data, s.plan.stateStart[i]):]
		for k := range rest {
			rest[k] = s.plan.stateFill[i]
		}
	}
}

// Saved state: magic, version, count; per state dtype, rank, axes and bytes; CRC-32 (IEEE) of all before it. Little endian.
var saveMagic = [4]byte{'W', 'S', 'S', 'T'}

const saveVersion = 1

// Save returns the state in a versioned, checksummed form that Restore of any session of the same model accepts.
func (s *Session) Save() []byte {
	b := append([]byte(nil), saveMagic[:]...)
	b = append(b, s.stateHeader()...)
	for _, t := range s.states {
		b = append(b, t.Data...)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func (s *Session) stateHeader() []byte {
	b := binary.LittleEndian.AppendUint32(nil, saveVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.states)))
	for _, t := range s.states {
		b = append(b, byte(t.DType), byte(len(t.Shape)))
		for _, d := range t.Shape {
			b = binary.LittleEndian.AppendUint32(b, uint32(d))
		}
	}
	return b
}

// Restore sets the state to what Save returned. Bytes of another version, of a model with other states, or with a wrong
// checksum are refused, and the state stays as it is.
func (s *Session) Restore(b []byte) error {
	if len(b) < 16 || !bytes.Equal(b[:4], saveMagic[:]) {
		return fmt.Errorf("graph: restoring state: not a saved state")
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.ChecksumIEEE(body) != sum {
		return fmt.Errorf("graph: restoring state: the checksum is wrong")
	}
	if v := binary.LittleEndian.Uint32(body[4:]); v != saveVersion {
		return fmt.Errorf("graph: restoring state: version %d, this program writes and reads version %d", v, saveVersion)
	}
	h := s.stateHeader()
	if len(body) < 4+len(h) || !bytes.Equal(body[4:4+len(h)], h) {
		return fmt.Errorf("graph: restoring state: it belongs to a model with other states")
	}
	data := body[4+len(h):]
	want := 0
	for _, t := range s.states {
		want += len(t.Data)
	}
	if len(data) != want {
		return fmt.Errorf("graph: restoring state: %d bytes of state, the model has %d", len(data), want)
	}
	for _, t := range s.states {
		data = data[copy(t.Data, data):]
	}
	return nil
}
