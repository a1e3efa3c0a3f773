package feed

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wayside/graph/tensor"
)

// npy builds a file as numpy.save writes it, with any header.
func npy(header string, data []byte) []byte {
	b := []byte(npyMagic + "\x01\x00")
	b = binary.LittleEndian.AppendUint16(b, uint16(len(header)+1))
	return append(append(b, header+"\n"...), data...)
}

func TestReadNPY(t *testing.T) {
	cases := []struct {
		descr string
		shape string
		data  []byte
		dtype tensor.DType
		want  tensor.Shape
	}{
		{"|i1", "(2, 3)", []byte{1, 2, 3, 4, 5, 255}, tensor.S8, tensor.Shape{2, 3}},
		{"|u1", "(4,)", []byte{1, 2, 3, 255}, tensor.U8, tensor.Shape{4}},
		{"<i2", "(1,)", []byte{0, 1}, tensor.S16, tensor.Shape{1}},
		{"<i4", "()", []byte{1, 0, 0, 0}, tensor.S32, tensor.Shape{}},
		{"<i8", "(1, 1)", make([]byte, 8), tensor.S64, tensor.Shape{1, 1}},
		{"<u4", "(2,)", make([]byte, 8), tensor.U32, tensor.Shape{2}},
		{"<u8", "(1,)", make([]byte, 8), tensor.U64, tensor.Shape{1}},
		{"<f2", "(2,)", make([]byte, 4), tensor.F16, tensor.Shape{2}},
		{"<f4", "(0, 3)", nil, tensor.F32, tensor.Shape{0, 3}},
		{"|b1", "(2,)", []byte{0, 1}, tensor.Bool, tensor.Shape{2}},
	}
	for _, c := range cases {
		got, err := ReadNPY(bytes.NewReader(npy("{'descr': '"+c.descr+"', 'fortran_order': False, 'shape': "+c.shape+", }", c.data)))
		if err != nil {
			t.Errorf("%s %s: %v", c.descr, c.shape, err)
			continue
		}
		if got.DType != c.dtype || !got.Shape.Equal(c.want) || !bytes.Equal(got.Data, c.data) {
			t.Errorf("%s %s: got %v %v % x", c.descr, c.shape, got.DType, got.Shape, got.Data)
		}
	}
}

func TestReadNPYRefuses(t *testing.T) {
	head := func(descr, order, shape string) string {
		return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }"
	}
	cases := []struct {
		name string
		file []byte
		say  string
	}{
		{"empty", nil, "ends inside"},
		{"not npy", []byte("hello world, hello"), "not those of a .npy"},
		{"float64", npy(head("'<f8'", "False", "(1,)"), make([]byte, 8)), "float64"},
		{"complex", npy(head("'<c8'", "False", "(1,)"), make([]byte, 8)), "not among"},
		{"big endian", npy(head("'>i4'", "False", "(1,)"), make([]byte, 4)), "big endian"},
		{"fortran", npy(head("'<f4'", "True", "(1, 1)"), make([]byte, 4)), "ascontiguousarray"},
		{"structured", npy(head("[('a', '<i4')]", "False", "(1,)"), make([]byte, 4)), "structured"},
		{"negative", npy(head("'<f4'", "False", "(-1,)"), nil), "axis"},
		{"overflow", npy(head("'|i1'", "False", "(2147483647, 2147483647, 2147483647)"), nil), "more than"},
		{"huge, no data", npy(head("'|i1'", "False", "(268435456,)"), nil), "the file ends before"},
		{"short data", npy(head("'<i4'", "False", "(2,)"), make([]byte, 7)), "need 8 bytes"},
		{"no shape", npy("{'descr': '<f4', 'fortran_order': False}", nil), "once each"},
		{"unknown key", npy("{'descr': '<f4', 'x': 'y'}", nil), "unknown key"},
		{"version", []byte(npyMagic + "\x09\x00\x00\x00"), "version"},
		{"long header", []byte(npyMagic + "\x02\x00\xff\xff\xff\xff"), "header"},
	}
	for _, c := range cases {
		_, err := ReadNPY(bytes.NewReader(c.file))
		if err == nil || !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.say)
		}
	}
}

