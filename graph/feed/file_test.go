package feed

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wayside/graph/tensor"
)

func pngBytes(t testing.TB, w, h int, at func(x, y int) color.Color) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, at(x, y))
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func npyBytes(t testing.TB, x *tensor.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteNPY(&b, x); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSniffToldByContent(t *testing.T) {
	x, _ := tensor.New(tensor.S8, tensor.Shape{1})
	var z, j bytes.Buffer
	if err := errors.Join(WriteNPZ(&z, []Named{{"0", x}}), jpeg.Encode(&j, image.NewGray(image.Rect(0, 0, 8, 8)), nil)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		want Kind
	}{
		{"npy", npyBytes(t, x), NPY},
		{"npz", z.Bytes(), NPZ},
		{"png", pngBytes(t, 1, 1, func(int, int) color.Color { return color.White }), Image},
		{"jpeg", j.Bytes(), Image},
		{"wav", wav(1, 16, 8000, []int16{1}), WAV},
		{"csv", []byte("a,b\n1,2\n"), CSV},
		{"csv, one column", []byte("a\n1\n"), CSV},
		{"csv, cut inside a character", []byte("a,b\n" + strings.Repeat("é", 3000)), CSV},
		{"empty", nil, ""},
		{"a word", []byte("hello"), ""},
		{"zeros", make([]byte, 100), ""},
		{"latin-1", []byte("a,\xe9\n"), ""},
	} {
		if got := Sniff(c.data); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSamplesShapes(t *testing.T) {
	in := Target{Name: "x", DType: tensor.S8, Shape: tensor.Shape{1, 2, 3}}
	for _, c := range []struct {
		shape tensor.Shape
		rows  bool
		count int // 0: refused
	}{
		{tensor.Shape{1, 2, 3}, false, 1},
		{tensor.Shape{2, 3}, false, 1},
		{tensor.Shape{6}, false, 0},
		{tensor.Shape{3, 2}, false, 0},
		{tensor.Shape{1, 1, 2, 3}, false, 0},
		{tensor.Shape{5, 1, 2, 3}, true, 5},
		{tensor.Shape{5, 2, 3}, true, 5},
		{tensor.Shape{0, 2, 3}, true, 0},
		{tensor.Shape{5, 3, 2}, true, 0},
		{tensor.Shape{5, 2, 3}, false, 0},
		{tensor.Shape{}, true, 0},
	} {
		x, _ := tensor.New(tensor.S8, c.shape)
		for i := range x.Data {
			x.Data[i] = byte(i)
		}
		f := &File{Name: "f.npy", Kind: NPY, Arrays: []Named{{"", x}}}
		s, err := f.Samples(in, Options{Rows: c.rows})
		if c.count == 0 && c.shape.Equal(tensor.Shape{0, 2, 3}) {
			if err != nil || s.Count != 0 {
				t.Errorf("no rows: %v", err)
			}
			continue
		}
		if (err == nil) != (c.count > 0) || err == nil && s.Count != c.count {
			t.Errorf("%v rows=%v: %v", c.shape, c.rows, err)
			continue
		}
		if err != nil {
			if !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), "f.npy") || !strings.Contains(err.Error(), `"x"`) {
				t.Errorf("%v rows=%v: %v", c.shape, c.rows, err)
			}
			continue
		}
		for i := range s.Count {
			if at := s.At(i); len(at) != 6 || at[0] != byte(6*i) {
				t.Errorf("%v: sample %d is % x", c.shape, i, at)
			}
		}
	}
}

func TestSamplesDTypes(t *testing.T) {
	q := &tensor.Quant{Scale: []float32{0.5}, Zero: []int32{10}}
	f32 := func(v ...float32) *File {
		x, _ := tensor.New(tensor.F32, tensor.Shape{len(v)})
		copy(x.F32(), v)
		return &File{Name: "f.npy", Kind: NPY, Arrays: []Named{{"", x}}}
	}
	nan := float32(math.NaN())
	s8 := Target{Name: "x", DType: tensor.S8, Shape: tensor.Shape{2}, Quant: q}
	for _, c := range []struct {
		name string
		f    *File
		in   Target
		o    Options
		want []byte
		err  error
		say  string
	}{
		{"quantized", f32(1, -1), s8, Options{Quantize: true}, []byte{12, 8}, nil, ""},
		{"half away", f32(0.25, -0.25), s8, Options{Quantize: true}, []byte{11, 9}, nil, ""},
		{"half to even", f32(0.25, -0.25), s8, Options{Quantize: true, Rounding: HalfEven}, []byte{10, 10}, nil, ""},
		{"clamped", f32(1e9, -1e9), s8, Options{Quantize: true}, []byte{127, 0x80}, nil, ""},
		{"float into int8", f32(1, 2), s8, Options{}, nil, ErrDType, "float32, the model wants int8 (scale 0.5, zero point 10)"},
		{"nan", f32(1, nan), s8, Options{Quantize: true}, nil, ErrValue, "value 1 is NaN"},
		{"no scale", f32(1, 2), Target{DType: tensor.S8, Shape: tensor.Shape{2}}, Options{Quantize: true}, nil, ErrDType, "without a scale"},
		{"float model takes NaN", f32(nan, 1), Target{DType: tensor.F32, Shape: tensor.Shape{2}}, Options{}, []byte{0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0x3f}, nil, ""},
	} {
		s, err := c.f.Samples(c.in, c.o)
		if c.err != nil {
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(s.At(0)[:2], c.want[:2]) || !bytes.Equal(s.At(0), c.want) {
			t.Errorf("%s: %v %v", c.name, s, err)
		}
	}
}

func TestTableSamples(t *testing.T) {
	parse := func(text string) *File {
		f, err := Parse([]byte(text), "t.csv")
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := parse("time,a,b\n2026-01-01,1,2\n2026-01-02,3,4\n2026-01-03,5,6\n2026-01-04,7,8\n")
	in := Target{Name: "x", DType: tensor.S8, Shape: tensor.Shape{1, 2, 2}}
	s, err := f.Samples(in, Options{Rows: true})
	if err != nil || s.Count != 2 || !bytes.Equal(s.At(1), []byte{5, 6, 7, 8}) {
		t.Errorf("two samples: %v %v", s, err)
	}
	whole := Target{Name: "x", DType: tensor.S32, Shape: tensor.Shape{4, 2}}
	if s, err := f.Samples(whole, Options{}); err != nil || s.Count != 1 {
		t.Errorf("one sample: %v", err)
	}
	for name, c := range map[string]struct {
		text string
		in   Target
		o    Options
		err  error
		say  string
	}{
		"wrong number of rows":        {"a\n1\n2\n", Target{DType: tensor.F32, Shape: tensor.Shape{3}}, Options{}, ErrShape, "needs 3 rows"},
		"rows do not divide":          {"a\n1\n2\n3\n", Target{DType: tensor.F32, Shape: tensor.Shape{2}}, Options{Rows: true}, ErrShape, "multiple"},
		"columns do not divide":       {"a,b\n1,2\n", Target{DType: tensor.F32, Shape: tensor.Shape{3}}, Options{}, ErrShape, "columns"},
		"gap":                         {"a,b\n1,\n", Target{DType: tensor.F32, Shape: tensor.Shape{2}}, Options{}, ErrValue, `line 2, column "b"`},
		"fraction into int8":          {"a\n1.5\n", Target{DType: tensor.S8, Shape: tensor.Shape{1}}, Options{}, ErrDType, "1.5"},
		"out of int8":                 {"a\n128\n", Target{DType: tensor.S8, Shape: tensor.Shape{1}}, Options{}, ErrDType, "128"},
		"header only":                 {"a\n", Target{DType: tensor.S8, Shape: tensor.Shape{1}}, Options{}, ErrShape, "0 rows"},
		"real values for a half type": {"a\n1\n", Target{DType: tensor.F16, Shape: tensor.Shape{1}}, Options{}, ErrDType, "float16"},
	} {
		if _, err := parse(c.text).Samples(c.in, c.o); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestResize checks half-pixel bilinear interpolation against values worked out by hand.
func TestResize(t *testing.T) {
	p := &Picture{Width: 2, Height: 1, RGB: []uint8{0, 0, 0, 100, 200, 40}}
	got := make([]float32, 4*3)
	if err := p.Resize(got, 1, 4, 3); err != nil {
		t.Fatal(err)
	}
	want := []float32{0, 0, 0, 25, 50, 10, 75, 150, 30, 100, 200, 40}
	if !slices.Equal(got, want) {
		t.Errorf("up: %v", got)
	}
	gray := make([]float32, 1)
	if err := p.Resize(gray, 1, 1, 1); err != nil || math.Abs(float64(gray[0])-(0.299*50+0.587*100+0.114*20)) > 1e-3 {
		t.Errorf("down: %v %v", gray, err)
	}
	same := make([]float32, 6)
	if err := p.Resize(same, 1, 2, 3); err != nil || !slices.Equal(same, []float32{0, 0, 0, 100, 200, 40}) {
		t.Errorf("same size: %v %v", same, err)
	}
	for _, c := range [][3]int{{0, 1, 3}, {1, 1, 2}, {1, 2, 1}} {
		if p.Resize(make([]float32, 3), c[0], c[1], c[2]) == nil {
			t.Errorf("%v: no error", c)
		}
	}
}

func TestPictureSamples(t *testing.T) {
	data := pngBytes(t, 2, 2, func(x, y int) color.Color { return color.NRGBA{uint8(10 * x), uint8(20 * y), 255, 255} })
	f, err := Parse(data, "p.png")
	if err != nil {
		t.Fatal(err)
	}
	sample := func(in Target, o Options) ([]byte, error) {
		s, err := f.Samples(in, o)
		if err != nil {
			return nil, err
		}
		return s.At(0), nil
	}
	last, first := tensor.Shape{1, 2, 2, 3}, tensor.Shape{1, 3, 2, 2}
	q := &tensor.Quant{Scale: []float32{1.0 / 255}, Zero: []int32{-128}}
	if got, err := sample(Target{DType: tensor.U8, Shape: last}, Options{}); err != nil || !bytes.Equal(got, []byte{0, 0, 255, 10, 0, 255, 0, 20, 255, 10, 20, 255}) {
		t.Errorf("uint8: %v %v", got, err)
	}
	if got, err := sample(Target{DType: tensor.U8, Shape: first}, Options{}); err != nil || !bytes.Equal(got, []byte{0, 10, 0, 10, 0, 0, 20, 20, 255, 255, 255, 255}) {
		t.Errorf("planes: %v %v", got, err)
	}
	// Pixels shifted by 128 equal pixel/255 quantized with scale 1/255 and zero point -128.
	shifted, err1 := sample(Target{DType: tensor.S8, Shape: last, Quant: q}, Options{})
	scaled, err2 := sample(Target{DType: tensor.S8, Shape: last, Quant: q}, Options{Mean: []float32{0}, Std: []float32{255}})
	if err1 != nil || err2 != nil || !bytes.Equal(shifted, scaled) || int8(shifted[2]) != 127 || int8(shifted[0]) != -128 {
		t.Errorf("int8: %v %v, %v %v", shifted, err1, scaled, err2)
	}
	if _, err := sample(Target{DType: tensor.F32, Shape: last}, Options{}); !errors.Is(err, ErrNormalize) {
		t.Errorf("float without normalization: %v", err)
	}
	if got, err := sample(Target{DType: tensor.F32, Shape: last}, Options{Mean: []float32{0, 0, 255}, Std: []float32{1, 1, 1}}); err != nil || tensor.As[float32](got, 4)[2] != 0 {
		t.Errorf("per channel: %v %v", got, err)
	}
	// The model's own normalization holds unless options say otherwise; bytes without a scale take the pixels.
	own := Target{DType: tensor.S8, Shape: last, Quant: q, Mean: []float32{0}, Std: []float32{255}}
	if got, err := sample(own, Options{}); err != nil || !bytes.Equal(got, scaled) {
		t.Errorf("the model's normalization: %v %v", got, err)
	}
	if got, err := sample(own, Options{Mean: []float32{255}, Std: []float32{255}}); err != nil || int8(got[2]) != -128 {
		t.Errorf("options before the model's normalization: %v %v", got, err)
	}
	own.DType, own.Quant = tensor.U8, nil
	if got, err := sample(own, Options{}); err != nil || got[2] != 255 {
		t.Errorf("bytes without a scale: %v %v", got, err)
	}
	if _, err := sample(Target{DType: tensor.F32, Shape: last}, Options{Mean: []float32{0, 0}, Std: []float32{1, 1}}); !errors.Is(err, ErrNormalize) {
		t.Errorf("two means for three channels: %v", err)
	}
	if _, err := sample(Target{DType: tensor.U8, Shape: tensor.Shape{1, 2, 2, 5}}, Options{}); !errors.Is(err, ErrShape) {
		t.Errorf("five channels: %v", err)
	}
}

func TestPictureShape(t *testing.T) {
	for _, c := range []struct {
		shape       tensor.Shape
		first       bool
		h, w, ch    int
		planes, bad bool
	}{
		{tensor.Shape{1, 96, 64, 1}, false, 96, 64, 1, false, false},
		{tensor.Shape{224, 224, 3}, true, 224, 224, 3, false, false},
		{tensor.Shape{1, 3, 224, 200}, false, 224, 200, 3, true, false},
		{tensor.Shape{1, 3, 3, 3}, false, 3, 3, 3, false, false},
		{tensor.Shape{1, 1, 28, 1}, true, 28, 1, 1, true, false},
		{tensor.Shape{1, 1, 28, 1}, false, 1, 28, 1, false, false},
		{tensor.Shape{2, 8, 8, 3}, false, 0, 0, 0, false, true},
		{tensor.Shape{8, 8}, false, 0, 0, 0, false, true},
	} {
		h, w, ch, planes, ok := pictureShape(c.shape, c.first)
		if ok == c.bad || h != c.h || w != c.w || ch != c.ch || planes != c.planes {
			t.Errorf("%v first=%v: %d %d %d %v %v", c.shape, c.first, h, w, ch, planes, ok)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "x.wav") // the extension lies
	if err := os.WriteFile(p, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := Open(p); err != nil || f.Kind != CSV {
		t.Errorf("%v %v", f, err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrFormat) {
		t.Errorf("folder: %v", err)
	}
	if _, err := Open(p + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Parse([]byte("hello"), "h"); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "none of") {
		t.Errorf("a word: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(pngBytes(f, 3, 2, func(x, y int) color.Color { return color.Gray{uint8(x * y)} }))
	f.Add(wav(2, 16, 8000, []int16{1, 2, 3, 4}))
	f.Add([]byte("time,a\n2026-01-01 00:00:00,1\n"))
	in := []Target{
		{DType: tensor.F32, Shape: tensor.Shape{1, 4, 4, 3}}, {DType: tensor.S8, Shape: tensor.Shape{1, 2}, Quant: &tensor.Quant{Scale: []float32{0.1}}},
		{DType: tensor.S64, Shape: tensor.Shape{}}, {DType: tensor.U32, Shape: tensor.Shape{2}}, {DType: tensor.U64, Shape: tensor.Shape{2}}, {DType: tensor.Bool, Shape: tensor.Shape{0}},
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Parse(b, "f")
		if err != nil {
			return
		}
		for _, x := range in {
			for _, rows := range []bool{false, true} {
				s, err := file.Samples(x, Options{Rows: rows, Quantize: rows, Mean: []float32{1}, Std: []float32{2}})
				if err != nil {
					continue
				}
				for i := range s.Count {
					if n, _ := x.Shape.Elems(); len(s.At(i)) != x.DType.Bytes(n) {
						t.Fatalf("sample %d of %v has %d bytes", i, x.Shape, len(s.At(i)))
					}
				}
			}
		}
	})
}
