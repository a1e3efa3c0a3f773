package feed

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"wayside/graph/tensor"
)

const (
	npyMagic = "\x93NUMPY"
	// maxNPYHeader bounds the text header. numpy itself writes under 200 bytes for the types read here.
	maxNPYHeader = 64 << 10
	// maxAxes is numpy's own limit.
	maxAxes = 32
	// readChunk is how much memory a header's claim is worth before data has arrived.
	readChunk = 1 << 20
)

// ErrFormat marks a file that is not what its content claims to be, or that holds what this package does not read.
var ErrFormat = errors.New("not readable")

// npyTypes are the dtypes that are read. numpy marks one-byte types with '|'.
var npyTypes = map[string]tensor.DType{
	"b1": tensor.Bool, "i1": tensor.S8, "u1": tensor.U8, "i2": tensor.S16, "i4": tensor.S32, "i8": tensor.S64,
	"u4": tensor.U32, "u8": tensor.U64, "f2": tensor.F16, "f4": tensor.F32,
}

// ReadNPY reads one array in numpy's .npy format, versions 1 to 3, little endian, C order. The tensor owns its memory.
// Errors wrap ErrFormat where the content is wrong, and say what numpy call would mend it.
// Format: NEP 1, numpy.lib.format.
func ReadNPY(r io.Reader) (*tensor.Tensor, error) {
	t, err := readNPY(r)
	if err != nil {
		return nil, fmt.Errorf("feed: read npy: %w", err)
	}
	return t, nil
}

func readNPY(r io.Reader) (*tensor.Tensor, error) {
	var pre [12]byte
	if _, err := io.ReadFull(r, pre[:10]); err != nil {
		return nil, short(err, "the fixed header")
	}
	if string(pre[:6]) != npyMagic {
		return nil, fmt.Errorf("%w: the first bytes are not those of a .npy file", ErrFormat)
	}
	var n int
	switch pre[6] {
	case 1:
		n = int(binary.LittleEndian.Uint16(pre[8:]))
	case 2, 3:
		if _, err := io.ReadFull(r, pre[10:]); err != nil {
			return nil, short(err, "the fixed header")
		}
		n = int(min(binary.LittleEndian.Uint32(pre[8:]), maxNPYHeader+1))
	default:
		return nil, fmt.Errorf("%w: .npy version %d.%d, known are 1 to 3", ErrFormat, pre[6], pre[7])
	}
	if n > maxNPYHeader {
		return nil, fmt.Errorf("%w: its header has more than %d bytes", ErrFormat, maxNPYHeader)
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, short(err, "its header")
	}
	dt, shape, err := parseNPYHeader(string(head))
	if err != nil {
		return nil, err
	}
	elems, err := shape.Elems()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	data, err := readExactly(r, dt.Bytes(elems))
	if err != nil {
		return nil, fmt.Errorf("%w: dtype %v and shape %v need %d bytes of data, the file ends before", ErrFormat, dt, shape, dt.Bytes(elems))
	}
	if dt == tensor.Bool {
		for i, v := range data {
			if v > 1 {
				data[i] = 1
			}
		}
	}
	return &tensor.Tensor{DType: dt, Shape: shape, Data: data}, nil
}

// short explains a file that ends early.
func short(err error, where string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the file ends inside %s", ErrFormat, where)
	}
	return err
}

// readExactly reads n bytes into aligned memory. It takes memory as data arrives, so that a header alone cannot claim it.
func readExactly(r io.Reader, n int) ([]byte, error) {
	if n <= readChunk {
		b := tensor.Aligned(n)
		_, err := io.ReadFull(r, b)
		return b, err
	}
	var buf bytes.Buffer
	got, err := io.CopyN(&buf, r, int64(n))
	if err != nil {
		return nil, err
	}
	b := tensor.Aligned(int(got))
	copy(b, buf.Bytes())
	return b, nil
}

