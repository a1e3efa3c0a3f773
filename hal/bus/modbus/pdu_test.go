package modbus

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"

	"wayside/hal"
)

// exchange is one line of testdata/pymodbus.jsonl, recorded by scripts/oracles/modbus.py.
type exchange struct {
	Function      Function  `json:"function"`
	Unit          byte      `json:"unit"`
	Address       uint16    `json:"address"`
	Count         uint16    `json:"count"`
	Registers     []uint16  `json:"registers"`
	Bits          []int     `json:"bits"`
	ReadRegisters []uint16  `json:"read_registers"`
	ReadBits      []int     `json:"read_bits"`
	Exception     Exception `json:"exception"`
	Request       string    `json:"request"`
	Response      string    `json:"response"`
}

func bools(v []int) []bool {
	var out []bool
	for _, x := range v {
		out = append(out, x != 0)
	}
	return out
}

// TestPymodbus compares every function with what pymodbus put on the wire, in both directions and for both sides.
func TestPymodbus(t *testing.T) {
	f, err := os.Open("testdata/pymodbus.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	seen := map[Function]int{}
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var x exchange
		if err := json.Unmarshal(in.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		seen[x.Function]++
		wantReq, _ := hex.DecodeString(x.Request)
		wantResp, _ := hex.DecodeString(x.Response)
		req := Request{Function: x.Function, Address: x.Address, Count: x.Count, Registers: x.Registers, Bits: bools(x.Bits)}
		resp := Response{Registers: x.ReadRegisters, Bits: bools(x.ReadBits)}

		pdu, err := AppendRequest(nil, req)
		if err != nil {
			t.Fatalf("function %d: %v", x.Function, err)
		}
		reqFrame, n, err := ParseFrame(wantReq)
		if err != nil || n != len(wantReq) {
			t.Fatalf("function %d: request frame: %d bytes, %v", x.Function, n, err)
		}
		if got := AppendFrame(nil, Frame{Transaction: reqFrame.Transaction, Unit: x.Unit, PDU: pdu}); !bytes.Equal(got, wantReq) {
			t.Errorf("function %d: request\n got % x\nwant % x", x.Function, got, wantReq)
		}
		if got, err := ParseRequest(reqFrame.PDU); err != nil || !reflect.DeepEqual(got, req) {
			t.Errorf("function %d: request read as %+v, %v", x.Function, got, err)
		}

		respFrame, n, err := ParseFrame(wantResp)
		if err != nil || n != len(wantResp) || respFrame.Unit != x.Unit || respFrame.Transaction != reqFrame.Transaction {
			t.Fatalf("function %d: response frame %+v, %v", x.Function, respFrame, err)
		}
		got, err := ParseResponse(req, respFrame.PDU)
		var made []byte
		if x.Exception != 0 {
			var e *ExceptionError
			if !errors.As(err, &e) || e.Code != x.Exception || e.Function != x.Function {
				t.Errorf("function %d: %v, want exception %d", x.Function, err, x.Exception)
			}
			made = AppendException(nil, &ExceptionError{Function: x.Function, Code: x.Exception})
		} else {
			if err != nil || !reflect.DeepEqual(got, resp) {
				t.Errorf("function %d: response read as %+v, %v", x.Function, got, err)
			}
			if made, err = AppendResponse(nil, req, resp); err != nil {
				t.Errorf("function %d: %v", x.Function, err)
			}
		}
		if !bytes.Equal(made, respFrame.PDU) {
			t.Errorf("function %d: response\n got % x\nwant % x", x.Function, made, respFrame.PDU)
		}
	}
	for _, fn := range []Function{1, 2, 3, 4, 5, 6, 15, 16} {
		if seen[fn] == 0 {
			t.Errorf("no exchange with function %d in the transcript", fn)
		}
	}
}

func TestParseResponseRefuses(t *testing.T) {
	read2 := Request{Function: ReadHoldingRegisters, Address: 10, Count: 2}
	for _, tc := range []struct {
		name string
		req  Request
		pdu  []byte
	}{
		{"empty", read2, nil},
		{"only a function", read2, []byte{3}},
		{"another function", read2, []byte{4, 4, 0, 1, 0, 2}},
		{"one register too few", read2, []byte{3, 2, 0, 1}},
		{"one byte too few", read2, []byte{3, 4, 0, 1, 0}},
		{"one byte too many", read2, []byte{3, 4, 0, 1, 0, 2, 9}},
		{"byte count of another length", read2, []byte{3, 2, 0, 1, 0, 2}},
		{"exception without a code", read2, []byte{0x83, 0}},
		{"long exception", read2, []byte{0x83, 2, 0}},
		{"exception of another function", read2, []byte{0x84, 2}},
		{"bits: byte too many", Request{Function: ReadCoils, Count: 8}, []byte{1, 2, 0, 0}},
		{"echo of another address", Request{Function: WriteSingleRegister, Address: 1, Registers: []uint16{7}}, []byte{6, 0, 2, 0, 7}},
		{"echo of another value", Request{Function: WriteSingleCoil, Address: 1, Bits: []bool{true}}, []byte{5, 0, 1, 0, 0}},
		{"another quantity", Request{Function: WriteMultipleRegisters, Address: 1, Registers: []uint16{7, 8}}, []byte{16, 0, 1, 0, 1}},
	} {
		if resp, err := ParseResponse(tc.req, tc.pdu); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %+v, %v", tc.name, resp, err)
		}
	}
}

