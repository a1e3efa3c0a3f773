package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"

	"wayside/hal"
)

// Function is a public function code.
type Function byte

// The function codes that are spoken (V1.1b3, 6.1 to 6.6, 6.11, 6.12).
const (
	ReadCoils              Function = 1
	ReadDiscreteInputs     Function = 2
	ReadHoldingRegisters   Function = 3
	ReadInputRegisters     Function = 4
	WriteSingleCoil        Function = 5
	WriteSingleRegister    Function = 6
	WriteMultipleCoils     Function = 15
	WriteMultipleRegisters Function = 16
)

// Quantity limits of one request (V1.1b3, 6.1 to 6.12), set by the 253 bytes of a PDU.
const (
	MaxReadBits       = 2000
	MaxReadRegisters  = 125
	MaxWriteBits      = 1968
	MaxWriteRegisters = 123
	maxPDU            = 253
)

const (
	exceptionBit = 0x80
	coilOn       = 0xff00 // WriteSingleCoil knows these two values only (6.5)
	coilOff      = 0x0000
)

// Exception is the code of an exception reply (V1.1b3, section 7).
type Exception byte

// The exception codes.
const (
	IllegalFunction    Exception = 1
	IllegalDataAddress Exception = 2
	IllegalDataValue   Exception = 3
	DeviceFailure      Exception = 4
	Acknowledge        Exception = 5
	DeviceBusy         Exception = 6
	MemoryParity       Exception = 8
	GatewayPath        Exception = 10 // the gateway has no path to the device
	GatewayTarget      Exception = 11 // the device behind the gateway did not answer
)

var exceptionText = map[Exception]string{
	IllegalFunction:    "illegal function",
	IllegalDataAddress: "illegal data address",
	IllegalDataValue:   "illegal data value",
	DeviceFailure:      "server device failure",
	Acknowledge:        "acknowledge, still processing",
	DeviceBusy:         "server device busy",
	MemoryParity:       "memory parity error",
	GatewayPath:        "gateway path unavailable",
	GatewayTarget:      "gateway target device failed to respond",
}

// String is the name of the code in the specification.
func (e Exception) String() string {
	if s, ok := exceptionText[e]; ok {
		return s
	}
	return "unknown exception"
}

// ExceptionError is an exception reply: the device understood the frame and refused.
type ExceptionError struct {
	Function Function
	Code     Exception
}

// Error names function and code.
func (e *ExceptionError) Error() string {
	return fmt.Sprintf("device refused function %d: exception %d (%s)", e.Function, byte(e.Code), e.Code)
}

// Is classifies the two replies that a gateway gives for a device behind it.
func (e *ExceptionError) Is(target error) bool {
	return e.Code == GatewayTarget && target == hal.ErrTimeout || e.Code == GatewayPath && target == hal.ErrNoDevice
}

// ErrProtocol: the other side sent something that is no answer to the request. Nothing of it is used.
var ErrProtocol = errors.New("malformed modbus message")

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// Request is one request in neutral form.
type Request struct {
	Function  Function
	Address   uint16
	Count     uint16   // of reads; writes take it from their data
	Registers []uint16 // of register writes
	Bits      []bool   // of coil writes
}

// Response is the data of a reply to a read; a write's reply has none.
type Response struct {
	Registers []uint16
	Bits      []bool
}

// shape tells how many items a request moves, and checks it against the limits.
func (r *Request) shape() (n int, err error) {
	limit := 0
	switch r.Function {
	case ReadCoils, ReadDiscreteInputs:
		n, limit = int(r.Count), MaxReadBits
	case ReadHoldingRegisters, ReadInputRegisters:
		n, limit = int(r.Count), MaxReadRegisters
	case WriteSingleCoil:
		n, limit = len(r.Bits), 1
	case WriteSingleRegister:
		n, limit = len(r.Registers), 1
	case WriteMultipleCoils:
		n, limit = len(r.Bits), MaxWriteBits
	case WriteMultipleRegisters:
		n, limit = len(r.Registers), MaxWriteRegisters
	default:
		return 0, hal.InputError("modbus: function %d is not supported", r.Function)
	}
	if n < 1 || n > limit {
		return 0, hal.InputError("modbus: function %d with %d items: 1 to %d are possible", r.Function, n, limit)
	}
	if int(r.Address)+n > 1<<16 {
		return 0, hal.InputError("modbus: %d items from address %d go past 65535", n, r.Address)
	}
	return n, nil
}

