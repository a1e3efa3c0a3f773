package modbus

import "encoding/binary"

// The header of Modbus TCP (Messaging on TCP/IP, 3.1.3): transaction, protocol (always 0), length of the rest, unit.
const (
	mbapSize   = 7
	mbapMinLen = 2 // unit and one byte of PDU
	mbapMaxLen = 1 + maxPDU
)

// Frame is one message of Modbus TCP.
type Frame struct {
	Transaction uint16
	Unit        byte
	PDU         []byte
}

// AppendFrame appends f to dst.
func AppendFrame(dst []byte, f Frame) []byte {
	dst = binary.BigEndian.AppendUint16(dst, f.Transaction)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(1+len(f.PDU)))
	dst = append(dst, f.Unit)
	return append(dst, f.PDU...)
}

// ParseFrame reads the first message of b and how many bytes it took. n = 0 without an error means that b is only the
// beginning of one. After an error the stream cannot be followed any further. The PDU is a part of b, not a copy.
func ParseFrame(b []byte) (f Frame, n int, err error) {
	// A wrong header is told as early as possible, so that a stream of anything else does not block as an unfinished frame.
	if len(b) >= 4 {
		if p := binary.BigEndian.Uint16(b[2:]); p != 0 {
			return Frame{}, 0, protocolError("protocol identifier %d, want 0", p)
		}
	}
	if len(b) < 6 {
		return Frame{}, 0, nil
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size < mbapMinLen || size > mbapMaxLen {
		return Frame{}, 0, protocolError("length %d, possible are %d to %d", size, mbapMinLen, mbapMaxLen)
	}
	if len(b) < 6+size {
		return Frame{}, 0, nil
	}
	return Frame{Transaction: binary.BigEndian.Uint16(b), Unit: b[6], PDU: b[mbapSize : 6+size]}, 6 + size, nil
}
