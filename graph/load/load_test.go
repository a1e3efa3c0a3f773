package load_test

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/graphtest"
	"wayside/graph/load"
	"wayside/graph/tensor"
)

func model(t testing.TB, name string) *graph.Plan {
	t.Helper()
	p, err := load.File(graphtest.Shared(t, name), load.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// check fails on an error that no test case expects.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setS8 writes int8 input 0 from raw bytes.
func setS8(t testing.TB, s *graph.Session, b []byte) {
	t.Helper()
	if d := s.Input(0).Data; len(d) != len(b) {
		t.Fatalf("input has %d bytes, case has %d", len(d), len(b))
	}
	copy(s.Input(0).Data, b)
}

func TestKeywordModelPublishedRows(t *testing.T) {
	p := model(t, "models/mlperf/kws_ref_model.tflite")
	files := graphtest.TarFiles(t, graphtest.Shared(t, "data/kws01/cases.tar.gz"))
	f, err := os.Open(graphtest.Shared(t, "conformance/mlperf-kws/cases.csv"))
	check(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	check(t, err)
	s := p.NewSession()
	equal := 0
	for _, row := range rows[1:] {
		setS8(t, s, files[row[0]])
		check(t, s.Run())
		same := true
		for i, q := range s.Output(0).S8() {
			same = same && strconv.Itoa(int(q)) == row[2+i]
		}
		if same {
			equal++
		} else {
			t.Logf("%s: got %v, published %v", row[0], s.Output(0).S8(), row[2:])
		}
	}
	if equal != 500 || len(rows) != 501 {
		t.Fatalf("%d of %d rows are equal, want 500 of 500", equal, len(rows)-1)
	}
}

// anomalyWindows is one clip of the anomaly task: windows of 5 frames of 128 bins, one frame apart.
func anomalyWindows(t testing.TB) [][]float32 {
	b, err := os.ReadFile(graphtest.Shared(t, "data/ad01/normal_id_01_00000000_hist_librosa.bin"))
	check(t, err)
	if len(b) != 4*200*128 {
		t.Fatalf("clip has %d bytes", len(b))
	}
	all := make([]float32, 200*128)
	for i := range all {
		all[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	var w [][]float32
	for i := 0; i+5 <= 200; i++ {
		w = append(w, all[i*128:(i+5)*128])
	}
	return w
}

func TestAnomalyScores(t *testing.T) {
	for _, c := range []struct {
		file      string
		want, tol float64
	}{
		{"models/mlperf/ad01_fp32.tflite", 9.7071, 0.001},
		{"models/mlperf/ad01_int8.tflite", 10.26447, 0.0001},
	} {
		t.Run(filepath.Base(c.file), func(t *testing.T) {
			s := model(t, c.file).NewSession()
			total := 0.0
			windows := anomalyWindows(t)
			for _, w := range windows {
				in, out := s.Input(0), s.Output(0)
				if in.DType == tensor.F32 {
					copy(in.F32(), w)
				} else {
					for i, v := range w {
						q := math.Round(float64(v/in.Quant.Scale[0])) + float64(in.Quant.Zero[0])
						in.S8()[i] = int8(min(max(q, -128), 127))
					}
				}
				check(t, s.Run())
				sum := 0.0
				for i, v := range w {
					y := 0.0
					if out.DType == tensor.F32 {
						y = float64(out.F32()[i])
					} else {
						y = float64(out.Quant.Scale[0]) * float64(int32(out.S8()[i])-out.Quant.Zero[0])
					}
					sum += (y - float64(v)) * (y - float64(v))
				}
				total += sum / float64(len(w))
			}
			if got := total / float64(len(windows)); len(windows) != 196 || math.Abs(got-c.want) > c.tol {
				t.Fatalf("score %.6f over %d windows, want %v within %v", got, len(windows), c.want, c.tol)
			}
		})
	}
}

// bmpTopDown decodes an 8-bit palette picture, whose rows are stored from the bottom up, from the top down; each palette
// index is the pixel.
func bmpTopDown(t testing.TB, path string) []byte {
	b, err := os.ReadFile(path)
	check(t, err)
	off := int(binary.LittleEndian.Uint32(b[10:]))
	w, h := int(binary.LittleEndian.Uint32(b[18:])), int(binary.LittleEndian.Uint32(b[22:]))
	stride := (w + 3) &^ 3
	out := make([]byte, 0, w*h)
	for y := h - 1; y >= 0; y-- {
		out = append(out, b[off+y*stride:off+y*stride+w]...)
	}
	return out
}

func TestPersonDetect(t *testing.T) {
	s := model(t, "models/tflm/person_detect.tflite").NewSession()
	for name, want := range map[string][2]int8{"person.bmp": {-113, 113}, "no_person.bmp": {57, -57}} {
		setS8(t, s, bmpTopDown(t, graphtest.Shared(t, "data/images/tflm/"+name)))
		check(t, s.Run())
		if got := s.Output(0).S8(); got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// TestAllModels loads and runs every TFLite model at hand.
func TestAllModels(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(graphtest.Shared(t, "models"), "*", "*.tflite"))
	check(t, err)
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			p, err := load.File(f, load.Options{})
			check(t, err)
			checkSession(t, p)
		})
	}
}

// checkAllocs fails if a run allocates. Other goroutines of the test binary count too, so one run of several without an allocation is
// the proof: what allocates in each run is never clean.
func checkAllocs(t *testing.T, s *graph.Session) {
	t.Helper()
	least := math.Inf(1)
	for range 5 {
		least = min(least, testing.AllocsPerRun(1, func() {
			if err := s.Run(); err != nil {
				t.Error(err)
			}
		}))
		if least == 0 {
			return
		}
	}
	t.Errorf("%v allocations per run", least)
}

// checkSession checks what every plan promises: exact memory, no allocation, kernel ids, the same bytes for the same input.
func checkSession(t *testing.T, p *graph.Plan) {
	t.Helper()
	arena := tensor.Aligned(p.ArenaBytes())
	if _, err := p.NewSessionIn(arena[:len(arena)-1]); err == nil {
		t.Error("an arena that is one byte short is accepted")
	}
	s, err := p.NewSessionIn(arena)
	check(t, err)
	for i := range p.Inputs() {
		for k := range s.Input(i).Data {
			s.Input(i).Data[k] = byte(k*7+i) & 0x3f
		}
	}
	check(t, s.Run())
	first := slices.Clone(s.Output(0).Data)
	checkAllocs(t, s)
	s.Reset()
	check(t, s.Run())
	if !bytes.Equal(first, s.Output(0).Data) {
		t.Error("a second run with the same input gives other bytes")
	}
	for i := range arena { // a session must not depend on what the arena held before
		arena[i] = 0xa5
	}
	s, err = p.NewSessionIn(arena)
	check(t, err)
	for i := range p.Inputs() {
		for k := range s.Input(i).Data {
			s.Input(i).Data[k] = byte(k*7+i) & 0x3f
		}
	}
	check(t, s.Run())
	if !bytes.Equal(first, s.Output(0).Data) {
		t.Error("a session in used memory gives other bytes")
	}
	for _, st := range p.Steps() {
		if st.Kernel != "view" && (strings.Count(st.Kernel, "/") < 2 || strings.Count(st.Kernel, "/") > 4) {
			t.Errorf("step %s has the kernel %q", st.Op, st.Kernel)
		}
		if st.Op == "" || st.Name == "" {
			t.Errorf("a step without a name: %+v", st)
		}
	}
	n := 0
	for _, b := range p.WeightBytesByDType() {
		n += b
	}
	if n != p.WeightBytes() {
		t.Errorf("weights %d, by dtype %d", p.WeightBytes(), n)
	}
}

func TestBoundBatch(t *testing.T) {
	p, err := load.File(graphtest.Shared(t, "models/mlperf/kws_ref_model.tflite"), load.Options{Shapes: map[string][]int{"input_1": {2, 49, 10, 1}}})
	check(t, err)
	two, one := p.NewSession(), model(t, "models/mlperf/kws_ref_model.tflite").NewSession()
	if !two.Output(0).Shape.Equal(tensor.Shape{2, 12}) {
		t.Fatalf("output %v", two.Output(0).Shape)
	}
	for k := range two.Input(0).Data {
		two.Input(0).Data[k] = byte(k * k)
	}
	check(t, two.Run())
	for i := range 2 {
		setS8(t, one, two.Input(0).Data[i*490:(i+1)*490])
		check(t, one.Run())
		if got, want := two.Output(0).S8()[i*12:(i+1)*12], one.Output(0).S8(); !slices.Equal(got, want) {
			t.Errorf("sample %d of the batch gives %v, alone %v", i, got, want)
		}
	}
}

func TestUint8EdgesStay(t *testing.T) {
	p := model(t, "models/coral/mobilenet_v1_0.25_128_quant.tflite")
	in, out := p.Inputs()[0], p.Outputs()[0]
	if in.DType != tensor.U8 || in.Quant.Zero[0] != 128 || out.DType != tensor.U8 || out.Quant.Zero[0] != 0 {
		t.Errorf("input %+v, output %+v", in, out)
	}
}

func TestRefusesWhatIsNoModel(t *testing.T) {
	whole, err := os.ReadFile(graphtest.Shared(t, "models/mlperf/kws_ref_model.tflite"))
	check(t, err)
	for _, c := range []struct {
		name string
		data []byte
		kind error
		says string
	}{
		{"empty", nil, graph.ErrFormat, "empty"},
		{"text", []byte("hello"), graph.ErrFormat, "neither TFLite"},
		{"zeros", make([]byte, 100), graph.ErrFormat, "neither TFLite"},
		{"half", whole[:len(whole)/2], graph.ErrDamaged, "damaged"},
		{"a few bytes", whole[:20], graph.ErrDamaged, "damaged"},
	} {
		_, err := load.Bytes(c.data, c.name, load.Options{})
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	if _, err := load.File("no-such-file", load.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := load.Bytes(whole, "kws", load.Options{MaxFileBytes: 100}); err == nil {
		t.Error("the limit on file bytes does nothing")
	}
	if _, err := load.Bytes(whole, "kws", load.Options{MaxArenaBytes: 100}); err == nil {
		t.Error("the limit on arena bytes does nothing")
	}
	if _, err := load.Bytes(whole, "kws", load.Options{Shapes: map[string][]int{"input_1": {1, 48, 10, 1}}}); err == nil {
		t.Error("a shape that the model does not allow is accepted")
	}
}