func TestRequestLimits(t *testing.T) {
	for _, r := range []Request{
		{Function: ReadCoils, Count: 0},
		{Function: ReadCoils, Count: 2001},
		{Function: ReadInputRegisters, Count: 126},
		{Function: ReadInputRegisters, Address: 65535, Count: 2},
		{Function: WriteMultipleCoils, Bits: make([]bool, 1969)},
		{Function: WriteMultipleRegisters, Registers: make([]uint16, 124)},
		{Function: WriteSingleCoil},
		{Function: 23, Count: 1},
	} {
		if _, err := AppendRequest(nil, r); !errors.Is(err, hal.ErrInput) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestParseRequestExceptions(t *testing.T) {
	for _, tc := range []struct {
		name string
		pdu  []byte
		want Exception
	}{
		{"empty", nil, IllegalFunction},
		{"unknown function", []byte{43, 14, 1, 0, 0}, IllegalFunction},
		{"short", []byte{3, 0, 0, 0}, IllegalDataValue},
		{"long", []byte{3, 0, 0, 0, 1, 0}, IllegalDataValue},
		{"no registers", []byte{3, 0, 0, 0, 0}, IllegalDataValue},
		{"126 registers", []byte{4, 0, 0, 0, 126}, IllegalDataValue},
		{"2001 bits", []byte{1, 0, 0, 0x07, 0xd1}, IllegalDataValue},
		{"past the end", []byte{3, 0xff, 0xff, 0, 2}, IllegalDataAddress},
		{"coil neither on nor off", []byte{5, 0, 0, 0x12, 0x34}, IllegalDataValue},
		{"byte count of another length", []byte{16, 0, 0, 0, 1, 4, 0, 1}, IllegalDataValue},
		{"data of another length", []byte{15, 0, 0, 0, 9, 1, 0xff}, IllegalDataValue},
	} {
		_, err := ParseRequest(tc.pdu)
		var e *ExceptionError
		if !errors.As(err, &e) || e.Code != tc.want {
			t.Errorf("%s: %v, want exception %d", tc.name, err, tc.want)
		}
	}
}

func TestParseFrame(t *testing.T) {
	whole := AppendFrame(nil, Frame{Transaction: 0x1234, Unit: 9, PDU: []byte{3, 2, 0, 1}})
	for i := range whole {
		if _, n, err := ParseFrame(whole[:i]); n != 0 || err != nil {
			t.Errorf("%d bytes of a frame: %d, %v", i, n, err)
		}
	}
	f, n, err := ParseFrame(append(append([]byte(nil), whole...), 0xaa, 0xbb))
	if err != nil || n != len(whole) || f.Transaction != 0x1234 || f.Unit != 9 || !bytes.Equal(f.PDU, []byte{3, 2, 0, 1}) {
		t.Errorf("frame %+v, %d, %v", f, n, err)
	}
	for _, b := range [][]byte{[]byte("HTTP/1.1"), {0, 1, 0, 0, 0, 1}, {0, 1, 0, 0, 0, 255}, {0, 1, 0, 0, 0xff, 0xff}} {
		if _, _, err := ParseFrame(b); !errors.Is(err, ErrProtocol) {
			t.Errorf("% x: %v", b, err)
		}
	}
}

// FuzzRead feeds arbitrary bytes to every decoder: nothing panics, what is taken for a frame fits in the input, and a request that is
// accepted says the same again when it is encoded.
func FuzzRead(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 6, 17, 3, 0, 2, 0, 1})
	f.Add([]byte{0, 1, 0, 0, 0, 5, 17, 3, 2, 0, 1})
	f.Add([]byte{0, 1, 0, 0, 0, 3, 17, 0x83, 2})
	f.Add([]byte{0, 1, 0, 0, 0, 9, 17, 16, 0, 2, 0, 1, 2, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, n, err := ParseFrame(b)
		if err != nil || n == 0 {
			return
		}
		if n > len(b) || !bytes.Equal(AppendFrame(nil, fr), b[:n]) {
			t.Fatalf("frame %+v of %d bytes is not what came in", fr, n)
		}
		r, err := ParseRequest(fr.PDU)
		if err == nil {
			again, err := AppendRequest(nil, r)
			if err != nil {
				t.Fatalf("accepted request %+v: %v", r, err)
			}
			// Padding bits of the last byte of coils may be anything on the wire.
			if r.Function != WriteMultipleCoils && !bytes.Equal(again, fr.PDU) {
				t.Fatalf("request % x encodes to % x", fr.PDU, again)
			}
		}
		for _, ask := range []Request{
			{Function: ReadCoils, Count: 9}, {Function: ReadHoldingRegisters, Count: 2},
			{Function: WriteSingleCoil, Bits: []bool{true}}, {Function: WriteMultipleRegisters, Registers: []uint16{1, 2}},
		} {
			resp, err := ParseResponse(ask, fr.PDU)
			if err == nil && len(resp.Registers)+len(resp.Bits) != int(ask.Count) {
				t.Fatalf("%d items for %d asked", len(resp.Registers)+len(resp.Bits), ask.Count)
			}
		}
	})
}

