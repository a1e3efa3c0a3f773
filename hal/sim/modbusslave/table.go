package modbusslave

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"wayside/hal"
	"wayside/hal/bus/modbus"
	"wayside/hal/table"
)

// Mapping puts one column of a table into registers (the same for holding and input registers), or into a bit (coil and discrete input).
type Mapping struct {
	Column  string
	Address uint16
	Type    modbus.ValueType
	Scale   float64 // register = value / scale, rounded
}

// ParseMapping reads "column=address", "column=address,type" or "column=address,type,scale"; type uint16 and scale 1 are the defaults.
func ParseMapping(s string) (Mapping, error) {
	bad := func(why string) (Mapping, error) {
		return Mapping{}, &hal.KeyError{Key: "map", Reason: fmt.Sprintf("%q: %s", s, why), Remedy: `write "column=address,type,scale", such as "speed=0,uint16,0.1"`}
	}
	name, rest, found := strings.Cut(s, "=")
	parts := strings.Split(rest, ",")
	if name = strings.TrimSpace(name); !found || name == "" || len(parts) > 3 {
		return bad("is not of that form")
	}
	m := Mapping{Column: name, Type: modbus.Uint16, Scale: 1}
	n, err := strconv.ParseUint(strings.TrimSpace(parts[0]), 10, 16)
	if err != nil {
		return bad("the address is no number from 0 to 65535")
	}
	m.Address = uint16(n)
	if len(parts) > 1 {
		if m.Type = modbus.ValueType(strings.TrimSpace(parts[1])); m.Type != modbus.Bit && m.Type.Registers() == 0 {
			return bad("the type must be " + modbus.ValueTypes)
		}
	}
	if len(parts) > 2 {
		if m.Scale, err = strconv.ParseFloat(strings.TrimSpace(parts[2]), 64); err != nil || m.Scale == 0 || math.IsInf(m.Scale, 0) || math.IsNaN(m.Scale) {
			return bad("the scale is no number other than 0")
		}
	}
	return m, nil
}

// DefaultMappings gives every numeric column two registers as float32, from address 0 on in the table's order.
func DefaultMappings(t *table.Table) []Mapping {
	var out []Mapping
	for i, name := range t.Numeric() {
		out = append(out, Mapping{Column: name, Address: uint16(2 * i), Type: modbus.Float32, Scale: 1})
	}
	return out
}

// Replay says how a table runs.
type Replay struct {
	Step  time.Duration // time of one row
	Start int           // first row, from 0
	Loop  bool          // begin again after the last row; without it the device fails from there on
}

// Table is a Store that replays a table: the row is the whole steps that passed since it was made. Requests for a cell that is
// empty, or after the last row, are answered with exception 4, device failure: the device has no value. Writes are refused.
type Table struct {
	clock  hal.Clock
	replay Replay
	rows   int
	begin  time.Duration
	regs   map[uint16][]cell // one slice per address that is mapped, one cell per row
	bits   map[uint16][]cell

	mu     sync.Mutex
	frozen bool
	stood  int // row at which it was frozen
}

type cell struct {
	v  uint16
	ok bool // false: empty in the table
}

// NewTable checks all cells against the mappings; what does not fit is an error with file and line. The replay begins now.
func NewTable(t *table.Table, maps []Mapping, r Replay, clock hal.Clock) (*Table, error) {
	rows := len(t.Lines)
	switch {
	case r.Step <= 0:
		return nil, &hal.KeyError{Key: "step", Reason: r.Step.String(), Remedy: "give a time above 0, such as 100ms"}
	case r.Start < 0 || r.Start >= rows:
		return nil, &hal.KeyError{Key: "start", Reason: fmt.Sprintf("row %d of %d", r.Start, rows), Remedy: fmt.Sprintf("give 0 to %d", rows-1)}
	case len(maps) == 0:
		return nil, &hal.KeyError{Key: "map", Reason: t.Name + " has no column of numbers", Remedy: "name the columns to serve"}
	}
	s := &Table{clock: clock, replay: r, rows: rows, begin: clock.Boot(), regs: map[uint16][]cell{}, bits: map[uint16][]cell{}}
	for _, m := range maps {
		if err := s.add(t, m); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Table) add(t *table.Table, m Mapping) error {
	values, err := t.Column(m.Column)
	if err != nil {
		return err
	}
	space, n := s.regs, m.Type.Registers()
	if m.Type == modbus.Bit {
		space, n = s.bits, 1
	}
	if int(m.Address)+n > 1<<16 {
		return &hal.KeyError{Key: "map", Reason: fmt.Sprintf("column %q at address %d goes past 65535", m.Column, m.Address), Remedy: "use a lower address"}
	}
	cells := make([][]cell, n)
	for w := range cells {
		a := m.Address + uint16(w)
		if space[a] != nil {
			return &hal.KeyError{Key: "map", Reason: fmt.Sprintf("column %q at address %d overlaps another", m.Column, a), Remedy: "types of 32 bits take two addresses"}
		}
		cells[w] = make([]cell, s.rows)
		space[a] = cells[w]
	}
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		words := []uint16{0}
		if m.Type != modbus.Bit {
			if words, err = m.Type.Encode(v / m.Scale); err != nil {
				return fmt.Errorf("modbusslave: %s:%d: column %q: value %g with scale %g: %w", t.Name, t.Lines[i], m.Column, v, m.Scale, err)
			}
		} else if v != 0 {
			words[0] = 1
		}
		for w := range cells {
			cells[w][i] = cell{words[w], true}
		}
	}
	return nil
}

// Row is the row that is served now, and false after the last one.
func (s *Table) Row() (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.row()
}

func (s *Table) row() (int, bool) {
	n := s.stood
	if !s.frozen {
		n = s.replay.Start + int((s.clock.Boot()-s.begin)/s.replay.Step)
	}
	if s.replay.Loop {
		return n % s.rows, true
	}
	return n, n < s.rows
}

// Freeze implements Store.
func (s *Table) Freeze(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on && !s.frozen {
		s.stood, _ = s.row()
	}
	s.frozen = on
}

// Handle implements Store.
func (s *Table) Handle(_ byte, r modbus.Request) (modbus.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fail := func(c modbus.Exception) (modbus.Response, error) {
		return modbus.Response{}, &modbus.ExceptionError{Function: r.Function, Code: c}
	}
	space := s.regs
	switch r.Function {
	case modbus.ReadCoils, modbus.ReadDiscreteInputs:
		space = s.bits
	case modbus.ReadHoldingRegisters, modbus.ReadInputRegisters:
	default:
		return fail(modbus.IllegalFunction)
	}
	row, there := s.row()
	var resp modbus.Response
	for i := range int(r.Count) {
		cells, known := space[r.Address+uint16(i)]
		if !known {
			return fail(modbus.IllegalDataAddress)
		}
		if !there || !cells[row].ok {
			return fail(modbus.DeviceFailure)
		}
		resp.Registers = append(resp.Registers, cells[row].v)
		resp.Bits = append(resp.Bits, cells[row].v != 0)
	}
	return resp, nil
}
