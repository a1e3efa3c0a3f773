package modbusslave

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"wayside/hal"
	"wayside/hal/bus/modbus"
)

// Store answers requests. Calls come one at a time. An error that is no *modbus.ExceptionError is answered as a device failure.
type Store interface {
	Handle(unit byte, r modbus.Request) (modbus.Response, error)
	// Freeze makes the values stand still, or lets them go on where the clock is by then.
	Freeze(on bool)
}

// maxConns bounds the connections of one slave.
const maxConns = 64

// Slave is a running device.
type Slave struct {
	store    Store
	clock    hal.Clock
	requests atomic.Uint64

	answering sync.Mutex // one request at a time

	mu    sync.Mutex // guards the rest
	addr  netip.AddrPort
	l     net.Listener // nil while dead or closed
	conns map[net.Conn]struct{}
	fault Fault
	ended bool
	wg    sync.WaitGroup
	ctx   context.Context // ends a slow answer when the slave is closed
	stop  context.CancelFunc
}

// Listen starts a slave on address, an IP and a port (0: any free one).
func Listen(address string, store Store, clock hal.Clock) (*Slave, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, &hal.KeyError{Key: "listen", Reason: fmt.Sprintf("%q is not a number address with a port", address), Remedy: `write for example "127.0.0.1:1502", port 0 for any free one`}
	}
	s := &Slave{store: store, clock: clock, addr: a, conns: map[net.Conn]struct{}{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.listen(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// listen opens the listener; s.mu is held.
func (s *Slave) listen() error {
	l, err := net.Listen("tcp", s.addr.String())
	if err != nil {
		return fmt.Errorf("modbusslave: %w", err)
	}
	s.l = l
	s.addr = l.Addr().(*net.TCPAddr).AddrPort() // port 0 has become a number, and stays that number
	s.wg.Add(1)
	go s.accept(l)
	return nil
}

// Addr is where it listens, the port filled in.
func (s *Slave) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr.String()
}

// Requests counts the requests that came in, answered or not.
func (s *Slave) Requests() uint64 { return s.requests.Load() }

// Close ends the slave and waits for its connections.
func (s *Slave) Close() error {
	s.mu.Lock()
	s.ended = true
	s.hangUp()
	s.mu.Unlock()
	s.stop()
	s.wg.Wait()
	return nil
}

// hangUp closes the listener and all connections; s.mu is held.
func (s *Slave) hangUp() {
	if s.l != nil {
		_ = s.l.Close() // it only has to stop
		s.l = nil
	}
	for c := range s.conns {
		_ = c.Close() // likewise
	}
}

func (s *Slave) accept(l net.Listener) {
	defer s.wg.Done()
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed by hangUp; nothing else ends a loopback listener
		}
		s.mu.Lock()
		if s.ended || s.l != l || len(s.conns) >= maxConns {
			s.mu.Unlock()
			_ = conn.Close()
			continue
		}
		s.conns[conn] = struct{}{}
		s.wg.Add(1)
		s.mu.Unlock()
		go s.serve(conn)
	}
}

func (s *Slave) serve(conn net.Conn) {
	defer s.wg.Done()
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	var buf []byte
	var chunk [512]byte
	for {
		f, n, err := modbus.ParseFrame(buf)
		if err != nil {
			return // not Modbus: hang up, as devices do
		}
		if n == 0 {
			got, err := conn.Read(chunk[:])
			buf = append(buf, chunk[:got]...)
			if err != nil {
				return
			}
			continue
		}
		out := s.answer(f)
		buf = append(buf[:0], buf[n:]...)
		if len(out) == 0 {
			continue
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// answer is the whole reply to one request, faults applied; nothing for silence.
func (s *Slave) answer(f modbus.Frame) []byte {
	s.requests.Add(1)
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	switch fault.Kind {
	case Silent:
		return nil
	case Slow:
		if err := hal.Sleep(s.ctx, s.clock, fault.Delay); err != nil {
			return nil
		}
	}
	s.answering.Lock()
	defer s.answering.Unlock()
	pdu := s.pdu(f, fault)
	reply := modbus.Frame{Transaction: f.Transaction, Unit: f.Unit, PDU: pdu}
	switch fault.Kind {
	case WrongUnit:
		reply.Unit++
	case Short:
		// The length in the header is right, the data is not: the byte count promises one byte more.
		reply.PDU = pdu[:len(pdu)-1]
	}
	return modbus.AppendFrame(nil, reply)
}

func (s *Slave) pdu(f modbus.Frame, fault Fault) []byte {
	if fault.Kind == Exception {
		fn := modbus.Function(0)
		if len(f.PDU) > 0 {
			fn = modbus.Function(f.PDU[0])
		}
		return modbus.AppendException(nil, &modbus.ExceptionError{Function: fn, Code: fault.Code})
	}
	r, err := modbus.ParseRequest(f.PDU)
	var out []byte
	if err == nil {
		var resp modbus.Response
		if resp, err = s.store.Handle(f.Unit, r); err == nil {
			out, err = modbus.AppendResponse(nil, r, resp)
		}
	}
	if err == nil {
		return out
	}
	var ex *modbus.ExceptionError
	if !errors.As(err, &ex) {
		ex = &modbus.ExceptionError{Function: r.Function, Code: modbus.DeviceFailure}
	}
	return modbus.AppendException(nil, ex)
}

// Memory is a Store with registers and bits that can be written, the same for every unit. Addresses from Size on do not exist.
type Memory struct {
	Size      int
	mu        sync.Mutex
	registers map[uint16]uint16
	bits      map[uint16]bool
}

// NewMemory has size registers and as many bits, all 0. Holding and input registers are the same, and so are coils and discrete inputs.
func NewMemory(size int) *Memory {
	return &Memory{Size: size, registers: map[uint16]uint16{}, bits: map[uint16]bool{}}
}

// SetRegisters writes from address on.
func (m *Memory) SetRegisters(address uint16, v ...uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, x := range v {
		m.registers[address+uint16(i)] = x
	}
}

// Register reads one.
func (m *Memory) Register(address uint16) uint16 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.registers[address]
}

// Freeze does nothing: the values move only when they are set.
func (m *Memory) Freeze(bool) {}

// Handle implements Store.
func (m *Memory) Handle(_ byte, r modbus.Request) (modbus.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := max(int(r.Count), len(r.Registers), len(r.Bits))
	if int(r.Address)+n > m.Size {
		return modbus.Response{}, &modbus.ExceptionError{Function: r.Function, Code: modbus.IllegalDataAddress}
	}
	var resp modbus.Response
	for i := range n {
		a := r.Address + uint16(i)
		switch r.Function {
		case modbus.ReadCoils, modbus.ReadDiscreteInputs:
			resp.Bits = append(resp.Bits, m.bits[a])
		case modbus.ReadHoldingRegisters, modbus.ReadInputRegisters:
			resp.Registers = append(resp.Registers, m.registers[a])
		case modbus.WriteSingleCoil, modbus.WriteMultipleCoils:
			m.bits[a] = r.Bits[i]
		case modbus.WriteSingleRegister, modbus.WriteMultipleRegisters:
			m.registers[a] = r.Registers[i]
		}
	}
	return resp, nil
}

// delayLimit bounds Slow: longer is Silent.
const delayLimit = time.Minute