func TestValues(t *testing.T) {
	big := Order{}
	for _, tc := range []struct {
		kind ValueType
		regs []uint16
		o    Order
		want float64
	}{
		{Uint16, []uint16{0xfffe}, big, 65534},
		{Int16, []uint16{0xfffe}, big, -2},
		{Uint16, []uint16{0x0100}, Order{LittleBytes: true}, 1},
		{Uint32, []uint16{0x0001, 0x0002}, big, 65538},
		{Uint32, []uint16{0x0002, 0x0001}, Order{LittleWords: true}, 65538},
		{Uint32, []uint16{0x0100, 0x0200}, Order{LittleBytes: true}, 65538},
		{Uint32, []uint16{0x0200, 0x0100}, Order{LittleBytes: true, LittleWords: true}, 65538},
		{Int32, []uint16{0xffff, 0xfffe}, big, -2},
		{Float32, []uint16{0x42f6, 0xe979}, big, 123.45600128173828},
		{Float32, []uint16{0xe979, 0x42f6}, Order{LittleWords: true}, 123.45600128173828},
	} {
		got, _, err := tc.kind.Decode(tc.regs, tc.o)
		if err != nil || got != tc.want {
			t.Errorf("%s %x %+v: %v, %v", tc.kind, tc.regs, tc.o, got, err)
		}
		if tc.o == big {
			if back, err := tc.kind.Encode(got); err != nil || !reflect.DeepEqual(back, tc.regs) {
				t.Errorf("%s %v encodes to %x, %v", tc.kind, got, back, err)
			}
		}
	}
	for _, tc := range []struct {
		kind ValueType
		v    float64
	}{{Uint16, -1}, {Uint16, 65536}, {Int16, 32768}, {Int16, -32769}, {Uint32, 1 << 32}, {Int32, 1 << 31}, {Bit, 1}} {
		if got, err := tc.kind.Encode(tc.v); !errors.Is(err, hal.ErrInput) {
			t.Errorf("%s of %v: %x, %v", tc.kind, tc.v, got, err)
		}
	}
	if _, _, err := Uint32.Decode([]uint16{1}, big); !errors.Is(err, hal.ErrInput) {
		t.Errorf("32 bits from one register: %v", err)
	}
}