// The bytes are those of numpy.save(np.arange(3, dtype='i2')).
func TestWriteNPYIsNumpysLayout(t *testing.T) {
	want := "\x93NUMPY\x01\x00v\x00{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }" + strings.Repeat(" ", 60) + "\n" + "\x00\x00\x01\x00\x02\x00"
	x, _ := tensor.New(tensor.S16, tensor.Shape{3})
	copy(x.S16(), []int16{0, 1, 2})
	var b bytes.Buffer
	if err := WriteNPY(&b, x); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

func TestWriteNPYWidens(t *testing.T) {
	bf := &tensor.Tensor{DType: tensor.BF16, Shape: tensor.Shape{2}, Data: []byte{0x80, 0x3f, 0x20, 0xc1}} // 1, -10
	s4 := &tensor.Tensor{DType: tensor.S4, Shape: tensor.Shape{3}, Data: []byte{0x8f, 0x07}}               // -1, -8, 7
	var b bytes.Buffer
	if err := WriteNPZ(&b, []Named{{"0", bf}, {"1", s4}}); err != nil {
		t.Fatal(err)
	}
	got, err := ParseNPZ(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if f := got[0].T.F32(); f[0] != 1 || f[1] != -10 {
		t.Errorf("bfloat16 became %v", f)
	}
	if s := got[1].T.S8(); s[0] != -1 || s[1] != -8 || s[2] != 7 {
		t.Errorf("int4 became %v", s)
	}
}

func TestNPZRoundTrip(t *testing.T) {
	var want []Named
	for i, d := range []tensor.DType{tensor.Bool, tensor.S8, tensor.U8, tensor.S16, tensor.S32, tensor.S64, tensor.U32, tensor.U64, tensor.F16, tensor.F32} {
		x, _ := tensor.New(d, tensor.Shape{2, i + 1})
		for j := range x.Data {
			x.Data[j] = byte(j & 1)
		}
		want = append(want, Named{string(rune('0' + i)), x})
	}
	var a, b bytes.Buffer
	if err := errors.Join(WriteNPZ(&a, want), WriteNPZ(&b, want)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same arrays gave different bytes")
	}
	path := filepath.Join(t.TempDir(), "x.npz")
	if err := os.WriteFile(path, a.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadNPZ(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		w, g := want[i], got[i]
		if g.Name != w.Name || g.T.DType != w.T.DType || !g.T.Shape.Equal(w.T.Shape) || !bytes.Equal(g.T.Data, w.T.Data) {
			t.Errorf("array %d: got %q %v %v", i, g.Name, g.T.DType, g.T.Shape)
		}
	}
	if _, err := ReadNPZ(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestNPZRefuses(t *testing.T) {
	build := func(names ...string) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, n := range names {
			w, _ := z.Create(n)
			w.Write(npy("{'descr': '|i1', 'fortran_order': False, 'shape': (1,), }", []byte{7}))
			if strings.HasPrefix(n, "long") {
				w.Write([]byte("rest"))
			}
		}
		z.Close()
		return b.Bytes()
	}
	good := build("a.npy")
	flipped := bytes.Clone(good)
	flipped[bytes.IndexByte(flipped, 'N')] ^= 1
	for name, c := range map[string]struct {
		data []byte
		say  string
	}{
		"twice":     {build("a.npy", "a.npy"), "twice"},
		"rest":      {build("long.npy"), "follow the array"},
		"truncated": {good[:len(good)-10], "not a whole"},
		"flipped":   {flipped, ""},
		"empty":     {nil, "not a whole"},
	} {
		if _, err := ParseNPZ(c.data); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.say)
		}
	}
}

func FuzzReadNPY(f *testing.F) {
	f.Add(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", make([]byte, 16)))
	f.Add(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", []byte{9}))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := ReadNPY(bytes.NewReader(b))
		if err != nil {
			return
		}
		if n, err := x.Shape.Elems(); err != nil || len(x.Data) != x.DType.Bytes(n) {
			t.Fatalf("shape %v, dtype %v, %d bytes, %v", x.Shape, x.DType, len(x.Data), err)
		}
		var w bytes.Buffer
		if err := WriteNPY(&w, x); err != nil {
			t.Fatal(err)
		}
		y, err := ReadNPY(&w)
		if err != nil || !bytes.Equal(x.Data, y.Data) || !x.Shape.Equal(y.Shape) {
			t.Fatalf("what was read cannot be written and read again: %v", err)
		}
	})
}

func FuzzReadNPZ(f *testing.F) {
	x, _ := tensor.New(tensor.S8, tensor.Shape{3})
	var b bytes.Buffer
	if err := WriteNPZ(&b, []Named{{"0", x}, {"1", x}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		named, err := ParseNPZ(b)
		for _, n := range named {
			if err == nil && len(n.T.Data) != n.T.DType.Bytes(n.T.Elems()) {
				t.Fatalf("array %q: %d bytes for %v %v", n.Name, len(n.T.Data), n.T.DType, n.T.Shape)
			}
		}
	})
}