// parseNPYHeader reads the one Python dictionary that numpy writes: string keys; string, bool or tuple values.
func parseNPYHeader(s string) (tensor.DType, tensor.Shape, error) {
	bad := func(format string, a ...any) (tensor.DType, tensor.Shape, error) {
		return tensor.Invalid, nil, fmt.Errorf("%w: "+format, append([]any{ErrFormat}, a...)...)
	}
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return bad("its header is not a dictionary")
	}
	s = s[1 : len(s)-1]
	descr, order, shapeText := "", "", ""
	seen := 0
	for {
		s = strings.TrimLeft(s, " ,\t\n")
		if s == "" {
			break
		}
		key, rest, ok := pyString(s)
		if !ok {
			return bad("its header has no key where one should be")
		}
		rest = strings.TrimLeft(rest, " ")
		if !strings.HasPrefix(rest, ":") {
			return bad("its header has no value for key %q", key)
		}
		rest = strings.TrimLeft(rest[1:], " ")
		switch key {
		case "descr":
			if strings.HasPrefix(rest, "[") {
				return bad("it has a structured dtype; save each field as an array of its own")
			}
			if descr, s, ok = pyString(rest); !ok {
				return bad("its dtype is not a string")
			}
		case "fortran_order":
			end := strings.IndexAny(rest, ", ")
			if end < 0 {
				end = len(rest)
			}
			order, s = rest[:end], rest[end:]
		case "shape":
			end := strings.IndexByte(rest, ')')
			if !strings.HasPrefix(rest, "(") || end < 0 {
				return bad("its shape is not a tuple")
			}
			shapeText, s = rest[1:end], rest[end+1:]
		default:
			return bad("its header has the unknown key %q", key)
		}
		seen++
	}
	if seen != 3 || descr == "" || order == "" {
		return bad("its header must have descr, fortran_order and shape once each")
	}
	if order != "False" {
		return bad("it is in Fortran order; save it with numpy.ascontiguousarray")
	}
	if len(descr) < 2 {
		return bad("dtype %q is unknown", descr)
	}
	end, name := descr[0], descr[1:]
	dt, ok := npyTypes[name]
	switch {
	case name == "f8":
		return bad("it has dtype float64, which no model takes; save it with astype('float32')")
	case !ok:
		return bad("dtype %q is not among bool, int8, uint8, int16, int32, uint32, int64, uint64, float16, float32", descr)
	case end == '>' && dt.Bytes(1) > 1:
		return bad("dtype %q is big endian; save it with astype('<%s')", descr, name)
	case end != '<' && end != '|' && end != '=' && end != '>':
		return bad("dtype %q is unknown", descr)
	}
	shape := tensor.Shape{}
	for _, f := range strings.Split(shapeText, ",") {
		f = strings.TrimSpace(f)
		if f == "" {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSuffix(f, "L"))
		if err != nil || n < 0 {
			return bad("its shape has the axis %q", f)
		}
		if len(shape) == maxAxes {
			return bad("its shape has more than %d axes", maxAxes)
		}
		shape = append(shape, n)
	}
	return dt, shape, nil
}

// pyString cuts one quoted string without escapes off the front of s.
func pyString(s string) (val, rest string, ok bool) {
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return "", s, false
	}
	end := strings.IndexByte(s[1:], s[0])
	if end < 0 {
		return "", s, false
	}
	return s[1 : 1+end], s[2+end:], true
}

// WriteNPY writes t as .npy version 1. numpy has neither bfloat16 nor int4: they are written as float32 and int8,
// which hold the same values.
func WriteNPY(w io.Writer, t *tensor.Tensor) error {
	descr, data := "", t.Data
	switch t.DType {
	case tensor.BF16:
		descr, data = "<f4", widenBF16(t)
	case tensor.S4:
		descr, data = "|i1", widenS4(t)
	default:
		for k, v := range npyTypes {
			if v == t.DType {
				descr = "<" + k
				if v.Bytes(1) == 1 {
					descr = "|" + k
				}
			}
		}
	}
	if descr == "" {
		return fmt.Errorf("feed: write npy: dtype %v has no numpy equivalent", t.DType)
	}
	var sh strings.Builder
	for i, d := range t.Shape {
		if i > 0 {
			sh.WriteString(", ")
		}
		sh.WriteString(strconv.Itoa(d))
	}
	if len(t.Shape) == 1 {
		sh.WriteByte(',')
	}
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, sh.String())
	// The data starts at a multiple of 64, as numpy does it, so that the file can be mapped.
	total := (10 + len(head) + 1 + 63) / 64 * 64
	head += strings.Repeat(" ", total-10-len(head)-1) + "\n"
	if len(head) > math.MaxUint16 {
		return fmt.Errorf("feed: write npy: shape %v is too long for the header", t.Shape)
	}
	bw := bufio.NewWriter(w)
	bw.WriteString(npyMagic + "\x01\x00")
	bw.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(head))))
	bw.WriteString(head)
	bw.Write(data)
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("feed: write npy: %w", err)
	}
	return nil
}

func widenBF16(t *tensor.Tensor) []byte {
	src := t.BF16()
	out := make([]byte, 4*len(src))
	for i, v := range src {
		binary.LittleEndian.PutUint32(out[4*i:], uint32(v)<<16)
	}
	return out
}

func widenS4(t *tensor.Tensor) []byte {
	out := make([]byte, t.Elems())
	for i := range out {
		out[i] = byte(int8(t.Data[i/2]>>(4*(i&1))<<4) >> 4)
	}
	return out
}