// writes reports whether the request changes the device.
func (r *Request) writes() bool { return r.Function >= WriteSingleCoil }

// AppendRequest appends the PDU of r to dst. A request that the protocol cannot express is a hal.ErrInput.
func AppendRequest(dst []byte, r Request) ([]byte, error) {
	n, err := r.shape()
	if err != nil {
		return dst, err
	}
	dst = append(dst, byte(r.Function))
	dst = binary.BigEndian.AppendUint16(dst, r.Address)
	switch r.Function {
	case WriteSingleCoil:
		v := uint16(coilOff)
		if r.Bits[0] {
			v = coilOn
		}
		return binary.BigEndian.AppendUint16(dst, v), nil
	case WriteSingleRegister:
		return binary.BigEndian.AppendUint16(dst, r.Registers[0]), nil
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	switch r.Function {
	case WriteMultipleCoils:
		dst = append(dst, byte((n+7)/8))
		dst = appendBits(dst, r.Bits)
	case WriteMultipleRegisters:
		dst = append(dst, byte(2*n))
		dst = appendRegisters(dst, r.Registers)
	}
	return dst, nil
}

// ParseRequest reads a request's PDU, for a slave. Its error is the *ExceptionError to answer with (V1.1b3, state diagrams of section 6).
func ParseRequest(pdu []byte) (Request, error) {
	if len(pdu) == 0 {
		return Request{}, &ExceptionError{Code: IllegalFunction}
	}
	r := Request{Function: Function(pdu[0])}
	refuse := func(c Exception) (Request, error) {
		return Request{}, &ExceptionError{Function: r.Function, Code: c}
	}
	switch r.Function {
	case ReadCoils, ReadDiscreteInputs, ReadHoldingRegisters, ReadInputRegisters,
		WriteSingleCoil, WriteSingleRegister, WriteMultipleCoils, WriteMultipleRegisters:
	default:
		return refuse(IllegalFunction)
	}
	if len(pdu) < 5 {
		return refuse(IllegalDataValue)
	}
	r.Address = binary.BigEndian.Uint16(pdu[1:])
	word, data := binary.BigEndian.Uint16(pdu[3:]), pdu[5:]
	switch r.Function {
	case WriteSingleCoil:
		if word != coilOn && word != coilOff || len(data) != 0 {
			return refuse(IllegalDataValue)
		}
		r.Bits = []bool{word == coilOn}
	case WriteSingleRegister:
		if len(data) != 0 {
			return refuse(IllegalDataValue)
		}
		r.Registers = []uint16{word}
	case WriteMultipleCoils:
		if word < 1 || word > MaxWriteBits || len(data) < 1 || int(data[0]) != len(data)-1 || len(data)-1 != (int(word)+7)/8 {
			return refuse(IllegalDataValue)
		}
		r.Bits = bits(data[1:], int(word))
	case WriteMultipleRegisters:
		if word < 1 || word > MaxWriteRegisters || len(data) < 1 || int(data[0]) != len(data)-1 || len(data)-1 != 2*int(word) {
			return refuse(IllegalDataValue)
		}
		r.Registers = registers(data[1:])
	default:
		limit := uint16(MaxReadRegisters)
		if r.Function <= ReadDiscreteInputs {
			limit = MaxReadBits
		}
		if word < 1 || word > limit || len(data) != 0 {
			return refuse(IllegalDataValue)
		}
		r.Count = word
	}
	if _, err := r.shape(); err != nil {
		return refuse(IllegalDataAddress) // the quantity is right, so it goes past the last address
	}
	return r, nil
}

// AppendResponse appends the PDU that answers r, for a slave. resp must hold what r asked for.
func AppendResponse(dst []byte, r Request, resp Response) ([]byte, error) {
	n, err := r.shape()
	if err != nil {
		return dst, err
	}
	switch r.Function {
	case ReadCoils, ReadDiscreteInputs:
		if len(resp.Bits) != n {
			return dst, fmt.Errorf("modbus: response has %d bits for a request of %d", len(resp.Bits), n)
		}
		dst = append(dst, byte(r.Function), byte((n+7)/8))
		return appendBits(dst, resp.Bits), nil
	case ReadHoldingRegisters, ReadInputRegisters:
		if len(resp.Registers) != n {
			return dst, fmt.Errorf("modbus: response has %d registers for a request of %d", len(resp.Registers), n)
		}
		dst = append(dst, byte(r.Function), byte(2*n))
		return appendRegisters(dst, resp.Registers), nil
	case WriteSingleCoil, WriteSingleRegister:
		return AppendRequest(dst, r) // the reply is an echo (6.5, 6.6)
	}
	dst = append(dst, byte(r.Function))
	dst = binary.BigEndian.AppendUint16(dst, r.Address)
	return binary.BigEndian.AppendUint16(dst, uint16(n)), nil
}

// AppendException appends an exception reply.
func AppendException(dst []byte, e *ExceptionError) []byte {
	return append(dst, byte(e.Function)|exceptionBit, byte(e.Code))
}

// ParseResponse reads the PDU that answers r. An exception reply is an *ExceptionError; anything else that is not exactly the
// answer to r, in function, length or echo, is an ErrProtocol.
func ParseResponse(r Request, pdu []byte) (Response, error) {
	n, err := r.shape()
	if err != nil {
		return Response{}, err
	}
	if len(pdu) < 2 {
		return Response{}, protocolError("reply of %d bytes", len(pdu))
	}
	if pdu[0] == byte(r.Function)|exceptionBit {
		if len(pdu) != 2 || pdu[1] == 0 {
			return Response{}, protocolError("exception reply of %d bytes, code %d", len(pdu), pdu[1])
		}
		return Response{}, &ExceptionError{Function: r.Function, Code: Exception(pdu[1])}
	}
	if pdu[0] != byte(r.Function) {
		return Response{}, protocolError("reply to function %d for a request of %d", pdu[0], r.Function)
	}
	if r.writes() {
		want := make([]byte, 0, 5)
		want = append(want, byte(r.Function))
		want = binary.BigEndian.AppendUint16(want, r.Address)
		switch r.Function {
		case WriteSingleCoil, WriteSingleRegister:
			if want, err = AppendRequest(want[:0], r); err != nil {
				return Response{}, err
			}
		default:
			want = binary.BigEndian.AppendUint16(want, uint16(n))
		}
		if string(want) != string(pdu) {
			return Response{}, protocolError("reply % x to a write, want % x", pdu, want)
		}
		return Response{}, nil
	}
	data := pdu[2:]
	size := 2 * n
	if r.Function <= ReadDiscreteInputs {
		size = (n + 7) / 8
	}
	if int(pdu[1]) != size || len(data) != size {
		return Response{}, protocolError("byte count %d with %d bytes of data, want %d", pdu[1], len(data), size)
	}
	if r.Function <= ReadDiscreteInputs {
		return Response{Bits: bits(data, n)}, nil
	}
	return Response{Registers: registers(data)}, nil
}

func appendRegisters(dst []byte, v []uint16) []byte {
	for _, x := range v {
		dst = binary.BigEndian.AppendUint16(dst, x)
	}
	return dst
}

func registers(b []byte) []uint16 {
	out := make([]uint16, len(b)/2)
	for i := range out {
		out[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return out
}

// appendBits packs the first bit into the lowest bit of the first byte; the last byte is filled with zeros (6.1).
func appendBits(dst []byte, v []bool) []byte {
	for i := 0; i < len(v); i += 8 {
		var b byte
		for j := i; j < min(i+8, len(v)); j++ {
			if v[j] {
				b |= 1 << (j - i)
			}
		}
		dst = append(dst, b)
	}
	return dst
}

func bits(b []byte, n int) []bool {
	out := make([]bool, n)
	for i := range out {
		out[i] = b[i/8]>>(i%8)&1 == 1
	}
	return out
}
